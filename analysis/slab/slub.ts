// SLUB: caches, and which of their objects are free. Source: mm/slub.c (2.6.33 to 7.3).
import { FAULT_SENTENCES, HIGH, halves, hex, Issues, joinU64, LOW, MemoryFault, splitU64 } from 'kdumpling/reader';
import { listEntries, type PerCpu, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { nodeSpans, Pages } from '../pages/index.js';
import type { DirectMap } from './direct-map.js';
import { type KfencePool, kfencePool } from './kfence.js';
import {
  ALLOCATED,
  BARN,
  type CacheUsage,
  CPU,
  FREE,
  OBJECT_STATES,
  RCU,
  type SlabAllocator,
  type SlabCache,
  UNKNOWN,
} from './model.js';
import { ObjectPlaces, overlayHeld } from './object-places.js';
import { type ObjectOwners, objectOwners } from './ownership.js';
import { hasSheaves, Sheaves } from './sheaves.js';
import type { SlabPages } from './slab-pages.js';
import { readSlubCaches, type SlubCache } from './slub-caches.js';
import { checkSlubCache } from './slub-check.js';
import { FREELIST_FORMS, type FreelistForm, FreelistWalker, MOST_OBJECTS, type SlabShape } from './slub-freelist.js';
import { type CpuLayout, type SlubLayout, slubLayout } from './slub-layout.js';
import { type TrackReader, type Tracks, trackReader } from './tracks.js';

/** A slab as its struct says that it is. */
export interface SlabCounts {
  readonly objects: number;
  readonly inuse: number;
}

export interface NodePlace {
  readonly id: number;
  /** Of struct kmem_cache_node. */
  readonly address: bigint;
  /** Of struct node_barn, or 0. */
  readonly barn: bigint;
}

/** The freelist form is told by so many slabs. */
const ENOUGH = 32;
const MOST_OF_ONE_CACHE = 4;

export class Slub implements SlabAllocator<SlubCache> {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly map: DirectMap;
  readonly layout: SlubLayout;
  readonly caches: readonly SlubCache[];
  readonly walker: FreelistWalker;
  #tracks: { readonly reader: TrackReader | null } | null = null;
  #owners: { readonly reader: ObjectOwners | null } | null = null;
  readonly #perCpu: PerCpu;
  readonly #sheaves: Sheaves | null;
  readonly #nodes: readonly number[];
  readonly #kfence: KfencePool | null;

  /** @param addresses of the struct kmem_caches. @throws Missing, MemoryFault */
  constructor(kernel: Kernel, map: DirectMap, addresses: readonly bigint[], issues: Issues) {
    this.kernel = kernel;
    this.map = map;
    this.layout = slubLayout(kernel);
    this.pages = new Pages(kernel);
    this.#kfence = kfencePool(kernel);
    this.#perCpu = perCpu(kernel);
    this.#sheaves = hasSheaves(kernel) && this.layout.cache.has('cpu_sheaves') ? new Sheaves(kernel) : null;
    this.#nodes = nodeSpans(kernel, issues).map(node => node.id);
    this.caches = readSlubCaches(this.layout, addresses, issues);
    this.walker = new FreelistWalker(kernel, map, this.#form());
  }

  /** The form in which most of some slabs' freelists can be followed to their end, with as many objects as they say are free. */
  #form(): FreelistForm {
    if (!this.layout.cache.has('random')) return 'plain';
    const walkers = FREELIST_FORMS.map(form => new FreelistWalker(this.kernel, this.map, form));
    const right = walkers.map(() => 0);
    let tried = 0;
    for (const cache of this.caches) {
      for (const slab of this.#somePartial(cache)) {
        const counts = this.counts(slab, cache, new Issues());
        const pfn = this.pages.pfnOf(slab);
        if (counts === null || pfn < 0 || counts.objects === counts.inuse) continue;
        const shape = this.shape(cache, pfn, counts.objects);
        for (const [i, walker] of walkers.entries()) {
          const count = walker.walk(shape, this.layout.freelist(slab));
          if (walker.end === 'null' && count === counts.objects - counts.inuse) right[i]++;
        }
        tried++;
      }
      if (tried >= ENOUGH) break;
    }
    return FREELIST_FORMS[right.indexOf(Math.max(...right))];
  }

  *#somePartial(cache: SlubCache): Iterable<bigint> {
    for (const node of this.nodesOf(cache, new Issues())) {
      let left = MOST_OF_ONE_CACHE;
      for (const slab of this.partialOf(node, cache, new Issues())) {
        yield slab;
        if (--left === 0) break;
      }
    }
  }

  /** How the objects lie in a slab. */
  shape(cache: SlubCache, pfn: number, objects: number): SlabShape {
    splitU64(cache.random);
    return {
      first: this.firstObject(cache, pfn),
      objects,
      slotSize: cache.slotSize,
      offset: cache.freeOffset,
      randomHigh: halves[HIGH],
      randomLow: halves[LOW],
    };
  }

  firstFrame(pages: Pages, pfn: number): number {
    const head = pages.head(pfn);
    return head >= 0 && pages.isSlab(head) && this.#kfence?.has(head) !== true ? head : -1;
  }

  slabAddress(pfn: number): bigint | null {
    return this.pages.address(pfn);
  }

  firstObject({ redLeft }: SlubCache, pfn: number): number {
    return pfn * this.kernel.pageSize + redLeft;
  }

  checkBarn({ barn }: NodePlace, cache: SlubCache, issues: Issues): void {
    if (barn !== 0n) this.#sheaves?.checkBarn(barn, cache, issues);
  }

  tracks(cache: SlubCache, object: bigint): Tracks | null {
    this.#tracks ??= { reader: trackReader(this.layout.cache) };
    const { reader } = this.#tracks;
    return reader?.has(cache) === true ? reader.of(cache, object) : null;
  }

  cgroup(cache: SlubCache, slab: bigint, index: number): string | null {
    this.#owners ??= { reader: objectOwners(this.kernel, this.layout) };
    return this.#owners.reader?.of(cache, slab, index) ?? null;
  }

  check(pages: SlabPages, cache: SlubCache, issues: Issues): void {
    checkSlubCache(this, pages, cache, issues);
  }

  /** Null where it cannot be read, or says what cannot be. */
  counts(slab: bigint, cache: SlubCache, issues: Issues): SlabCounts | null {
    const { layout } = this;
    try {
      const objects = layout.objects(slab);
      const inuse = layout.inuse(slab);
      const owner = layout.slabCache(slab);
      if (owner !== cache.address) {
        const message = `the slab at ${hex(slab)} is on a list of ${cache.name} but says that it is of the cache at ${hex(owner)}`;
        issues.add('slab-of-another-cache', message, slab);
        return null;
      }
      if (objects > 0 && objects < MOST_OBJECTS && inuse <= objects) return { objects, inuse };
      const message = `the slab at ${hex(slab)} of ${cache.name} says that ${inuse} of its ${objects} objects are in use, which cannot be`;
      issues.add('damaged-slab', message, slab);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `a slab of ${cache.name}: ${error.message}`, slab);
    }
    return null;
  }

  /** The nodes that the cache has lists on. */
  *nodesOf(cache: SlubCache, issues: Issues): Iterable<NodePlace> {
    const { memory } = this.kernel;
    const { node } = this.layout;
    const { address, stride, node: own, barn } = this.layout.nodes;
    for (const id of this.#nodes) {
      try {
        const place = address(cache.address) + BigInt(id * stride);
        const at = memory.pointer(place + BigInt(own));
        if (at === 0n) continue;
        const inPointers = barn === null ? 0n : memory.pointer(place + BigInt(barn));
        const inNode = node.has('barn') ? node.word('barn')(at) : 0n;
        yield { id, address: at, barn: barn === null ? inNode : inPointers };
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-node', `node ${id} of ${cache.name}: ${error.message}`, cache.address);
      }
    }
  }

  /** The slabs that a node keeps because some of their objects are free. */
  *partialOf({ id, address }: NodePlace, cache: SlubCache, issues: Issues): Iterable<bigint> {
    const { node, slab, link } = this.layout;
    const name = `of partial slabs of ${cache.name} on node ${id}`;
    yield* listEntries(this.kernel, node.address('partial')(address), slab, link, issues, { name });
  }

  /** The slabs that have no free object: a list that the kernel keeps of caches with SLAB_STORE_USER only. */
  *fullOf({ id, address }: NodePlace, cache: SlubCache, issues: Issues): Iterable<bigint> {
    const { node, slab, link } = this.layout;
    if (!node.has('full')) return;
    const name = `of full slabs of ${cache.name} on node ${id}`;
    yield* listEntries(this.kernel, node.address('full')(address), slab, link, issues, { name });
  }

  /** How many objects are where, by the allocator's own lists and counters: full slabs are not looked at. */
  usage(cache: SlubCache, issues: Issues): CacheUsage {
    const counts = new Float64Array(OBJECT_STATES.length);
    let slabs = 0;
    let total = 0;
    const { node } = this.layout;
    for (const place of this.nodesOf(cache, issues)) {
      for (const slab of this.partialOf(place, cache, issues)) {
        const found = this.counts(slab, cache, issues);
        if (found !== null) counts[FREE] += found.objects - found.inuse;
      }
      if (!node.has('total_objects')) continue;
      slabs += this.nodeCount(place, 'nr_slabs', cache, issues) ?? 0;
      total += this.nodeCount(place, 'total_objects', cache, issues) ?? 0;
    }
    this.#held(cache, issues, (_paddr, state, count) => {
      counts[state] += count;
    });
    const free = counts[FREE] + counts[CPU] + counts[BARN];
    counts[ALLOCATED] = Math.max(0, total - free - counts[RCU]);
    return { slabs, total, counts };
  }

  /** A counter of a node's struct; null, and told, where it cannot be read. */
  nodeCount({ address }: NodePlace, member: string, cache: SlubCache, issues: Issues): number | null {
    try {
      return this.layout.node.number(member)(address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-node', `${member} of ${cache.name}: ${error.message}`, address);
      return null;
    }
  }

  /** Every object that CPUs and barns hold. Slabs that a CPU keeps are told as one call: -1, FREE and how many objects their own freelists have. */
  #held(cache: SlubCache, issues: Issues, visit: (paddr: number, state: number, count: number) => void): void {
    const { cpu } = this.layout;
    for (const id of this.#perCpu.possible) {
      try {
        if (cpu !== null) this.#heldByCpu(cache, cpu, id, issues, visit);
        if (cache.cpuSheaves !== 0n)
          this.#heldInSheaves(cache, this.#perCpu.address(cache.cpuSheaves, id), issues, visit);
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-cpu-slab', `what CPU ${id} holds of ${cache.name}: ${error.message}`, cache.address);
      }
    }
    if (this.#sheaves === null) return;
    for (const { barn } of this.nodesOf(cache, issues)) {
      if (barn === 0n) continue;
      for (const sheaf of this.#sheaves.ofBarn(barn, issues)) this.#heldInSheaf(cache, sheaf, BARN, issues, visit);
    }
  }

  #heldByCpu(
    cache: SlubCache,
    cpu: CpuLayout,
    id: number,
    issues: Issues,
    visit: (paddr: number, state: number, count: number) => void,
  ): void {
    const place = this.#perCpu.address(cpu.pointer(cache.address), id);
    const slab = cpu.slab(place);
    const head = cpu.freelist(place);
    if (slab !== 0n) {
      const counts = this.counts(slab, cache, issues);
      const pfn = this.pages.pfnOf(slab);
      if (counts !== null && pfn >= 0) {
        const shape = this.shape(cache, pfn, counts.objects);
        const count = this.walker.walk(shape, head);
        this.#tell(cache, slab, `the freelist of CPU ${id}`, shape, issues);
        for (let i = 0; i < count; i++) visit(shape.first + this.walker.indices[i] * shape.slotSize, CPU, 1);
        visit(-1, FREE, counts.objects - counts.inuse);
      }
    } else if (head !== 0n) {
      const message = `CPU ${id} has a freelist of ${cache.name} (${hex(head)}) but no slab that it is of`;
      issues.add('freelist-without-slab', message, place);
    }
    if (cpu.partial === null || cpu.next === null) return;
    const seen = new Set<bigint>();
    for (let at = cpu.partial(place); at !== 0n; at = cpu.next(at)) {
      if (seen.has(at)) {
        issues.add(
          'slab-list-cycle',
          `the partial slabs of CPU ${id} of ${cache.name} go in a circle at ${hex(at)}`,
          at,
        );
        break;
      }
      seen.add(at);
      const counts = this.counts(at, cache, issues);
      if (counts === null) break;
      visit(-1, FREE, counts.objects - counts.inuse);
    }
  }

  #heldInSheaves(
    cache: SlubCache,
    place: bigint,
    issues: Issues,
    visit: (paddr: number, state: number, count: number) => void,
  ): void {
    if (this.#sheaves === null) return;
    const { main, spare, rcuFree } = this.#sheaves.ofCpu(place);
    for (const sheaf of [main, spare]) this.#heldInSheaf(cache, sheaf, CPU, issues, visit);
    this.#heldInSheaf(cache, rcuFree, RCU, issues, visit);
  }

  #heldInSheaf(
    cache: SlubCache,
    sheaf: bigint,
    state: number,
    issues: Issues,
    visit: (paddr: number, state: number, count: number) => void,
  ): void {
    this.#sheaves?.objects(sheaf, cache, issues, pointer => {
      const paddr = this.map.physicalOf(pointer);
      if (paddr >= 0) visit(paddr, state, 1);
      else
        issues.add(
          'wild-pointer',
          `the sheaf at ${hex(sheaf)} of ${cache.name} holds ${hex(pointer)}, which is no object`,
          sheaf,
        );
    });
  }

  held(cache: SlubCache, issues: Issues): ObjectPlaces {
    return ObjectPlaces.gather(issues, (places, own) => {
      this.#held(cache, own, (paddr, state) => {
        if (paddr >= 0) places.add(paddr, state);
      });
    });
  }

  states(cache: SlubCache, pfn: number, held: ObjectPlaces, into: Uint8Array, issues: Issues): number {
    const slab = this.pages.address(pfn);
    const counts = slab === null ? null : this.counts(slab, cache, issues);
    if (slab === null || counts === null) return -1;
    const shape = this.shape(cache, pfn, counts.objects);
    into.fill(ALLOCATED, 0, counts.objects);
    const count = this.walker.walk(shape, this.layout.freelist(slab));
    for (let i = 0; i < count; i++) into[this.walker.indices[i]] = FREE;
    if (!this.#tell(cache, slab, 'its freelist', shape, issues)) this.#unsure(counts, count, into);
    else if (count !== counts.objects - counts.inuse) {
      const message = `slab at ${hex(slab)} of ${cache.name}: its freelist has ${count} objects, but ${counts.inuse} of ${counts.objects} are said to be in use`;
      issues.add('freelist-count', message, slab);
    }
    overlayHeld(this.map, cache.name, shape, held, into, issues);
    return counts.objects;
  }

  /** Behind damage of a freelist nobody knows which objects it would have led to. */
  #unsure({ objects, inuse }: SlabCounts, met: number, into: Uint8Array): void {
    if (met >= objects - inuse) return;
    for (let i = 0; i < objects; i++) if (into[i] === ALLOCATED) into[i] = UNKNOWN;
  }

  /** What stands in the memory where an object's freelist pointer is, for findings. */
  #stored({ first, slotSize, offset }: SlabShape, index: number): string {
    const paddr = first + index * slotSize + offset;
    const at = this.kernel.physical.locate(paddr, this.kernel.memory.pointerSize);
    if (at < 0) return '';
    const { view, littleEndian, pointerSize } = this.kernel.physical;
    const word = pointerSize === 8 ? view.getBigUint64(at, littleEndian) : BigInt(view.getUint32(at, littleEndian));
    return `, by ${hex(word)} at ${hex(this.map.toVirtual(paddr))},`;
  }

  /** What a walk that did not end at NULL ended at. True where it did. */
  #tell(cache: SlabCache, slab: bigint, list: string, shape: SlabShape, issues: Issues): boolean {
    const { walker } = this;
    if (walker.end === 'null') return true;
    const { first, slotSize } = shape;
    const { badIndex } = walker;
    const object = badIndex < 0 ? null : this.map.toVirtual(first + badIndex * slotSize);
    const pointer = hex(joinU64(walker.badHigh, walker.badLow));
    const where = object === null ? 'its head' : `the object at ${hex(object)}`;
    const by = object === null ? '' : this.#stored(shape, badIndex);
    const what = {
      wild: `${where}${by} leads to ${pointer}, which is not in the slab`,
      misaligned: `${where}${by} leads to ${pointer}, which lies between two objects`,
      cycle: `${where} is on it twice: it goes in a circle, as after a double free`,
      unreadable: `${where} cannot be read: ${FAULT_SENTENCES[walker.reason]}`,
    }[walker.end];
    issues.add(`freelist-${walker.end}`, `slab at ${hex(slab)} of ${cache.name}, ${list}: ${what}`, object ?? slab);
    return false;
  }
}

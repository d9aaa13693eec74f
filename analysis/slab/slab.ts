// SLAB: the allocator of kernels to 6.7 (removed in 6.8). Each node has lists of full, partial and free slabs, a slab's descriptor says which of its objects are free, and
// array_caches hold objects that slabs count as handed out. Source: mm/slab.c, mm/slab.h, include/linux/slab_def.h (2.6.0 to 6.7).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { nodeSpans, Pages, slabCache } from '../pages/index.js';
import { ArrayCaches, type SlabNode } from './array-caches.js';
import type { DirectMap } from './direct-map.js';
import { kfencePool } from './kfence.js';
import {
  ALIEN,
  ALLOCATED,
  type CacheUsage,
  CPU,
  FREE,
  OBJECT_STATES,
  SHARED,
  type SlabAllocator,
  UNKNOWN,
} from './model.js';
import { NodeFrames } from './node-frames.js';
import { ObjectPlaces, overlayHeld } from './object-places.js';
import { type ObjectOwners, objectOwners } from './ownership.js';
import { readSlabCaches, type SlabListCache } from './slab-caches.js';
import { checkSlabCache } from './slab-check.js';
import { type SlabCounts, SlabFreelist } from './slab-freelist.js';
import { SLAB_LISTS, type SlabLayout, type SlabList, slabLayout } from './slab-layout.js';
import type { SlabPages } from './slab-pages.js';

/** MAX_ORDER is lower everywhere. */
const MOST_FRAMES = 2 ** 20;

export class Slab implements SlabAllocator<SlabListCache> {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly map: DirectMap;
  readonly layout: SlabLayout;
  readonly caches: readonly SlabListCache[];
  readonly #arrays: ArrayCaches;
  readonly nodeFrames: NodeFrames;
  readonly #freelist: SlabFreelist;
  #owners: { readonly reader: ObjectOwners | null } | null = null;

  /** @param addresses of the struct kmem_caches. @throws Missing, MemoryFault */
  constructor(kernel: Kernel, map: DirectMap, addresses: readonly bigint[], issues: Issues) {
    this.kernel = kernel;
    this.map = map;
    this.layout = slabLayout(kernel);
    this.pages = new Pages(kernel);
    this.nodeFrames = new NodeFrames(nodeSpans(kernel, issues));
    this.#arrays = new ArrayCaches(kernel, map, this.layout, this.nodeFrames);
    this.caches = readSlabCaches(this.layout, addresses, issues);
    this.#freelist = new SlabFreelist(kernel, this.layout.descriptor);
  }

  /** The nodes that the cache has lists on. */
  nodesOf(cache: SlabListCache, issues: Issues): SlabNode[] {
    return this.nodeFrames.ids.flatMap(id => {
      try {
        const address = this.layout.nodeOf(cache.address, id);
        return address === 0n ? [] : [{ id, address }];
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-node', `node ${id} of ${cache.name}: ${error.message}`, cache.address);
        return [];
      }
    });
  }

  /** The descriptors on one of a node's lists. */
  *listed({ id, address }: SlabNode, list: SlabList, cache: SlabListCache, issues: Issues): Iterable<bigint> {
    const { node, descriptor } = this.layout;
    const name = `${list} of ${cache.name} on node ${id}`;
    yield* listEntries(this.kernel, node.address(list)(address), descriptor.struct, descriptor.link, issues, { name });
  }

  usage(cache: SlabListCache, issues: Issues): CacheUsage {
    const counts = new Float64Array(OBJECT_STATES.length);
    const nodes = this.nodesOf(cache, issues);
    let slabs = 0;
    for (const node of nodes) {
      for (const list of SLAB_LISTS) {
        for (const slab of this.listed(node, list, cache, issues)) {
          slabs++;
          counts[FREE] += cache.num - (this.active(slab, cache, issues) ?? cache.num);
        }
      }
    }
    this.#arrays.count(cache, nodes, counts, issues);
    const total = slabs * cache.num;
    counts[ALLOCATED] = Math.max(0, total - counts[FREE] - counts[CPU] - counts[SHARED] - counts[ALIEN]);
    return { slabs, total, counts };
  }

  held(cache: SlabListCache, issues: Issues): ObjectPlaces {
    return ObjectPlaces.gather(issues, (places, own) => {
      this.#arrays.objects(cache, this.nodesOf(cache, own), own, (paddr, state) => places.add(paddr, state));
    });
  }

  firstFrame(pages: Pages, pfn: number): number {
    const { inPage } = this.layout.descriptor;
    if (inPage === null) {
      const head = pages.head(pfn);
      return head >= 0 && pages.isSlab(head) && kfencePool(this.kernel)?.has(head) !== true ? head : -1;
    }
    if (!pages.isSlab(pfn)) return -1;
    const first = this.frameOf(pages.word(pfn, inPage));
    return first >= 0 && first <= pfn && pfn - first < MOST_FRAMES ? first : -1;
  }

  slabAddress(pfn: number): bigint | null {
    const { inPage } = this.layout.descriptor;
    if (inPage === null) return this.pages.address(pfn);
    return this.pages.has(pfn) ? this.pages.word(pfn, inPage) : null;
  }

  /** The first frame of the slab that a descriptor is of, or -1. */
  frameOf(slab: bigint): number {
    const { first, colourOffset } = this.layout.descriptor;
    if (colourOffset === null) return this.pages.pfnOf(slab);
    try {
      const paddr = this.map.physicalOf(first(slab) - colourOffset(slab));
      return paddr < 0 ? -1 : Math.floor(paddr / this.kernel.pageSize);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      return -1;
    }
  }

  firstObject(cache: SlabListCache, pfn: number): number {
    const slab = this.slabAddress(pfn);
    if (slab === null) throw this.pages.fault.toError();
    return this.map.physicalOf(this.layout.descriptor.first(slab)) + cache.objectOffset;
  }

  /** How many of a slab's objects were handed out; null, and told, where it says what cannot be. */
  active(slab: bigint, cache: SlabListCache, issues: Issues): number | null {
    try {
      const active = this.layout.descriptor.active(slab);
      if (active <= cache.num) return active;
      const message = `the slab at ${hex(slab)} of ${cache.name} says that ${active} of its ${cache.num} objects are in use, which cannot be`;
      issues.add('damaged-slab', message, slab);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `a slab of ${cache.name}: ${error.message}`, slab);
    }
    return null;
  }

  /** Null, and told, where it cannot be read, is of another cache, or says what cannot be. */
  counts(slab: bigint, pfn: number, cache: SlabListCache, issues: Issues): SlabCounts | null {
    const active = this.active(slab, cache, issues);
    if (active === null) return null;
    try {
      const owner = slabCache(this.pages, pfn);
      if (owner !== cache.address) {
        const message = `the slab at ${hex(slab)} is on a list of ${cache.name} but says that it is of the cache at ${hex(owner)}`;
        issues.add('slab-of-another-cache', message, slab);
        return null;
      }
      const start = pfn * this.kernel.pageSize;
      const place = this.layout.descriptor.first(slab);
      const first = this.map.physicalOf(place);
      if (first >= start && first + cache.num * cache.slotSize <= start + cache.slabSize) {
        return { first: first + cache.objectOffset, active };
      }
      const message = `the slab at ${hex(slab)} of ${cache.name} says that its objects begin at ${hex(place)}, which is not in it`;
      issues.add('damaged-slab', message, slab);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `a slab of ${cache.name}: ${error.message}`, slab);
    }
    return null;
  }

  states(cache: SlabListCache, pfn: number, held: ObjectPlaces, into: Uint8Array, issues: Issues): number {
    const slab = this.slabAddress(pfn);
    const counts = slab === null ? null : this.counts(slab, pfn, cache, issues);
    if (slab === null || counts === null) return -1;
    const { num: objects, slotSize, name } = cache;
    const { first, active } = counts;
    try {
      const free = this.#freelist.walk(slab, objects, active, into);
      if (this.#tellEnd(cache, slab, first, issues)) {
        if (free !== objects - active) {
          const message = `slab at ${hex(slab)} of ${name}: its freelist has ${free} objects, but ${active} of ${objects} are said to be in use`;
          issues.add('freelist-count', message, slab);
        }
      } else if (free < objects - active) unsure(objects, into);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-slab', `a slab of ${name}: ${error.message}`, slab);
      return -1;
    }
    overlayHeld(this.map, name, { first, objects, slotSize }, held, into, issues);
    return objects;
  }

  cgroup(cache: SlabListCache, slab: bigint, index: number): string | null {
    const layout = { slab: this.layout.descriptor.struct, accounting: this.layout.accounting };
    this.#owners ??= { reader: objectOwners(this.kernel, layout) };
    return this.#owners.reader?.of(cache, slab, index) ?? null;
  }

  check(pages: SlabPages, cache: SlabListCache, issues: Issues): void {
    checkSlabCache(this, pages, cache, issues);
  }

  /** What the walk of a slab's free objects ended at. True where it ended as it should. */
  #tellEnd({ name, num, slotSize }: SlabListCache, slab: bigint, first: number, issues: Issues): boolean {
    const { end, bad } = this.#freelist;
    if (end === 'end') return true;
    const object = this.map.toVirtual(first + bad * slotSize);
    const list = `slab at ${hex(slab)} of ${name}, its freelist`;
    if (end === 'unreadable') issues.add('freelist-unreadable', `${list}: it cannot be read`, slab);
    else if (end === 'wild')
      issues.add('freelist-wild', `${list}: ${bad} is the number of none of its ${num} objects`, slab);
    else if (this.layout.descriptor.form === 'chain') {
      const message = `${list}: the object at ${hex(object)} is on it twice: it goes in a circle, as after a double free`;
      issues.add('freelist-cycle', message, object);
    } else issues.add('double-free', `${list}: the object at ${hex(object)} is on it twice`, object);
    return false;
  }
}

/** Behind damage of a freelist nobody knows which other objects are on it. */
function unsure(objects: number, into: Uint8Array): void {
  for (let i = 0; i < objects; i++) if (into[i] === ALLOCATED) into[i] = UNKNOWN;
}

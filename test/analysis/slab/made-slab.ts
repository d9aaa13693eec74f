// Memory of a kernel with SLAB, laid out as mm/slab.c of several releases does it: two caches, slabs of one and of two frames, objects in every state. Written from the kernel's source, not from
// our reader; no real kernel of the older releases is at hand.
import type { Kernel } from 'kdumpling/analysis';
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import { madeKernel } from '../made-kernel.js';
import { DEBUG_BYTES, DEBUG_FLAGS, fillDebug, MadeMemory, RED_ZONE, SIZE } from './made-slab-memory.js';
import { type Machine, offsetOf, searchOffset } from './made-structs.js';

export interface Generation {
  readonly name: string;
  readonly machine: Machine;
  readonly littleEndian: boolean;
  readonly nodes: 1 | 2;
  readonly page: CompoundType;
  readonly cache: CompoundType;
  readonly node: CompoundType;
  readonly array: CompoundType;
  /** Its own struct slab, or null where the struct page is the descriptor. */
  readonly slab: CompoundType | null;
  /** Over the struct page. */
  readonly slabInPage?: CompoundType;
  readonly alien?: CompoundType;
  readonly more?: readonly Type[];
  readonly indexSize: 1 | 2 | 4;
  readonly cacheHead: 'slab_caches' | 'cache_chain';
  readonly perCpu: boolean;
  /** Of page.flags. */
  readonly slabFlag: bigint;
  /** CONFIG_DEBUG_SLAB: a red zone of 8 bytes before each object, one behind it, the last user's address behind that; free objects are poisoned. */
  readonly debug?: boolean;
}

/** What is to be: one letter an object. `a` allocated, `.` free, `0` and `1` in a CPU's array_cache, `s` shared, `x` alien. */
export interface MadeCache {
  readonly name: string;
  readonly size: number;
  readonly order: number;
  readonly offSlab: boolean;
  readonly inObject?: boolean;
  readonly slabs: readonly { readonly node: number; readonly colour: number; readonly objects: string }[];
}

export interface MadeSlab {
  readonly cache: string;
  /** What the kernel knows it by. */
  readonly descriptor: bigint;
  readonly objects: readonly bigint[];
  readonly letters: readonly string[];
  /** Physical, of the index of an object in a chain, or of the i-th index of an array. */
  readonly index: (i: number) => number;
}

const FRAME = 4096;
const MEM_MAP = 0x10_0000;
const NODE_FRAMES = SIZE / FRAME / 2;
const META = [0x2_0000, 0x12_0000];
const SLABS = [0x4_0000, 0x14_0000];
const PER_CPU = 0x8000;

/** Builds the memory; `kernel` reads it as it then is, damage included. */
export class SlabBuilder {
  readonly generation: Generation;
  readonly memory: MadeMemory;
  readonly slabs: MadeSlab[] = [];
  /** Of the kmem_caches, physical, by name. */
  readonly caches = new Map<string, number>();
  /** Of array_caches, physical: `CACHE/0` of a CPU, `CACHE/s0` and `CACHE/x0` of a node. */
  readonly arrays = new Map<string, number>();
  readonly nodes = new Map<string, number>();
  readonly #symbols: Record<string, bigint> = {};
  readonly #nextMeta = [...META];
  readonly #nextSlab = [...SLABS];
  readonly #nextPerCpu = 0x40;

  constructor(generation: Generation, caches: readonly MadeCache[]) {
    this.generation = generation;
    this.memory = new MadeMemory(generation.machine.word, generation.littleEndian);
    this.#nodesAndCpus();
    const head = this.#take(0, 2 * this.memory.word);
    this.#symbols[generation.cacheHead] = this.memory.virtual(head);
    const links: number[] = [];
    for (const [i, cache] of caches.entries()) {
      const at = this.#cache(cache, i);
      this.caches.set(cache.name, at);
      links.push(at + this.#member('cache', 'list', 'next'));
    }
    this.link(head, links);
  }

  kernel(): Kernel {
    const { machine, littleEndian, page, cache, node, array, slab, slabInPage, alien, more = [] } = this.generation;
    const types = [machine.list, page, cache, node, array, slab, slabInPage, alien, ...more];
    return madeKernel({
      pieces: [{ paddr: 0, bytes: this.memory.bytes }],
      types: [...types.filter(type => type !== null && type !== undefined), this.#pgdat(), this.#cpumask()],
      symbols: this.#symbols,
      littleEndian,
      pointerSize: machine.word,
    });
  }

  /** From what the allocator calls an object to what its owner has. */
  get #offset(): number {
    return this.generation.debug === true ? RED_ZONE : 0;
  }

  #take(node: number, size: number): number {
    const at = Math.ceil(this.#nextMeta[node] / 64) * 64;
    this.#nextMeta[node] = at + size;
    return at;
  }

  #pgdat(): CompoundType {
    const { ulong, pointer } = this.generation.machine;
    const members = {
      node_mem_map: pointer,
      node_start_pfn: ulong,
      node_present_pages: ulong,
      node_spanned_pages: ulong,
    };
    return this.generation.machine.struct('pglist_data', members);
  }

  #cpumask(): CompoundType {
    const { machine } = this.generation;
    return machine.struct('cpumask', { bits: machine.array(machine.ulong, 1) });
  }

  #nodesAndCpus(): void {
    const { memory, generation } = this;
    const pgdat = this.#pgdat();
    const pageSize = generation.page.size;
    const array = this.#take(0, 3 * memory.word);
    for (let id = 0; id < generation.nodes; id++) {
      const at = this.#take(0, pgdat.size);
      const frames = generation.nodes === 1 ? 2 * NODE_FRAMES : NODE_FRAMES;
      memory.setWord(at + offsetOf(pgdat, 'node_mem_map'), memory.virtual(MEM_MAP + id * NODE_FRAMES * pageSize));
      memory.setWord(at + offsetOf(pgdat, 'node_start_pfn'), BigInt(id * NODE_FRAMES));
      memory.setWord(at + offsetOf(pgdat, 'node_spanned_pages'), BigInt(frames));
      memory.setWord(array + id * memory.word, memory.virtual(at));
      if (generation.nodes === 1) this.#symbols['contig_page_data'] = memory.virtual(at);
    }
    if (generation.nodes === 2) this.#symbols['node_data'] = memory.virtual(array);
    if (!generation.perCpu) return;
    const mask = this.#take(0, memory.word);
    memory.setWord(mask, 3n);
    const ids = this.#take(0, 4);
    memory.view.setUint32(ids, 2, memory.little);
    const offsets = this.#take(0, 2 * memory.word);
    for (let cpu = 0; cpu < 2; cpu++)
      memory.setWord(offsets + cpu * memory.word, memory.virtual(PER_CPU + cpu * 0x2000));
    Object.assign(this.#symbols, {
      __cpu_possible_mask: memory.virtual(mask),
      nr_cpu_ids: memory.virtual(ids),
      __per_cpu_offset: memory.virtual(offsets),
    });
  }

  #has(which: 'cache' | 'node', name: string): boolean {
    return searchOffset(this.generation[which], [name]) !== null;
  }

  /** The offset of the first of several names that the generation's struct has. */
  #member(which: 'cache' | 'node', ...names: readonly string[]): number {
    const name = names.find(one => this.#has(which, one));
    if (name === undefined) throw new Error(`no ${names.join(' or ')}`);
    return offsetOf(this.generation[which], name);
  }

  /** A circular list through a head and members, in their order; the last one links back. */
  link(head: number, links: readonly number[]): void {
    const ring = [head, ...links];
    for (const [i, at] of ring.entries()) {
      this.memory.setWord(at, this.memory.virtual(ring[(i + 1) % ring.length]));
      this.memory.setWord(at + this.memory.word, this.memory.virtual(ring[(i + ring.length - 1) % ring.length]));
    }
  }

  #setCacheNumbers(at: number, cache: MadeCache, num: number): void {
    const { memory, generation } = this;
    const set = (value: number, ...names: readonly string[]): void => {
      const name = names.find(one => this.#has('cache', one));
      if (name === undefined) return;
      const member = generation.cache.members.find(one => one.name === name);
      memory.setSized(
        at + offsetOf(generation.cache, name),
        generation.machine.sizeOf(member?.type ?? generation.machine.uint),
        value,
      );
    };
    set(cache.size, 'size', 'buffer_size', 'objsize');
    const debug = generation.debug === true;
    set(debug ? cache.size - DEBUG_BYTES : cache.size, 'object_size');
    set(debug ? RED_ZONE : 0, 'obj_offset');
    set(num, 'num');
    set(cache.order, 'gfporder');
    set(
      (cache.offSlab ? 0x8000_0000 : 0) + (cache.inObject === true ? 0x4000_0000 : 0) + (debug ? DEBUG_FLAGS : 0),
      'flags',
    );
  }

  #cache(cache: MadeCache, number: number): number {
    const { memory, generation } = this;
    const at = this.#take(0, generation.cache.size);
    const name = this.#take(0, 32);
    memory.bytes.set(new TextEncoder().encode(cache.name), name);
    memory.setWord(at + this.#member('cache', 'name'), memory.virtual(name));
    this.#setCacheNumbers(at, cache, cache.slabs[0].objects.length);
    const found = cache.slabs.map(slab => ({ ...slab, made: this.#slab(cache, at, slab) }));
    this.#nodes(cache, at, found);
    this.#cpus(cache, at, number, found);
    return at;
  }

  #slab(cache: MadeCache, cacheAt: number, { node, colour, objects: line }: MadeCache['slabs'][number]): MadeSlab {
    const { memory, generation } = this;
    const letters = line.split('');
    const num = letters.length;
    const start = this.#nextSlab[node];
    this.#nextSlab[node] = start + FRAME * 2 ** cache.order;
    const managed = (generation.slab?.size ?? 0) + num * generation.indexSize;
    const padded = Math.ceil(managed / 32) * 32;
    const onSlab = !cache.offSlab && cache.inObject !== true;
    const management = onSlab
      ? start + colour
      : cache.inObject === true
        ? start + colour + letters.lastIndexOf('.') * cache.size + this.#offset
        : this.#take(node, padded);
    const first = start + colour + (onSlab ? padded : 0);
    if (first + num * cache.size > this.#nextSlab[node]) throw new Error(`${cache.name} is too large`);
    if (generation.debug === true) fillDebug(memory, first, cache.size, letters);
    const pageAt = (pfn: number): number => MEM_MAP + pfn * generation.page.size;
    const head = start / FRAME;
    for (let i = 0; i < 2 ** cache.order; i++) memory.setWord(pageAt(head + i), generation.slabFlag);
    const made = {
      cache: cache.name,
      objects: letters.map((_, i) => memory.virtual(first + i * cache.size + this.#offset)),
      letters,
      index: (i: number) => management + (generation.slab?.size ?? 0) + i * generation.indexSize,
    };
    if (generation.slab !== null)
      return { ...made, descriptor: this.#chain(cache, cacheAt, { head, management, first, start, letters }) };
    this.#array(pageAt(head), cacheAt, { management, first, letters });
    for (let i = 1; i < 2 ** cache.order; i++) this.#tail(pageAt(head + i), pageAt(head));
    return { ...made, descriptor: memory.virtual(pageAt(head)) };
  }

  /** A struct slab of its own, with a chain of indexes behind it; each struct page of the slab points to both. */
  #chain(
    cache: MadeCache,
    cacheAt: number,
    {
      head,
      management,
      first,
      start,
      letters,
    }: Readonly<{ head: number; management: number; first: number; start: number; letters: readonly string[] }>,
  ): bigint {
    const { memory, generation } = this;
    const { slab, page, indexSize } = generation;
    if (slab === null) throw new Error('no struct slab');
    memory.setWord(management + offsetOf(slab, 'colouroff'), BigInt(first - start));
    memory.setWord(management + offsetOf(slab, 's_mem'), memory.virtual(first));
    memory.setSized(management + offsetOf(slab, 'inuse'), 4, letters.filter(letter => letter !== '.').length);
    const end = 2 ** (8 * indexSize) - 1;
    let next = end;
    for (let i = 0; i < letters.length; i++) {
      const free = letters[i] === '.';
      memory.setSized(management + slab.size + i * indexSize, indexSize, free ? next : end - 1);
      if (free) next = i;
    }
    memory.setSized(management + offsetOf(slab, 'free'), indexSize, next);
    const toCache = searchOffset(page, ['slab_cache']) ?? offsetOf(page, 'lru.next');
    const toSlab = searchOffset(page, ['slab_page']) ?? offsetOf(page, 'lru.prev');
    for (let i = 0; i < 2 ** cache.order; i++) {
      const at = MEM_MAP + (head + i) * page.size;
      memory.setWord(at + toCache, memory.virtual(cacheAt));
      memory.setWord(at + toSlab, memory.virtual(management));
    }
    return memory.virtual(management);
  }

  /** In the struct page: how many are in use, and an array whose end names the free ones. What stands before is stale. */
  #array(
    pageAt: number,
    cacheAt: number,
    { management, first, letters }: Readonly<{ management: number; first: number; letters: readonly string[] }>,
  ): void {
    const { memory, generation } = this;
    const { indexSize } = generation;
    const layout = generation.slabInPage ?? generation.page;
    const free = letters.flatMap((letter, i) => (letter === '.' ? [i] : [])).reverse();
    const active = letters.length - free.length;
    memory.setWord(pageAt + offsetOf(layout, 'slab_cache'), memory.virtual(cacheAt));
    memory.setWord(pageAt + offsetOf(layout, 's_mem'), memory.virtual(first));
    memory.setWord(pageAt + offsetOf(layout, 'freelist'), memory.virtual(management));
    memory.setSized(pageAt + offsetOf(layout, 'active'), 4, active);
    for (let i = 0; i < active; i++) memory.setSized(management + i * indexSize, indexSize, letters.length - 1);
    for (const [i, index] of free.entries()) memory.setSized(management + (active + i) * indexSize, indexSize, index);
  }

  /** Slabs are compound pages since 3.13; PG_slab is the head's. */
  #tail(at: number, headAt: number): void {
    const { memory, generation } = this;
    const head = searchOffset(generation.page, ['compound_head']);
    if (head === null) return;
    memory.setWord(at, 0n);
    memory.setWord(at + head, memory.virtual(headAt) + 1n);
  }

  #nodes(
    cache: MadeCache,
    at: number,
    slabs: readonly Readonly<{ node: number; objects: string; made: MadeSlab }>[],
  ): void {
    const { memory, generation } = this;
    const embedded = this.#has('cache', 'lists');
    const member = embedded ? 0 : this.#member('cache', 'node', 'nodelists');
    const type = generation.cache.members.find(one => one.name === 'node' || one.name === 'nodelists')?.type;
    const pointers =
      embedded || type?.kind === 'array' ? at + member : at + this.#member('cache', 'array') + 2 * memory.word;
    if (!embedded && type?.kind === 'pointer') memory.setWord(at + member, memory.virtual(pointers));
    for (let id = 0; id < generation.nodes; id++) {
      const node = embedded ? at + offsetOf(generation.cache, 'lists') : this.#take(id, generation.node.size);
      this.nodes.set(`${cache.name}/${id}`, node);
      if (!embedded) memory.setWord(pointers + id * memory.word, memory.virtual(node));
      const mine = slabs.filter(slab => slab.node === id);
      const link = generation.slab === null ? this.#linkInPage() : offsetOf(generation.slab, 'list');
      const on = (is: (free: number, all: number) => boolean): number[] =>
        mine
          .filter(({ objects }) => is(freeIn(objects), objects.length))
          .map(({ made }) => Number(made.descriptor - memory.base) + link);
      const lists = {
        slabs_full: on(free => free === 0),
        slabs_partial: on((free, all) => free > 0 && free < all),
        slabs_free: on((free, all) => free === all),
      };
      for (const [list, links] of Object.entries(lists)) this.link(node + this.#member('node', list), links);
      const counts = {
        free_objects: mine.reduce((sum, { objects }) => sum + freeIn(objects), 0),
        total_slabs: mine.length,
        free_slabs: lists.slabs_free.length,
      };
      for (const [name, count] of Object.entries(counts)) {
        if (this.#has('node', name)) memory.setWord(node + this.#member('node', name), BigInt(count));
      }
      this.#nodeArrays(cache, id, node, slabs);
    }
    for (const { made } of slabs) this.slabs.push(made);
  }

  #linkInPage(): number {
    const { slabInPage, page } = this.generation;
    return slabInPage === undefined ? offsetOf(page, 'lru') : offsetOf(slabInPage, 'slab_list');
  }

  /** A node's shared array has objects of its own slabs, its alien array those of the other node. */
  #nodeArrays(
    cache: MadeCache,
    id: number,
    node: number,
    slabs: readonly Readonly<{ node: number; made: MadeSlab }>[],
  ): void {
    const { memory, generation } = this;
    const own = slabs.filter(slab => slab.node === id).map(slab => slab.made);
    const shared = this.#arrayCache(id, holding(own, 's'), 0);
    this.arrays.set(`${cache.name}/s${id}`, shared);
    memory.setWord(node + this.#member('node', 'shared'), memory.virtual(shared));
    if (generation.nodes === 1 || !this.#has('node', 'alien')) return;
    const others = slabs.filter(slab => slab.node !== id).map(slab => slab.made);
    const inAlien = generation.alien === undefined ? 0 : offsetOf(generation.alien, 'ac');
    const alien = this.#arrayCache(id, holding(others, 'x'), inAlien);
    this.arrays.set(`${cache.name}/x${id}`, alien + inAlien);
    const pointers = this.#take(id, 2 * memory.word);
    memory.setWord(pointers + (1 - id) * memory.word, memory.virtual(alien));
    memory.setWord(node + this.#member('node', 'alien'), memory.virtual(pointers));
  }

  #arrayCache(node: number, objects: readonly bigint[], before: number): number {
    const size = before + this.generation.array.size + 64 * this.memory.word;
    const at = this.#take(node, size);
    this.#fill(at + before, objects);
    return at;
  }

  #fill(at: number, objects: readonly bigint[]): void {
    const { memory, generation } = this;
    const { array } = generation;
    memory.setSized(at + offsetOf(array, 'avail'), 4, objects.length);
    memory.setSized(at + offsetOf(array, 'limit'), 4, 60);
    const entries = at + (searchOffset(array, ['entry']) ?? array.size);
    for (const [i, object] of objects.entries())
      memory.setWord(entries + i * memory.word, object - BigInt(this.#offset));
    // What was taken out before stays where it was.
    memory.setWord(entries + objects.length * memory.word, objects[0] ?? 0n);
  }

  #cpus(cache: MadeCache, at: number, number: number, slabs: readonly Readonly<{ made: MadeSlab }>[]): void {
    const { memory, generation } = this;
    const all = slabs.map(slab => slab.made);
    const perCpu = this.#nextPerCpu + number * 0x400;
    if (generation.perCpu) memory.setWord(at + this.#member('cache', 'cpu_cache'), BigInt(perCpu));
    for (let cpu = 0; cpu < 2; cpu++) {
      const objects = holding(all, `${cpu}`);
      const place = generation.perCpu ? PER_CPU + cpu * 0x2000 + perCpu : this.#arrayCache(0, objects, 0);
      if (generation.perCpu) this.#fill(place, objects);
      else memory.setWord(at + this.#member('cache', 'array') + cpu * memory.word, memory.virtual(place));
      this.arrays.set(`${cache.name}/${cpu}`, place);
    }
  }
}

function holding(slabs: readonly MadeSlab[], letter: string): bigint[] {
  return slabs.flatMap(({ objects, letters }) => objects.filter((_, i) => letters[i] === letter));
}

const freeIn = (objects: string): number => objects.split('').filter(letter => letter === '.').length;

// Every slab object of a kernel, numbered from 0 in the order of their physical addresses, slab by slab: what is known of an object is then a place in a flat array.
import type { Issues } from 'kdumpling/reader';
import { ALLOCATED, cacheObjects, RCU, type SlabAllocator, type SlabCache, SlabPages } from '../slab/index.js';

/** One slab while its place among the others is not known yet. */
export interface HeapSlab {
  /** The physical address of its first object. */
  readonly first: number;
  /** The place of its cache among all. */
  readonly cache: number;
  /** Of each object: 1 where somebody has it, else 0. */
  readonly allocated: Uint8Array;
}

/** What of an allocator is needed. */
export type HeapAllocator = Pick<SlabAllocator, 'caches' | 'map'>;

export class Heap {
  readonly allocator: HeapAllocator;
  /** How many objects there are, free ones included. */
  readonly count: number;
  /** Of each slab, ascending: the physical address of its first object, that object's number, and the cache's place in `allocator.caches`. */
  readonly #firsts: Float64Array;
  readonly #numbers: Uint32Array;
  readonly #caches: Uint32Array;
  readonly #slots: Float64Array;
  readonly #sizes: Float64Array;
  /** One byte for each object: 1 where somebody has it. */
  readonly #allocated: Uint8Array;
  /** The slab that was met last: pointers come in flocks. */
  #last = 0;
  /** From the start of the object that `find` returned last. */
  offset = 0;

  constructor(allocator: HeapAllocator, found: readonly HeapSlab[]) {
    const slabs = found.toSorted((a, b) => a.first - b.first);
    this.allocator = allocator;
    this.#firsts = new Float64Array(slabs.length + 1);
    this.#numbers = new Uint32Array(slabs.length + 1);
    this.#caches = new Uint32Array(slabs.length);
    this.#slots = Float64Array.from(allocator.caches, cache => cache.slotSize);
    this.#sizes = Float64Array.from(allocator.caches, cache => cache.objectSize);
    // A damaged slab may claim objects that lie in the next one.
    const counts = slabs.map(({ first, cache, allocated }, i) => {
      const room = (slabs[i + 1]?.first ?? Number.POSITIVE_INFINITY) - first;
      return Math.min(allocated.length, Math.floor(room / this.#slots[cache]));
    });
    this.count = counts.reduce((sum, count) => sum + count, 0);
    this.#allocated = new Uint8Array(this.count);
    let number = 0;
    for (const [i, { first, cache, allocated }] of slabs.entries()) {
      this.#firsts[i] = first;
      this.#numbers[i] = number;
      this.#caches[i] = cache;
      this.#allocated.set(allocated.subarray(0, counts[i]), number);
      number += counts[i];
    }
    this.#firsts[slabs.length] = Number.POSITIVE_INFINITY;
    this.#numbers[slabs.length] = number;
  }

  /** By one pass over the memory map. @throws Missing, MemoryFault */
  static read(allocator: SlabAllocator, issues: Issues, progress?: (done: number, total: number) => void): Heap {
    const pages = SlabPages.find(allocator, issues, progress);
    const slabs: HeapSlab[] = [];
    for (const [i, cache] of allocator.caches.entries()) {
      for (const { first, count, states } of cacheObjects(allocator, pages, cache, issues)) {
        const allocated = states.slice(0, count).map(state => (state === ALLOCATED || state === RCU ? 1 : 0));
        slabs.push({ first, cache: i, allocated });
      }
    }
    return new Heap(allocator, slabs);
  }

  /** The number of the object that a physical address lies in, -1 for none; `offset` then tells how far behind its start. */
  find(paddr: number): number {
    const firsts = this.#firsts;
    let slab = this.#last;
    if (slab >= this.#caches.length || paddr < firsts[slab] || paddr >= firsts[slab + 1]) {
      let from = 0;
      let to = this.#caches.length;
      while (from < to) {
        const middle = (from + to) >>> 1;
        if (firsts[middle] <= paddr) from = middle + 1;
        else to = middle;
      }
      if (from === 0) return -1;
      slab = from - 1;
      this.#last = slab;
    }
    const slot = this.#slots[this.#caches[slab]];
    const behind = paddr - firsts[slab];
    const index = Math.floor(behind / slot);
    const object = this.#numbers[slab] + index;
    if (object >= this.#numbers[slab + 1]) return -1;
    this.offset = behind - index * slot;
    return this.offset < this.#sizes[this.#caches[slab]] ? object : -1;
  }

  isAllocated(object: number): boolean {
    return this.#allocated[object] === 1;
  }

  /** The physical address of an object's first byte. */
  paddr(object: number): number {
    const slab = this.#slabOf(object);
    return this.#firsts[slab] + (object - this.#numbers[slab]) * this.#slots[this.#caches[slab]];
  }

  address(object: number): bigint {
    return this.allocator.map.toVirtual(this.paddr(object));
  }

  /** The place of its cache in `allocator.caches`. */
  cacheOf(object: number): number {
    return this.#caches[this.#slabOf(object)];
  }

  cache(object: number): SlabCache {
    return this.allocator.caches[this.cacheOf(object)];
  }

  #slabOf(object: number): number {
    const numbers = this.#numbers;
    if (this.#last < this.#caches.length && object >= numbers[this.#last] && object < numbers[this.#last + 1])
      return this.#last;
    let from = 0;
    let to = this.#caches.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (numbers[middle] <= object) from = middle + 1;
      else to = middle;
    }
    this.#last = Math.max(0, from - 1);
    return this.#last;
  }
}

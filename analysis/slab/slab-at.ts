// Which object a pointer is in: the page tells its cache, so that no list or pass is needed; an object's state needs its slab's freelist and what lists outside of slabs hold.
import type { Issues } from 'kdumpling/reader';
import { slabCache } from '../pages/index.js';
import { OBJECT_STATES, type ObjectState, type SlabAllocator, type SlabCache } from './model.js';
import type { ObjectPlaces } from './object-places.js';
import { MOST_OBJECTS } from './slub-freelist.js';
import type { Tracks } from './tracks.js';

export interface SlabPlace {
  readonly cache: SlabCache;
  /** Of the struct slab. */
  readonly slab: bigint;
  /** Where the object begins; null in the bytes before the first and behind the last object. */
  readonly object: bigint | null;
  /** From the object's start. */
  readonly offset: number | null;
  readonly state: ObjectState | null;
  /** Who took and freed the object; null where its cache does not keep it. */
  readonly tracks: Tracks | null;
  /** The path of the cgroup that it is charged to, in its hierarchy; null for none. */
  readonly cgroup: string | null;
}

type ObjectPlace = Pick<SlabPlace, 'object' | 'offset' | 'state' | 'tracks' | 'cgroup'>;

export class SlabLookup {
  readonly #allocator: SlabAllocator;
  readonly #issues: Issues;
  readonly #caches: ReadonlyMap<bigint, SlabCache>;
  readonly #held = new Map<SlabCache, ObjectPlaces>();
  readonly #states = new Uint8Array(MOST_OBJECTS);

  constructor(allocator: SlabAllocator, issues: Issues) {
    this.#allocator = allocator;
    this.#issues = issues;
    this.#caches = new Map(allocator.caches.map(cache => [cache.address, cache]));
  }

  /** Null for what is not in a slab. @throws Missing, MemoryFault where the page's struct cannot be read */
  at(address: bigint): SlabPlace | null {
    const { map, pages, kernel } = this.#allocator;
    const paddr = map.physicalOf(address);
    const pfn = Math.floor(paddr / kernel.pageSize);
    if (paddr < 0 || pages.address(pfn) === null) return null;
    const head = this.#allocator.firstFrame(pages, pfn);
    const slab = head < 0 ? null : this.#allocator.slabAddress(head);
    const cache = slab === null ? undefined : this.#caches.get(slabCache(pages, head));
    if (slab === null || cache === undefined) return null;
    return { cache, slab, ...this.#objectAt(cache, slab, head, paddr) };
  }

  #objectAt(cache: SlabCache, slab: bigint, head: number, paddr: number): ObjectPlace {
    const none = { object: null, offset: null, state: null, tracks: null, cgroup: null };
    const allocator = this.#allocator;
    const count = allocator.states(cache, head, this.#heldOf(cache), this.#states, this.#issues);
    if (count < 0) return none;
    const first = allocator.firstObject(cache, head);
    const index = Math.floor((paddr - first) / cache.slotSize);
    if (index < 0 || index >= count) return none;
    const start = first + index * cache.slotSize;
    const object = allocator.map.toVirtual(start);
    const tracks = allocator.tracks?.(cache, object) ?? null;
    const state = OBJECT_STATES[this.#states[index]];
    const cgroup = state === 'allocated' ? (allocator.cgroup?.(cache, slab, index) ?? null) : null;
    return { object, offset: paddr - start, state, tracks, cgroup };
  }

  /** The cache whose struct kmem_cache lies there. */
  cacheAt(address: bigint): SlabCache | null {
    return this.#caches.get(address) ?? null;
  }

  #heldOf(cache: SlabCache): ObjectPlaces {
    let held = this.#held.get(cache);
    if (held === undefined) {
      held = this.#allocator.held(cache, this.#issues);
      this.#held.set(cache, held);
    }
    return held;
  }
}

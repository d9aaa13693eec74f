// The objects of one cache, slab by slab.
import type { Issues } from 'kdumpling/reader';
import type { SlabAllocator, SlabCache } from './model.js';
import type { SlabPages } from './slab-pages.js';
import { MOST_OBJECTS } from './slub-freelist.js';

/** One slab; good until the next one is asked for. */
export interface SlabObjects {
  /** Of its struct slab. */
  readonly slab: bigint;
  /** Physical address of its first object. */
  readonly first: number;
  readonly count: number;
  /** Of each object, positions in OBJECT_STATES. */
  readonly states: Uint8Array;
}

/** Slabs that cannot be read are told in `issues`. @throws Missing */
export function* cacheObjects<C extends SlabCache>(
  allocator: SlabAllocator<C>,
  pages: SlabPages,
  cache: C,
  issues: Issues,
): Iterable<SlabObjects> {
  const held = allocator.held(cache, issues);
  const states = new Uint8Array(MOST_OBJECTS);
  for (const pfn of pages.of(allocator.caches.indexOf(cache))) {
    const count = allocator.states(cache, pfn, held, states, issues);
    const slab = allocator.slabAddress(pfn);
    if (count < 0 || slab === null) continue;
    yield { slab, first: allocator.firstObject(cache, pfn), count, states };
  }
}

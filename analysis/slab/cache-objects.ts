// The objects of one cache, slab by slab.
import type { Issues } from 'kdumpling/reader';
import type { SlabPages } from './slab-pages.js';
import type { Slub } from './slub.js';
import type { SlubCache } from './slub-caches.js';
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
export function* cacheObjects(slub: Slub, pages: SlabPages, cache: SlubCache, issues: Issues): Iterable<SlabObjects> {
  const held = slub.held(cache, issues);
  const states = new Uint8Array(MOST_OBJECTS);
  for (const pfn of pages.of(slub.caches.indexOf(cache))) {
    const count = slub.states(cache, pfn, held, states, issues);
    const slab = slub.pages.address(pfn);
    if (count < 0 || slab === null) continue;
    yield { slab, first: slub.shape(cache, pfn, count).first, count, states };
  }
}

// The objects of all caches: cache by cache and slab by slab, found by one pass over the memory map. Text is made slab by slab, so that it is never all there.
import {
  cacheObjects,
  OBJECT_STATES,
  type ObjectState,
  type SlabAllocator,
  type SlabCache,
  type SlabObjects,
  type SlabPages,
} from 'kdumpling/analysis/slab';
import { hex, type Issues, printable } from 'kdumpling/reader';

const ALL = OBJECT_STATES.map(() => true);

/** By number, whether objects of a state are wanted. */
const wantedStates = (states: readonly ObjectState[] | undefined): readonly boolean[] =>
  states === undefined ? ALL : OBJECT_STATES.map(state => states.includes(state));

/** An address as it is printed, without making a bigint of it. */
function addressText({ map }: SlabAllocator, paddr: number): string {
  map.split(paddr);
  const low = map.low.toString(16);
  return map.high === 0 ? `0x${low}` : `0x${map.high.toString(16)}${low.padStart(8, '0')}`;
}

/** The cache, then its slabs that have such objects; several lines at a time. */
export function* objectLines(
  allocator: SlabAllocator,
  pages: SlabPages,
  cache: SlabCache,
  states: readonly ObjectState[] | undefined,
  issues: Issues,
): Iterable<string> {
  const wanted = wantedStates(states);
  yield `${hex(cache.address)}  ${printable(cache.name)}:`;
  for (const slab of cacheObjects(allocator, pages, cache, issues)) {
    let lines = `slab ${hex(slab.slab)}, ${slab.count} objects:`;
    const before = lines.length;
    for (let i = 0; i < slab.count; i++) {
      if (wanted[slab.states[i]]) lines += `\n  ${textOf(allocator, cache, slab, i)}`;
    }
    if (lines.length > before) yield lines;
  }
}

const textOf = (allocator: SlabAllocator, { slotSize }: SlabCache, { first, states }: SlabObjects, i: number): string =>
  `${addressText(allocator, first + i * slotSize)}  ${OBJECT_STATES[states[i]]}`;

export interface CacheObjects {
  readonly cache: string;
  readonly address: bigint;
  readonly objects: readonly { readonly address: string; readonly state: ObjectState }[];
}

export function objectsOf(
  allocator: SlabAllocator,
  pages: SlabPages,
  cache: SlabCache,
  states: readonly ObjectState[] | undefined,
  issues: Issues,
): CacheObjects {
  const wanted = wantedStates(states);
  const objects: CacheObjects['objects'][number][] = [];
  for (const { first, count, states: are } of cacheObjects(allocator, pages, cache, issues)) {
    for (let i = 0; i < count; i++) {
      if (!wanted[are[i]]) continue;
      objects.push({ address: addressText(allocator, first + i * cache.slotSize), state: OBJECT_STATES[are[i]] });
    }
  }
  return { cache: cache.name, address: cache.address, objects };
}

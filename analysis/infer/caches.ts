// What is known of caches before anything is inferred: which hold one type of objects, and which sizes of objects the others were chosen for.
import { type CompoundType, plainType } from 'kdumpling/reader/debuginfo';
import type { SlabCache } from '../slab/index.js';
import { CACHE_TYPES } from './cache-types.js';
import type { TypeTable } from './types.js';

export interface CacheKnowledge {
  /** The type of its objects; -1 where the name tells none. */
  readonly type: number;
  /** Other caches of the same shape were merged into it: some of its objects may be of other types. */
  readonly isMerged: boolean;
  /** The types that the names of those caches tell. */
  readonly others: readonly number[];
  /** A size class of kmalloc(). */
  readonly isKmalloc: boolean;
  /** Objects of so many bytes or less are in another cache. */
  readonly below: number;
}

/** include/linux/slab.h (kmalloc_caches), and since 6.11 sets of buckets of subsystems' own (kmem_buckets_create). */
const KMALLOC =
  /^(?:dma-)?kmalloc-(?:(?:rcl|cg|dma|rnd-\d+|part-\d+)-)?\d+[kM]?$|^(?:msg_msg|memdup_user|xt_table|nft)[a-z_]*-\d+[kM]?$/;
const known = new Map(CACHE_TYPES.map(one => [one.cache, one.structs]));
/** Merged caches differ in their slots by less than a word, and what is in a slot is rounded up to its alignment. Source: mm/slab_common.c (find_mergeable). */
const WORD = 8;

export const isKmalloc = (cache: Pick<SlabCache, 'name'>): boolean => KMALLOC.test(cache.name);

/** @param aliases the names of the caches that were merged into others, by the others' addresses */
export function knownCaches(
  caches: readonly SlabCache[],
  table: TypeTable,
  aliases: ReadonlyMap<bigint, readonly string[]>,
): CacheKnowledge[] {
  const sizes = [...new Set(caches.filter(isKmalloc).map(cache => cache.objectSize))].sort((a, b) => a - b);
  return caches.map(cache => {
    const kmalloc = isKmalloc(cache);
    const smaller = sizes.findLast(size => size < cache.objectSize) ?? 0;
    const names = kmalloc ? [] : (aliases.get(cache.address) ?? []);
    return {
      type: kmalloc ? -1 : typeOf(cache, table),
      isMerged: cache.refcount !== null && cache.refcount > 1,
      others: names.map(name => typeOf({ ...cache, name }, table)).filter(type => type >= 0),
      isKmalloc: kmalloc,
      below: kmalloc ? smaller : Math.max(0, cache.slotSize - slackOf(cache.align)),
    };
  });
}

/** The named struct that the objects have room for, and not much more. */
function typeOf(cache: SlabCache, table: TypeTable): number {
  for (const one of known.get(cache.name) ?? [cache.name]) {
    for (const type of table.types.all('struct', one)) {
      if (fits(cache, type, table.all[table.compound(type)].flexible)) return table.compound(type);
    }
  }
  return -1;
}

/** Of some the kernel leaves out what it does not need of their last member, or adds to it: the state of the FPU behind x86's task_struct. */
function fits({ objectSize, slotSize, align, refcount }: SlabCache, type: CompoundType, flexible: boolean): boolean {
  const { size } = type;
  if (size === 0 || size === objectSize) return size > 0;
  const isMerged = (refcount ?? 0) > 1;
  const last = type.members.at(-1);
  const isOpen = flexible || (last !== undefined && plainType(last.type).kind === 'array');
  if (size > objectSize) return isOpen && !isMerged && objectSize >= (last?.bitOffset ?? 0) / 8;
  return isMerged ? slotSize - size < slackOf(align) : flexible || 2 * size > objectSize;
}

/** How much less than a slot the objects of merged caches may need. */
const slackOf = (align: number | null): number => Math.max(align ?? 0, WORD) + WORD;

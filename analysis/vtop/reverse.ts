// Which virtual addresses map physical memory: segments, linear and image maps, and the entries of page tables that lead there.
import type { AddressMap, Issues } from 'kdumpling/reader';
import { mappings } from './mappings.js';
import type { PageTable } from './page-table.js';

/** A stretch of addresses that maps some of the memory asked for. */
export interface ReverseMapping {
  readonly vaddr: bigint;
  readonly physical: number;
  /** Bytes, all within what was asked for. */
  readonly size: number;
  /** `segment`, `linear`, `image` or `vmemmap` for what the map has; a level's name for page tables. */
  readonly by: string;
  /** Bytes of the page, where page tables map it. */
  readonly pageSize: number | null;
}

/** Entries are many only in damaged tables and where the kernel repeats one table over and over. */
const MOST_FOUND = 65536;

/** By page tables, in the order of addresses; what cannot be read is told in `issues`. */
export function* reverseByTables(
  table: PageTable,
  from: number,
  length: number,
  issues: Issues,
): Iterable<ReverseMapping> {
  let found = 0;
  for (const { vaddr, physical, size, pageSize, level } of mappings(table, { from, to: from + length }, issues)) {
    if (found === MOST_FOUND) {
      issues.add('reverse-stopped', `more than ${MOST_FOUND} entries map this memory: the rest is left out`, from);
      return;
    }
    found++;
    const start = Math.max(physical, from);
    const end = Math.min(physical + size, from + length);
    yield { vaddr: vaddr + BigInt(start - physical), physical: start, size: end - start, by: level, pageSize };
  }
}

/** By the ranges of an address map, in their order. */
export function* reverseByRanges(virtual: AddressMap, from: number, length: number): Iterable<ReverseMapping> {
  for (const { name, method, first, last, target } of virtual.ranges) {
    if (method === 'file') continue;
    const start = Math.max(target, from);
    const end = Math.min(target + Number(last - first) + 1, from + length);
    if (start >= end) continue;
    yield { vaddr: first + BigInt(start - target), physical: start, size: end - start, by: name, pageSize: null };
  }
}

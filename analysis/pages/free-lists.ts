// How much each free list of the buddy allocator holds, held against the counter beside it. Source: mm/page_alloc.c, mm/vmstat.c (2.6.24 to 7.3).
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { hasStruct, struct } from '../object/index.js';
import { freeAreas, freeBlocksOf } from './free-blocks.js';
import { Pages } from './pages.js';
import { type ZonePlace, zonePlaces } from './zone-places.js';

export interface FreeList {
  readonly node: number;
  /** The zone's number in its node. */
  readonly zone: number;
  readonly order: number;
  /** The number of the list, and its name without MIGRATE_, for instance `MOVABLE`; null where the types do not tell it. */
  readonly migrateType: number;
  readonly migrateName: string | null;
  /** Of its list_head. */
  readonly address: bigint;
  readonly blocks: number;
  readonly pages: number;
}

/** One row for each list of each zone, empty ones too. A list that is damaged has what was found. @throws Missing, MemoryFault */
export function* freeLists(kernel: Kernel, issues: Issues): Iterable<FreeList> {
  const pages = new Pages(kernel);
  const names = migrateNames(kernel);
  const { offset, size, orders, lists, listOffset } = freeAreas(kernel);
  for (const zone of zonePlaces(kernel, issues)) {
    const counts = new Float64Array(orders * lists);
    for (const { order, migrateType } of freeBlocksOf(pages, zone, issues)) counts[order * lists + migrateType]++;
    compare(kernel, zone, counts, issues);
    for (let row = 0; row < counts.length; row++) {
      const order = Math.floor(row / lists);
      const migrateType = row % lists;
      const head = offset + order * size + listOffset + migrateType * 2 * kernel.memory.pointerSize;
      yield {
        node: zone.node.id,
        zone: zone.index,
        order,
        migrateType,
        migrateName: names.get(migrateType) ?? null,
        address: zone.address + BigInt(head),
        blocks: counts[row],
        pages: counts[row] * 2 ** order,
      };
    }
  }
}

/** The first name of each number; MIGRATE_PCPTYPES and the like count types. */
function migrateNames(kernel: Kernel): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const { name, value } of kernel.types?.find('enum', 'migratetype')?.enumerators ?? []) {
    if (name.startsWith('MIGRATE_') && !COUNTS.has(name)) names.set(Number(value), name.slice('MIGRATE_'.length));
  }
  return names;
}

const COUNTS = new Set(['MIGRATE_PCPTYPES', 'MIGRATE_TYPES']);

function compare(kernel: Kernel, { address, node, index }: ZonePlace, counts: Float64Array, issues: Issues): void {
  if (!hasStruct(kernel, 'free_area')) return;
  const said = struct(kernel, 'free_area').number('nr_free');
  const { offset, size, orders, lists } = freeAreas(kernel);
  for (let order = 0; order < orders; order++) {
    const area = address + BigInt(offset + order * size);
    const found = counts.subarray(order * lists, (order + 1) * lists).reduce((sum, count) => sum + count, 0);
    const claimed = said(area);
    if (found === claimed) continue;
    const where = `free_area[${order}] of zone ${index} of node ${node.id}`;
    issues.add('free-count', `${where} says ${claimed} blocks, its lists have ${found}`, area);
  }
}

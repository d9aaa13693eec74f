// The free lists of the buddy allocator: zone.free_area[order].free_list[migratetype], of pages linked by page.lru. Source: include/linux/mmzone.h, mm/page_alloc.c (2.6.24 to 7.3).
import { hex, type Issues } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { listNodes } from '../collections/list.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { Pages } from './pages.js';
import { saidOffset, saidSize, type ZonePlace, zonePlaces } from './zone-places.js';

export interface FreeBlock {
  readonly zone: ZonePlace;
  readonly order: number;
  /** The number of its list: MIGRATE_UNMOVABLE is 0. */
  readonly migrateType: number;
  /** Its first frame. */
  readonly pfn: number;
}

interface FreeAreas {
  /** In struct zone. */
  readonly offset: number;
  readonly size: number;
  readonly orders: number;
  readonly lists: number;
  readonly listOffset: number;
}

const MOST_ORDERS = 32;
const MOST_LISTS = 16;

/** How free_area lies in this kernel's zones. @throws Missing */
export const freeAreas = (kernel: Kernel): FreeAreas => kernel.once(findAreas);

function findAreas(kernel: Kernel): FreeAreas {
  const offset = saidOffset(kernel, 'zone', 'free_area');
  const size = saidSize(kernel, 'free_area');
  const listOffset = saidOffset(kernel, 'free_area', 'free_list');
  const orders = kernel.vmcoreinfo?.length('zone.free_area') ?? elements(kernel, 'zone', 'free_area');
  const lists = kernel.vmcoreinfo?.length('free_area.free_list') ?? elements(kernel, 'free_area', 'free_list');
  const fits = listOffset + lists * 2 * kernel.memory.pointerSize <= size;
  if (orders >= 1 && orders <= MOST_ORDERS && lists >= 1 && lists <= MOST_LISTS && fits)
    return { offset, size, orders, lists, listOffset };
  throw new Missing('member', 'zone.free_area', `what is said of it (${orders} orders of ${lists} lists) cannot be`);
}

function elements(kernel: Kernel, type: string, member: string): number {
  const plain = plainType(struct(kernel, type).place(member).type);
  return plain.kind === 'array' ? (plain.length ?? 0) : 1;
}

/** All of them: by zone, order and list, as they are linked. What is wrong goes to `issues`. @throws Missing, MemoryFault */
export function* freeBlocks(kernel: Kernel, issues: Issues): Iterable<FreeBlock> {
  const pages = new Pages(kernel);
  for (const zone of zonePlaces(kernel, issues)) yield* freeBlocksOf(pages, zone, issues);
}

export function* freeBlocksOf(pages: Pages, zone: ZonePlace, issues: Issues): Iterable<FreeBlock> {
  const { kernel } = pages;
  const { offset, size, orders, lists, listOffset } = freeAreas(kernel);
  const { lru } = pages.layout;
  if (lru === null) throw new Missing('member', 'page.lru');
  const twoWords = 2 * kernel.memory.pointerSize;
  for (let order = 0; order < orders; order++) {
    for (let migrateType = 0; migrateType < lists; migrateType++) {
      const head = zone.address + BigInt(offset + order * size + listOffset + migrateType * twoWords);
      const name = `free_area[${order}].free_list[${migrateType}] of zone ${zone.index} of node ${zone.node.id}`;
      for (const node of listNodes(kernel, head, issues, { name })) {
        const pfn = pages.pfnOf(node - BigInt(lru));
        if (pfn >= 0) yield { zone, order, migrateType, pfn };
        else issues.add('damaged-list', `list ${name}: ${hex(node)} is in no struct page`, node);
      }
    }
  }
}

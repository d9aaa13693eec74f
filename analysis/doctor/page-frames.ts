// struct pages: what no page can be at once, and the free lists of the buddy allocator against what the pages on them say of themselves.
// Source: mm/page_alloc.c (check_new_page_bad, page_is_buddy, PAGE_FLAGS_CHECK_AT_PREP; 2.6.24 to 7.3), include/linux/page-flags.h.
import { hex, Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { hasStruct, struct } from '../object/index.js';
import {
  freeAreas,
  freeBlocks,
  freeLists,
  Pages,
  pageFlagNames,
  type ZoneBits,
  zoneBits,
  zonePlaces,
} from '../pages/index.js';

/** Flags that no free page has; the lowest 32 bits hold them all. */
const NOT_FREE = [
  'locked',
  'lru',
  'active',
  'slab',
  'writeback',
  'head',
  'private',
  'mlocked',
  'swapbacked',
  'reserved',
];

const NEVER_MADE = 0xffff_ffff;

/** @throws Missing, MemoryFault */
export function checkPageFrames(kernel: Kernel, issues: Issues): void {
  // The lists' own links and counters.
  for (const _ of freeLists(kernel, issues));
  const check = new FrameCheck(kernel, issues);
  for (const { startPfn, endPfn } of check.pages.map.pieces) {
    for (let pfn = startPfn; pfn < endPfn; pfn++) if (check.pages.has(pfn)) check.frame(pfn);
  }
}

class FrameCheck {
  readonly pages: Pages;
  readonly #issues: Issues;
  readonly #notFree: number;
  readonly #lru: number;
  readonly #reserved: number;
  readonly #orders: number;
  /** The word of the mapcount is nothing else's in a slab: SLUB since 5.17. */
  readonly #unmapped: boolean;
  /** By its first frame, the order of the list that a free block is on; null where not all lists can be read. */
  readonly #listed: ReadonlyMap<number, number> | null;
  readonly #zones: ZoneSpans | null;
  /** The free block that was met last. */
  #block = -1;
  #blockEnd = 0;

  /** @throws Missing, MemoryFault */
  constructor(kernel: Kernel, issues: Issues) {
    this.pages = new Pages(kernel);
    this.#issues = issues;
    const names = pageFlagNames(kernel);
    const bit = (name: string): number => (names.indexOf(name) < 0 ? 0 : 2 ** names.indexOf(name)) | 0;
    this.#notFree = NOT_FREE.reduce((mask, name) => mask | bit(name), 0);
    this.#lru = bit('lru');
    this.#reserved = bit('reserved');
    this.#orders = freeAreas(kernel).orders;
    this.#unmapped = hasStruct(kernel, 'slab') && struct(kernel, 'slab').has('__unused');
    this.#listed = listed(kernel, this.pages, issues);
    this.#zones = zoneSpans(kernel, issues);
  }

  frame(pfn: number): void {
    const { pages } = this;
    const flags = pages.flags(pfn);
    // Kernels that check themselves fill the map so before memory is given to the allocator (CONFIG_DEBUG_VM).
    if (flags === NEVER_MADE && pages.refcount(pfn) === -1) return;
    const isFree = pages.isBuddy(pfn);
    if (isFree) this.#free(pfn, flags);
    else if (pfn < this.#blockEnd) this.#inBlock(pfn);
    if (pages.refcount(pfn) < 0) this.#tell('negative-refcount', pfn, `its refcount is ${pages.refcount(pfn)}`);
    if ((flags & this.#lru) !== 0 && pages.isSlab(pfn) && !pages.isTail(pfn))
      this.#tell('impossible-flags', pfn, 'it is on a list of pages to reclaim, and one of the slab allocator');
    if (this.#unmapped && pages.isSlab(pfn) && pages.mapcountWord(pfn) >= 0)
      this.#tell(
        'impossible-flags',
        pfn,
        `the slab allocator has it, but its mapcount is ${pages.mapcountWord(pfn) + 1}`,
      );
    if (pages.isTail(pfn) && pages.head(pfn) < 0)
      this.#tell('damaged-compound-page', pfn, 'it is the tail of a page that cannot be its head');
    // What was never given to the allocator may have been left as it was.
    if (isFree || ((flags & this.#reserved) === 0 && pages.refcount(pfn) > 0)) this.#zone(pfn);
  }

  #free(pfn: number, flags: number): void {
    const { pages } = this;
    const order = pages.private(pfn);
    if (pfn < this.#blockEnd)
      this.#tell('overlapping-free-blocks', pfn, `a free block begins in the one of frame ${hex(this.#block)}`);
    if (pages.refcount(pfn) !== 0)
      this.#tell('free-page-in-use', pfn, `it is free, but its refcount is ${pages.refcount(pfn)}`);
    if ((flags & this.#notFree) !== 0)
      this.#tell('impossible-flags', pfn, `it is free, but its flags are ${hex(BigInt.asUintN(32, BigInt(flags)))}`);
    if (order < 0 || order >= this.#orders || pfn % 2 ** order !== 0) {
      this.#tell('damaged-free-block', pfn, `it begins a free block of order ${order}, which cannot begin there`);
      return;
    }
    this.#block = pfn;
    this.#blockEnd = pfn + 2 ** order;
    if (this.#listed === null) return;
    const list = this.#listed.get(pfn);
    if (list === undefined) this.#tell('free-block-not-listed', pfn, 'it begins a free block that is on no free list');
    else if (list !== order)
      this.#tell('damaged-free-block', pfn, `it begins a free block of order ${order}, on a list of order ${list}`);
  }

  #inBlock(pfn: number): void {
    const count = this.pages.refcount(pfn);
    if (count !== 0)
      this.#tell(
        'free-page-in-use',
        pfn,
        `it is in the free block of frame ${hex(this.#block)}, but its refcount is ${count}`,
      );
  }

  #zone(pfn: number): void {
    const zones = this.#zones;
    if (zones === null) return;
    const number = zones.of(this.pages, pfn);
    if (zones.holds(number, pfn)) return;
    this.#tell('page-of-another-zone', pfn, `its flags say zone ${number}, which does not reach there`);
  }

  #tell(code: string, pfn: number, what: string): void {
    this.#issues.add(code, `the page of frame ${hex(pfn)}: ${what}`, this.pages.address(pfn));
  }
}

/** What is on a list and does not say that it is free is told; null where a list, or a zone with its lists, cannot be read: what it would have led to is not known. */
function listed(kernel: Kernel, pages: Pages, issues: Issues): Map<number, number> | null {
  const found = new Map<number, number>();
  // What is wrong with the lists themselves has been told.
  const lists = new Issues();
  for (const { pfn, order, migrateType } of freeBlocks(kernel, lists)) {
    found.set(pfn, order);
    if (!pages.has(pfn) || pages.isBuddy(pfn)) continue;
    const message = `the page of frame ${hex(pfn)} is on free list ${migrateType} of order ${order}, but does not say that it is free`;
    issues.add('free-list-page-in-use', message, pages.address(pfn));
  }
  return isUnread(lists) ? null : found;
}

const isUnread = (issues: Issues): boolean => issues.list().some(({ code }) => code.startsWith('unreadable-'));

/** The zones' stretches of frames, by node and zone as the flags of pages have them. */
class ZoneSpans {
  readonly #bits: ZoneBits;
  readonly #starts = new Map<number, number>();
  readonly #ends = new Map<number, number>();

  constructor(bits: ZoneBits) {
    this.#bits = bits;
  }

  add(node: number, zone: number, start: number, end: number): void {
    // Where the flags have no node, a zone of every node has the same number.
    const key = this.#key(node, zone);
    this.#starts.set(key, Math.min(start, this.#starts.get(key) ?? start));
    this.#ends.set(key, Math.max(end, this.#ends.get(key) ?? end));
  }

  #key(node: number, zone: number): number {
    return (this.#bits.nodeWidth === 0 ? 0 : node) * 2 ** this.#bits.zoneWidth + zone;
  }

  /** Node and zone stand next to each other, in the upper half of the flags or astride. */
  of(pages: Pages, pfn: number): number {
    const { zoneShift, zoneWidth, nodeWidth } = this.#bits;
    const width = zoneWidth + nodeWidth;
    if (zoneShift >= 32) return (pages.flagsHigh(pfn) >>> (zoneShift - 32)) & (2 ** width - 1);
    return Number((pages.flagsWord(pfn) >> BigInt(zoneShift)) & (2n ** BigInt(width) - 1n));
  }

  holds(number: number, pfn: number): boolean {
    const start = this.#starts.get(number);
    const end = this.#ends.get(number);
    return start !== undefined && end !== undefined && pfn >= start && pfn < end;
  }
}

/** Null where the flags of pages do not tell, or a zone cannot be read. */
function zoneSpans(kernel: Kernel, issues: Issues): ZoneSpans | null {
  const bits = zoneBits(kernel);
  if (bits === null) return null;
  const layout = struct(kernel, 'zone');
  const start = layout.number('zone_start_pfn');
  const spanned = layout.number('spanned_pages');
  const spans = new ZoneSpans(bits);
  const found = new Issues();
  for (const { address, node, index } of zonePlaces(kernel, found)) {
    const first = start(address);
    if (spanned(address) > 0) spans.add(node.id, index, first, first + spanned(address));
  }
  issues.addAll(found);
  return isUnread(found) ? null : spans;
}

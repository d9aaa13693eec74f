// Which pages a smaller dump can do without: the classes and levels of makedumpfile 1.7, by the marks in the memory map alone. Source: the manual of makedumpfile, its
// __exclude_unnecessary_pages, and include/linux/page-flags.h, include/linux/mm.h (2.6.24 to 7.3) for what the marks mean.
import { type Extents, hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Compound } from './compound.js';
import { FrameRanges } from './frame-ranges.js';
import { freeAreas, freeBlocks } from './free-blocks.js';
import { flagBit, type PageLayout, pageOffset } from './layout.js';
import { PAGE_TYPE_BUDDY, PAGE_TYPE_OFFLINE, PAGE_TYPE_UNACCEPTED } from './page-types.js';
import { Pages } from './pages.js';

/**
 * `zero` pages of zeros; `cache` page cache without private data, `cache-private` with it (and all other page cache too, as makedumpfile has it); `user` anonymous and
 * hugetlbfs memory of processes; `free` pages of the buddy allocator.
 */
export type PageClass = 'zero' | 'cache' | 'cache-private' | 'user' | 'free';

/** By makedumpfile's bits. */
export const PAGE_CLASSES: readonly PageClass[] = ['zero', 'cache', 'cache-private', 'user', 'free'];
export const MOST_LEVEL = 31;

/** The bits of a dump level: 0 to 31. */
export const levelOfClasses = (classes: Iterable<PageClass>): number =>
  [...new Set(classes)].reduce((level, name) => level | (1 << PAGE_CLASSES.indexOf(name)), 0);

export const classesOfLevel = (level: number): PageClass[] =>
  PAGE_CLASSES.filter((_, bit) => (level & (1 << bit)) !== 0);

/** Frames by the reason for which they are left out. Those that hardware lost and those taken offline always are. */
export interface DropCounts {
  cache: number;
  cachePrivate: number;
  user: number;
  free: number;
  hwpoison: number;
  offline: number;
}

export interface DroppedFrames {
  /** Ascending, disjoint; whole pages, also some that the dump does not have. */
  readonly ranges: FrameRanges;
  readonly counts: DropCounts;
  /** Frames of the dump that have no struct page, or none that can be read: they are kept. */
  readonly unknown: number;
}

const CACHE = 2;
const CACHE_PRIVATE = 4;
const USER = 8;
const FREE = 16;

/**
 * Goes once through the struct pages of the memory that is there.
 * @param level the bits of makedumpfile's dump level; that of zeros has no meaning here
 * @param present the memory of the dump
 * @throws Missing where the memory map cannot be found, MemoryFault
 */
export function droppedFrames(kernel: Kernel, level: number, present: Extents, issues: Issues): DroppedFrames {
  const pass = new DropPass(kernel, level, issues);
  for (let i = 0; i < present.length; i++) pass.memory(present.starts[i], present.ends[i]);
  if ((level & FREE) !== 0 && !pass.marksFree) pass.addFreeLists();
  pass.tell();
  return { ranges: pass.ranges, counts: pass.counts, unknown: pass.unknown };
}

/** Masks of the low 32 flags; 0 where this kernel has no such flag. */
interface FlagMasks {
  readonly lru: number;
  readonly private: number;
  readonly swapCache: number;
  /** PG_swapcache means something only beside this flag (4.10 and later); 0 where it stands alone. */
  readonly swapBacked: number;
  readonly hwpoison: number;
  readonly head: number;
}

const mask = (bit: number | null): number => (bit === null || bit >= 32 ? 0 : 1 << bit);

function flagMasks(kernel: Kernel, layout: PageLayout): FlagMasks {
  return {
    lru: mask(flagBit(kernel, 'PG_lru')),
    private: mask(flagBit(kernel, 'PG_private')),
    swapCache: mask(flagBit(kernel, 'PG_swapcache')),
    swapBacked: mask(flagBit(kernel, 'PG_swapbacked')),
    hwpoison: mask(flagBit(kernel, 'PG_hwpoison')),
    head: mask(layout.headBit),
  };
}

class DropPass {
  ranges = new FrameRanges();
  readonly counts: DropCounts = { cache: 0, cachePrivate: 0, user: 0, free: 0, hwpoison: 0, offline: 0 };
  unknown = 0;
  /** Whether the pages themselves tell that they are free. */
  readonly marksFree: boolean;
  readonly #kernel: Kernel;
  readonly #level: number;
  readonly #issues: Issues;
  readonly #pages: Pages;
  readonly #compound: Compound;
  readonly #masks: FlagMasks;
  readonly #orders: number;
  /** Frames before it belong to a block that was dropped whole. */
  #next = 0;
  #firstUnknown = -1;

  constructor(kernel: Kernel, level: number, issues: Issues) {
    this.#kernel = kernel;
    this.#level = level;
    this.#issues = issues;
    this.#pages = new Pages(kernel);
    // A tail may lie behind the window: it is read through one of its own.
    this.#compound = new Compound(new Pages(kernel));
    const { layout } = this.#pages;
    this.#masks = flagMasks(kernel, layout);
    this.marksFree =
      pageOffset(kernel, 'private') !== null && (layout.types.knows(PAGE_TYPE_BUDDY) || layout.buddyBit !== null);
    this.#orders = (level & FREE) === 0 ? 0 : freeAreas(kernel).orders;
  }

  /** All frames that have memory in [start, end). */
  memory(start: number, end: number): void {
    const { pageSize } = this.#kernel;
    const endPfn = Math.ceil(end / pageSize);
    const pages = this.#pages;
    for (let pfn = Math.max(this.#next, Math.floor(start / pageSize)); pfn < endPfn; ) {
      this.#next = pfn + 1;
      if (pages.has(pfn)) this.#page(pfn);
      else this.#lack(pfn);
      pfn = this.#next;
    }
  }

  #lack(pfn: number): void {
    this.unknown++;
    if (this.#firstUnknown < 0) this.#firstUnknown = pfn;
  }

  #page(pfn: number): void {
    const pages = this.#pages;
    const { layout } = pages;
    // Tails that can go went with their head.
    if (pages.isTail(pfn)) return;
    const level = this.#level;
    const flags = pages.flags(pfn);
    const type = layout.types.of(pages.mapcountWord(pfn));
    if ((level & FREE) !== 0 && this.marksFree) {
      if (this.#isBuddy(flags, type)) {
        this.#dropFree(pfn, pages.private(pfn));
        return;
      }
      if (type === PAGE_TYPE_UNACCEPTED) {
        this.#dropFree(pfn, this.#orders - 1);
        return;
      }
    }
    const masks = this.#masks;
    const isSlab = pages.isSlab(pfn);
    const isAnon = (pages.mappingLow(pfn) & 1) !== 0 && !isSlab;
    if ((level & (CACHE | CACHE_PRIVATE)) !== 0 && !isAnon && isCache(flags, masks)) {
      const isPrivate = (flags & masks.private) !== 0;
      if (!isPrivate || (level & CACHE_PRIVATE) !== 0) {
        this.#drop(pfn, this.#order(pfn, flags), isPrivate ? 'cachePrivate' : 'cache');
        return;
      }
    }
    if ((level & USER) !== 0 && (isAnon || this.#isHugetlb(pfn, flags))) {
      this.#drop(pfn, this.#order(pfn, flags), 'user');
    } else if ((flags & masks.hwpoison) !== 0) {
      this.#drop(pfn, this.#order(pfn, flags), 'hwpoison');
    } else if (type === PAGE_TYPE_OFFLINE && !isSlab) {
      this.#drop(pfn, this.#order(pfn, flags), 'offline');
    }
  }

  #isBuddy(flags: number, type: number): boolean {
    const { buddyBit } = this.#pages.layout;
    return buddyBit === null ? type === PAGE_TYPE_BUDDY : (flags & (1 << buddyBit)) !== 0;
  }

  #dropFree(pfn: number, order: number): void {
    if (order >= 0 && order < this.#orders) this.#drop(pfn, order, 'free');
    else this.#issues.add('damaged-page', `frame ${hex(pfn)} is free by an order of ${order}, which cannot be`, null);
  }

  #order(pfn: number, flags: number): number {
    return (flags & this.#masks.head) === 0 ? 0 : this.#compound.at(pfn).order;
  }

  #isHugetlb(pfn: number, flags: number): boolean {
    return (flags & this.#masks.head) !== 0 && this.#compound.at(pfn).hugetlb;
  }

  #drop(pfn: number, order: number, reason: keyof DropCounts): void {
    const end = pfn + 2 ** order;
    this.ranges.add(pfn, end);
    this.counts[reason] += end - pfn;
    this.#next = end;
  }

  /** Kernels that do not mark free pages (before 2.6.17) have them in lists all the same. */
  addFreeLists(): void {
    const found: { readonly pfn: number; readonly order: number }[] = [];
    for (const { pfn, order } of freeBlocks(this.#kernel, this.#issues)) found.push({ pfn, order });
    found.sort((a, b) => a.pfn - b.pfn);
    for (const { order } of found) this.counts.free += 2 ** order;
    this.ranges = this.ranges.union(found.map(({ pfn, order }) => [pfn, pfn + 2 ** order] as const));
  }

  tell(): void {
    if (this.unknown === 0) return;
    this.#issues.add(
      'unknown-pages',
      `${this.unknown} frames, the first ${hex(this.#firstUnknown)}, have no struct page that can be read: they are kept`,
    );
  }
}

/** On a list of page cache or anonymous memory, or in the swap cache. */
function isCache(flags: number, masks: FlagMasks): boolean {
  if ((flags & masks.lru) !== 0) return true;
  const backed = masks.swapBacked === 0 || (flags & masks.swapBacked) !== 0;
  return backed && (flags & masks.swapCache) !== 0;
}

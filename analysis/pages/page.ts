// One page frame: what its struct page says, and what it is used for. Source: include/linux/mm_types.h, include/linux/page-flags.h, include/linux/mm.h (2.6.24 to 7.3).
import { FAULT_SENTENCES, type FaultReason, type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, hasStruct, struct } from '../object/index.js';
import { Compound } from './compound.js';
import { freeAreas } from './free-blocks.js';
import { flagBit } from './layout.js';
import { flagNames } from './page-flags.js';
import { PAGE_TYPE_BUDDY, PAGE_TYPE_NONE, PAGE_TYPES, type PageTypeName } from './page-types.js';
import { Pages } from './pages.js';
import { slabCache } from './slab-owner.js';
import { nodeOf, type ZoneBits, zoneBits, zoneOf } from './zone-bits.js';
import { zonePlaces } from './zone-places.js';

/**
 * `free` by the buddy allocator; `unused` with no user and in no free list of the zone: kept by a CPU for itself, or a hole; `anonymous`, `ksm`, `page-cache`, `swap-cache` and `hugetlb` of processes and
 * files; `kernel` allocated by something that leaves no mark.
 */
export type PageUse =
  | Exclude<PageTypeName, 'buddy' | 'kmemcg'>
  | 'free'
  | 'unused'
  | 'hwpoison'
  | 'reserved'
  | 'anonymous'
  | 'ksm'
  | 'movable'
  | 'page-cache'
  | 'swap-cache'
  | 'kernel';

export interface PageDetail {
  readonly pfn: number;
  /** Of its struct page. */
  readonly page: bigint;
  readonly physical: number;
  readonly flags: bigint;
  /** Those of its flags that have names. */
  readonly flagNames: readonly string[];
  /** Null where nothing tells the widths of these fields. */
  readonly node: number | null;
  readonly zone: number | null;
  readonly zoneName: string | null;
  readonly refcount: number;
  readonly mapcount: number;
  readonly mapping: bigint;
  /** Null where this kernel's types are not to be had. */
  readonly index: bigint | null;
  readonly type: PageTypeName | null;
  /** The compound page that it is in. */
  readonly compound: { readonly head: number; readonly order: number } | null;
  /** The free block that it is in. */
  readonly freeBlock: { readonly pfn: number; readonly order: number } | null;
  /** Null where what would tell it is not in the dump. */
  readonly use: PageUse | null;
  /** The kmem_cache of a slab's page. */
  readonly cache: bigint | null;
  readonly cacheName: string | null;
  /** The inode whose page cache it is. */
  readonly inode: bigint | null;
}

const MOST_NAME = 64;
/** Memory that was there, and is not in the dump; a word that is no pointer leads elsewhere. */
const LOST: ReadonlySet<FaultReason> = new Set(['excluded', 'unregistered', 'truncated']);

/** A function that tells of a frame; null for one without a struct page that can be read, the reason is in its `fault`. What some values need and this kernel lacks is told once. */
export class PageDetails {
  readonly pages: Pages;
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  /** For heads and free blocks: away from the window of what is asked for in order. */
  readonly #beside: Pages;
  readonly #compound: Compound;
  readonly #bits: ZoneBits | null;
  readonly #index: Get<bigint> | null;
  readonly #host: Get<bigint> | null;
  readonly #cacheName: Get<bigint> | null;
  readonly #zoneNames: ReadonlyMap<string, string>;
  readonly #masks: {
    readonly reserved: number;
    readonly hwpoison: number;
    readonly swapCache: number;
    readonly swapBacked: number;
  };
  readonly #told = new Set<string>();

  /** @throws Missing, MemoryFault */
  constructor(kernel: Kernel, issues: Issues) {
    this.#kernel = kernel;
    this.#issues = issues;
    this.pages = new Pages(kernel);
    this.#beside = new Pages(kernel);
    this.#compound = new Compound(this.#beside);
    this.#bits = this.#maybe(() => zoneBits(kernel));
    const page = hasStruct(kernel, 'page') ? struct(kernel, 'page') : null;
    // The member has its new name since 6.16.
    this.#index = this.#maybe(() => page?.word(page.which('index', '__folio_index')) ?? null);
    this.#host = this.#maybe(() => struct(kernel, 'address_space').word('host'));
    this.#cacheName = this.#maybe(() => struct(kernel, 'kmem_cache').word('name'));
    this.#zoneNames = this.#maybe(() => zoneNames(kernel, issues)) ?? new Map();
    const mask = (name: string): number => {
      const bit = flagBit(kernel, name);
      return bit === null || bit >= 32 ? 0 : 1 << bit;
    };
    this.#masks = {
      reserved: mask('PG_reserved'),
      hwpoison: mask('PG_hwpoison'),
      swapCache: mask('PG_swapcache'),
      swapBacked: mask('PG_swapbacked'),
    };
  }

  #maybe<T>(ask: () => T | null): T | null {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
      this.#tell(error instanceof Missing ? `missing-${error.kind}` : 'unreadable-memory', error.message);
      return null;
    }
  }

  #tell(code: string, message: string): void {
    if (!this.#told.has(message)) this.#issues.add(code, message);
    this.#told.add(message);
  }

  of(pfn: number): PageDetail | null {
    const { pages } = this;
    if (!pages.has(pfn)) return null;
    const page = pages.address(pfn) ?? 0n;
    const flags = pages.flagsWord(pfn);
    const bits = this.#bits;
    const node = bits === null ? null : nodeOf(flags, bits);
    const zone = bits === null ? null : zoneOf(flags, bits);
    const type = pages.type(pfn);
    const head = pages.head(pfn);
    const compound = this.#compoundOf(pfn, head);
    const freeBlock = this.#freeBlock(pfn);
    const mapping = pages.mapping(pfn);
    const index = this.#index;
    // Tails leave these to their head.
    const owner = compound?.head ?? pfn;
    const use = freeBlock === null ? this.#use(owner) : 'free';
    const cache = use === 'slab' ? this.#maybe(() => slabCache(this.#beside, owner)) : null;
    return {
      pfn,
      page,
      physical: pfn * this.#kernel.pageSize,
      flags,
      flagNames: flagNames(this.#kernel, flags),
      node,
      zone,
      zoneName: this.#zoneNames.get(`${node} ${zone}`) ?? null,
      refcount: pages.refcount(pfn),
      mapcount: pages.mapcount(pfn),
      mapping,
      index: index === null ? null : this.#maybe(() => index(page)),
      type: type === PAGE_TYPE_NONE ? null : PAGE_TYPES[type],
      compound,
      freeBlock,
      use,
      cache,
      cacheName: cache === null ? null : this.#nameOf(cache),
      inode: use === 'page-cache' ? this.#inodeOf(this.#beside.mapping(owner)) || null : null,
    };
  }

  #compoundOf(pfn: number, head: number): PageDetail['compound'] {
    if (head < 0) {
      this.#issues.add('damaged-page', `frame ${pfn} is a tail, but its head cannot be`, this.pages.address(pfn));
      return null;
    }
    if (head === pfn && !this.pages.isHead(pfn)) return null;
    return { head, order: this.#compound.at(head).order };
  }

  /** The block of the buddy allocator that holds a frame: a block of order n begins at a multiple of 2^n. */
  #freeBlock(pfn: number): PageDetail['freeBlock'] {
    const orders = this.#maybe(() => freeAreas(this.#kernel).orders) ?? 0;
    const beside = this.#beside;
    for (let order = 0; order < orders; order++) {
      const first = pfn - (pfn % 2 ** order);
      if (!beside.has(first) || !beside.isBuddy(first)) continue;
      const size = beside.private(first);
      if (size >= order && size < orders && pfn < first + 2 ** size) return { pfn: first, order: size };
    }
    return null;
  }

  #use(pfn: number): PageUse | null {
    const beside = this.#beside;
    if (!beside.has(pfn)) return 'kernel';
    const flags = beside.flags(pfn);
    const masks = this.#masks;
    if ((flags & masks.hwpoison) !== 0) return 'hwpoison';
    if (beside.isSlab(pfn)) return 'slab';
    const type = beside.type(pfn);
    if (type !== PAGE_TYPE_NONE && type !== PAGE_TYPE_BUDDY && PAGE_TYPES[type] !== 'kmemcg')
      return PAGE_TYPES[type] as PageUse;
    if (beside.isHead(pfn) && this.#compound.at(pfn).hugetlb) return 'hugetlb';
    if ((flags & masks.reserved) !== 0) return 'reserved';
    return this.#byMapping(pfn, flags);
  }

  /** The low bits of page.mapping: anonymous, movable, both for KSM (4.8 and later; before, 2 stood for KSM beside 1). */
  #byMapping(pfn: number, flags: number): PageUse | null {
    const low = this.#beside.mappingLow(pfn) & 3;
    const { swapCache, swapBacked } = this.#masks;
    if (low === 1) return 'anonymous';
    if (low === 3) return 'ksm';
    const refcount = this.#beside.refcount(pfn);
    if (refcount === 0) return 'unused';
    if (low === 2) return 'movable';
    const mapped = this.#isMapping(this.#beside.mapping(pfn));
    if (mapped === true) return 'page-cache';
    if ((flags & swapCache) !== 0 && (flags & swapBacked) === swapBacked) return 'swap-cache';
    return mapped === null ? null : 'kernel';
  }

  /** Some owners keep other things in this word: a mapping has an inode that points back. Null where that is not in the dump. */
  #isMapping(mapping: bigint): boolean | null {
    if (mapping === 0n) return false;
    if (this.#host === null) return true;
    const inode = this.#inodeOf(mapping);
    return inode === null ? null : inode !== 0n;
  }

  /** 0 if there is none, null if it is not in the dump. */
  #inodeOf(mapping: bigint): bigint | null {
    try {
      const inode = this.#host?.(mapping) ?? 0n;
      if (inode === 0n) return 0n;
      return struct(this.#kernel, 'inode').word('i_mapping')(inode) === mapping ? inode : 0n;
    } catch (error) {
      if (error instanceof Missing) return 0n;
      if (!(error instanceof MemoryFault)) throw error;
      if (!LOST.has(error.reason)) return 0n;
      this.#tell('unreadable-memory', `what some pages are used for cannot be told: ${FAULT_SENTENCES[error.reason]}`);
      return null;
    }
  }

  #nameOf(cache: bigint): string | null {
    const name = this.#cacheName;
    if (name === null) return null;
    return this.#maybe(() => this.#kernel.memory.text(name(cache), MOST_NAME));
  }
}

function zoneNames(kernel: Kernel, issues: Issues): Map<string, string> {
  const name = struct(kernel, 'zone').word('name');
  const names = new Map<string, string>();
  for (const { address, node, index } of zonePlaces(kernel, issues)) {
    names.set(`${node.id} ${index}`, kernel.memory.text(name(address), MOST_NAME));
  }
  return names;
}

// What a page is by its page_type, which shares a word with _mapcount: four encodings since 2.6.38. Source: include/linux/mm.h (2.6.38 to 4.17),
// include/linux/page-flags.h (4.18: commit 6e292b9be7f4; 6.11: 8db00ad56461; 6.12: 4ffca5a96678).
import { memberPlace } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';

/** Types of all releases; a kernel knows some of them. */
export const PAGE_TYPES = [
  'buddy',
  'offline',
  'table',
  'guard',
  'hugetlb',
  'slab',
  'zsmalloc',
  'unaccepted',
  'large-kmalloc',
  'balloon',
  'kmemcg',
] as const;
export type PageTypeName = (typeof PAGE_TYPES)[number];

const numberOf = (name: PageTypeName): number => PAGE_TYPES.indexOf(name);

/** Positions in PAGE_TYPES. */
export const PAGE_TYPE_BUDDY = numberOf('buddy');
export const PAGE_TYPE_OFFLINE = numberOf('offline');
export const PAGE_TYPE_HUGETLB = numberOf('hugetlb');
export const PAGE_TYPE_SLAB = numberOf('slab');
export const PAGE_TYPE_UNACCEPTED = numberOf('unaccepted');
/** What kmalloc() took from the page allocator (6.15 and later: unmarked before). */
export const PAGE_TYPE_LARGE_KMALLOC = numberOf('large-kmalloc');
/** What `of` gives for a page without a type. */
export const PAGE_TYPE_NONE = -1;

/** How a kernel tells types. */
export interface PageTypes {
  /** Whether this kernel marks pages of that type here (some mark them by a flag, some not at all). */
  knows(type: number): boolean;
  /** A position in PAGE_TYPES, or PAGE_TYPE_NONE. @param word `_mapcount` or `page_type`, 32 bits */
  of(word: number): number;
}

/** Single values of the word: a mapcount that no page has (up to 4.17), and what VMCOREINFO tells of a kernel that nothing else is known of. */
class ByValue implements PageTypes {
  readonly #types: ReadonlyMap<number, number>;

  constructor(values: Iterable<readonly [value: number, type: number]>) {
    this.#types = new Map([...values].map(([value, type]) => [value | 0, type]));
  }

  knows(type: number): boolean {
    return [...this.#types.values()].includes(type);
  }

  of(word: number): number {
    return (word | 0) >= -1 ? PAGE_TYPE_NONE : (this.#types.get(word | 0) ?? PAGE_TYPE_NONE);
  }
}

/** A bit that is cleared for each type, below a base that is set (4.18 to 6.11). */
class ByClearedBit implements PageTypes {
  readonly #base: number;
  readonly #bits: readonly (readonly [bit: number, type: number])[];

  constructor(base: number, bits: readonly (readonly [bit: number, type: number])[]) {
    this.#base = base | 0;
    this.#bits = bits;
  }

  knows(type: number): boolean {
    return this.#bits.some(([, one]) => one === type);
  }

  of(word: number): number {
    if (word === -1 || (word & this.#base) !== this.#base) return PAGE_TYPE_NONE;
    for (const [bit, type] of this.#bits) if ((word & bit) === 0) return type;
    return PAGE_TYPE_NONE;
  }
}

/** The top byte is the type, the rest the owner's (6.12 and later). */
class ByTopByte implements PageTypes {
  readonly #types = new Int8Array(256).fill(PAGE_TYPE_NONE);

  constructor(bytes: Iterable<readonly [byte: number, type: number]>) {
    for (const [byte, type] of bytes) this.#types[byte] = type;
  }

  knows(type: number): boolean {
    return this.#types.includes(type);
  }

  of(word: number): number {
    return this.#types[word >>> 24];
  }
}

/** The names that `enum pagetype` has for them. */
const enumerator = (name: PageTypeName): string => name.replace('-', '_');

/** What VMCOREINFO says of this word. */
const SAID: readonly (readonly [name: PageTypeName, number: string])[] = [
  ['buddy', 'PAGE_BUDDY_MAPCOUNT_VALUE'],
  ['offline', 'PAGE_OFFLINE_MAPCOUNT_VALUE'],
  ['hugetlb', 'PAGE_HUGETLB_MAPCOUNT_VALUE'],
  ['slab', 'PAGE_SLAB_MAPCOUNT_VALUE'],
  ['unaccepted', 'PAGE_UNACCEPTED_MAPCOUNT_VALUE'],
];

/** PGTY_buddy (6.12 to 7.3) and the numbers that follow it, where no types tell. */
const FIRST_TOP_BYTE = 0xf0;
const TOP_BYTES: readonly PageTypeName[] = [
  'buddy',
  'offline',
  'table',
  'guard',
  'hugetlb',
  'slab',
  'zsmalloc',
  'unaccepted',
  'large-kmalloc',
];
/** 4.18 to 6.10. */
const LOW_BITS: readonly (readonly [name: PageTypeName, bit: number])[] = [
  ['buddy', 0x80],
  ['offline', 0x100],
];
/** Since 6.9 (commit d99e3140a4d3) and 6.10 (46df8e73a4a3). */
const LOW_HUGETLB = 0x800;
const LOW_SLAB = 0x1000;
const LOW_BASE = 0xf000_0000;
/** PAGE_TYPE_BASE of 6.11. */
const HIGH_BASE = 0x8000_0000;
/** PAGE_BUDDY_MAPCOUNT_VALUE (2.6.39 to 4.17; 2.6.38 had -2), PAGE_BALLOON_MAPCOUNT_VALUE, PAGE_KMEMCG_MAPCOUNT_VALUE. */
const MAPCOUNTS: readonly (readonly [value: number, name: PageTypeName])[] = [
  [-128, 'buddy'],
  [-256, 'balloon'],
  [-512, 'kmemcg'],
];

/** By what VMCOREINFO says of free pages, else by the enumerators, else by the lack of them. */
export function pageTypes(kernel: Kernel): PageTypes {
  const buddy = kernel.vmcoreinfo?.number('PAGE_BUDDY_MAPCOUNT_VALUE');
  if (buddy !== undefined) return byBuddy(kernel, Number(BigInt.asIntN(32, buddy)));
  const { types } = kernel;
  if (types === null) return new ByValue([]);
  const top = named(kernel, 'PGTY_');
  if (top.length > 0) return new ByTopByte(top);
  // The flags of pages are no larger; enum pagetype is, since 6.10. PG_buddy was such a flag up to 2.6.37.
  const bits = named(kernel, 'PG_').filter(([bit]) => bit >= MOST_FLAGS);
  if (bits.length > 0) return new ByClearedBit(bits.some(([bit]) => bit > 0xffff) ? HIGH_BASE : LOW_BASE, bits);
  if (types.enumerator('PG_buddy') !== null) return new ByValue([]);
  const page = types.find('struct', 'page');
  const hasType = page !== null && memberPlace(page, 'page_type') !== null;
  return hasType ? byBuddy(kernel, ~0x80) : byBuddy(kernel, -128);
}

const MOST_FLAGS = 64;

/** The types that this kernel's enumerators name. */
function named(kernel: Kernel, prefix: string): (readonly [value: number, type: number])[] {
  return PAGE_TYPES.flatMap((name, type) => {
    const value = kernel.types?.enumerator(`${prefix}${enumerator(name)}`) ?? null;
    return value === null || value < 0n || value > 0xffff_ffffn ? [] : [[Number(value), type] as const];
  });
}

function byBuddy(kernel: Kernel, buddy: number): PageTypes {
  if (buddy === FIRST_TOP_BYTE << 24) {
    return new ByTopByte(TOP_BYTES.map((name, i) => [FIRST_TOP_BYTE + i, numberOf(name)]));
  }
  if (buddy === ~0x80) return new ByClearedBit(LOW_BASE, lowBits(kernel));
  const said = SAID.flatMap(([name, number]) => {
    const value = kernel.vmcoreinfo?.number(number);
    return value === undefined ? [] : [[Number(BigInt.asIntN(32, value)), numberOf(name)] as const];
  });
  const old = buddy >= -512 ? MAPCOUNTS.map(([value, name]) => [value, numberOf(name)] as const) : [];
  return new ByValue([...old, ...said]);
}

function lowBits(kernel: Kernel): (readonly [bit: number, type: number])[] {
  const bits = LOW_BITS.map(([name, bit]) => [bit, numberOf(name)] as const);
  const { vmcoreinfo } = kernel;
  const said = vmcoreinfo !== null;
  const hugetlb = said ? vmcoreinfo.number('PAGE_HUGETLB_MAPCOUNT_VALUE') !== undefined : hugetlbIsType(kernel);
  const slab = said ? vmcoreinfo.number('PAGE_SLAB_MAPCOUNT_VALUE') !== undefined : enumeratorIsGone(kernel, 'PG_slab');
  if (hugetlb) bits.push([LOW_HUGETLB, PAGE_TYPE_HUGETLB]);
  if (slab) bits.push([LOW_SLAB, PAGE_TYPE_SLAB]);
  return bits;
}

/** Neither the destructor's number (to 6.5) nor a flag (6.6 to 6.8) is left. */
function hugetlbIsType(kernel: Kernel): boolean {
  const folio = kernel.types?.find('struct', 'folio') ?? null;
  if (folio === null || memberPlace(folio, '_flags_1') === null || memberPlace(folio, '_folio_dtor') !== null)
    return false;
  return enumeratorIsGone(kernel, 'PG_hugetlb');
}

const enumeratorIsGone = (kernel: Kernel, name: string): boolean => kernel.types?.enumerator(name) == null;

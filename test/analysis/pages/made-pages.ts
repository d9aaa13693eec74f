// A memory map written by hand: sections, struct pages and VMCOREINFO as each generation of kernels has them. Written from include/linux/mm_types.h and page-flags.h, not from our reader.
import type { Kernel } from 'kdumpling/analysis';
import type { Type } from 'kdumpling/reader/debuginfo';
import type { Piece } from '../../reader/pieces-memory.js';
import { BASE, BASE32, madeKernel } from '../made-kernel.js';

/** Sections of 16 frames; of 16 there can be, 3 and 5 are there. */
export const PAGES_PER_SECTION = 16;
const SECTION_BITS = 16;
const MEMORY_BITS = 20;
const SECTIONS = [3, 5];
export const FIRST_PFN = 3 * PAGES_PER_SECTION;
export const LAST_PFN = 6 * PAGES_PER_SECTION - 1;
const MEM_SECTION = 0x1000;
const ROOT = 0x2000;
/** Aligned to all of what a mask can tell. */
const MEM_MAP = 0x40000;

export interface Generation {
  readonly name: string;
  readonly size: number;
  readonly word: 4 | 8;
  readonly littleEndian: boolean;
  /** Offsets in struct page. */
  readonly refcount: number;
  readonly mapcount: number;
  readonly mapping: number;
  readonly private: number;
  readonly head: number;
  readonly headName: 'compound_head' | 'compound_info' | 'first_page';
  readonly numbers: Readonly<Record<string, number | string>>;
  readonly offsets?: Readonly<Record<string, number>>;
  readonly types?: readonly Type[];
}

export interface MadePage {
  readonly flags?: bigint;
  readonly refcount?: number;
  readonly mapcount?: number;
  readonly mapping?: bigint;
  readonly private?: bigint;
  /** The word at `head`, whole. */
  readonly head?: bigint;
  /** Other bytes. */
  readonly bytes?: Readonly<Record<number, number>>;
}

export const baseOf = ({ word }: Pick<Generation, 'word'>): bigint => (word === 4 ? BASE32 : BASE);

/** Where the struct page of a frame lies. */
export const pageAddress = (generation: Generation, pfn: number): bigint =>
  baseOf(generation) + BigInt(MEM_MAP + (pfn - FIRST_PFN) * generation.size);

const piece = (paddr: number, { buffer }: DataView<ArrayBuffer>): Piece => ({ paddr, bytes: new Uint8Array(buffer) });

export interface MoreOfKernel {
  readonly pieces?: readonly Piece[];
  /** Behind the root that is there. */
  readonly roots?: readonly bigint[];
  readonly symbols?: Readonly<Record<string, bigint>>;
  /** Lines of VMCOREINFO in place of those of the generation, by their key. */
  readonly lines?: Readonly<Record<string, string>>;
}

export function madePages(
  generation: Generation,
  pages: ReadonlyMap<number, MadePage>,
  { pieces = [], roots: otherRoots = [], symbols = {}, lines = {} }: MoreOfKernel = {},
): Kernel {
  const { size, word, littleEndian } = generation;
  const base = baseOf(generation);
  const map = new DataView(new ArrayBuffer((LAST_PFN + 1 - FIRST_PFN) * size));
  const setWord = (view: DataView, at: number, value: bigint): void => {
    if (word === 8) view.setBigUint64(at, BigInt.asUintN(64, value), littleEndian);
    else view.setUint32(at, Number(BigInt.asUintN(32, value)), littleEndian);
  };
  for (let pfn = FIRST_PFN; pfn <= LAST_PFN; pfn++) {
    const {
      flags = 0n,
      refcount = 1,
      mapcount = -1,
      mapping = 0n,
      private: own = 0n,
      head = 0n,
      bytes = {},
    } = pages.get(pfn) ?? {};
    const at = (pfn - FIRST_PFN) * size;
    setWord(map, at, flags);
    map.setInt32(at + generation.refcount, refcount, littleEndian);
    map.setInt32(at + generation.mapcount, mapcount, littleEndian);
    setWord(map, at + generation.mapping, mapping);
    setWord(map, at + generation.private, own);
    setWord(map, at + generation.head, head);
    for (const [offset, byte] of Object.entries(bytes)) map.setUint8(at + Number(offset), byte);
  }
  const roots = new DataView(new ArrayBuffer((1 + otherRoots.length) * word));
  for (const [i, root] of [base + BigInt(ROOT), ...otherRoots].entries()) setWord(roots, i * word, root);
  const sectionSize = 4 * word;
  const sections = new DataView(new ArrayBuffer(4096));
  for (const number of SECTIONS) {
    const coded = base + BigInt(MEM_MAP) - BigInt(FIRST_PFN * size);
    setWord(sections, number * sectionSize, coded | 0b1111n);
  }
  // Known, but without a map: not present.
  setWord(sections, 7 * sectionSize, 0b0001n);
  return madeKernel({
    pieces: [
      piece(MEM_SECTION, roots),
      piece(ROOT, sections),
      piece(MEM_MAP, map),
      { paddr: FIRST_PFN * 4096, bytes: new Uint8Array(PAGES_PER_SECTION * 4096) },
      { paddr: 5 * PAGES_PER_SECTION * 4096, bytes: new Uint8Array(PAGES_PER_SECTION * 4096) },
      ...pieces,
    ],
    vmcoreinfo: vmcoreinfoOf(generation, base, lines),
    littleEndian,
    pointerSize: word,
    types: generation.types ?? [],
    symbols,
  });
}

function vmcoreinfoOf(generation: Generation, base: bigint, instead: Readonly<Record<string, string>>): string {
  const { size, word, refcount, mapcount, mapping, private: own, head, headName, numbers, offsets = {} } = generation;
  const lines = [
    `SYMBOL(mem_section)=${(base + BigInt(MEM_SECTION)).toString(16)}`,
    'LENGTH(mem_section)=1',
    `SIZE(mem_section)=${4 * word}`,
    'OFFSET(mem_section.section_mem_map)=0',
    `NUMBER(SECTION_SIZE_BITS)=${SECTION_BITS}`,
    `NUMBER(MAX_PHYSMEM_BITS)=${MEMORY_BITS}`,
    'LENGTH(zone.free_area)=11',
    'OFFSET(zone.free_area)=0',
    'SIZE(free_area)=104',
    'OFFSET(free_area.free_list)=0',
    'LENGTH(free_area.free_list)=5',
    `SIZE(page)=${size}`,
    'OFFSET(page.flags)=0',
    `OFFSET(page._refcount)=${refcount}`,
    `OFFSET(page._mapcount)=${mapcount}`,
    `OFFSET(page.mapping)=${mapping}`,
    `OFFSET(page.private)=${own}`,
    `OFFSET(page.${headName})=${head}`,
    ...Object.entries(offsets).map(([member, offset]) => `OFFSET(${member})=${offset}`),
    ...Object.entries(numbers).map(([name, value]) => `NUMBER(${name})=${value}`),
  ];
  const kept = lines.filter(line => !Object.hasOwn(instead, line.slice(0, line.indexOf('='))));
  return [...kept, ...Object.entries(instead).map(([key, value]) => `${key}=${value}`), ''].join('\n');
}

/** x86_64 6.1. */
export const GENERATION_6_1: Generation = {
  name: '6.1',
  size: 64,
  word: 8,
  littleEndian: true,
  refcount: 52,
  mapcount: 48,
  mapping: 24,
  private: 40,
  head: 8,
  headName: 'compound_head',
  numbers: {
    PG_lru: 4,
    PG_private: 13,
    PG_swapcache: 10,
    PG_swapbacked: 19,
    PG_slab: 9,
    PG_hwpoison: 22,
    PG_head_mask: 1 << 16,
    PAGE_BUDDY_MAPCOUNT_VALUE: -129,
    PAGE_OFFLINE_MAPCOUNT_VALUE: -257,
    HUGETLB_PAGE_DTOR: 2,
  },
  offsets: { 'page.compound_dtor': 16, 'page.compound_order': 17 },
};

/** x86_64 7.3. */
export const GENERATION_7_3: Generation = {
  ...GENERATION_6_1,
  name: '7.3',
  headName: 'compound_info',
  numbers: {
    PG_lru: 5,
    PG_private: 14,
    PG_swapcache: 10,
    PG_swapbacked: 17,
    PG_hwpoison: 21,
    PG_head_mask: 1 << 6,
    PAGE_BUDDY_MAPCOUNT_VALUE: -268435456,
    PAGE_HUGETLB_MAPCOUNT_VALUE: -201326592,
    PAGE_OFFLINE_MAPCOUNT_VALUE: -251658240,
    PAGE_SLAB_MAPCOUNT_VALUE: -184549376,
    PAGE_UNACCEPTED_MAPCOUNT_VALUE: -150994944,
  },
  offsets: {},
};

/** i386 6.1: struct pages of 40 bytes. */
export const GENERATION_32: Generation = {
  ...GENERATION_6_1,
  name: '32 bits',
  size: 40,
  word: 4,
  refcount: 28,
  mapcount: 24,
  mapping: 12,
  private: 20,
  head: 4,
  offsets: { 'page.compound_dtor': 8, 'page.compound_order': 9 },
};

/** s390x 6.1. */
export const GENERATION_BIG_ENDIAN: Generation = { ...GENERATION_6_1, name: 'big-endian', littleEndian: false };

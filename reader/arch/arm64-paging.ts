// Page tables of arm64: granules of 4K, 16K and 64K, addresses of 36 to 52 bits. Source: Arm ARM (DDI 0487) chapter D8, "VMSAv8-64 translation table format descriptors"
// (LPA: bits 15:12 of a 64K descriptor are address bits 51:48; LPA2: bits 9:8 are 51:50), arch/arm64/include/asm/{pgtable-hwdef,pgtable-prot}.h (6.x).
import {
  type ArchitecturePaging,
  above,
  bits,
  type EntryAddress,
  type EntryRule,
  LEVEL_NAMES,
  type PagingLevel,
  type PagingMode,
  tablesAtPgd,
  tablesAtSymbols,
} from './paging.js';

interface Granule {
  /** log2 of the page. */
  readonly page: number;
  /** The lowest bit that indexes each level, from the top. */
  readonly shifts: readonly number[];
  /** Levels that can map memory besides the last, by shift, and log2 of how many entries with the contiguous bit make one page. */
  readonly contiguous: Readonly<Record<number, number>>;
}

/** Linux uses blocks at level 1 with 4K pages only. */
const GRANULES: Readonly<Record<number, Granule>> = {
  4096: { page: 12, shifts: [48, 39, 30, 21, 12], contiguous: { 30: 4, 21: 4, 12: 4 } },
  16384: { page: 14, shifts: [47, 36, 25, 14], contiguous: { 25: 5, 14: 7 } },
  65536: { page: 16, shifts: [42, 29, 16], contiguous: { 29: 5, 16: 5 } },
};

const TYPE = 3n;
const TABLE = 3n;
const BLOCK = 1n;
const CONTIGUOUS = 1n << 52n;
/** PTE_NG: the place of PTE_PRESENT_INVALID since 6.10. */
const NOT_GLOBAL = 1n << 11n;
/** PTE_PROT_NONE and PMD_PRESENT_INVALID before. */
const PROT_NONE_58 = 1n << 58n;
const PRESENT_INVALID_59 = 1n << 59n;

export interface Arm64Geometry {
  readonly pageSize: number;
  /** Bits of addresses in use: 64 - T1SZ. */
  readonly width: number;
  /** VA_BITS as the kernel was built; a 64K kernel built for 52 bits keeps its top table that large. */
  readonly builtWidth: number;
  /** The kernel is older than 6.10: PROT_NONE is bit 58. */
  readonly protNone58: boolean;
  /** Bits of pointers that hold a signature (NUMBER(KERNELPACMASK)), or 0. */
  readonly pacMask: bigint;
}

/** Bits of an address from `shift` up. */
function addressFrom(shift: number, granule: Granule, lpa2: boolean): EntryAddress {
  if (granule.page === 16) return { mask: bits(47, shift), moved: [{ from: 12, bits: 4, to: 48 }] };
  if (lpa2) return { mask: bits(49, shift), moved: [{ from: 8, bits: 2, to: 50 }] };
  return { mask: bits(47, shift) };
}

/** Two rules: the contiguous bit says that this entry is part of a larger page. */
function mapped(type: bigint, shift: number, joined: number, address: EntryAddress): EntryRule[] {
  const mask = TYPE | CONTIGUOUS;
  return [
    { is: 'page', mask, value: type, address },
    { is: 'page', mask, value: type | CONTIGUOUS, address, span: shift + joined },
  ];
}

function rulesOf(shift: number, granule: Granule, geometry: Arm64Geometry): EntryRule[] {
  const lpa2 = geometry.width > 48;
  const joined = granule.contiguous[shift];
  const address = addressFrom(shift, granule, lpa2);
  if (shift === granule.page) {
    return [
      ...mapped(TABLE, shift, joined, address),
      // Not valid, but present: the type keeps bit 1, which no swap entry has.
      { is: 'page', mask: TYPE | NOT_GLOBAL, value: 2n | NOT_GLOBAL, address },
      { is: 'corrupt', mask: TYPE, value: 1n, why: 'a reserved kind of descriptor' },
    ];
  }
  const table: EntryRule = { is: 'table', mask: TYPE, value: TABLE, address: addressFrom(granule.page, granule, lpa2) };
  if (joined === undefined)
    return [table, { is: 'corrupt', mask: TYPE, value: BLOCK, why: 'no block of this level exists' }];
  const invalid = geometry.protNone58 ? [PROT_NONE_58, PRESENT_INVALID_59] : [NOT_GLOBAL];
  return [
    table,
    ...mapped(BLOCK, shift, joined, address),
    ...invalid.map((bit): EntryRule => ({ is: 'page', mask: TYPE | bit, value: bit, address })),
  ];
}

const SIZES: Readonly<Record<number, string>> = { 4096: '4K', 16384: '16K', 65536: '64K' };

/** null where the width does not go with the page size. */
export function arm64Mode(geometry: Arm64Geometry): PagingMode | null {
  const { pageSize, width, builtWidth, pacMask } = geometry;
  const granule = GRANULES[pageSize];
  if (granule === undefined || width > 52 || width <= granule.page + 9) return null;
  const shifts = granule.shifts.filter(shift => shift < width);
  const names = LEVEL_NAMES[shifts.length];
  const tableBits = granule.page - 3;
  // With 4K and 16K pages a narrower CPU leaves out the top level; with 64K pages there is no level to leave out.
  const top = granule.page === 16 && builtWidth > width && shifts[0] === 42 ? builtWidth : width;
  const levels = shifts.map(
    (shift, i): PagingLevel => ({
      name: names[i],
      shift,
      bits: i === 0 ? top - shift : tableBits,
      rules: rulesOf(shift, granule, geometry),
    }),
  );
  return {
    name: `arm64, ${SIZES[pageSize]} pages, ${width} bits`,
    width,
    levels,
    entrySize: 8,
    entryOrder: 'memory',
    kernel: [{ mask: above(width), value: above(width) }],
    user: [{ mask: above(width), value: 0n }],
    // The top byte is the processor's to ignore for user addresses, and for the kernel's with KASAN's tags; bit 55 tells which half it is.
    tags: { select: 55, ignored: (above(56) | pacMask) & above(width) & ~(1n << 55n) },
  };
}

/** Commit "arm64/mm: Remove PTE_PROT_NONE bit" (6.10). */
function protNone58(release: string | undefined): boolean {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  return match !== null && (Number(match[1]) < 6 || (Number(match[1]) === 6 && Number(match[2]) < 10));
}

/** Widths that kernels were built for, for dumps that tell none. */
const WIDTHS: Readonly<Record<number, readonly number[]>> = {
  4096: [48, 39, 52],
  16384: [47, 48, 36, 52],
  65536: [48, 52, 42],
};

export const arm64Paging: ArchitecturePaging = {
  mmMember: 'pgd',
  kernelTables(probe) {
    const { vmcoreinfo, pageSize } = probe;
    const t1sz = vmcoreinfo?.number('TCR_EL1_T1SZ');
    const built = vmcoreinfo?.number('VA_BITS');
    const widths =
      t1sz !== undefined ? [64n - t1sz] : built !== undefined ? [built] : (WIDTHS[pageSize] ?? []).map(BigInt);
    const modes = widths.map(width =>
      arm64Mode({
        pageSize,
        width: Number(width),
        builtWidth: Number(built ?? width),
        protNone58: protNone58(vmcoreinfo?.release),
        pacMask: vmcoreinfo?.number('KERNELPACMASK') ?? 0n,
      }),
    );
    return tablesAtSymbols(
      probe,
      ['swapper_pg_dir'],
      modes.filter(mode => mode !== null),
    );
  },
  userTables: tablesAtPgd,
};

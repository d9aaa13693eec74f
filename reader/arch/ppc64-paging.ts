// Page tables of 64-bit Book3S PowerPC: radix, and Linux's own tables with the hash MMU, whose hash table is the hypervisor's or derived from these. Entries are big-endian on
// both byte orders. Source: arch/powerpc/include/asm/book3s/64/{pgtable,radix,radix-4k,radix-64k,hash,hash-4k,hash-64k,hugetlb}.h, arch/powerpc/include/asm/mmu.h (6.x).
import {
  type ArchitecturePaging,
  above,
  bits,
  type EntryRule,
  type PagingLevel,
  type PagingMode,
  type PagingProbe,
  type PagingTables,
  tablesAtPgd,
} from './paging.js';

const PRESENT = 1n << 63n;
/** _PAGE_PTE: the entry maps memory. */
const LEAF = 1n << 62n;
/** _PAGE_INVALID: taken away for a moment. */
const INVALID = 1n << 61n;
/** PMD_MASKED_BITS and its like: valid bits above, the next table's size below. */
const TABLE = bits(61, 8);
/** PTE_RPN_MASK; higher bits are software's (bit 55 is H_PAGE_HASHPTE). */
const highestFrameBit = 52;

function leafRules(shift: number): EntryRule[] {
  const address = { mask: bits(highestFrameBit, shift) };
  return [
    { is: 'page', mask: PRESENT | LEAF, value: PRESENT | LEAF, address },
    { is: 'page', mask: PRESENT | LEAF | INVALID, value: LEAF | INVALID, address },
  ];
}

const directoryRule: EntryRule = { is: 'table', mask: PRESENT | LEAF, value: PRESENT, address: { mask: TABLE } };

/** Huge page directories (up to 6.10) of 4K pages with the hash MMU: the low six bits are MMU_PAGE_16M or MMU_PAGE_16G, shifted by 2. */
const HUGE = [
  { size: 10n << 2n, shift: 24 },
  { size: 14n << 2n, shift: 34 },
] as const;

function hugeDirectories(level: number): EntryRule[] {
  return HUGE.filter(({ shift }) => shift < level).map(({ size, shift }) => ({
    is: 'table',
    mask: PRESENT | LEAF | 0x3fn,
    value: PRESENT | size,
    address: { mask: bits(59, 6) },
    next: { name: 'hugepd', shift, bits: level - shift, rules: leafRules(shift) },
  }));
}

function mode(name: string, levels: readonly (readonly [shift: number, bits: number])[], huge: boolean): PagingMode {
  const names = ['pgd', 'pud', 'pmd', 'pte'];
  const width = levels[0][0] + levels[0][1];
  return {
    name: `ppc64, ${name}`,
    width,
    levels: levels.map(([shift, count], i): PagingLevel => {
      const upper = [...(huge ? hugeDirectories(shift) : []), directoryRule];
      return {
        name: names[i],
        shift,
        bits: count,
        rules: i === 3 ? leafRules(shift) : [...upper, ...leafRules(shift)],
      };
    }),
    entrySize: 8,
    entryOrder: 'big',
    kernel: [{ mask: above(width), value: 0xc000_0000_0000_0000n }],
    user: [{ mask: above(width), value: 0n }],
  };
}

/** Index widths since 4.17. */
export const ppc64Modes = {
  radix64K: mode(
    'radix, 64K pages',
    [
      [39, 13],
      [30, 9],
      [21, 9],
      [16, 5],
    ],
    false,
  ),
  radix4K: mode(
    'radix, 4K pages',
    [
      [39, 13],
      [30, 9],
      [21, 9],
      [12, 9],
    ],
    false,
  ),
  hash64K: mode(
    'hash, 64K pages',
    [
      [44, 8],
      [34, 10],
      [24, 10],
      [16, 8],
    ],
    false,
  ),
  hash4K: mode(
    'hash, 4K pages',
    [
      [37, 9],
      [28, 9],
      [21, 7],
      [12, 9],
    ],
    true,
  ),
} as const;

/** Bytes of the top table that all modes have. */
const SMALLEST_TOP = 2048;
const NEXT_SIZE = 0x1fn;

/** Whether a top table is radix: its entries then tell the size of the next table in their low bits. null if it has no entries. */
function isRadix({ physical }: PagingProbe, root: number): boolean | null {
  const at = physical.locate(root, SMALLEST_TOP);
  for (let i = 0; at >= 0 && i < SMALLEST_TOP; i += 8) {
    const entry = physical.view.getBigUint64(at + i);
    if ((entry & (PRESENT | LEAF)) === PRESENT) return (entry & NEXT_SIZE) !== 0n;
  }
  return null;
}

export const ppc64Paging: ArchitecturePaging = {
  mmMember: 'pgd',
  *kernelTables(probe): Iterable<PagingTables> {
    const vaddr = probe.symbol('swapper_pg_dir');
    const root = vaddr === null ? -1 : probe.toPhysical(vaddr);
    if (root < 0) return;
    const { radix4K, radix64K, hash4K, hash64K } = ppc64Modes;
    const [radix, hash] = probe.pageSize === 4096 ? [radix4K, hash4K] : [radix64K, hash64K];
    const told = isRadix(probe, root);
    for (const one of told === null ? [radix, hash] : told ? [radix] : [hash]) {
      yield { mode: one, root, from: 'swapper_pg_dir' };
    }
  },
  userTables: tablesAtPgd,
};

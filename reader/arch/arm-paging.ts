// Page tables of 32-bit ARM: short descriptors and LPAE. Source: Arm ARM v7-A (DDI 0406) chapter B3, arch/arm/include/asm/{pgtable-2level,pgtable-2level-hwdef,pgtable-3level}.h (6.x).
// With short descriptors Linux keeps a table of its own 2048 bytes below each hardware table. The hardware's is empty for pages that are old or PROT_NONE, so Linux's is read.
import { type ArchitecturePaging, bits, type PagingMode, tablesAtPgd, tablesAtSymbols } from './paging.js';

const BELOW_4G = [{ mask: bits(63, 32), value: 0n }] as const;
const SUPERSECTION = 1n << 18n;
/** Linux's own entries: L_PTE_PRESENT, which is L_PTE_VALID with two levels. */
const LINUX_PRESENT = 1n << 0n;

export const armShort: PagingMode = {
  name: 'arm, short descriptors',
  width: 32,
  levels: [
    {
      name: 'pgd',
      shift: 20,
      bits: 12,
      rules: [
        { is: 'table', mask: 3n, value: 1n, address: { mask: bits(31, 10), add: -2048 } },
        // A section; bit 0 may be PXN.
        { is: 'page', mask: 2n | SUPERSECTION, value: 2n, address: { mask: bits(31, 20) } },
        {
          is: 'page',
          mask: 2n | SUPERSECTION,
          value: 2n | SUPERSECTION,
          shift: 24,
          address: {
            mask: bits(31, 24),
            moved: [
              { from: 20, bits: 4, to: 32 },
              { from: 5, bits: 4, to: 36 },
            ],
          },
        },
      ],
    },
    {
      name: 'pte',
      shift: 12,
      bits: 8,
      rules: [{ is: 'page', mask: LINUX_PRESENT, value: LINUX_PRESENT, address: { mask: bits(31, 12) } }],
    },
  ],
  entrySize: 4,
  entryOrder: 'memory',
  kernel: BELOW_4G,
  user: BELOW_4G,
};

const LPAE_FRAME = bits(39, 12);
const LPAE_TABLE = { is: 'table', mask: 3n, value: 3n, address: { mask: LPAE_FRAME } } as const;
const LPAE_CONTIGUOUS = 1n << 52n;
const PMD_NONE = 1n << 57n;

export const armLpae: PagingMode = {
  name: 'arm, LPAE',
  width: 32,
  levels: [
    {
      name: 'pgd',
      shift: 30,
      bits: 2,
      rules: [LPAE_TABLE, { is: 'page', mask: 3n, value: 1n, address: { mask: bits(39, 30) } }],
    },
    {
      name: 'pmd',
      shift: 21,
      bits: 9,
      rules: [
        LPAE_TABLE,
        { is: 'page', mask: 3n, value: 1n, address: { mask: bits(39, 21) } },
        // L_PMD_SECT_NONE of a huge page: set_pmd_at() takes the valid bit away.
        { is: 'page', mask: 3n | PMD_NONE, value: PMD_NONE, address: { mask: bits(39, 21) } },
      ],
    },
    {
      name: 'pte',
      shift: 12,
      bits: 9,
      rules: [
        { is: 'page', mask: 3n | LPAE_CONTIGUOUS, value: 3n, address: { mask: LPAE_FRAME } },
        {
          is: 'page',
          mask: 3n | LPAE_CONTIGUOUS,
          value: 3n | LPAE_CONTIGUOUS,
          address: { mask: LPAE_FRAME },
          span: 16,
        },
        // L_PTE_PRESENT without L_PTE_VALID: PROT_NONE.
        { is: 'page', mask: 3n, value: 2n, address: { mask: LPAE_FRAME } },
        { is: 'corrupt', mask: 3n, value: 1n, why: 'a reserved kind of descriptor' },
      ],
    },
  ],
  entrySize: 8,
  entryOrder: 'memory',
  kernel: BELOW_4G,
  user: BELOW_4G,
};

export const armPaging: ArchitecturePaging = {
  mmMember: 'pgd',
  kernelTables(probe) {
    const lpae = probe.vmcoreinfo?.config('ARM_LPAE') ?? null;
    const modes = lpae === null ? [armShort, armLpae] : lpae ? [armLpae] : [armShort];
    return tablesAtSymbols(probe, ['swapper_pg_dir'], modes);
  },
  userTables: tablesAtPgd,
};

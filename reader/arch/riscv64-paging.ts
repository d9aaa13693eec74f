// Page tables of riscv64: Sv39, Sv48, Sv57. Source: RISC-V privileged architecture, "Supervisor-Level ISA" (Svnapot included), arch/riscv/include/asm/{pgtable-bits,pgtable-64}.h (6.x).
import {
  type ArchitecturePaging,
  bits,
  type EntryRule,
  LEVEL_NAMES,
  type PagingMode,
  signExtended,
  tablesAtPgd,
  tablesAtSymbols,
} from './paging.js';

const VALID = 1n << 0n;
const READ = 1n << 1n;
const WRITE = 1n << 2n;
const EXECUTE = 1n << 3n;
/** _PAGE_PROT_NONE is the global bit of an entry that is not valid. */
const PROT_NONE = 1n << 5n;
const NAPOT = 1n << 63n;
/** The frame number is bits 53:10; the address begins two places higher. */
const UP = 2;
const FRAME = bits(53, 10);
/** Of a NAPOT entry the four lowest bits of the frame number are 1000: 64 KiB. */
const NAPOT_ORDER = bits(13, 10);
const NAPOT_64K = 1n << 13n;

function pteRules(): EntryRule[] {
  const address = { mask: FRAME, up: UP };
  const napot = { mask: bits(53, 14), up: UP };
  const leaf = (permissions: bigint, value: bigint): EntryRule[] => [
    { is: 'page', mask: VALID | permissions | NAPOT, value: VALID | value, address },
    {
      is: 'page',
      mask: VALID | permissions | NAPOT | NAPOT_ORDER,
      value: VALID | value | NAPOT | NAPOT_64K,
      address: napot,
      shift: 16,
    },
  ];
  return [
    ...leaf(READ, READ),
    ...leaf(READ | WRITE | EXECUTE, EXECUTE),
    { is: 'page', mask: VALID | PROT_NONE, value: PROT_NONE, address },
    { is: 'corrupt', mask: VALID, value: VALID, why: 'a reserved kind of entry' },
  ];
}

function upperRules(shift: number): EntryRule[] {
  const address = { mask: bits(53, shift - UP), up: UP };
  const zero = bits(shift - UP - 1, 10);
  const permissions = READ | WRITE | EXECUTE;
  return [
    { is: 'table', mask: VALID | permissions, value: VALID, address: { mask: FRAME, up: UP } },
    { is: 'page', mask: VALID | READ, value: VALID | READ, zero, address },
    { is: 'page', mask: VALID | permissions, value: VALID | EXECUTE, zero, address },
    { is: 'page', mask: VALID | PROT_NONE | READ, value: PROT_NONE | READ, zero, address },
    { is: 'corrupt', mask: VALID, value: VALID, why: 'a reserved kind of entry' },
  ];
}

export function riscv64Mode(width: 39 | 48 | 57): PagingMode {
  const count = (width - 12) / 9;
  return {
    name: `riscv64, Sv${width}`,
    width,
    levels: LEVEL_NAMES[count].map((name, i) => {
      const shift = 12 + 9 * (count - 1 - i);
      return { name, shift, bits: 9, rules: shift === 12 ? pteRules() : upperRules(shift) };
    }),
    entrySize: 8,
    entryOrder: 'little',
    kernel: signExtended(width),
    user: signExtended(width),
  };
}

const WIDTHS = [48, 39, 57] as const;

export const riscv64Paging: ArchitecturePaging = {
  mmMember: 'pgd',
  kernelTables(probe) {
    const told = probe.vmcoreinfo?.number('VA_BITS');
    const widths = WIDTHS.filter(width => told === undefined || told === BigInt(width));
    return tablesAtSymbols(probe, ['swapper_pg_dir'], widths.map(riscv64Mode));
  },
  userTables: tablesAtPgd,
};

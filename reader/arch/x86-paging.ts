// Page tables of x86: 4 and 5 levels of x86-64, PAE and two levels of i386. Source: Intel SDM volume 3 chapter 4 (entries), arch/x86/include/asm/{pgtable_types,pgtable,
// pgtable-2level,pgtable-3level,pgtable-invert}.h (6.x: what present means in Linux), QEMU target/i386/arch_dump.c (the note with control registers).
import type { Note } from '../formats/notes.js';
import {
  type ArchitecturePaging,
  bits,
  type EntryRule,
  LEVEL_NAMES,
  type PagingLevel,
  type PagingMode,
  type PagingProbe,
  type PagingTables,
  signExtended,
  tablesAtPgd,
  tablesAtSymbols,
} from './paging.js';

const PRESENT = 1n << 0n;
/** PS: the entry maps memory. */
const LARGE = 1n << 7n;
/** _PAGE_PROTNONE is the global bit of an entry that is not present. */
const PROT_NONE = 1n << 8n;
const FRAME = bits(51, 12);

interface Kind {
  /** Bits of entries that are no address: sme_mask. */
  readonly encryption: bigint;
  /** Entries that are not present keep the frame inverted (pgtable-invert.h; not with two levels). */
  readonly inverted: boolean;
}

function pteRules({ encryption, inverted }: Kind, frame: bigint): readonly EntryRule[] {
  const mask = frame & ~encryption;
  return [
    { is: 'page', mask: PRESENT, value: PRESENT, address: { mask } },
    {
      is: 'page',
      mask: PRESENT | PROT_NONE,
      value: PROT_NONE,
      address: { mask, ...(inverted ? { inverted: true } : {}) },
    },
  ];
}

/** A table, or a page of 2^shift bytes. */
function largeRules({ encryption, inverted }: Kind, shift: number): readonly EntryRule[] {
  const mask = bits(51, shift) & ~encryption;
  const gone = { mask, ...(inverted ? { inverted: true as const } : {}) };
  return [
    { is: 'table', mask: PRESENT | LARGE, value: PRESENT, address: { mask: FRAME & ~encryption } },
    // Bit 12 is PAT.
    { is: 'page', mask: PRESENT | LARGE, value: PRESENT | LARGE, zero: bits(shift - 1, 13), address: { mask } },
    // PROT_NONE, or being split: pmd_present() looks at PS too, and swap entries never have it.
    { is: 'page', mask: PRESENT | LARGE, value: LARGE, address: gone },
  ];
}

function tableRules({ encryption }: Kind): readonly EntryRule[] {
  return [
    { is: 'table', mask: PRESENT | LARGE, value: PRESENT, address: { mask: FRAME & ~encryption } },
    { is: 'corrupt', mask: PRESENT | LARGE, value: PRESENT | LARGE, why: 'no page of this level exists' },
  ];
}

export function x86_64Mode(levels: 4 | 5, encryption = 0n): PagingMode {
  const kind: Kind = { encryption, inverted: true };
  const names = LEVEL_NAMES[levels];
  const made: PagingLevel[] = names.map((name, i) => {
    const shift = 12 + 9 * (levels - 1 - i);
    const rules = shift === 12 ? pteRules(kind, FRAME) : shift <= 30 ? largeRules(kind, shift) : tableRules(kind);
    return { name, shift, bits: 9, rules };
  });
  const width = levels === 5 ? 57 : 48;
  return {
    name: `x86_64, ${levels} levels`,
    width,
    levels: made,
    entrySize: 8,
    entryOrder: 'little',
    kernel: signExtended(width),
    user: signExtended(width),
  };
}

const BELOW_4G = [{ mask: bits(63, 32), value: 0n }] as const;
const I386_PAE: Kind = { encryption: 0n, inverted: true };
const I386: Kind = { encryption: 0n, inverted: false };

export const i386Pae: PagingMode = {
  name: 'i386, PAE',
  width: 32,
  levels: [
    // Four entries, in which PS is reserved.
    { name: 'pgd', shift: 30, bits: 2, rules: tableRules(I386_PAE) },
    { name: 'pmd', shift: 21, bits: 9, rules: largeRules(I386_PAE, 21) },
    { name: 'pte', shift: 12, bits: 9, rules: pteRules(I386_PAE, FRAME) },
  ],
  entrySize: 8,
  entryOrder: 'little',
  kernel: BELOW_4G,
  user: BELOW_4G,
};

/** PSE-36: bits 20:13 of a 4M page's entry are bits 39:32 of its address. */
const PSE36 = { mask: bits(31, 22), moved: [{ from: 13, bits: 8, to: 32 }] } as const;

export const i386TwoLevels: PagingMode = {
  name: 'i386, 2 levels',
  width: 32,
  levels: [
    {
      name: 'pgd',
      shift: 22,
      bits: 10,
      rules: [
        { is: 'table', mask: PRESENT | LARGE, value: PRESENT, address: { mask: bits(31, 12) } },
        { is: 'page', mask: PRESENT | LARGE, value: PRESENT | LARGE, zero: 1n << 21n, address: PSE36 },
      ],
    },
    { name: 'pte', shift: 12, bits: 10, rules: pteRules(I386, bits(31, 12)) },
  ],
  entrySize: 4,
  entryOrder: 'little',
  kernel: BELOW_4G,
  user: BELOW_4G,
};

/** QEMUCPUState: version, size, 18 registers, 10 segments of 24 bytes, cr0 to cr4. */
const QEMU_STATE = { name: 'QEMU', size: 440, cr3: 392 + 3 * 8 } as const;

/** The tables that CPUs used when QEMU made the dump: any process's, and the kernel's addresses are in all of them. */
function* tablesOfCpus(notes: readonly Note[], modes: readonly PagingMode[], frame: bigint): Iterable<PagingTables> {
  for (const { name, descriptor } of notes) {
    if (name !== QEMU_STATE.name || descriptor.length < QEMU_STATE.size) continue;
    const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.length);
    const root = Number(view.getBigUint64(QEMU_STATE.cr3, true) & frame);
    if (root !== 0) for (const mode of modes) yield { mode, root, from: 'CR3' };
  }
}

/** Not tables of notes where VMCOREINFO tells the kernel's own. */
function* kernelTables(
  probe: PagingProbe,
  names: readonly string[],
  modes: readonly PagingMode[],
  frame: bigint,
): Iterable<PagingTables> {
  yield* tablesAtSymbols(probe, names, modes);
  yield* tablesOfCpus(probe.notes, modes, frame);
}

export const x86_64Paging: ArchitecturePaging = {
  mmMember: 'pgd',
  kernelTables(probe) {
    const { vmcoreinfo } = probe;
    const five = vmcoreinfo?.number('pgtable_l5_enabled');
    const encryption = BigInt.asUintN(64, vmcoreinfo?.number('sme_mask') ?? 0n);
    const levels: readonly (4 | 5)[] = five === undefined ? [4, 5] : five === 1n ? [5] : [4];
    const modes = levels.map(count => x86_64Mode(count, encryption));
    return kernelTables(probe, ['swapper_pg_dir', 'init_top_pgt', 'init_level4_pgt'], modes, FRAME & ~encryption);
  },
  userTables: tablesAtPgd,
};

export const i386Paging: ArchitecturePaging = {
  mmMember: 'pgd',
  kernelTables(probe) {
    // Without VMCOREINFO nothing tells.
    const pae = probe.vmcoreinfo?.config('X86_PAE') ?? null;
    const modes = pae === null ? [i386Pae, i386TwoLevels] : pae ? [i386Pae] : [i386TwoLevels];
    return kernelTables(probe, ['swapper_pg_dir'], modes, bits(31, 5));
  },
  userTables: tablesAtPgd,
};

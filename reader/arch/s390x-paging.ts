// Page tables of s390x: 2 to 5 levels, told by the address-space-control element (ASCE) or by the entries of the top table. Source: z/Architecture Principles of Operation (SA22-7832)
// chapter 3 "Dynamic Address Translation", arch/s390/include/asm/{pgtable,lowcore}.h (6.x).
import type { Note } from '../formats/notes.js';
import {
  type ArchitecturePaging,
  above,
  type EntryRule,
  type PagingLevel,
  type PagingMode,
  type PagingProbe,
  type PagingTables,
} from './paging.js';

const TYPE = 0xcn;
const INVALID = 0x20n;
/** FC: the entry maps a large page. */
const LARGE = 0x400n;
/** The common bit of an invalid entry marks a swap entry (_RST_ENTRY_COMM). */
const COMMON = 0x10n;
/** TF and TL of a region table entry. */
const QUARTERS = { first: 0xc0, last: 0x03 } as const;
const TABLE = above(12);
const PAGE_INVALID = 0x400n;
const PAGE_PRESENT = 0x001n;

/** Every entry of a region or segment table says which table it is in. */
function wrongType(type: bigint): EntryRule[] {
  return [0xcn, 0x8n, 0x4n, 0x0n]
    .filter(other => other !== type)
    .map(other => ({ is: 'corrupt', mask: TYPE, value: other, why: 'an entry of another table' }));
}

function regionRules(type: bigint): EntryRule[] {
  const table: EntryRule = {
    is: 'table',
    mask: TYPE | INVALID,
    value: type,
    address: { mask: TABLE },
    quarters: QUARTERS,
  };
  return [table, ...wrongType(type)];
}

/** Large pages, also those that Linux keeps invalid: PROT_NONE, or not used of late. */
function largeRules(type: bigint, shift: number): EntryRule[] {
  const address = { mask: above(shift) };
  return [
    { is: 'page', mask: TYPE | INVALID | LARGE, value: type | LARGE, address },
    { is: 'page', mask: TYPE | INVALID | LARGE | COMMON, value: type | INVALID | LARGE, address },
  ];
}

const LEVELS: readonly (PagingLevel & { readonly type: bigint })[] = [
  { name: 'pgd', shift: 53, bits: 11, type: 0xcn, rules: regionRules(0xcn) },
  { name: 'p4d', shift: 42, bits: 11, type: 0x8n, rules: regionRules(0x8n) },
  {
    name: 'pud',
    shift: 31,
    bits: 11,
    type: 0x4n,
    rules: [
      { is: 'table', mask: TYPE | INVALID | LARGE, value: 0x4n, address: { mask: TABLE }, quarters: QUARTERS },
      ...largeRules(0x4n, 31),
      ...wrongType(0x4n),
    ],
  },
  {
    name: 'pmd',
    shift: 20,
    bits: 11,
    type: 0x0n,
    rules: [
      { is: 'table', mask: TYPE | INVALID | LARGE, value: 0n, address: { mask: above(11) } },
      ...largeRules(0n, 20),
      ...wrongType(0n),
    ],
  },
];

const PTE: PagingLevel = {
  name: 'pte',
  shift: 12,
  bits: 8,
  rules: [
    { is: 'page', mask: PAGE_INVALID, value: 0n, address: { mask: above(12) } },
    // PROT_NONE, or not used of late.
    {
      is: 'page',
      mask: PAGE_INVALID | PAGE_PRESENT,
      value: PAGE_INVALID | PAGE_PRESENT,
      address: { mask: above(12) },
    },
  ],
};

function modeFrom(first: number): PagingMode {
  const levels = LEVELS.slice(first);
  const width = levels[0].shift + 11;
  const form = { mask: width === 64 ? 0n : above(width), value: 0n };
  return {
    name: `s390x, ${levels.length + 1} levels`,
    width,
    levels: [...levels, PTE],
    entrySize: 8,
    entryOrder: 'big',
    kernel: [form],
    user: [form],
  };
}

/** By the number of levels: 2 to 5. */
export const s390xModes: Readonly<Record<number, PagingMode>> = {
  2: modeFrom(3),
  3: modeFrom(2),
  4: modeFrom(1),
  5: modeFrom(0),
};

const levelsOfType = (type: bigint): number => Number((type & TYPE) >> 2n) + 2;

/** null for an ASCE without tables: real space. */
export function tablesOfAsce(asce: bigint, from: string): PagingTables | null {
  const root = Number(asce & TABLE);
  if ((asce & 0x20n) !== 0n || root === 0 || !Number.isSafeInteger(root)) return null;
  const mode = s390xModes[levelsOfType(asce)];
  return { mode, root, entries: (Number(asce & 3n) + 1) * 512, from };
}

/** struct lowcore, kernel_asce (arch/s390/include/asm/lowcore.h; it moved between releases). */
const KERNEL_ASCE = [0x388, 0x380, 0x390] as const;
const NT_S390_CTRS = 0x304;
const NT_S390_PREFIX = 0x305;

/** The home-space and the primary ASCE in control registers 13 and 1, and the one that the kernel keeps in each CPU's lowcore. */
function* tablesOfCpus({ notes, physical }: PagingProbe): Iterable<PagingTables> {
  for (const note of notes) {
    if (note.type === NT_S390_CTRS && note.descriptor.length >= 128) {
      for (const register of [13, 1]) yield* one(tablesOfAsce(u64(note, 8 * register), `control register ${register}`));
    }
    if (note.type !== NT_S390_PREFIX || note.descriptor.length < 4) continue;
    const prefix = new DataView(note.descriptor.buffer, note.descriptor.byteOffset).getUint32(0);
    for (const offset of KERNEL_ASCE) {
      const at = physical.locate(prefix + offset, 8);
      if (at >= 0) yield* one(tablesOfAsce(physical.view.getBigUint64(at), 'kernel_asce'));
    }
  }
}

const u64 = (note: Note, offset: number): bigint =>
  new DataView(note.descriptor.buffer, note.descriptor.byteOffset).getBigUint64(offset);

const one = (tables: PagingTables | null): PagingTables[] => (tables === null ? [] : [tables]);

/** Also empty entries tell the type of their table. */
function* tablesOfVariable(probe: PagingProbe): Iterable<PagingTables> {
  const vaddr = probe.symbol('swapper_pg_dir');
  const root = vaddr === null ? -1 : probe.toPhysical(vaddr);
  const at = root < 0 ? -1 : probe.physical.locate(root, 8);
  if (at < 0) return;
  const mode = s390xModes[levelsOfType(probe.physical.view.getBigUint64(at))];
  yield { mode, root, from: 'swapper_pg_dir' };
}

export const s390xPaging: ArchitecturePaging = {
  mmMember: 'context.asce',
  *kernelTables(probe) {
    yield* tablesOfVariable(probe);
    yield* tablesOfCpus(probe);
  },
  userTables: (_kernel, value) => tablesOfAsce(value, 'mm->context.asce'),
};

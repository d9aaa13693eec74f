// What an architecture's page tables look like, as data for the one walker of analysis/vtop: levels from the top down, and for each level the kinds of entries that Linux
// and the processor know. Values are in one file per architecture (…-paging.ts).
import type { Note } from '../formats/notes.js';
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { PhysicalMemory } from '../memory.js';

/** Where an entry keeps a physical address. */
export interface EntryAddress {
  /** These bits of the entry, at their places. */
  readonly mask: bigint;
  /** The entry holds the complement of the address (x86, against L1TF). */
  readonly inverted?: true;
  /** The masked bits stand so many places too low (riscv). */
  readonly up?: number;
  /** Further bits of the address that the entry keeps elsewhere. */
  readonly moved?: readonly { readonly from: number; readonly bits: number; readonly to: number }[];
  /** Added to the address (arm: from the hardware's table to Linux's own). */
  readonly add?: number;
}

/** One kind of entry: it is this one if entry & mask == value. Of several rules the first that fits counts. */
export type EntryRule = TableRule | PageRule | CorruptRule;

interface Fits {
  readonly mask: bigint;
  readonly value: bigint;
  /** Bits that have to be 0 in an entry of this kind; others are corrupt. */
  readonly zero?: bigint;
}

/** The entry leads to the next table. */
export interface TableRule extends Fits {
  readonly is: 'table';
  readonly address: EntryAddress;
  /** The next table, where it is not that of the next level (huge page directories). */
  readonly next?: PagingLevel;
  /** The next table is there only from one quarter to another (s390x): masks of the two numbers in the entry. */
  readonly quarters?: { readonly first: number; readonly last: number };
}

/** The entry maps memory. */
export interface PageRule extends Fits {
  readonly is: 'page';
  readonly address: EntryAddress;
  /** log2 of what this entry maps; the level's shift where it is not given. */
  readonly shift?: number;
  /** log2 of the page that this entry is a part of, where several entries map one. */
  readonly span?: number;
}

/** Not an entry that there can be. */
export interface CorruptRule extends Fits {
  readonly is: 'corrupt';
  readonly why: string;
}

export interface PagingLevel {
  /** The kernel's word: pgd, p4d, pud, pmd, pte. */
  readonly name: string;
  /** The lowest bit of an address that indexes this table, and how many bits do. */
  readonly shift: number;
  readonly bits: number;
  /** An entry that fits none is not present. */
  readonly rules: readonly EntryRule[];
}

/** Addresses that a table can hold: address & mask == value. */
export interface AddressForm {
  readonly mask: bigint;
  readonly value: bigint;
}

export interface PagingMode {
  /** For people, for instance `x86_64, 4 levels`. */
  readonly name: string;
  /** How many bits of an address the tables translate. */
  readonly width: number;
  /** From the top down. */
  readonly levels: readonly PagingLevel[];
  readonly entrySize: 4 | 8;
  /** Byte order of entries; `memory` where they are in the kernel's. */
  readonly entryOrder: 'little' | 'big' | 'memory';
  /** What addresses the kernel's own tables and those of processes hold. */
  readonly kernel: readonly AddressForm[];
  readonly user: readonly AddressForm[];
  /** Tags and signatures in pointers: if bit `select` of an address is set the ignored bits are taken as ones, else as zeros. */
  readonly tags?: { readonly select: number; readonly ignored: bigint };
}

/** Tables in memory. */
export interface PagingTables {
  readonly mode: PagingMode;
  /** Physical address of the top table. */
  readonly root: number;
  /** How many entries the top table has, where it may have fewer than its level. */
  readonly entries?: number;
  /** What told the root, for instance `swapper_pg_dir`. */
  readonly from: string;
}

/** What an architecture may ask to find the kernel's tables. */
export interface PagingProbe {
  readonly vmcoreinfo: Vmcoreinfo | null;
  readonly physical: PhysicalMemory;
  readonly pageSize: number;
  readonly notes: readonly Note[];
  /** The address of a symbol, or null. */
  symbol(name: string): bigint | null;
  /** By segments, image and linear maps, never by page tables; -1 where none of them has the address. */
  toPhysical(vaddr: bigint): number;
}

export interface ArchitecturePaging {
  /** The member of struct mm_struct that tells a process's tables: an address of the kernel, or an address-space-control element. */
  readonly mmMember: 'pgd' | 'context.asce';
  /** Where the kernel's tables may be and what they may look like, the likeliest first. None is used before known content was read through it. */
  kernelTables(probe: PagingProbe): Iterable<PagingTables>;
  /**
   * The tables of a process.
   * @param value of `mmMember`
   * @param toPhysical of a kernel address, by any means; -1 if it has no translation
   */
  userTables(kernel: PagingTables, value: bigint, toPhysical: (vaddr: bigint) => number): PagingTables | null;
}

/** Bits `last` to `first` (both counted), for instance bits(47, 12). */
export const bits = (last: number, first: number): bigint => (1n << BigInt(last + 1)) - (1n << BigInt(first));

/** All bits from `first` up. */
export const above = (first: number): bigint => bits(63, first);

/** Addresses that are sign-extended from `width` bits: the upper and the lower half. */
export const signExtended = (width: number): readonly AddressForm[] => [
  { mask: above(width - 1), value: above(width - 1) },
  { mask: above(width - 1), value: 0n },
];

/** The kernel's names of 2 to 5 levels; fewer levels leave out the middle ones. */
export const LEVEL_NAMES: Readonly<Record<number, readonly string[]>> = {
  2: ['pgd', 'pte'],
  3: ['pgd', 'pmd', 'pte'],
  4: ['pgd', 'pud', 'pmd', 'pte'],
  5: ['pgd', 'p4d', 'pud', 'pmd', 'pte'],
};

/** The tables at the first of some variables whose place is known, in each of the modes. */
export function* tablesAtSymbols(
  probe: PagingProbe,
  names: readonly string[],
  modes: readonly PagingMode[],
): Iterable<PagingTables> {
  const tried = new Set<number>();
  for (const name of names) {
    const vaddr = probe.symbol(name);
    const root = vaddr === null ? -1 : probe.toPhysical(vaddr);
    if (root < 0 || tried.has(root)) continue;
    tried.add(root);
    for (const mode of modes) yield { mode, root, from: name };
  }
}

/** Where a process's mm->pgd points at a table like the kernel's. */
export function tablesAtPgd(
  kernel: PagingTables,
  value: bigint,
  toPhysical: (vaddr: bigint) => number,
): PagingTables | null {
  const root = toPhysical(value);
  return root < 0 ? null : { mode: kernel.mode, root, from: 'mm->pgd' };
}

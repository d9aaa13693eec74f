// What an architecture's file tells: facts only. Shapes here, values in one file per architecture, chosen in index.ts.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';

/** Where the registers are in the kernel's struct elf_prstatus and which they are. */
export interface PrstatusLayout {
  /** sizeof(struct elf_prstatus). */
  readonly size: number;
  /** Offset of pr_pid. */
  readonly pid: number;
  /** Offset and width in bytes of one element of pr_reg; registers in order. */
  readonly registersAt: number;
  readonly registerSize: 4 | 8;
  readonly registers: readonly string[];
}

/** A stretch of kernel addresses whose physical address is known without page tables: paddr = vaddr - offset, modulo 2^64. */
export interface LinearRange {
  readonly name: 'linear' | 'image';
  /** First and last address. */
  readonly first: bigint;
  readonly last: bigint;
  readonly offset: bigint;
}

export interface Architecture {
  /** The kernel's word: uname -m of a 64-bit kernel, `i386`, `arm`. */
  readonly name: string;
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  /** The byte order of kernels of this architecture; null where both exist. */
  readonly littleEndian: boolean | null;
  /** Page sizes that kernels can be built with, the usual one first. */
  readonly pageSizes: readonly number[];
  readonly prstatus: PrstatusLayout;
  /** sizeof(struct elf_prpsinfo). */
  readonly prpsinfoSize: number;
  /** The values of utsname.machine that mean this architecture. */
  readonly machineNames: readonly string[];
  /** The linear and image maps that VMCOREINFO tells of; [] if it does not. Nothing is read: a range is used only after known content was read through it. */
  linearRanges(vmcoreinfo: Vmcoreinfo): LinearRange[];
}

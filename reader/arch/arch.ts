// What an architecture's file tells: facts only. Shapes here, values in one file per architecture, chosen in index.ts.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { ArchitecturePaging } from './paging.js';

/** One register in a record; `offset` and `size` in bytes from the record's start. */
export interface RegisterPlace {
  readonly name: string;
  readonly offset: number;
  readonly size: 4 | 8;
}

/** Where the registers are in the kernel's struct elf_prstatus and which they are. */
export interface PrstatusLayout {
  /** sizeof(struct elf_prstatus). */
  readonly size: number;
  /** Offset of pr_pid (32 bits). */
  readonly pid: number;
  /** Offset and length of pr_reg. */
  readonly registersAt: number;
  readonly registersSize: number;
  /** In the order of pr_reg, by the names that gdb uses. Reserved places are left out. */
  readonly registers: readonly RegisterPlace[];
  /** The names of the program counter and the stack pointer among `registers`. */
  readonly programCounter: string;
  readonly stackPointer: string;
}

/** A note that holds more registers of the CPU whose NT_PRSTATUS it follows. */
export interface RegisterNote {
  /** As include/uapi/linux/elf.h calls it. */
  readonly label: string;
  readonly name: 'CORE' | 'LINUX';
  readonly type: number;
  readonly registers: readonly NoteRegister[];
}

export interface NoteRegister {
  readonly name: string;
  readonly offset: number;
  readonly size: 4 | 8 | 16;
}

/** The bits of a register that tell whether a CPU ran in user mode. */
export interface UserMode {
  readonly register: string;
  readonly mask: bigint;
  readonly value: bigint;
}

/** A stretch of kernel addresses whose physical address is known without page tables: paddr = vaddr - offset, modulo 2^64. */
export interface LinearRange {
  readonly name: 'linear' | 'image';
  /** First and last address. */
  readonly first: bigint;
  readonly last: bigint;
  readonly offset: bigint;
  /** The map may go on behind `last`: VMCOREINFO proves no more. */
  readonly partial?: boolean;
  /** A pointer variable that VMCOREINFO may name and that holds the first address behind the map. */
  readonly endVariable?: string;
}

/** What an architecture may ask beside VMCOREINFO. */
export interface MapProbe {
  /** Where the lowest physical memory of the dump begins, and one past its highest. */
  readonly memoryStart: number;
  readonly memoryEnd: number;
  /** The value of a pointer-sized variable of the kernel, by its symbol; null if the symbol or the memory is not to be had. */
  variable(name: string): bigint | null;
}

/** What crash needs of a core beside what the core itself tells. */
export interface CrashNeeds {
  /** Pointer variables that it reads before anything else, the linear map's base first; it ends where it cannot. */
  readonly bases: readonly string[];
  /** Options of --machdep that stand in for VMCOREINFO, behind `imageDistance`, and what their values are; null where it opens no core without VMCOREINFO. */
  readonly machdep: { readonly options: string; readonly values: string } | null;
}

export interface Architecture {
  /** The kernel's word: uname -m of a 64-bit kernel, `i386`, `arm`. */
  readonly name: string;
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  /** A 32-bit ELF file with this e_machine is of another architecture, which is not known here. */
  readonly elf64Only?: true;
  /** 32-bit ABIs that align 64-bit members of structures to 8 bytes, and not to 4. */
  readonly alignsU64?: true;
  /** phys_base of dump headers is where memory begins; elsewhere VMCOREINFO tells it, or there is none. */
  readonly physBaseIsMemoryStart?: true;
  /** The byte order of kernels of this architecture; null where both exist. */
  readonly littleEndian: boolean | null;
  /** Page sizes that kernels can be built with, the usual one first. */
  readonly pageSizes: readonly number[];
  readonly prstatus: PrstatusLayout;
  /** What other notes a CPU may have; those that are not listed are kept as bytes. */
  readonly registerNotes?: readonly RegisterNote[];
  /** Absent where the registers do not tell: there user addresses have a clear highest bit. */
  readonly userMode?: UserMode;
  /** sizeof(struct elf_prpsinfo). */
  readonly prpsinfoSize: number;
  /** The values of utsname.machine that mean this architecture. */
  readonly machineNames: readonly string[];
  /** Physical address of a 64-bit word, in the kernel's byte order, that holds the physical address of the VMCOREINFO note. */
  readonly vmcoreinfoPointer?: number;
  /**
   * Candidates for the map of the kernel image, the likeliest first; [] if VMCOREINFO does not tell, or where the image lies in the linear map.
   * Nothing is read: a candidate is used only after known content was read through it.
   */
  imageRanges(vmcoreinfo: Vmcoreinfo): readonly LinearRange[];
  /** What the kernel calls the distance of its image from where the image lies: NUMBER(name) of VMCOREINFO, else by an address of the image and its physical address. */
  readonly imageDistance?: { readonly name: string; readonly of: (vaddr: bigint, paddr: bigint) => bigint };
  /** Absent where it is not known. */
  readonly crash?: CrashNeeds;
  /** What the kernel calls where physical memory begins, in its linear map: NUMBER(name) of VMCOREINFO. */
  readonly memoryBase?: string;
  /** Page tables; absent where they are not known here. */
  readonly paging?: ArchitecturePaging;
  /** Candidates for the linear map of physical memory, likewise. Ranges are as wide as the architecture allows, not as memory is large, unless something else lies behind memory's end. */
  linearRanges(vmcoreinfo: Vmcoreinfo, probe: MapProbe): Iterable<LinearRange>;
}

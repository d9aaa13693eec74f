// The few questions that the producer and the back-ends ask of the kernel whose memory is registered. A real dump answers them (wired
// in cli), or a simulated kernel.

import type { PhysicalMemory } from 'kdumpling/reader';
import type { Architecture, LinearRange } from 'kdumpling/reader/arch';
import type { Note } from 'kdumpling/reader/formats/notes';

export interface TargetSymbol {
  readonly address: bigint;
  /** Bytes, or null if unknown. */
  readonly size: number | null;
  /** True where `size` is the distance to the next symbol: an upper bound. */
  readonly sizeIsBound: boolean;
}

export interface TargetVmcoreinfo {
  /** As the kernel registered it at boot: no CRASHTIME line. */
  readonly text: string;
  readonly vaddr: bigint | null;
  readonly paddr: number | null;
  /** As the panicking kernel left it, CRASHTIME included; absent where it is the same. */
  readonly atCrash?: string;
}

export interface TargetKernel {
  readonly arch: Architecture;
  readonly littleEndian: boolean;
  readonly pageSize: number;
  /** Old memory, as it was when the kernel died. */
  readonly memory: PhysicalMemory;
  readonly vmcoreinfo: TargetVmcoreinfo | null;
  /** Per-CPU notes (NT_PRSTATUS and what follows it), in CPU order. */
  readonly cpuNotes: readonly Note[];
  readonly linearRanges: readonly LinearRange[];
  symbol(name: string): TargetSymbol | null;
  sizeOf(type: string): number | null;
  /** Offset of a member in bytes, or null. */
  offsetOf(type: string, member: string): number | null;
  /** Addresses of all objects of a type, or null if the dump cannot tell. */
  objectsOf(type: string): readonly bigint[] | null;
  /** Elements of an array variable (VMCOREINFO's LENGTH), or null. */
  lengthOf(name: string): number | null;
  /** Physical address of a kernel address by the linear and image maps, or null. */
  translate(vaddr: bigint): number | null;
  /** phys_to_virt: the linear map's address, or null where the map is unknown. */
  linearAddress(paddr: number): bigint | null;
}

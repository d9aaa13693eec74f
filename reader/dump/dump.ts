// What every dump format gives once it is open.
import type { AddressMap } from '../address-map.js';
import type { Architecture } from '../arch/arch.js';
import type { ProgramHeader } from '../formats/elf.js';
import type { Note } from '../formats/notes.js';
import type { DumpRegion } from '../formats/region-names.js';
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Issues } from '../issue.js';
import type { PhysicalMemory } from '../memory.js';
import type { Attributes } from './attributes.js';
import type { DumpCpu } from './cpus.js';
import type { DeviceDump } from './device-dumps.js';

export type DumpFormat = 'elf' | 'kdump' | 'raw' | 'minidump-folder' | 'rawdump';

/** Who wrote the container and how: told in `info`, used by nothing that reads memory. */
export interface Container {
  readonly format: DumpFormat;
  /** The stream was in makedumpfile's flattened form. */
  readonly flattened: boolean;
  /** Codecs found in page descriptors, for instance ['zlib']; [] for formats that do not compress. */
  readonly compression: readonly string[];
  /** Byte order and word size of the container's own records; memory may differ. */
  readonly littleEndian: boolean;
  readonly bits: 32 | 64;
  /** How many files make the dump. */
  readonly files: number;
}

export interface Dump {
  /** Short name of the (first) file, no directories. */
  readonly name: string;
  readonly container: Container;
  readonly arch: Architecture | null;
  readonly pageSize: number;
  readonly physical: PhysicalMemory;
  /** Segments, linear and image maps; page tables are added by analysis. */
  readonly virtual: AddressMap;
  /** PT_LOADs as the container claims them; [] where it has none. */
  readonly segments: readonly ProgramHeader[];
  /** Regions that the kernel had registered, in that order, of region cores and minidumps; [] of all others. */
  readonly regions: readonly DumpRegion[];
  /** All notes in file order, those of kdump headers included. */
  readonly notes: readonly Note[];
  readonly vmcoreinfo: Vmcoreinfo | null;
  /** Erased ranges as makedumpfile recorded them, verbatim; null if nothing was erased. */
  readonly eraseinfo: Uint8Array | null;
  /** In the order of their notes. */
  readonly cpus: readonly DumpCpu[];
  /** Dumps that drivers left (NT_VMCOREDD). */
  readonly deviceDumps: readonly DeviceDump[];
  readonly attributes: Attributes;
  readonly issues: Issues;
  close(): void;
}

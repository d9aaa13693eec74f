// What a format's opener hands to openDump: the container as it is, before anything is concluded from memory.
import type { CodecEngines } from '../codecs/codec.js';
import type { FaultReason } from '../fault.js';
import type { Utsname } from '../formats/diskdump.js';
import type { ProgramHeader } from '../formats/elf.js';
import type { Note } from '../formats/notes.js';
import type { DumpRegion } from '../formats/region-names.js';
import type { Issues } from '../issue.js';
import type { CachedMemory } from '../page-cache.js';
import type { ByteSource } from '../source.js';
import type { AttributeValue } from './attributes.js';
import type { Container } from './dump.js';

/** What there is to open. Flattened streams are already presented as the files that they make up. */
export interface DumpInput {
  /** Short name of the (first) file or of the folder. */
  readonly name: string;
  /** One file, the parts of a split set, raw images, or the files of a folder. */
  readonly sources: readonly ByteSource[];
  readonly isFolder: boolean;
  /** Physical addresses of raw images, one a source; null for all else. */
  readonly raw: readonly number[] | null;
  /** The first bytes of the first source (up to 4096). */
  readonly head: Uint8Array;
  /** Some of the sources are flattened streams. */
  readonly flattened: boolean;
  /** How much a cache may hold, in bytes. */
  readonly cacheBytes: number;
  readonly engines: CodecEngines;
  readonly issues: Issues;
}

export interface OpenedContainer {
  readonly container: Container;
  readonly physical: CachedMemory;
  /** Memory by file offset, for cores in which a segment has no physical address. */
  readonly file: CachedMemory | null;
  /** What an address is that nothing maps: `unregistered` in a region core. */
  readonly missing: FaultReason;
  /** e_machine, null where the container has none. */
  readonly machine: number | null;
  /** null where the container has none; fields may be empty. */
  readonly utsname: Utsname | null;
  readonly segments: readonly ProgramHeader[];
  /** Of a region core, in the order of registration; left out by all others. */
  readonly regions?: readonly DumpRegion[];
  readonly notes: readonly Note[];
  /** VMCOREINFO that the container holds outside its notes. */
  readonly vmcoreinfo: Uint8Array | null;
  readonly eraseinfo: Uint8Array | null;
  /** The format's own facts: [key, value, where from]. */
  readonly facts: readonly (readonly [key: string, value: AttributeValue, from: string])[];
}

/** One way to open an input. */
export interface DumpProbe {
  readonly name: string;
  /**
   * Looks at the input: a sentence that says why it is not of this kind, or how to open it. Throws InputError for what is of this kind but
   * cannot be read.
   */
  probe(input: DumpInput): string | (() => Promise<OpenedContainer>);
}

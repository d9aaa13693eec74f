// The DWARF of an ELF file: where its parts are had from. Nothing is read before it is asked for.
import { Issues } from '../../issue.js';
import type { ElfFile } from '../elf-file.js';
import { CallFrames } from './call-frames.js';
import { type Decompressors, loadDecompressors } from './compressed.js';
import { DwarfUnits } from './dwarf-units.js';
import { NameIndex } from './name-index.js';
import { DebugSections } from './sections.js';
import { SourceFrames } from './source-frames.js';
import { DwarfFile } from './units.js';

export interface DwarfOptions {
  readonly issues?: Issues;
  /** Of a module: where its sections were loaded, by name. Without, they lie at 0: types are right, addresses tell only how far from their section's start. */
  readonly addresses?: ReadonlyMap<string, bigint>;
}

export class Dwarf {
  readonly file: DwarfFile;
  readonly units: DwarfUnits;
  readonly index: NameIndex;
  readonly issues: Issues;
  #source: SourceFrames | null = null;
  #frames: CallFrames | null = null;

  private constructor(sections: DebugSections, issues: Issues) {
    this.issues = issues;
    this.file = new DwarfFile(sections, issues);
    this.units = new DwarfUnits(this.file, issues);
    this.index = new NameIndex(this.file);
  }

  /** Null if the file has no DWARF. Throws InputError for sections that cannot be read. */
  static async open(file: ElfFile, options: DwarfOptions = {}): Promise<Dwarf | null> {
    return Dwarf.openWith(file, await loadDecompressors(file), options);
  }

  /** As `open`, with what it imports: for those who cannot wait. */
  static openWith(file: ElfFile, decompressors: Decompressors, options: DwarfOptions = {}): Dwarf | null {
    const issues = options.issues ?? new Issues();
    const sections = new DebugSections(file, decompressors, { ...options, issues });
    if (sections.get('debug_info') === null || sections.get('debug_abbrev') === null) return null;
    return new Dwarf(sections, issues);
  }

  /** Source lines, functions and inlined calls at addresses as linked. */
  get source(): SourceFrames {
    this.#source ??= new SourceFrames(this.units);
    return this.#source;
  }

  /** The rules by which callers' registers are found, at addresses as linked. */
  get frames(): CallFrames {
    this.#frames ??= new CallFrames(this.units);
    return this.#frames;
  }
}

// The DWARF of an ELF file: where its parts are had from. Nothing is read before it is asked for.
import { Issues } from '../../issue.js';
import type { ElfFile } from '../elf-file.js';
import { DwarfUnits } from './dwarf-units.js';
import { NameIndex } from './name-index.js';
import { DebugSections } from './sections.js';
import { DwarfFile } from './units.js';

export interface DwarfOptions {
  readonly issues?: Issues;
}

export class Dwarf {
  readonly file: DwarfFile;
  readonly units: DwarfUnits;
  readonly index: NameIndex;
  readonly issues: Issues;

  private constructor(sections: DebugSections, issues: Issues) {
    this.issues = issues;
    this.file = new DwarfFile(sections, issues);
    this.units = new DwarfUnits(this.file, issues);
    this.index = new NameIndex(this.file);
  }

  /** Null if the file has no DWARF. Throws InputError for sections that cannot be read. */
  static open(file: ElfFile, options: DwarfOptions = {}): Dwarf | null {
    const sections = new DebugSections(file);
    if (sections.get('debug_info') === null || sections.get('debug_abbrev') === null) return null;
    return new Dwarf(sections, options.issues ?? new Issues());
  }
}

// The debug sections of one ELF file, by name: as they lie there, inside `.dwo` files under names of their own. Sources: DWARF 5, sections 7.3 and 7.4; System V gABI.
import { InputError } from '../../fault.js';
import { SHF_COMPRESSED, SHT_NOBITS } from '../../formats/elf.js';
import { type ByteSource, SliceSource } from '../../source.js';
import type { ElfFile, Section } from '../elf-file.js';
import { Windows } from './windows.js';

/** No section is longer: its offsets are kept in 32 bits. */
const MOST_SIZE = 2 ** 32 - 1;

/** SHF_MERGE | SHF_STRINGS */
const SHF_MERGE_STRINGS = 0x30;

/** Sections as parts of DWARF ask for them: without dot, `.dwo` and the like; `eh_frame` is one of them. */
export type SectionName =
  | 'debug_info'
  | 'debug_types'
  | 'debug_abbrev'
  | 'debug_str'
  | 'debug_line_str'
  | 'debug_line'
  | 'debug_addr'
  | 'debug_str_offsets'
  | 'debug_ranges'
  | 'debug_rnglists'
  | 'debug_loc'
  | 'debug_loclists'
  | 'debug_aranges'
  | 'debug_names'
  | 'debug_frame'
  | 'debug_cu_index'
  | 'debug_tu_index'
  | 'eh_frame';

/** One file's sections. Each is opened when it is first asked for. */
export class DebugSections {
  readonly file: ElfFile;
  readonly littleEndian: boolean;
  /** The sections are those of split units. */
  readonly split: boolean;
  readonly #windows = new Map<SectionName, Windows | null>();

  constructor(file: ElfFile) {
    this.file = file;
    this.littleEndian = file.header.littleEndian;
    this.split = file.sections.some(section => section.label === '.debug_info.dwo');
  }

  get(name: SectionName): Windows | null {
    let windows = this.#windows.get(name);
    if (windows === undefined) {
      const source = this.source(name);
      windows = source === null ? null : new Windows(source, this.littleEndian);
      this.#windows.set(name, windows);
    }
    return windows;
  }

  /** A section that nothing goes without; throws InputError where it is missing. */
  need(name: SectionName): Windows {
    const windows = this.get(name);
    if (windows === null) {
      throw new InputError(
        { source: this.file.source.name, record: 'section table', field: `.${name}`, nowhere: 'absent' },
        'there is no such section, and other sections refer to it',
      );
    }
    return windows;
  }

  /** A section's content, or null where the file has none. */
  source(name: SectionName): ByteSource | null {
    const section = this.#find(name);
    if (section === null) return null;
    if ((section.flags & SHF_COMPRESSED) !== 0) throw refused(this.file, section, 'it is compressed');
    if (section.size > MOST_SIZE) throw refused(this.file, section, 'no debug section is as long');
    return new SliceSource(this.file.source, section.offset, section.size);
  }

  /** Whether linkers merge equal strings of a section. */
  merged(name: SectionName): boolean {
    const section = this.#find(name);
    return section !== null && (section.flags & SHF_MERGE_STRINGS) === SHF_MERGE_STRINGS;
  }

  #find(name: SectionName): Section | null {
    const labels = this.split ? [`.${name}.dwo`, `.${name}`] : [`.${name}`];
    for (const label of labels) {
      const found = this.file.sections.find(section => section.label === label && section.type !== SHT_NOBITS);
      if (found !== undefined && found.offset < this.file.source.size) return found;
    }
    return null;
  }
}

function refused(file: ElfFile, section: Section, why: string): InputError {
  return new InputError(
    {
      source: file.source.name,
      record: section.label,
      offset: section.offset,
      field: 'sh_size',
      value: section.size,
    },
    why,
  );
}

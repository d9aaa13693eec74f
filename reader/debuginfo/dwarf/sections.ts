// The debug sections of one ELF file, by name: as they lie there, inside `.dwo` files under names of their own. Sources: DWARF 5, sections 7.3 and 7.4; System V gABI.
import { InputError } from '../../fault.js';
import { ET_REL, SHF_MERGE, SHF_STRINGS, SHT_NOBITS, SHT_REL, SHT_RELA, SHT_SYMTAB } from '../../formats/elf.js';
import type { Issues } from '../../issue.js';
import { type ByteSource, SliceSource } from '../../source.js';
import type { ElfFile, Section } from '../elf-file.js';
import { type Decompressors, decompressed, isCompressed } from './compressed.js';
import { RelocatedSource, SymbolValues } from './relocated-source.js';
import { Windows } from './windows.js';

/** No section is longer: its offsets are kept in 32 bits. */
const MOST_SIZE = 2 ** 32 - 1;

const SHF_MERGE_STRINGS = SHF_MERGE | SHF_STRINGS;

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

export interface SectionOptions {
  readonly issues: Issues;
  /** Of a module: where its sections were loaded, by name. Without, they lie at 0. */
  readonly addresses?: ReadonlyMap<string, bigint>;
}

/** One file's sections. Each is opened when it is first asked for. */
export class DebugSections {
  readonly file: ElfFile;
  readonly littleEndian: boolean;
  /** The sections are those of split units. */
  readonly split: boolean;
  readonly #windows = new Map<SectionName, Windows | null>();
  readonly #sources = new Map<SectionName, ByteSource | null>();
  readonly #decompressors: Decompressors;
  readonly #addresses: ReadonlyMap<string, bigint>;
  readonly #issues: Issues;
  #symbols: SymbolValues | null = null;

  constructor(file: ElfFile, decompressors: Decompressors, options: SectionOptions) {
    this.file = file;
    this.#decompressors = decompressors;
    this.#addresses = options.addresses ?? new Map();
    this.#issues = options.issues;
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
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = this.#open(name);
      this.#sources.set(name, source);
    }
    return source;
  }

  #open(name: SectionName): ByteSource | null {
    const sources = this.#find(name).map(section => this.#openOne(section));
    return sources.length > 1 ? new JoinedSections(sources) : (sources[0] ?? null);
  }

  #openOne(section: Section): ByteSource {
    const source = isCompressed(section)
      ? decompressed(this.file, section, this.#decompressors)
      : new SliceSource(this.file.source, section.offset, section.size);
    if (source.size > MOST_SIZE) {
      throw new InputError(
        {
          source: this.file.source.name,
          record: section.label,
          offset: section.offset,
          field: 'sh_size',
          value: source.size,
        },
        'no debug section is as long',
      );
    }
    return this.file.header.type === ET_REL ? this.#relocated(section, source) : source;
  }

  /** With its relocations, if it has any: files that are linked keep some, which are applied already. */
  #relocated(section: Section, source: ByteSource): ByteSource {
    const { sections } = this.file;
    const index = sections.indexOf(section);
    const relocations = sections.find(one => (one.type === SHT_RELA || one.type === SHT_REL) && one.info === index);
    const symtab = relocations === undefined ? undefined : sections[relocations.link];
    if (relocations === undefined || symtab?.type !== SHT_SYMTAB) return source;
    const address = (at: number) => this.#addresses.get(sections[at]?.label ?? '') ?? sections[at]?.addr ?? 0n;
    this.#symbols ??= new SymbolValues(this.file, symtab, address);
    return new RelocatedSource(this.file, source, relocations, this.#symbols, address(index), this.#issues);
  }

  /** Whether linkers merge equal strings of a section. */
  merged(name: SectionName): boolean {
    const found = this.#find(name);
    return found.length > 0 && found.every(({ flags }) => (flags & SHF_MERGE_STRINGS) === SHF_MERGE_STRINGS);
  }

  /** Where a section lies as linked, or was loaded. */
  addressOf(name: SectionName): bigint {
    const [section] = this.#find(name);
    return section === undefined ? 0n : (this.#addresses.get(section.label) ?? section.addr);
  }

  /** Several of one name are groups that a linker would have joined (type units of a module). */
  #find(name: SectionName): Section[] {
    const plain = [`.${name}`, `.z${name}`];
    const labels = this.split ? [`.${name}.dwo`, `.z${name}.dwo`, ...plain] : plain;
    const { sections, source } = this.file;
    for (const label of labels) {
      const found = sections.filter(
        section => section.label === label && section.type !== SHT_NOBITS && section.offset < source.size,
      );
      if (found.length > 0) return found;
    }
    return [];
  }
}

/** Sections one behind the other. */
class JoinedSections implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  readonly #sources: readonly ByteSource[];

  constructor(sources: readonly ByteSource[]) {
    this.name = sources[0].name;
    this.blockSize = sources[0].blockSize;
    this.#sources = sources;
    this.size = sources.reduce((sum, { size }) => sum + size, 0);
  }

  read(offset: number, into: Uint8Array): number {
    let done = 0;
    let start = 0;
    for (const source of this.#sources) {
      const from = offset + done - start;
      start += source.size;
      if (from >= source.size) continue;
      if (done === into.length) break;
      done += source.read(from, into.subarray(done));
    }
    return done;
  }

  close(): void {}
}

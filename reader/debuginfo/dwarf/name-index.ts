// From names to entries: units are scanned in order, as far as a question needs, and what was found is kept.
import { InputError } from '../../fault.js';
import type { ByteSource } from '../../source.js';
import { NameTable } from './name-table.js';
import { EXTERNAL, NamedEntries } from './named-entries.js';
import { ENUMERATORS, NESTED, OBJECTS, TYPES, UnitScanner } from './scan.js';
import type { DwarfFile, Unit } from './units.js';

/** The kinds of passes that there are. */
const GROUPS: readonly number[] = [TYPES, OBJECTS, ENUMERATORS, NESTED];
const CHUNK = 1 << 20;
/** Compilers write names as short as an offset into the unit, all others into the string section. */
const SHORT = 8;
const MOST_SOUGHT = 1 << 14;
const encoder = new TextEncoder();

export class NameIndex {
  readonly names = new NameTable();
  readonly entries = new NamedEntries();
  readonly #file: DwarfFile;
  readonly #scanner: UnitScanner | null;
  /** By group: how many units were scanned. */
  readonly #done = [0, 0, 0, 0];
  readonly #complete = [false, false, false, false];
  readonly #sought = new Map<string, boolean>();

  constructor(file: DwarfFile) {
    this.#file = file;
    const abbreviations = file.sections.source('debug_abbrev');
    this.#scanner = abbreviations === null ? null : new UnitScanner(file, abbreviations, this.names, this.entries);
  }

  /** The place of the first entry of that name and kind, types of complete definitions only; -1 if there is none. */
  first(group: number, kind: number, name: string): number {
    for (;;) {
      const place = this.known(kind, name);
      if (place >= 0) return place;
      if (!this.#complete[GROUPS.indexOf(group)] && !this.#mayHave(name)) return -1;
      if (!this.#scanNext(group)) return this.known(kind, name);
    }
  }

  /** The place of the best entry of a variable or function of that name: units are scanned until one has it for all others; -1 if there is none. */
  best(kind: number, name: string): number {
    for (;;) {
      const id = this.names.find(name);
      const found = id >= 0 && this.entries.mark(kind, id) === EXTERNAL;
      if (found || (id < 0 && !this.#complete[GROUPS.indexOf(OBJECTS)] && !this.#mayHave(name))) break;
      if (!this.#scanNext(OBJECTS)) break;
    }
    return this.known(kind, name);
  }

  /** The place of the first entry of that name and kind in the units that were scanned; -1 if there is none. */
  known(kind: number, name: string): number {
    const id = this.names.find(name);
    return id < 0 ? -1 : this.entries.place(kind, id);
  }

  /** The places of all entries of that name and kind in the units that were scanned, in their order. */
  places(kind: number, name: string): readonly number[] {
    const id = this.names.find(name);
    return id < 0 ? [] : this.entries.places(kind, id);
  }

  /** Scans all units for a group. */
  finish(group: number): void {
    while (this.#scanNext(group));
  }

  /** Scans on until the unit of an entry is among those that were scanned. */
  reach(group: number, place: number): void {
    const which = GROUPS.indexOf(group);
    if (this.#complete[which]) return;
    const last = this.#done[which] === 0 ? null : this.#unit(this.#done[which] - 1);
    if (last !== null && place < last.base + last.end) return;
    while (this.#scanNext(group)) {
      const unit = this.#unit(this.#done[which] - 1);
      if (unit !== null && place < unit.base + unit.end) return;
    }
  }

  /**
   * Whether a name can be in units that were not scanned. Where linkers merge the string section, compilers (GCC's find_string_form, clang always) write all but the shortest names
   * there: then a name that is not in it is nowhere.
   */
  #mayHave(name: string): boolean {
    const { sections } = this.#file;
    if (name.length < SHORT || !sections.merged('debug_str')) return true;
    const known = this.#sought.get(name);
    if (known !== undefined) return known;
    const strings = sections.source('debug_str');
    const found = strings === null || hasString(strings, encoder.encode(name));
    if (this.#sought.size < MOST_SOUGHT) this.#sought.set(name, found);
    return found;
  }

  #unit(index: number): Unit | null {
    return this.#file.info.get(index);
  }

  #scanNext(group: number): boolean {
    const which = GROUPS.indexOf(group);
    const unit = this.#complete[which] ? null : this.#unit(this.#done[which]);
    if (unit === null) {
      if (!this.#complete[which]) this.#scanTypeUnits(group);
      this.#complete[which] = true;
      return false;
    }
    const index = this.#done[which]++;
    // A type of a variable is looked for next: both in one pass cost little more than one.
    const types = group === OBJECTS && this.#done[0] === index;
    if (types) this.#done[0]++;
    this.#scan(unit, types ? OBJECTS | TYPES : group);
    return true;
  }

  #scanTypeUnits(group: number): void {
    for (const unit of this.#file.types) this.#scan(unit, group);
  }

  #scan(unit: Unit, group: number): void {
    try {
      this.#scanner?.scan(unit, group);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.#file.issues.add('damaged-dwarf', `${error.message} (the rest of the unit is not read)`, unit.offset);
    }
  }
}

/** Whether a text with a NUL behind it is in a source: a linker may let a string be the end of a longer one. */
function hasString(source: ByteSource, text: Uint8Array): boolean {
  const buffer = new Uint8Array(CHUNK + text.length);
  const { length } = text;
  const last = length - 1;
  for (let start = 0; start < source.size; start += CHUNK) {
    const filled = source.read(start, buffer);
    for (let end = buffer.indexOf(0); end >= 0 && end < filled; end = buffer.indexOf(0, end + 1)) {
      if (end < length || buffer[end - 1] !== text[last]) continue;
      let i = 0;
      while (i < last && buffer[end - length + i] === text[i]) i++;
      if (i === last) return true;
    }
  }
  return false;
}

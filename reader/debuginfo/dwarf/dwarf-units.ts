// The entries of all files that belong together, read by place; damage becomes an issue here.
import { InputError } from '../../fault.js';
import { DW_AT_abstract_origin, DW_AT_name, DW_AT_specification } from '../../formats/dwarf.js';
import type { Issues } from '../../issue.js';
import { EntryCursor } from './entries.js';
import { UnitTables } from './unit-tables.js';
import { type DwarfFile, FILE_STEP, type Unit } from './units.js';
import { Work } from './work.js';

/** From a concrete entry to its abstract one and from there to its declaration. */
const MOST_HOPS = 8;

interface Readers {
  readonly file: DwarfFile;
  readonly tables: UnitTables;
  /** One for each level of entries that are looked at while others are. */
  readonly cursors: EntryCursor[];
}

export class DwarfUnits {
  readonly issues: Issues;
  readonly #files: Readers[] = [];
  readonly #work: Work;
  /** How many guards are at work, one inside the other: a question is what the outermost does. */
  #guards = 0;

  constructor(main: DwarfFile, issues: Issues) {
    this.issues = issues;
    this.#work = new Work(main.name);
    this.add(main);
  }

  get main(): DwarfFile {
    return this.#files[0].file;
  }

  add(file: DwarfFile): void {
    this.#files.push({ file, tables: new UnitTables(file, this.#work), cursors: [] });
  }

  /** How many files there are: the number of the next. */
  get count(): number {
    return this.#files.length;
  }

  /** The unit that an entry lies in, or null. */
  unitAt(place: number): Unit | null {
    return this.#files[Math.floor(place / FILE_STEP)]?.file.unitAt(place) ?? null;
  }

  /** The entry at a place, by the cursor of that level; throws InputError where there is none. */
  read(place: number, level = 0): EntryCursor {
    const readers = this.#files[Math.floor(place / FILE_STEP)];
    const unit = readers?.file.unitAt(place) ?? null;
    if (unit === null) {
      throw new InputError(
        { source: this.main.name, record: 'unit', offset: Math.max(0, place), field: 'reference' },
        'there is no entry where another refers to',
        'the debug information is damaged',
      );
    }
    const cursor = this.cursor(unit, level);
    if (!cursor.read(unit, place - unit.base)) {
      throw new InputError(
        { source: readers.file.name, record: 'unit', offset: place - unit.base, field: 'reference' },
        'it leads to the end of a list of entries',
        'the debug information is damaged',
      );
    }
    return cursor;
  }

  /** The cursor of a level in a unit's file, wherever it is. */
  cursor(unit: Unit, level: number): EntryCursor {
    const { file, tables, cursors } = this.#files[unit.file.number];
    cursors[level] ??= new EntryCursor(file, tables);
    return cursors[level];
  }

  /** The places of an entry's children; the cursor moves. */
  children(cursor: EntryCursor): number[] {
    const { base } = cursor.unit;
    return cursor.children().map(offset => base + offset);
  }

  /** What a reference leads to, the entry's own or that of the entry which it completes; the cursor moves. */
  followed(cursor: EntryCursor, attribute: number): number {
    const place = this.#owner(cursor, attribute);
    return place ? cursor.reference(attribute) : -1;
  }

  /** An entry's name, its own or that of the entry which it completes; the cursor moves. */
  nameOf(cursor: EntryCursor): string {
    return this.#owner(cursor, DW_AT_name) ? cursor.text(DW_AT_name) : '';
  }

  /** Moves the cursor to the entry that has the attribute: itself, its abstract origin or its declaration. */
  #owner(cursor: EntryCursor, attribute: number): boolean {
    for (let i = 0; i < MOST_HOPS; i++) {
      if (cursor.has(attribute)) return true;
      const origin = cursor.reference(DW_AT_abstract_origin);
      const place = origin >= 0 ? origin : cursor.reference(DW_AT_specification);
      const unit = place < 0 ? null : this.unitAt(place);
      if (unit === null || unit.file !== cursor.file || !cursor.read(unit, place - unit.base)) return false;
    }
    return false;
  }

  /** An entry refers to what is not in these files. */
  unresolved(cursor: EntryCursor): void {
    this.issues.add(
      'dwarf-unresolved',
      `${cursor.file.name}: an entry refers to a type in a supplementary file (dwz) or a type unit that is not there: it is taken as void`,
      cursor.offset,
    );
  }

  /** What `read` gives; `otherwise`, with an issue, where the debug information is damaged. */
  guard<T>(read: () => T, otherwise: T): T {
    if (this.#guards === 0) this.#work.reset();
    this.#guards++;
    try {
      return read();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.issues.add('damaged-dwarf', error.message, error.place.offset ?? null);
      return otherwise;
    } finally {
      this.#guards--;
    }
  }
}

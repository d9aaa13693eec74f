// Texts and addresses that entries name by number. Source: DWARF 5, sections 7.26 to 7.29.
import {
  DW_AT_addr_base,
  DW_AT_GNU_addr_base,
  DW_AT_GNU_ranges_base,
  DW_AT_loclists_base,
  DW_AT_rnglists_base,
  DW_AT_str_offsets_base,
} from '../../formats/dwarf.js';
import { EntryCursor } from './entries.js';
import type { DwarfFile, Unit } from './units.js';
import { Work } from './work.js';

/** Of how many units the tables' places are kept. */
const MOST_KEPT = 4096;

/** Where a unit's tables begin in other sections; null where nothing tells. */
interface Bases {
  readonly strings: number | null;
  readonly addresses: number | null;
  readonly ranges: number | null;
  readonly locations: number | null;
}

/** Of all units of a file. */
export class UnitTables {
  readonly #file: DwarfFile;
  readonly work: Work;
  readonly #bases = new Map<Unit, Bases>();

  constructor(file: DwarfFile, work = new Work(file.name)) {
    this.#file = file;
    this.work = work;
  }

  of(unit: Unit): Bases {
    let bases = this.#bases.get(unit);
    if (bases === undefined) {
      if (this.#bases.size === MOST_KEPT) this.#bases.clear();
      bases = this.#read(unit);
      this.#bases.set(unit, bases);
    }
    return bases;
  }

  #read(unit: Unit): Bases {
    const cursor = new EntryCursor(this.#file, new UnitTables(this.#file));
    cursor.read(unit, unit.root);
    const { split } = this.#file.sections;
    // Behind a contribution's header, where a split unit says nothing.
    const header = !split ? null : unit.version < 5 ? 0 : unit.offsetSize === 8 ? 16 : 8;
    const lists = !split || unit.version < 5 ? null : unit.offsetSize === 8 ? 20 : 12;
    return {
      strings: cursor.offsetOf(DW_AT_str_offsets_base) ?? header,
      addresses: cursor.offsetOf(DW_AT_addr_base) ?? cursor.offsetOf(DW_AT_GNU_addr_base),
      ranges: cursor.offsetOf(DW_AT_rnglists_base) ?? cursor.offsetOf(DW_AT_GNU_ranges_base) ?? lists,
      locations: cursor.offsetOf(DW_AT_loclists_base) ?? lists,
    };
  }

  /** Where text `number` begins in the string section; -1 if it is not to be found. */
  string(unit: Unit, number: number): number {
    const base = this.of(unit).strings;
    if (base === null) return -1;
    return this.#file.sections.need('debug_str_offsets').unsigned(base + number * unit.offsetSize, unit.offsetSize);
  }

  /** Address `number`; null if it is not to be found. */
  address(unit: Unit, number: number): bigint | null {
    const base = this.of(unit).addresses;
    if (base === null) return null;
    const section = this.#file.sections.need('debug_addr');
    const at = base + number * unit.addressSize;
    return unit.addressSize === 8 ? section.u64(at) : BigInt(section.unsigned(at, unit.addressSize));
  }
}

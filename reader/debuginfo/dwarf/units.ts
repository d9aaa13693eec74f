// The units of a file's DWARF: their headers, found one behind the other as far as they are asked for. Source: DWARF 5, sections 7.4 and 7.5.1; version 4, section 7.5.1.2 (type units).

import { InputError } from '../../fault.js';
import {
  DW_UT_compile,
  DW_UT_skeleton,
  DW_UT_split_compile,
  DW_UT_split_type,
  DW_UT_type,
  formSizes,
} from '../../formats/dwarf.js';
import type { Issues } from '../../issue.js';
import { AbbreviationReader, AbbreviationTable } from './abbreviations.js';
import type { DebugSections } from './sections.js';
import type { Windows } from './windows.js';

/** A kernel has some thousands; with partial units of `dwz` some hundred thousand. */
const MOST_UNITS = 1 << 19;
const DWARF64 = 0xffff_ffff;
const RESERVED = 0xffff_fff0;
/** How many tables are kept for entries that are read here and there, with how many codes and attributes in all. */
const KEPT_TABLES = 64;
const KEPT_RECORDS = 1 << 17;
/** Zeros between units, four bytes each. */
const MOST_PADDING = 1 << 16;

/** Where an entry lies: the file's number in steps of this, plus its offset in the section; `.debug_types` lies half a step behind. */
export const FILE_STEP = 2 ** 40;
export const TYPES_STEP = 2 ** 39;

export interface Unit {
  readonly file: DwarfFile;
  /** `.debug_info`, or `.debug_types` of version 4. */
  readonly section: Windows;
  /** What is added to an offset in the section to make an entry's place. */
  readonly base: number;
  /** Of the header. */
  readonly offset: number;
  /** Behind the unit. */
  readonly end: number;
  /** Of the unit's own entry. */
  readonly root: number;
  readonly version: number;
  readonly type: number;
  readonly addressSize: number;
  readonly offsetSize: 4 | 8;
  /** Of its table in `.debug_abbrev`. */
  readonly abbreviations: number;
  /** A type unit's signature, a split unit's or skeleton's ID; else 0. */
  readonly signature: bigint;
  /** A type unit's type, as an offset in the section; else 0. */
  readonly typeOffset: number;
}

/** One ELF file with DWARF: its sections and units. */
export class DwarfFile {
  readonly sections: DebugSections;
  readonly issues: Issues;
  /** Among the files of one set. */
  readonly number: number;
  readonly info: UnitList;
  readonly types: UnitList;
  readonly reader: AbbreviationReader | null;
  readonly #tables = new Map<string, AbbreviationTable>();
  /** Codes and attributes of the tables that are kept. */
  #kept = 0;
  readonly #formSizes = new Map<number, (form: number) => number>();
  #signatures: Map<bigint, number> | null = null;

  constructor(sections: DebugSections, issues: Issues, number = 0) {
    this.sections = sections;
    this.issues = issues;
    this.number = number;
    const base = number * FILE_STEP;
    this.info = new UnitList(this, sections.get('debug_info'), base);
    this.types = new UnitList(this, sections.get('debug_types'), base + TYPES_STEP);
    const abbreviations = sections.source('debug_abbrev');
    this.reader = abbreviations === null ? null : new AbbreviationReader(abbreviations);
  }

  get name(): string {
    return this.sections.file.source.name;
  }

  /** The unit that an entry lies in, by its place in this file; null if none does. */
  unitAt(place: number): Unit | null {
    const offset = place - this.number * FILE_STEP;
    return offset >= TYPES_STEP ? this.types.containing(offset - TYPES_STEP) : this.info.containing(offset);
  }

  /** Bytes of a form's value, or SIZE_…, in one of this file's units. */
  sizeOfForm(unit: Unit, form: number): number {
    const key = (unit.version <= 2 ? 1 : 0) + unit.offsetSize * 2 + unit.addressSize * 32;
    let sizes = this.#formSizes.get(key);
    if (sizes === undefined) {
      sizes = formSizes(unit);
      this.#formSizes.set(key, sizes);
    }
    return sizes(form);
  }

  /** The place of a type by the signature of its type unit; -1 if this file has none of it. */
  typeBySignature(signature: bigint): number {
    if (this.#signatures === null) {
      this.#signatures = new Map();
      for (const list of [this.info, this.types]) {
        for (const unit of list) {
          if (unit.typeOffset > 0 && !this.#signatures.has(unit.signature)) {
            this.#signatures.set(unit.signature, unit.base + unit.typeOffset);
          }
        }
      }
    }
    return this.#signatures.get(signature) ?? -1;
  }

  /** A unit's abbreviations, kept for the next time. */
  tableOf(unit: Unit): AbbreviationTable {
    const key = `${unit.abbreviations} ${unit.addressSize} ${unit.offsetSize} ${unit.version <= 2}`;
    let table = this.#tables.get(key);
    if (table !== undefined) return table;
    table = new AbbreviationTable();
    this.sections.need('debug_abbrev');
    this.reader?.read(unit.abbreviations, unit, table);
    this.#kept += table.count + table.first[table.count];
    for (const [oldest, { first, count }] of this.#tables) {
      if (this.#tables.size < KEPT_TABLES && this.#kept < KEPT_RECORDS) break;
      this.#kept -= count + first[count];
      this.#tables.delete(oldest);
    }
    this.#tables.set(key, table);
    return table;
  }
}

/** The units of one section, in its order. */
export class UnitList {
  readonly section: Windows | null;
  readonly #file: DwarfFile;
  /** What is added to an offset in the section to make an entry's place. */
  readonly base: number;
  readonly #units: Unit[] = [];
  #at = 0;

  constructor(file: DwarfFile, section: Windows | null, base: number) {
    this.#file = file;
    this.section = section;
    this.base = base;
  }

  /** The unit of that number, counted from 0; null behind the last. */
  get(index: number): Unit | null {
    while (index >= this.#units.length) {
      const unit = this.#next();
      if (unit === null) return null;
      this.#units.push(unit);
    }
    return this.#units[index];
  }

  /** The unit that an offset lies in; null if it is in a header or behind the last unit. */
  containing(offset: number): Unit | null {
    if (this.section === null || !(offset >= 0 && offset < this.section.size)) return null;
    while (this.#at <= offset && this.get(this.#units.length) !== null);
    const unit = this.#units[this.#firstEndingBehind(offset)];
    return unit !== undefined && offset >= unit.root && offset < unit.end ? unit : null;
  }

  /** The unit whose header is at an offset, or null. */
  starting(offset: number): Unit | null {
    if (this.section === null || !(offset >= 0 && offset < this.section.size)) return null;
    while (this.#at <= offset && this.get(this.#units.length) !== null);
    const unit = this.#units[this.#firstEndingBehind(offset)];
    return unit?.offset === offset ? unit : null;
  }

  /** The number of the first unit that ends behind an offset, of those that were read. */
  #firstEndingBehind(offset: number): number {
    let low = 0;
    let high = this.#units.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#units[middle].end <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  *[Symbol.iterator](): Generator<Unit> {
    for (let i = 0; ; i++) {
      const unit = this.get(i);
      if (unit === null) return;
      yield unit;
    }
  }

  #next(): Unit | null {
    try {
      return this.#readNext();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return this.#stop(this.#at, error.message);
    }
  }

  /** The next unit of a version that is known; damage ends the list, with an issue. */
  #readNext(): Unit | null {
    const { section } = this;
    let padding = 0;
    while (section !== null && this.#at < section.size) {
      const offset = this.#at;
      if (this.#units.length === MOST_UNITS) return this.#stop(offset, `there are more than ${MOST_UNITS} units`);
      if (section.size - offset < 11) return this.#stop(offset, 'a unit header is cut short');
      const first = section.u32(offset);
      if (first >= RESERVED && first !== DWARF64)
        return this.#stop(offset, `a unit's length is 0x${first.toString(16)}`);
      const offsetSize = first === DWARF64 ? 8 : 4;
      const start = offset + (offsetSize === 8 ? 12 : 4);
      const length = offsetSize === 8 ? section.unsigned(offset + 4, 8) : first;
      const end = start + length;
      if (end > section.size) return this.#stop(offset, `a unit of ${length} bytes passes the section's end`);
      // Padding between units.
      if (length < 7) {
        if (++padding === MOST_PADDING) return this.#stop(offset, 'there is nothing but padding');
        this.#at = end;
        continue;
      }
      this.#at = end;
      const unit = decodeUnit(this.#file, section, this.base, { offset, start, end, offsetSize });
      if (unit !== null) return unit;
    }
    return null;
  }

  #stop(offset: number, why: string): null {
    this.#file.issues.add('damaged-dwarf', `${this.#file.name}: ${why}: what lies behind it is not read`, offset);
    this.#at = this.section?.size ?? 0;
    return null;
  }
}

interface Span {
  readonly offset: number;
  /** Behind the length. */
  readonly start: number;
  readonly end: number;
  readonly offsetSize: 4 | 8;
}

/** Null, with an issue, for a version or kind that is not known. */
function decodeUnit(file: DwarfFile, section: Windows, base: number, span: Span): Unit | null {
  const { start, end, offsetSize } = span;
  const version = section.u16(start);
  const common = { file, section, base, version, ...span };
  const split = file.sections.split;
  const types = base % FILE_STEP === TYPES_STEP;
  const bad = (why: string): null => {
    file.issues.add('unknown-dwarf-unit', `${file.name}: a unit is passed over: ${why}`, span.offset);
    return null;
  };
  if (version < 2 || version > 5) return bad(`its version is ${version}, known are 2 to 5`);
  let at = start + 2;
  let type = types ? DW_UT_type : DW_UT_compile;
  let addressSize = 0;
  let abbreviations = 0;
  if (end - start < 8 + (version >= 5 ? offsetSize : offsetSize - 1)) return bad('its header is cut short');
  if (version >= 5) {
    type = section.u8(at);
    addressSize = section.u8(at + 1);
    abbreviations = section.unsigned(at + 2, offsetSize);
    at += 2 + offsetSize;
  } else {
    abbreviations = section.unsigned(at, offsetSize);
    addressSize = section.u8(at + offsetSize);
    at += offsetSize + 1;
  }
  if (addressSize !== 4 && addressSize !== 8 && addressSize !== 2)
    return bad(`its addresses have ${addressSize} bytes`);
  let signature = 0n;
  let typeOffset = 0;
  const isType = type === DW_UT_type || type === DW_UT_split_type;
  if (isType || type === DW_UT_skeleton || type === DW_UT_split_compile) {
    if (end - at < (isType ? 8 + offsetSize : 8)) return bad('its header is cut short');
    signature = section.u64(at);
    at += 8;
  }
  if (isType) {
    typeOffset = span.offset + section.unsigned(at, offsetSize);
    at += offsetSize;
  }
  if (split && type === DW_UT_compile) type = DW_UT_split_compile;
  return { ...common, type, addressSize, abbreviations, root: at, signature, typeOffset };
}

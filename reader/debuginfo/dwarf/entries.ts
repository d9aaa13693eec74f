// A cursor over debugging information entries: no object is made for an entry, its attributes are decoded when they are asked for. Source: DWARF 5, sections 7.5.2 to 7.5.6.
import { InputError } from '../../fault.js';
import {
  DW_AT_sibling,
  DW_FORM_addr,
  DW_FORM_addrx,
  DW_FORM_addrx1,
  DW_FORM_data1,
  DW_FORM_data2,
  DW_FORM_data4,
  DW_FORM_data8,
  DW_FORM_data16,
  DW_FORM_flag,
  DW_FORM_flag_present,
  DW_FORM_GNU_addr_index,
  DW_FORM_GNU_str_index,
  DW_FORM_implicit_const,
  DW_FORM_line_strp,
  DW_FORM_ref_addr,
  DW_FORM_ref_sig8,
  DW_FORM_ref_udata,
  DW_FORM_ref1,
  DW_FORM_sdata,
  DW_FORM_sec_offset,
  DW_FORM_string,
  DW_FORM_strp,
  DW_FORM_strx,
  DW_FORM_strx1,
  DW_FORM_udata,
  SIZE_BLOCK,
  SIZE_BLOCK1,
  SIZE_BLOCK2,
  SIZE_BLOCK4,
  SIZE_INDIRECT,
} from '../../formats/dwarf.js';
import type { AbbreviationTable } from './abbreviations.js';
import { skipValue } from './skip-value.js';
import type { UnitTables } from './unit-tables.js';
import type { DwarfFile, Unit } from './units.js';
import type { Windows } from './windows.js';

/** An entry longer than this in front of its children is damage: expressions have some dozens of bytes. */
const LONGEST_ENTRY = 1 << 20;
const USUAL_ENTRY = 512;
/** An entry of a struct has at most some thousands of children, a unit some hundred thousand. */
const MOST_CHILDREN = 1 << 21;
const MOST_DEPTH = 256;
/** Of abbreviations. */
const BYTES_A_STEP = 32;

/** What holds a reference that cannot be followed. */
export const NO_PLACE = -1;

export class EntryCursor {
  readonly file: DwarfFile;
  unit!: Unit;
  /** Of the entry in its section. */
  offset = 0;
  /** 0 for the null entry that ends a list of children. */
  tag = 0;
  hasChildren = false;
  /** Behind the attributes: the first child, or the next entry. */
  end = 0;
  #section!: Windows;
  #table!: AbbreviationTable;
  #first = 0;
  #count = 0;
  /** By attribute: where its value begins in the section, and its form. */
  #positions = new Float64Array(64);
  #forms = new Uint16Array(64);

  readonly tables: UnitTables;

  constructor(file: DwarfFile, tables: UnitTables) {
    this.file = file;
    this.tables = tables;
  }

  /** Reads the entry at `offset` of a unit's section; throws InputError where it is damaged. False for a null entry. */
  read(unit: Unit, offset: number): boolean {
    const { work } = this.tables;
    if (unit !== this.unit) {
      const before = this.file.reader?.work ?? 0;
      this.#table = this.file.tableOf(unit);
      work.spend(((this.file.reader?.work ?? 0) - before) / BYTES_A_STEP, offset);
      this.unit = unit;
      this.#section = unit.section;
    }
    if (offset < unit.root || offset >= unit.end) throw this.#wrong(offset, 'offset', offset, 'it is not in its unit');
    this.offset = offset;
    work.spend(1, offset);
    for (let length = USUAL_ENTRY; ; length *= 8) {
      const wanted = Math.min(length, unit.end - offset);
      const at = this.#section.reach(offset, wanted);
      const end = this.#decode(at, Math.min(this.#section.filled, at + wanted));
      if (end >= 0) {
        this.end = offset + end - at;
        return this.tag !== 0;
      }
      if (wanted < length || length > LONGEST_ENTRY) {
        throw this.#wrong(offset, 'length', wanted, 'the entry does not end in its unit');
      }
    }
  }

  /** Where the entry at `start` of the window ends; -1 if it passes `limit`. */
  #decode(start: number, limit: number): number {
    const bytes = this.#section.bytes;
    const move = this.offset - start;
    let at = start;
    let code = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= limit) return -1;
      const byte = bytes[at++];
      code += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      if (scale > 2 ** 35) throw this.#wrong(this.offset, 'abbreviation code', code, 'it is too long');
    }
    this.#count = 0;
    this.tag = 0;
    this.hasChildren = false;
    if (code === 0) return at;
    const table = this.#table;
    const slot = table.slot(code);
    if (slot < 0) throw this.#wrong(this.offset, 'abbreviation code', code, "the unit's table has no such code");
    this.#first = table.first[slot];
    const count = table.first[slot + 1] - this.#first;
    if (count > this.#positions.length) {
      this.#positions = new Float64Array(count * 2);
      this.#forms = new Uint16Array(count * 2);
    }
    for (let i = 0; i < count; i++) {
      let form = table.forms[this.#first + i];
      let size = table.sizes[this.#first + i];
      // A form that only tells another one (and not for ever).
      for (let hops = 0; size === SIZE_INDIRECT; hops++) {
        if (hops === 4 || at >= limit) return -1;
        form = bytes[at++];
        size = this.#indirectSize(form);
      }
      this.#positions[i] = at + move;
      this.#forms[i] = form;
      at = size >= 0 ? at + size : skipValue(bytes, at, limit, size, this.#section.littleEndian);
      if (at < 0 || at > limit) return -1;
    }
    this.tag = table.tags[slot];
    this.hasChildren = table.children[slot] === 1;
    this.#count = count;
    return at;
  }

  #indirectSize(form: number): number {
    const size = this.file.sizeOfForm(this.unit, form);
    // The value of an implicit constant stands in the abbreviation: an indirect one has none.
    if (size < SIZE_INDIRECT || form === DW_FORM_implicit_const) {
      throw this.#wrong(this.offset, 'form', form, 'no such form is known');
    }
    return size;
  }

  /** The number of an attribute among the entry's own, or -1. */
  find(attribute: number): number {
    const { names } = this.#table;
    for (let i = 0; i < this.#count; i++) if (names[this.#first + i] === attribute) return i;
    return -1;
  }

  has(attribute: number): boolean {
    return this.find(attribute) >= 0;
  }

  form(index: number): number {
    return this.#forms[index];
  }

  /** A constant as a number (exact below 2^53), or null where there is none. */
  number(attribute: number): number | null {
    const index = this.find(attribute);
    return index < 0 ? null : this.numberAt(index);
  }

  numberAt(index: number): number | null {
    const form = this.#forms[index];
    const position = this.#positions[index];
    const size = FIXED_NUMBERS[form];
    if (size > 0) return this.#section.unsigned(position, size);
    if (form === DW_FORM_udata) return this.#section.uleb(position);
    const value = this.bigAt(index);
    return value === null ? null : Number(value);
  }

  /** A constant of up to 64 bits, signed where its form says so; null for all that is no constant. */
  bigAt(index: number): bigint | null {
    const form = this.#forms[index];
    const position = this.#positions[index];
    if (form === DW_FORM_sdata) return this.#section.bigLeb(position, true);
    if (form === DW_FORM_udata) return this.#section.bigLeb(position, false);
    if (form === DW_FORM_implicit_const) return this.#table.constants.get(this.#first + index) ?? null;
    if (form === DW_FORM_flag_present) return 1n;
    const size = FIXED_NUMBERS[form];
    if (size === 8) return this.#section.u64(position);
    if (size > 0) return BigInt(this.#section.unsigned(position, size));
    if (form === DW_FORM_data16) {
      const [low, high] = [this.#section.u64(position), this.#section.u64(position + 8)];
      return this.#section.littleEndian ? low | (high << 64n) : high | (low << 64n);
    }
    return isOffset(form) ? BigInt(this.#section.unsigned(position, this.unit.offsetSize)) : null;
  }

  /** The number of a value in one of the unit's lists (DW_FORM_rnglistx, DW_FORM_loclistx). */
  indexAt(index: number): number {
    return this.#section.uleb(this.#positions[index]);
  }

  flag(attribute: number): boolean {
    const index = this.find(attribute);
    return index >= 0 && this.numberAt(index) !== 0;
  }

  /** An offset into another section: of a form that says so, or before version 4 a constant; null for all else. */
  offsetOf(attribute: number): number | null {
    const index = this.find(attribute);
    if (index < 0) return null;
    const form = this.#forms[index];
    if (isOffset(form)) return this.#section.unsigned(this.#positions[index], this.unit.offsetSize);
    return FIXED_NUMBERS[form] >= 4 && this.unit.version < 4 ? this.numberAt(index) : null;
  }

  /** Text, or '' where there is none or it is in a supplementary file. */
  text(attribute: number): string {
    const index = this.find(attribute);
    if (index < 0) return '';
    const form = this.#forms[index];
    const position = this.#positions[index];
    if (form === DW_FORM_string) return this.#section.text(position);
    const { sections } = this.file;
    const offset = this.stringOffset(index);
    if (offset < 0) return '';
    return sections.need(form === DW_FORM_line_strp ? 'debug_line_str' : 'debug_str').text(offset);
  }

  /** Of text in a string section: where it begins there; -1 for all other. */
  stringOffset(index: number): number {
    const form = this.#forms[index];
    const position = this.#positions[index];
    if (form === DW_FORM_strp || form === DW_FORM_line_strp) {
      return this.#section.unsigned(position, this.unit.offsetSize);
    }
    const number = this.#indexOf(form, position, DW_FORM_strx, DW_FORM_strx1, DW_FORM_GNU_str_index);
    return number < 0 ? -1 : this.tables.string(this.unit, number);
  }

  /** An address, or null where the attribute is none. */
  addressAt(index: number): bigint | null {
    const form = this.#forms[index];
    const position = this.#positions[index];
    const { addressSize } = this.unit;
    if (form === DW_FORM_addr) {
      return addressSize === 8 ? this.#section.u64(position) : BigInt(this.#section.unsigned(position, addressSize));
    }
    const number = this.#indexOf(form, position, DW_FORM_addrx, DW_FORM_addrx1, DW_FORM_GNU_addr_index);
    return number < 0 ? null : this.tables.address(this.unit, number);
  }

  /** The number that a form of the family `leb`, `one` to `one` + 3 or `gnu` holds; -1 for another form. */
  #indexOf(form: number, position: number, leb: number, one: number, gnu: number): number {
    if (form === leb || form === gnu) return this.#section.uleb(position);
    return form >= one && form <= one + 3 ? this.#section.unsigned(position, form - one + 1) : -1;
  }

  /** The place of the entry that an attribute refers to; NO_PLACE where there is none or it is in a supplementary file. */
  reference(attribute: number): number {
    const index = this.find(attribute);
    if (index < 0) return NO_PLACE;
    const form = this.#forms[index];
    const position = this.#positions[index];
    const { unit } = this;
    if (form === DW_FORM_ref_udata) return unit.base + unit.offset + this.#section.uleb(position);
    if (form >= DW_FORM_ref1 && form < DW_FORM_ref_udata) {
      return unit.base + unit.offset + this.#section.unsigned(position, 1 << (form - DW_FORM_ref1));
    }
    if (form === DW_FORM_ref_addr) {
      const size = unit.version <= 2 ? unit.addressSize : unit.offsetSize;
      return this.file.info.base + this.#section.unsigned(position, size);
    }
    return form === DW_FORM_ref_sig8 ? this.file.typeBySignature(this.#section.u64(position)) : NO_PLACE;
  }

  /** The bytes of a block or expression: where they are in the section, and how many; null for all other forms. */
  block(index: number): { readonly offset: number; readonly length: number } | null {
    const form = this.#forms[index];
    const size = this.file.sizeOfForm(this.unit, form);
    const position = this.#positions[index];
    const section = this.#section;
    if (size === SIZE_BLOCK) return { offset: section.lebEnd(position), length: section.uleb(position) };
    const width = size === SIZE_BLOCK1 ? 1 : size === SIZE_BLOCK2 ? 2 : size === SIZE_BLOCK4 ? 4 : 0;
    return width === 0 ? null : { offset: position + width, length: section.unsigned(position, width) };
  }

  /** Offsets of the entry's children, in order. */
  children(): number[] {
    if (!this.hasChildren) return [];
    const { unit } = this;
    const list: number[] = [];
    for (let at = this.end; at < unit.end; ) {
      if (!this.read(unit, at)) break;
      list.push(at);
      if (list.length > MOST_CHILDREN) throw this.#wrong(at, 'children', list.length, 'no entry has as many');
      at = this.next();
    }
    return list;
  }

  /** The offset of what follows the entry and all its children. */
  next(): number {
    if (!this.hasChildren) return this.end;
    const index = this.find(DW_AT_sibling);
    if (index >= 0) {
      const place = this.reference(DW_AT_sibling) - this.unit.base;
      if (place >= this.end && place <= this.unit.end) return place;
    }
    const { unit } = this;
    let depth = 1;
    let at = this.end;
    while (depth > 0 && at < unit.end) {
      if (!this.read(unit, at)) depth--;
      else if (this.hasChildren) depth++;
      if (depth > MOST_DEPTH) throw this.#wrong(at, 'depth', depth, 'no entries nest deeper');
      at = this.end;
    }
    return at;
  }

  #wrong(offset: number, field: string, value: number, why: string): InputError {
    return new InputError(
      { source: this.file.name, record: 'debugging information entry', offset, field, value },
      why,
      'the debug information is damaged',
    );
  }
}

/** Bytes of constants and flags by form; 0 for all others. */
const FIXED_NUMBERS = new Uint8Array(0x10000);
for (const [form, size] of [
  [DW_FORM_data1, 1],
  [DW_FORM_data2, 2],
  [DW_FORM_data4, 4],
  [DW_FORM_data8, 8],
  [DW_FORM_flag, 1],
]) {
  FIXED_NUMBERS[form] = size;
}

const isOffset = (form: number): boolean => form === DW_FORM_sec_offset;

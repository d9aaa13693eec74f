// One pass over the named entries at the top of a unit, without an object for any of them: what is of no interest is passed by its size or its sibling. Source: DWARF 5, section 7.5.

import { InputError } from '../../fault.js';
import {
  DW_AT_byte_size,
  DW_AT_decl_line,
  DW_AT_declaration,
  DW_AT_external,
  DW_AT_language,
  DW_AT_name,
  DW_AT_sibling,
  DW_AT_specification,
  DW_FORM_flag_present,
  DW_FORM_GNU_str_index,
  DW_FORM_implicit_const,
  DW_FORM_ref_addr,
  DW_FORM_ref_udata,
  DW_FORM_sdata,
  DW_FORM_string,
  DW_FORM_strp,
  DW_FORM_strx,
  DW_FORM_strx1,
  DW_FORM_strx4,
  DW_FORM_udata,
  DW_LANG_Rust,
  DW_TAG_base_type,
  DW_TAG_enumeration_type,
  DW_TAG_enumerator,
  DW_TAG_inlined_subroutine,
  DW_TAG_lexical_block,
  DW_TAG_structure_type,
  DW_TAG_subprogram,
  DW_TAG_typedef,
  DW_TAG_union_type,
  DW_TAG_variable,
  SIZE_INDIRECT,
} from '../../formats/dwarf.js';
import type { ByteSource } from '../../source.js';
import { AbbreviationReader, AbbreviationTable } from './abbreviations.js';
import { type NameTable, StringNames } from './name-table.js';
import {
  BASE,
  DECLARATION,
  DEFINITION,
  ENUM,
  ENUMERATOR,
  EXTERNAL,
  FUNCTION,
  type NamedEntries,
  STRUCT,
  TYPEDEF,
  UNION,
  VARIABLE,
} from './named-entries.js';
import { skipValue } from './skip-value.js';
import { UnitTables } from './unit-tables.js';
import type { DwarfFile, Unit } from './units.js';

/** What is looked for in a pass. */
export const TYPES = 1;
export const OBJECTS = 2;
export const ENUMERATORS = 4;
/** Types that are declared inside of functions: they take a walk through all of these. */
export const NESTED = 8;

const WINDOW = 1 << 20;
/** Behind an entry's begin so many bytes are to be had, else the window is moved. */
const AHEAD = 1 << 12;
/** No entry is longer. */
const MOST_WINDOW = 1 << 24;
const MOST_DEPTH = 256;
const MOST_DECLARED = 1 << 20;
const NULL_ENTRY = -2;
/** Tables may be read over and over where units share them; so often that damage shows. */
const MOST_WORK = 16;
const LEAST_WORK = 1 << 26;

const KINDS: readonly (readonly [tag: number, kind: number, group: number])[] = [
  [DW_TAG_structure_type, STRUCT, TYPES],
  [DW_TAG_union_type, UNION, TYPES],
  [DW_TAG_enumeration_type, ENUM, TYPES | ENUMERATORS],
  [DW_TAG_typedef, TYPEDEF, TYPES],
  [DW_TAG_base_type, BASE, TYPES],
  [DW_TAG_variable, VARIABLE, OBJECTS],
  [DW_TAG_subprogram, FUNCTION, OBJECTS],
];
const KIND_OF = new Int8Array(0x10000).fill(-1);
const GROUP_OF = new Uint8Array(0x10000);
for (const [tag, kind, group] of KINDS) {
  KIND_OF[tag] = kind;
  GROUP_OF[tag] = group;
}

/** What types of a function's own lie in. */
const SCOPES: ReadonlySet<number> = new Set([DW_TAG_subprogram, DW_TAG_lexical_block, DW_TAG_inlined_subroutine]);

function isWanted(tag: number, depth: number, mask: number): boolean {
  if (depth === 0) return true;
  if (tag === DW_TAG_enumerator) return (mask & ENUMERATORS) !== 0;
  return depth === 1 ? (GROUP_OF[tag] & mask) !== 0 : (mask & NESTED) !== 0 && (GROUP_OF[tag] & TYPES) !== 0;
}

/** Whether an entry's children are looked at. */
function hasWanted(tag: number, mask: number): boolean {
  return ((mask & ENUMERATORS) !== 0 && tag === DW_TAG_enumeration_type) || ((mask & NESTED) !== 0 && SCOPES.has(tag));
}

export class UnitScanner {
  readonly #file: DwarfFile;
  readonly #names: NameTable;
  readonly #entries: NamedEntries;
  readonly #strings: StringNames | null;
  readonly #reader: AbbreviationReader;
  readonly #mostWork: number;
  readonly #tables: UnitTables;
  readonly #table = new AbbreviationTable();
  #tableKey = '';
  readonly #littleEndian: boolean;
  #unit!: Unit;
  /** Names of the unit's declarations by their offset. */
  readonly #declared = new Map<number, number>();
  #bytes = new Uint8Array(WINDOW);
  /** Of the window: its first byte's offset in the section, and how many bytes it has. */
  #base = 0;
  #filled = 0;
  #windowOf: ByteSource | null = null;

  #slot = 0;
  // The attributes of the entry that was decoded last.
  #name = -1;
  #size = 0;
  #line = 0;
  #sibling = 0;
  #specification = 0;
  #language = 0;
  #declaration = false;
  #external = false;

  constructor(file: DwarfFile, abbreviations: ByteSource, names: NameTable, entries: NamedEntries) {
    this.#file = file;
    this.#names = names;
    this.#entries = entries;
    const strings = file.sections.get('debug_str');
    this.#strings = strings === null ? null : new StringNames(strings, names);
    this.#reader = new AbbreviationReader(abbreviations);
    this.#mostWork = Math.max(LEAST_WORK, MOST_WORK * abbreviations.size);
    this.#tables = new UnitTables(file);
    this.#littleEndian = file.sections.littleEndian;
  }

  /** Adds a unit's named entries of the groups in `mask`; throws InputError where it is damaged, what lies before that is added. */
  scan(unit: Unit, mask: number): void {
    this.#unit = unit;
    const key = `${unit.abbreviations} ${unit.addressSize} ${unit.offsetSize} ${unit.version <= 2}`;
    if (key !== this.#tableKey) {
      this.#tableKey = '';
      if (this.#reader.work > this.#mostWork)
        throw this.#damage(unit.offset, 'debug_abbrev_offset', 'abbreviations are shared too often');
      this.#reader.read(unit.abbreviations, unit, this.#table);
      this.#tableKey = key;
    }
    this.#walk(unit, mask);
  }

  #damage(offset: number, field: string, why: string): InputError {
    return new InputError(
      { source: this.#file.name, record: 'debugging information entry', offset, field },
      why,
      'the debug information is damaged',
    );
  }

  #walk(unit: Unit, mask: number): void {
    const table = this.#table;
    this.#declared.clear();
    let depth = 0;
    let offset = unit.root;
    while (offset < unit.end) {
      const start = this.#seek(offset);
      const limit = Math.min(this.#filled, unit.end - this.#base);
      let at = this.#code(start, limit);
      const slot = this.#slot;
      if (slot === NULL_ENTRY) {
        if (--depth <= 0) return;
        offset = this.#base + at;
        continue;
      }
      if (slot < 0 && at <= limit)
        throw this.#damage(offset, 'abbreviation code', "an abbreviation's code is not in the unit's table");
      const tag = slot < 0 ? 0 : table.tags[slot];
      const children = slot >= 0 && table.children[slot] === 1;
      const wanted = isWanted(tag, depth, mask);
      this.#sibling = 0;
      if (slot >= 0) {
        if (!wanted && !children && table.fixed[slot] >= 0) at += table.fixed[slot];
        else at = this.#attributes(slot, at, limit, wanted);
      }
      const sibling = this.#sibling;
      if (at >= 0 && at <= limit && wanted && !this.#take(depth, tag, offset, mask, children ? at : -1, limit)) at = -1;
      if (at < 0 || at > limit) {
        if (!this.#widen(offset)) throw this.#damage(offset, 'length', 'an entry passes the end of its unit');
        continue;
      }
      if (depth === 0 && (!children || this.#language === DW_LANG_Rust)) return;
      offset = this.#base + at;
      if (!children) continue;
      const into = depth === 0 || hasWanted(tag, mask);
      if (!into && sibling > offset - unit.offset && sibling <= unit.end - unit.offset) offset = unit.offset + sibling;
      else if (++depth > MOST_DEPTH) throw this.#damage(offset, 'depth', 'entries nest without end');
    }
  }

  /** Adds the entry that was decoded last; false where the window ends before its first member. */
  #take(depth: number, tag: number, offset: number, mask: number, firstChild: number, limit: number): boolean {
    const name = this.#name;
    const place = this.#unit.base + offset;
    if (depth === 0) return true;
    if (tag === DW_TAG_enumerator) {
      if (name >= 0 && (mask & ENUMERATORS) !== 0) this.#entries.addBest(ENUMERATOR, name, 0, place);
      return true;
    }
    const kind = KIND_OF[tag];
    if ((GROUP_OF[tag] & OBJECTS) !== 0) {
      this.#takeObject(kind, offset, place);
      return true;
    }
    if ((mask & (TYPES | NESTED)) === 0 || name < 0 || this.#declaration) return true;
    let mark = (this.#size % 2 ** 20) * 2 ** 32 + ((this.#line * 2 ** 16) >>> 0);
    if (firstChild >= 0 && kind !== ENUM) {
      if (!this.#peek(firstChild, limit)) return false;
      mark += (this.#name + 1) & 0xffff;
    }
    this.#entries.addType(kind, name, mark, place);
    return true;
  }

  /** A variable or function: a definition may have its name in the declaration that it refers to. */
  #takeObject(kind: number, offset: number, place: number): void {
    const name = this.#name >= 0 ? this.#name : this.#declared.get(this.#unit.offset + this.#specification);
    if (name === undefined) return;
    if (this.#declaration && this.#declared.size < MOST_DECLARED) this.#declared.set(offset, name);
    const external = this.#external || this.#name < 0;
    this.#entries.addBest(kind, name, this.#declaration ? DECLARATION : external ? EXTERNAL : DEFINITION, place);
  }

  /** The name of the entry at `start`; false where the window ends within it. */
  #peek(start: number, limit: number): boolean {
    const at = this.#code(start, limit);
    this.#name = -1;
    if (this.#slot < 0) return this.#slot === NULL_ENTRY || at <= limit;
    const end = this.#attributes(this.#slot, at, limit, true);
    return end >= 0 && end <= limit;
  }

  /** Decodes an abbreviation's code into `#slot`: NULL_ENTRY for 0, -1 where there is none of it. Returns where it ends, past `limit` where the window ends first. */
  #code(start: number, limit: number): number {
    const bytes = this.#bytes;
    let at = start;
    let code = 0;
    for (let scale = 1; scale < 2 ** 36; scale *= 128) {
      if (at >= limit) {
        this.#slot = -1;
        return limit + 1;
      }
      const byte = bytes[at++];
      code += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    this.#slot = code === 0 ? NULL_ENTRY : this.#table.slot(code);
    return at;
  }

  /** Passes the attributes that begin at `start` and keeps those that count, all of them or only the sibling. Returns where they end; -1, or past `limit`, where the window ends first. */
  #attributes(slot: number, start: number, limit: number, all: boolean): number {
    const { names, forms, sizes, first } = this.#table;
    if (all) this.#reset();
    let at = start;
    const last = first[slot + 1];
    for (let i = first[slot]; i < last; i++) {
      let form = forms[i];
      let size = sizes[i];
      for (let hops = 0; size === SIZE_INDIRECT; hops++) {
        if (hops === 4 || at >= limit) return -1;
        form = this.#bytes[at++];
        size = this.#file.sizeOfForm(this.#unit, form);
        if (size < SIZE_INDIRECT) return -1;
      }
      const end = size >= 0 ? at + size : skipValue(this.#bytes, at, limit, size, this.#littleEndian);
      if (end < 0 || end > limit) return -1;
      if (names[i] === DW_AT_sibling) this.#sibling = this.#number(form, at, end, i);
      else if (all) this.#keep(names[i], form, at, end, i);
      at = end;
    }
    return at;
  }

  #reset(): void {
    this.#name = -1;
    this.#size = 0;
    this.#line = 0;
    this.#specification = 0;
    this.#language = 0;
    this.#declaration = false;
    this.#external = false;
  }

  #keep(attribute: number, form: number, at: number, end: number, index: number): void {
    switch (attribute) {
      case DW_AT_name:
        this.#name = this.#nameAt(form, at, end);
        break;
      case DW_AT_byte_size:
        this.#size = this.#number(form, at, end, index);
        break;
      case DW_AT_decl_line:
        this.#line = this.#number(form, at, end, index);
        break;
      case DW_AT_specification:
        this.#specification = form === DW_FORM_ref_addr ? 0 : this.#number(form, at, end, index);
        break;
      case DW_AT_language:
        this.#language = this.#number(form, at, end, index);
        break;
      case DW_AT_declaration:
        this.#declaration = this.#number(form, at, end, index) !== 0;
        break;
      case DW_AT_external:
        this.#external = this.#number(form, at, end, index) !== 0;
        break;
    }
  }

  /** An unsigned value in whatever constant form, exact below 2^53. */
  #number(form: number, at: number, end: number, index: number): number {
    if (form === DW_FORM_flag_present) return 1;
    if (form === DW_FORM_implicit_const) return Number(this.#table.constants.get(index) ?? 0n);
    const bytes = this.#bytes;
    let value = 0;
    if (form === DW_FORM_udata || form === DW_FORM_sdata || form === DW_FORM_ref_udata || form === DW_FORM_strx) {
      for (let i = end - 1; i >= at; i--) value = value * 128 + (bytes[i] & 0x7f);
    } else if (this.#littleEndian) {
      for (let i = end - 1; i >= at; i--) value = value * 256 + bytes[i];
    } else {
      for (let i = at; i < end; i++) value = value * 256 + bytes[i];
    }
    return value;
  }

  #nameAt(form: number, at: number, end: number): number {
    if (form === DW_FORM_string) return this.#names.add(this.#bytes, at, end - 1);
    const direct = form === DW_FORM_strp;
    const byNumber =
      form === DW_FORM_strx || (form >= DW_FORM_strx1 && form <= DW_FORM_strx4) || form === DW_FORM_GNU_str_index;
    if (this.#strings === null || (!direct && !byNumber)) return -1;
    const value = this.#number(form === DW_FORM_GNU_str_index ? DW_FORM_strx : form, at, end, 0);
    const offset = direct ? value : this.#tables.string(this.#unit, value);
    return offset < 0 ? -1 : this.#strings.at(offset);
  }

  /** Where `offset` lies in the window, which is moved there unless it has enough behind it. */
  #seek(offset: number): number {
    const source = this.#unit.section.source;
    const at = offset - this.#base;
    const there = at >= 0 && at < this.#filled && source === this.#windowOf;
    if (there && (this.#filled - at >= AHEAD || this.#base + this.#filled >= this.#unit.end)) return at;
    this.#base = offset;
    this.#windowOf = source;
    this.#filled = source.read(offset, this.#bytes);
    return 0;
  }

  /** Makes the window hold more from `offset` on; false where there is no more. */
  #widen(offset: number): boolean {
    if (this.#base + this.#filled >= this.#unit.end) return false;
    if (this.#base === offset) {
      if (this.#bytes.length >= MOST_WINDOW) return false;
      this.#bytes = new Uint8Array(this.#bytes.length * 4);
    }
    this.#base = offset;
    this.#filled = this.#unit.section.source.read(offset, this.#bytes);
    return true;
  }
}

// Abbreviation tables: what attributes an entry has, in what forms, compiled so that an entry of no interest is passed in one step. Source: DWARF 5, section 7.5.3.
import { InputError } from '../../fault.js';
import { DW_FORM_implicit_const, type FormSizes, formSizes, SIZE_UNKNOWN } from '../../formats/dwarf.js';
import type { ByteSource } from '../../source.js';

/** No table of any compiler has more, and no more attributes in all. */
const MOST_CODES = 1 << 14;
const MOST_IN_TABLE = 1 << 16;
/** An attribute list without end is damage. */
const MOST_ATTRIBUTES = 1024;
const WINDOW = 1 << 16;

/**
 * One table. Its codes are slots from 0; the attributes of a slot are `first[slot]` to `first[slot + 1]` - 1 in `names`, `forms` and `sizes`. All arrays may be longer than
 * what they hold.
 */
export class AbbreviationTable {
  count = 0;
  tags = new Uint16Array(64);
  children = new Uint8Array(64);
  first = new Uint32Array(65);
  /** Bytes of all attributes together, or -1 where that depends on the values. */
  fixed = new Int32Array(64);
  names = new Uint16Array(512);
  forms = new Uint16Array(512);
  /** Bytes of a value, or SIZE_… */
  sizes = new Int8Array(512);
  /** By attribute: the values of DW_FORM_implicit_const. */
  readonly constants = new Map<number, bigint>();
  /** Slots of codes that are not their slot's number + 1. */
  readonly #others = new Map<number, number>();
  #codes = new Uint32Array(64);

  /** The slot of a code; -1 if the table has none. */
  slot(code: number): number {
    const slot = code - 1;
    if (slot < this.count && this.#codes[slot] === code) return slot;
    return this.#others.get(code) ?? -1;
  }

  /** Begins a new table; what is kept is only room. */
  clear(): void {
    this.count = 0;
    this.first[0] = 0;
    this.constants.clear();
    this.#others.clear();
  }

  /** Adds a code; its attributes follow. Of a code that is there already the first counts. */
  add(code: number, tag: number, hasChildren: boolean): void {
    const slot = this.count;
    if (slot === this.tags.length) this.#growSlots();
    this.#codes[slot] = code;
    this.tags[slot] = tag > 0xffff ? 0 : tag;
    this.children[slot] = hasChildren ? 1 : 0;
    this.fixed[slot] = 0;
    this.first[slot + 1] = this.first[slot];
    if (code !== slot + 1 && !this.#others.has(code)) this.#others.set(code, slot);
    this.count++;
  }

  /** Adds an attribute to the code that was added last. */
  addAttribute(name: number, form: number, size: number): number {
    const slot = this.count - 1;
    const at = this.first[slot + 1];
    if (at === this.names.length) this.#growAttributes();
    this.names[at] = name > 0xffff ? 0 : name;
    this.forms[at] = form;
    this.sizes[at] = size;
    this.fixed[slot] = size < 0 || this.fixed[slot] < 0 ? -1 : this.fixed[slot] + size;
    this.first[slot + 1] = at + 1;
    return at;
  }

  #growSlots(): void {
    const room = this.tags.length * 2;
    this.tags = grown(this.tags, new Uint16Array(room));
    this.children = grown(this.children, new Uint8Array(room));
    this.first = grown(this.first, new Uint32Array(room + 1));
    this.fixed = grown(this.fixed, new Int32Array(room));
    this.#codes = grown(this.#codes, new Uint32Array(room));
  }

  #growAttributes(): void {
    const room = this.names.length * 2;
    this.names = grown(this.names, new Uint16Array(room));
    this.forms = grown(this.forms, new Uint16Array(room));
    this.sizes = grown(this.sizes, new Int8Array(room));
  }
}

function grown<T extends { set(from: ArrayLike<number>): void }>(from: ArrayLike<number>, into: T): T {
  into.set(from);
  return into;
}

/** Reads tables one behind the other out of a moving window; counts what it has read, for those who must bound it. */
export class AbbreviationReader {
  /** Bytes read so far, over all tables. */
  work = 0;
  readonly #source: ByteSource;
  readonly #sizes = new Map<number, (form: number) => number>();
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #start = 0;
  #end = 0;
  #at = 0;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#buffer = new Uint8Array(Math.min(WINDOW, source.size));
  }

  /** Fills `table` with the one at `offset`; throws InputError where it does not end properly. */
  read(offset: number, sizes: FormSizes, table: AbbreviationTable): void {
    table.clear();
    this.#seek(offset);
    const sizeOf = this.#sizesOf(sizes);
    for (;;) {
      const code = this.#uleb();
      if (code === 0) break;
      if (table.count === MOST_CODES || code > 0xffff_ffff) throw this.#wrong('code', code);
      const tag = this.#uleb();
      table.add(code, tag, this.#byte() !== 0);
      this.#attributes(table, sizeOf);
    }
    this.work += this.#position - offset;
  }

  #attributes(table: AbbreviationTable, sizeOf: (form: number) => number): void {
    for (let i = 0; i < MOST_ATTRIBUTES; i++) {
      const name = this.#uleb();
      const form = this.#uleb();
      if (name === 0 && form === 0) return;
      const size = form > 0xffff ? SIZE_UNKNOWN : sizeOf(form);
      if (size === SIZE_UNKNOWN) throw this.#wrong('form', form);
      if (table.first[table.count] === MOST_IN_TABLE) throw this.#wrong('attributes', MOST_IN_TABLE);
      const at = table.addAttribute(name, form, size);
      if (form === DW_FORM_implicit_const) table.constants.set(at, this.#sleb());
    }
    throw this.#wrong('attributes', MOST_ATTRIBUTES);
  }

  #sizesOf(sizes: FormSizes): (form: number) => number {
    const key = (sizes.version <= 2 ? 1 : 0) + sizes.offsetSize * 2 + sizes.addressSize * 32;
    let known = this.#sizes.get(key);
    if (known === undefined) {
      known = formSizes(sizes);
      this.#sizes.set(key, known);
    }
    return known;
  }

  get #position(): number {
    return this.#start + this.#at;
  }

  #seek(offset: number): void {
    if (offset >= this.#start && offset <= this.#start + this.#end) {
      this.#at = offset - this.#start;
      return;
    }
    this.#start = offset;
    this.#end = 0;
    this.#at = 0;
  }

  #byte(): number {
    if (this.#at === this.#end) this.#refill();
    return this.#buffer[this.#at++];
  }

  #refill(): void {
    this.#start += this.#end;
    this.#at = 0;
    this.#end = this.#start < this.#source.size ? this.#source.read(this.#start, this.#buffer) : 0;
    if (this.#end === 0) throw this.#wrong('length', this.#source.size);
  }

  #uleb(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 128;
    for (let i = 0; i < 9; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw this.#wrong('LEB128', value);
  }

  #sleb(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << (shift + 7n)) : value);
    }
    throw this.#wrong('LEB128', value);
  }

  #wrong(field: string, value: number | bigint): InputError {
    return new InputError(
      { source: this.#source.name, record: 'abbreviation table', offset: this.#position, field, value },
      field === 'length' ? 'the section ends within the table' : 'no table has this',
      'the debug information is damaged or cut short',
    );
  }
}

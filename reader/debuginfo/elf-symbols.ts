// The symbol table of an ELF file (a vmlinux), read in windows: names are looked for in the string table as it passes by, and only the matches are kept. Source: System V gABI
// (symbol table), binutils' nm for the letters.
import { InputError } from '../fault.js';
import { SHF_WRITE, SHT_NOBITS, SHT_SYMTAB } from '../formats/elf.js';
import type { ByteSource } from '../source.js';
import { type ElfFile, openElfFile, type Section } from './elf-file.js';
import { LIMIT_NAMES, type SymbolLimits, symbolLimits, within } from './limits.js';
import { MOST_NAME, placesOfNames } from './string-places.js';
import type { KernelSymbol, Symbols } from './symbols.js';

const WINDOW = 1 << 18;
const MOST_SYMBOLS = 1 << 23;
/** A kernel's names take some 5 MiB; only a search over all of them has them in memory. */
const MOST_STRINGS = 1 << 26;
const SHF_EXECINSTR = 4;
const SHN_UNDEF = 0;
const SHN_LORESERVE = 0xff00;
const SHN_ABS = 0xfff1;
const STB_LOCAL = 0;
const STB_WEAK = 2;
const STT_OBJECT = 1;
const STT_SECTION = 3;
const STT_FILE = 4;
/** How many symbols at and below an address are looked at. */
const MOST_TRIED = 256;

/** One entry of the table, its value as linked. */
interface Entry {
  readonly index: number;
  readonly name: number;
  readonly value: bigint;
  readonly size: number;
  readonly info: number;
  readonly section: number;
}

/** Where a section's header says how large it is. */
function sizePlace({ source, header, sections }: ElfFile, section: Section) {
  const at = header.shoff + sections.indexOf(section) * header.shentsize + (header.bits === 64 ? 32 : 20);
  return { source: source.name, record: `section header of ${section.label}`, offset: at, field: 'sh_size' };
}

export class ElfSymbols implements Symbols {
  readonly source = 'symtab';
  readonly file: ElfFile;
  readonly count: number;
  readonly #symtab: Section;
  readonly #strtab: Section;
  /** How far the running kernel lies from where it was linked. */
  #shift = 0n;
  #limits: SymbolLimits | null = null;
  #order: AddressOrder | null = null;

  private constructor(file: ElfFile, symtab: Section, strtab: Section) {
    this.file = file;
    this.#symtab = symtab;
    this.#strtab = strtab;
    this.count = Math.floor(symtab.size / entrySize(file));
  }

  /** Throws InputError if the file has no symbol table. */
  static open(source: ByteSource): ElfSymbols {
    const file = openElfFile(source);
    const symtab = file.sections.find(section => section.type === SHT_SYMTAB);
    const strtab = symtab === undefined ? undefined : file.sections[symtab.link];
    if (symtab === undefined || strtab === undefined) {
      throw new InputError(
        { source: source.name, record: 'section table', offset: file.header.shoff, field: 'sh_type' },
        'the file has no symbol table (.symtab)',
        'it may be stripped: take the vmlinux of the debug package',
      );
    }
    for (const section of [symtab, strtab]) {
      if (section.offset + section.size <= source.size) continue;
      throw new InputError(
        { ...sizePlace(file, section), value: section.size },
        `the section passes the end of the file at ${source.size}`,
        'the file may be cut short',
      );
    }
    if (symtab.size / entrySize(file) > MOST_SYMBOLS) {
      throw new InputError({ ...sizePlace(file, symtab), value: symtab.size }, `more than ${MOST_SYMBOLS} symbols`);
    }
    return new ElfSymbols(file, symtab, strtab);
  }

  get shift(): bigint {
    return this.#shift;
  }

  /** Set once, before symbols are asked for: running address - linked address. */
  set shift(shift: bigint) {
    this.#shift = shift;
    this.#limits = null;
    this.#order = null;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const asked = new Set(names);
    const entries = this.#entries(this.#limits === null ? [...asked, ...LIMIT_NAMES] : asked);
    this.#limits ??= symbolLimits(name => {
      const entry = entries.get(name);
      return entry === undefined ? null : this.#limitAddress(name, entry);
    });
    const found = new Map<string, KernelSymbol>();
    for (const [name, entry] of entries) if (asked.has(name)) found.set(name, this.#symbol(name, entry));
    return found;
  }

  /** The values of names as linked, without the shift. */
  linked(names: Iterable<string>): Map<string, bigint> {
    return new Map([...this.#entries(names)].map(([name, entry]) => [name, entry.value]));
  }

  all(name: string): readonly KernelSymbol[] {
    if (this.#limits === null) this.resolve([]);
    const places = this.#places([name]);
    const found: KernelSymbol[] = [];
    if (places.size === 0) return found;
    this.#eachEntry((view, at, index) => {
      if (!places.has(view.getUint32(at, this.file.header.littleEndian))) return;
      const entry = this.#decode(view, at, index);
      if (named(entry)) found.push(this.#symbol(name, entry));
    });
    return found.sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    if (this.#limits === null) this.resolve([]);
    const accepted: Entry[] = [];
    const names: string[] = [];
    const strings = this.#strings();
    this.#eachEntry((view, at, index) => {
      const entry = this.#decode(view, at, index);
      const name = named(entry) ? nameIn(strings, entry.name) : '';
      if (name === '' || !match(name)) return;
      accepted.push(entry);
      names.push(name);
    });
    for (const [i, entry] of accepted.entries()) yield this.#symbol(names[i], entry);
  }

  /** The string table, as far as it is not absurdly long. */
  #strings(): Uint8Array {
    const bytes = new Uint8Array(Math.min(this.#strtab.size, MOST_STRINGS));
    const got = this.file.source.read(this.#strtab.offset, bytes);
    return bytes.subarray(0, Math.max(0, got));
  }

  at(address: bigint): KernelSymbol | null {
    this.#order ??= this.#orderByAddress();
    const order = this.#order;
    let found: KernelSymbol | null = null;
    for (let i = order.last(address), tries = 0; i >= 0 && tries < MOST_TRIED; i--, tries++) {
      if (found !== null && order.addresses[i] !== found.address) break;
      const entry = this.#readEntry(order.indices[i]);
      const name = entry === null ? '' : this.#readName(entry.name);
      // Mapping symbols ($x, $d) mark code and data on arm and riscv; they name nothing.
      if (entry === null || name.startsWith('$')) continue;
      // Of several at one place one with a size is the object's own; else the first of the table.
      if (found === null || found.size === 0 || entry.size > 0) found = this.#symbol(name, entry);
    }
    if (found === null) return null;
    if (found.size > 0) return address < found.address + BigInt(found.size) ? found : null;
    const end = order.next(address);
    if (end === null || !this.#covers(address)) return null;
    return { ...found, size: Number(end - found.address), sizeFrom: 'neighbour' };
  }

  #covers(address: bigint): boolean {
    if (this.#limits === null) this.resolve([]);
    return this.#limits?.spans.some(span => within(span, address)) ?? true;
  }

  /** The template of per-CPU variables does not move where it is linked at 0. */
  #limitAddress(name: string, entry: Entry): bigint {
    return name.startsWith('__per_cpu') && this.#inZeroBasedPerCpu(entry) ? entry.value : this.#moved(entry.value);
  }

  #inZeroBasedPerCpu(entry: Entry): boolean {
    const section = this.file.sections[entry.section];
    if (section === undefined || !section.label.startsWith('.data..percpu') || section.addr !== 0n) return false;
    return entry.value <= BigInt(section.size);
  }

  #moved(value: bigint): bigint {
    return BigInt.asUintN(this.file.header.bits, value + this.#shift);
  }

  #address(entry: Entry): bigint {
    const fixed = entry.section === SHN_ABS || this.#inZeroBasedPerCpu(entry);
    return fixed ? entry.value : this.#moved(entry.value);
  }

  #symbol(name: string, entry: Entry): KernelSymbol {
    const address = this.#address(entry);
    const limits = this.#limits;
    const perCpu = limits !== null && within(limits.perCpu, address);
    const { size } = entry;
    return {
      name,
      address,
      size,
      sizeFrom: size > 0 ? 'exact' : 'none',
      type: this.#letter(entry),
      perCpu,
      module: null,
    };
  }

  /** nm's letter. */
  #letter(entry: Entry): string {
    const binding = entry.info >> 4;
    if (binding === STB_WEAK) return (entry.info & 15) === STT_OBJECT ? 'V' : 'W';
    const section = this.file.sections[entry.section];
    let letter = '?';
    if (entry.section === SHN_ABS) letter = 'a';
    else if (section !== undefined && entry.section < SHN_LORESERVE) {
      if ((section.flags & SHF_EXECINSTR) !== 0) letter = 't';
      else if (section.type === SHT_NOBITS && (section.flags & SHF_WRITE) !== 0) letter = 'b';
      else letter = (section.flags & SHF_WRITE) !== 0 ? 'd' : 'r';
    }
    return binding === STB_LOCAL ? letter : letter.toUpperCase();
  }

  /** Entries by name: a pass over the string table for the places of the names, then one over the symbols. */
  #entries(names: Iterable<string>): Map<string, Entry> {
    const places = this.#places(names);
    const found = new Map<string, Entry>();
    if (places.size === 0) return found;
    this.#eachEntry((view, at, index) => {
      const name = places.get(view.getUint32(at, this.file.header.littleEndian));
      if (name === undefined) return;
      const entry = this.#decode(view, at, index);
      if (!named(entry)) return;
      const before = found.get(name);
      if (before === undefined || entry.value < before.value) found.set(name, entry);
    });
    return found;
  }

  #places(names: Iterable<string>): Map<number, string> {
    return placesOfNames(this.file.source, this.#strtab, names);
  }

  #eachEntry(visit: (view: DataView, at: number, index: number) => void): void {
    const size = entrySize(this.file);
    const perWindow = Math.floor(WINDOW / size);
    const window = new Uint8Array(perWindow * size);
    const view = new DataView(window.buffer);
    for (let first = 0; first < this.count; first += perWindow) {
      const some = Math.min(perWindow, this.count - first);
      const got = this.file.source.read(this.#symtab.offset + first * size, window.subarray(0, some * size));
      for (let i = 0; (i + 1) * size <= got; i++) visit(view, i * size, first + i);
      if (got < some * size) break;
    }
  }

  #decode(view: DataView, at: number, index: number): Entry {
    const le = this.file.header.littleEndian;
    const name = view.getUint32(at, le);
    if (this.file.header.bits === 64) {
      const value = view.getBigUint64(at + 8, le);
      const size = Number(view.getBigUint64(at + 16, le));
      return { index, name, value, size, info: view.getUint8(at + 4), section: view.getUint16(at + 6, le) };
    }
    const value = BigInt(view.getUint32(at + 4, le));
    const size = view.getUint32(at + 8, le);
    return { index, name, value, size, info: view.getUint8(at + 12), section: view.getUint16(at + 14, le) };
  }

  #readEntry(index: number): Entry | null {
    const size = entrySize(this.file);
    const bytes = new Uint8Array(size);
    const got = this.file.source.read(this.#symtab.offset + index * size, bytes);
    return got < size ? null : this.#decode(new DataView(bytes.buffer), 0, index);
  }

  #readName(offset: number): string {
    if (offset >= this.#strtab.size) return '';
    const bytes = new Uint8Array(Math.min(MOST_NAME, this.#strtab.size - offset));
    const got = this.file.source.read(this.#strtab.offset + offset, bytes);
    const end = bytes.subarray(0, got).indexOf(0);
    return new TextDecoder().decode(bytes.subarray(0, end < 0 ? got : end));
  }

  #orderByAddress(): AddressOrder {
    if (this.#limits === null) this.resolve([]);
    const addresses = new BigUint64Array(this.count);
    const indices = new Uint32Array(this.count);
    let used = 0;
    this.#eachEntry((view, at, index) => {
      const entry = this.#decode(view, at, index);
      if (!named(entry) || entry.section === SHN_ABS) return;
      addresses[used] = this.#address(entry);
      indices[used++] = index;
    });
    return new AddressOrder(addresses.subarray(0, used), indices.subarray(0, used));
  }
}

/** Symbols sorted by address, those at one address in the order of the table. */
class AddressOrder {
  readonly addresses: BigUint64Array;
  /** Which symbol of the table is at each place. */
  readonly indices: Uint32Array;

  constructor(addresses: BigUint64Array, indices: Uint32Array) {
    // Numbers sort faster than bigints; distances from the lowest kernel address are exact. What is below 2^32 (per-CPU, 32-bit kernels) comes first.
    const base = addresses.reduce((least, one) => (one >> 32n !== 0n && one < least ? one : least), 1n << 64n);
    const keys = Float64Array.from(addresses, one => (one < base ? Number(one) - 2 ** 53 : Number(one - base)));
    const order = new Uint32Array(addresses.length).map((_, i) => i);
    order.sort((a, b) => keys[a] - keys[b] || indices[a] - indices[b]);
    this.addresses = new BigUint64Array(order.length);
    this.indices = new Uint32Array(order.length);
    for (let i = 0; i < order.length; i++) {
      this.addresses[i] = addresses[order[i]];
      this.indices[i] = indices[order[i]];
    }
  }

  /** Place of the last symbol at or below `address`, or -1. */
  last(address: bigint): number {
    return this.#after(address) - 1;
  }

  /** The lowest symbol address above `address`, or null. */
  next(address: bigint): bigint | null {
    const i = this.#after(address);
    return i < this.addresses.length ? this.addresses[i] : null;
  }

  #after(address: bigint): number {
    let from = 0;
    let to = this.addresses.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.addresses[middle] <= address) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

const text = new TextDecoder();

/** A string of a table; cut where it is too long. */
function nameIn(strings: Uint8Array, offset: number): string {
  if (offset >= strings.length) return '';
  const end = strings.indexOf(0, offset);
  return text.decode(strings.subarray(offset, Math.min(end < 0 ? strings.length : end, offset + MOST_NAME)));
}

const entrySize = (file: ElfFile): number => (file.header.bits === 64 ? 24 : 16);

/** What stands for a thing in memory: no sections, files or references. */
function named(entry: Entry): boolean {
  const type = entry.info & 15;
  return entry.section !== SHN_UNDEF && type !== STT_SECTION && type !== STT_FILE && entry.name !== 0;
}

// A debug section of a relocatable file (a module), with its relocations applied to what is read of it. Source: System V gABI (relocation), and formats/elf-relocations.ts.
import { InputError } from '../../fault.js';
import { SHT_RELA } from '../../formats/elf.js';
import { decodeRelocation, RELOCATIONS, type RelocationKind, relocationSize } from '../../formats/elf-relocations.js';
import type { Issues } from '../../issue.js';
import { type ByteSource, SliceSource } from '../../source.js';
import type { ElfFile, Section } from '../elf-file.js';
import { Windows } from './windows.js';

/** The longest thing that a relocation changes: a ULEB128. */
const REACH = 16;
/** Relocations out of order are sorted, so many of them. */
const MOST_UNSORTED = 1 << 20;
/** Two change one place on RISC-V, and a place has a byte at least. */
const MOST_PER_BYTE = 4;
const SHN_LORESERVE = 0xff00;
const SHN_ABS = 0xfff1;

/** Where a section of the file was loaded; as linked where it was not. */
export type SectionAddress = (index: number) => bigint;

/** The symbols that relocations refer to: values only. */
export class SymbolValues {
  readonly #symbols: Windows;
  readonly #bits: 32 | 64;
  readonly #address: SectionAddress;

  constructor(file: ElfFile, symtab: Section, address: SectionAddress) {
    this.#symbols = new Windows(new SliceSource(file.source, symtab.offset, symtab.size), file.header.littleEndian);
    this.#bits = file.header.bits;
    this.#address = address;
  }

  /** 0 for what is in another file. */
  value(index: number): bigint {
    const wide = this.#bits === 64;
    const at = index * (wide ? 24 : 16);
    const value = wide ? this.#symbols.u64(at + 8) : BigInt(this.#symbols.u32(at + 4));
    const section = this.#symbols.u16(at + (wide ? 6 : 14));
    if (section === 0) return 0n;
    return section < SHN_LORESERVE ? value + this.#address(section) : section === SHN_ABS ? value : 0n;
  }
}

export class RelocatedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  readonly #source: ByteSource;
  readonly #file: ElfFile;
  readonly #section: Section;
  readonly #entries: Windows;
  readonly #count: number;
  readonly #symbols: SymbolValues;
  readonly #base: bigint;
  readonly #issues: Issues;
  /** Entries in the order of what they change, where they are not in it themselves. */
  #order: Uint32Array | null = null;
  #checked = false;
  #scratch = new Uint8Array(0);

  constructor(
    file: ElfFile,
    source: ByteSource,
    relocations: Section,
    symbols: SymbolValues,
    base: bigint,
    issues: Issues,
  ) {
    this.name = source.name;
    this.size = source.size;
    this.blockSize = source.blockSize;
    this.#source = source;
    this.#file = file;
    this.#section = relocations;
    const slice = new SliceSource(file.source, relocations.offset, relocations.size);
    this.#entries = new Windows(slice, file.header.littleEndian);
    this.#count = Math.floor(slice.size / this.#entrySize);
    this.#symbols = symbols;
    this.#base = base;
    this.#issues = issues;
  }

  get #entrySize(): number {
    return relocationSize(this.#file.header.bits, this.#section.type === SHT_RELA);
  }

  read(offset: number, into: Uint8Array): number {
    if (offset >= this.size) return 0;
    if (!this.#checked) this.#check();
    const length = Math.min(into.length, this.size - offset);
    const start = Math.max(0, offset - REACH);
    const end = Math.min(this.size, offset + length + REACH);
    if (this.#scratch.length < end - start) this.#scratch = new Uint8Array(Math.max(end - start, 1 << 12));
    const bytes = this.#scratch.subarray(0, end - start);
    const filled = this.#source.read(start, bytes);
    let left = MOST_PER_BYTE * (length + 2 * REACH);
    for (let i = this.#firstFrom(start); i < this.#count && this.#offsetOf(i) < offset + length; i++) {
      if (left-- === 0) throw this.#tooMany(offset);
      this.#apply(i, bytes.subarray(0, filled), start);
    }
    const has = Math.max(0, Math.min(length, filled - (offset - start)));
    into.set(bytes.subarray(offset - start, offset - start + has));
    return has;
  }

  close(): void {}

  #tooMany(offset: number): InputError {
    return new InputError(
      { source: this.#file.source.name, record: this.#section.label, offset, field: 'r_offset', value: offset },
      'more relocations than bytes lie there',
      'the debug information is damaged',
    );
  }

  #index(i: number): number {
    return this.#order === null ? i : this.#order[i];
  }

  #offsetOf(i: number): number {
    const at = this.#index(i) * this.#entrySize;
    return this.#entries.unsigned(at, this.#file.header.bits === 64 ? 8 : 4);
  }

  /** The first entry that changes `offset` or what lies behind it. */
  #firstFrom(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsetOf(middle) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #check(): void {
    this.#checked = true;
    let last = 0;
    let sorted = true;
    for (let i = 0; i < this.#count && sorted; i++) {
      const offset = this.#offsetOf(i);
      sorted = offset >= last;
      last = offset;
    }
    if (sorted) return;
    if (this.#count > MOST_UNSORTED) {
      throw new InputError(
        {
          source: this.#file.source.name,
          record: this.#section.label,
          offset: this.#section.offset,
          field: 'r_offset',
        },
        `more than ${MOST_UNSORTED} relocations out of order`,
      );
    }
    const offsets = Float64Array.from({ length: this.#count }, (_, i) => this.#offsetOf(i));
    // Of one place in the order of the file.
    this.#order = Uint32Array.from({ length: this.#count }, (_, i) => i).sort(
      (a, b) => offsets[a] - offsets[b] || a - b,
    );
  }

  #apply(i: number, bytes: Uint8Array, start: number): void {
    const { header, source } = this.#file;
    const size = this.#entrySize;
    const at = this.#entries.at(this.#index(i) * size, size);
    const entry = decodeRelocation(
      this.#entries.bytes.subarray(at, at + size),
      header.littleEndian,
      header.bits,
      this.#section.type === SHT_RELA,
      { source: source.name, record: this.#section.label, base: this.#section.offset },
    );
    const how = RELOCATIONS.get(header.machine)?.get(entry.type);
    if (how === undefined) {
      this.#issues.add(
        'unknown-relocation',
        `${source.name}: relocation ${entry.type} of machine ${header.machine} in ${this.#section.label} is not known: its field is left as it is`,
        entry.offset,
      );
      return;
    }
    const where = entry.offset - start;
    if (how.kind === 'none' || where < 0 || where + how.width > bytes.length) return;
    const old = fieldOf(bytes, where, how.width, header.littleEndian);
    let value =
      this.#symbols.value(entry.symbol) + (entry.addend ?? (how.kind === 'set' || how.kind === 'pc' ? old : 0n));
    if (how.kind === 'pc') value -= this.#base + BigInt(entry.offset);
    if (how.kind.endsWith('Uleb')) putUleb(bytes, where, how.kind, value);
    else put(bytes, where, how.width, how.kind, old, value, header.littleEndian);
  }
}

function fieldOf(bytes: Uint8Array, at: number, width: number, littleEndian: boolean): bigint {
  let value = 0n;
  for (let i = 0; i < width; i++) value |= BigInt(bytes[at + i]) << BigInt(8 * (littleEndian ? i : width - 1 - i));
  return value;
}

function put(
  bytes: Uint8Array,
  at: number,
  width: number,
  kind: RelocationKind,
  old: bigint,
  value: bigint,
  littleEndian: boolean,
): void {
  let result = value;
  if (kind.startsWith('add')) result = old + value;
  if (kind.startsWith('sub')) result = old - value;
  if (kind.endsWith('6')) result = (old & 0xc0n) | (result & 0x3fn);
  for (let i = 0; i < width; i++) {
    bytes[at + i] = Number((result >> BigInt(8 * (littleEndian ? i : width - 1 - i))) & 0xffn);
  }
}

/** Changes the value and keeps the length. */
function putUleb(bytes: Uint8Array, at: number, kind: RelocationKind, value: bigint): void {
  let end = at;
  while (end < bytes.length && end < at + 10 && bytes[end] >= 0x80) end++;
  let old = 0n;
  for (let i = end; i >= at; i--) old = (old << 7n) | BigInt(bytes[i] & 0x7f);
  let result = kind === 'setUleb' ? value : kind === 'addUleb' ? old + value : old - value;
  for (let i = at; i <= end && i < bytes.length; i++) {
    bytes[i] = Number(result & 0x7fn) | (i < end ? 0x80 : 0);
    result >>= 7n;
  }
}

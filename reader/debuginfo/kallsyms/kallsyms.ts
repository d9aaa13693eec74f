// The kernel's own symbol table as it lies in a dump. Names stay compressed where they are; one becomes a string only when it is asked for.
// Source: kernel/kallsyms.c, scripts/kallsyms.c (4.6 to 7.3).
import type { Issues } from '../../issue.js';
import { MOST_LOCATED, type VirtualMemory } from '../../memory.js';
import { coveredSpans, LIMIT_NAMES, PER_CPU_NAMES, perCpuSpan, type Span, within } from '../limits.js';
import type { KernelSymbol, Symbols } from '../symbols.js';
import { KallsymsAddresses, possibleEncodings } from './addresses.js';
import type { KallsymsTables } from './tables.js';
import { Tokens } from './tokens.js';
import { type WantedNames, wantedNames } from './wanted.js';

/** Of symbols at one address no more than these are looked at. */
const MOST_ALIASES = 64;
/** How many addresses are looked at to tell an encoding, and how far an image reaches. */
const SAMPLES = 129;
const REACH = 1n << 31n;
/** More names than this are found sooner by a pass over all. */
const MOST_LOOKED_UP = 256;
/** What 256 names take at most: a name has no more than some 250 bytes when compressed. */
const BLOCK_BYTES = MOST_LOCATED;

const utf8 = new TextDecoder();

export class Kallsyms implements Symbols {
  readonly source = 'kallsyms';
  readonly count: number;
  readonly tables: KallsymsTables;
  readonly addresses: KallsymsAddresses;
  readonly #memory: VirtualMemory;
  readonly #tokens: Tokens;
  /** All names as they are in memory, once a pass over them was needed. */
  #bytes: Uint8Array | null = null;
  /** Where each name begins in #bytes. */
  #positions: Uint32Array | null = null;
  #perCpu: Span | null = null;
  #spans: readonly Span[] | null = null;

  private constructor(memory: VirtualMemory, tables: KallsymsTables, tokens: Tokens, addresses: KallsymsAddresses) {
    this.#memory = memory;
    this.tables = tables;
    this.count = tables.count;
    this.#tokens = tokens;
    this.addresses = addresses;
  }

  /**
   * @param stext the address of `_stext` if known: it decides how addresses are stored, and tells the running image's tables from a stale copy's
   * @returns null, with an issue, if the tables are not sound
   */
  static open(
    memory: VirtualMemory,
    tables: KallsymsTables,
    stext: bigint | undefined,
    issues: Issues,
  ): Kallsyms | null {
    const length = Number(tables.tokenIndex - tables.tokenTable);
    const bad = (why: string) => {
      issues.add('kallsyms-unreadable', `the kernel's symbol table cannot be used: ${why}`, tables.tokenTable);
      return null;
    };
    if (length <= 0 || length > MOST_LOCATED) return bad(`its token table would have ${length} bytes`);
    const at = memory.locate(tables.tokenTable, length);
    if (at < 0) return bad(memory.fault.toError().message);
    const table = memory.arena.slice(at, at + length);
    const indexAt = memory.locate(tables.tokenIndex, 512);
    if (indexAt < 0) return bad(memory.fault.toError().message);
    const tokens = Tokens.decode(table, memory.arena.subarray(indexAt, indexAt + 512), memory.littleEndian);
    if (tokens === null) return bad('its token table is not one');
    for (const encoding of possibleEncodings(tables)) {
      const addresses = new KallsymsAddresses(memory, tables, encoding);
      const kallsyms = new Kallsyms(memory, tables, tokens, addresses);
      if (stext === undefined ? kallsyms.#plausible() : kallsyms.#hasAt('_stext', stext)) return kallsyms;
    }
    return bad(
      stext === undefined ? 'its addresses do not ascend' : 'no reading of its addresses gives _stext its place',
    );
  }

  /** Without a known address: addresses ascend, within 2 GiB of their base but for per-CPU variables. */
  #plausible(): boolean {
    const { relativeBase } = this.tables;
    // The last symbols are the image's own in every kernel.
    if (this.addresses.encoding === 'absolute-percpu' && this.addresses.absolute(this.count - 1)) return false;
    let previous = 0n;
    for (let i = 0; i < SAMPLES; i++) {
      const address = this.addresses.address(Math.floor((i * (this.count - 1)) / (SAMPLES - 1)));
      if (address === null || address < previous) return false;
      previous = address;
    }
    return previous > 0n && (relativeBase === null || (previous >= relativeBase && previous - relativeBase < REACH));
  }

  #hasAt(name: string, address: bigint): boolean {
    let i = this.addresses.before(address);
    for (let tries = 0; i >= 0 && tries < MOST_ALIASES; tries++, i--) {
      if (this.addresses.address(i) !== address) return false;
      if (this.#decode(i)?.name === name) return true;
    }
    return false;
  }

  /** Symbol by index, in order of addresses; null if it cannot be read. */
  symbol(index: number): KernelSymbol | null {
    const decoded = this.#decode(index);
    return decoded === null ? null : this.#complete(index, decoded);
  }

  #complete(index: number, { name, type }: { readonly name: string; readonly type: string }): KernelSymbol | null {
    const address = this.addresses.address(index);
    if (address === null) return null;
    const size = this.#size(index, address);
    this.#perCpu ??= perCpuSpan(this.#addressesOf(this.#indices(wantedNames(PER_CPU_NAMES))));
    const perCpu = within(this.#perCpu, address);
    return { name, type, address, size, sizeFrom: size === 0 ? 'none' : 'neighbour', perCpu, module: null };
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const asked = new Set(names);
    // What is per-CPU is found on the way, so that it needs no pass of its own.
    const indices = this.#indices(wantedNames(this.#perCpu === null ? [...asked, ...PER_CPU_NAMES] : asked));
    this.#perCpu ??= perCpuSpan(this.#addressesOf(indices));
    const found = new Map<string, KernelSymbol>();
    for (const [name, index] of indices) {
      const symbol = asked.has(name) ? this.symbol(index) : null;
      if (symbol !== null) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): readonly KernelSymbol[] {
    const indices = this.#allBySortedTable(name) ?? [...this.#passOver(wantedNames([name]))].map(([, index]) => index);
    return indices.map(index => this.symbol(index)).filter(symbol => symbol !== null);
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    const positions = this.#load();
    if (positions === null) throw this.#memory.fault.toError();
    for (let i = 0; i < positions.length; i++) {
      if (!this.#expandAt(positions[i])) continue;
      const decoded = { name: this.#expandedName(), type: String.fromCharCode(this.#tokens.text[0]) };
      const symbol = match(decoded.name) ? this.#complete(i, decoded) : null;
      if (symbol !== null) yield symbol;
    }
  }

  at(address: bigint): KernelSymbol | null {
    this.#spans ??= this.#limits();
    const covered = this.#spans.some(span => within(span, address));
    let i = this.addresses.before(address);
    if (i < 0) return null;
    const start = this.addresses.address(i);
    // What marks an end covers nothing, but is where it is.
    if (!covered && start !== address) return null;
    for (let tries = 0; i > 0 && tries < MOST_ALIASES && this.addresses.address(i - 1) === start; tries++) i--;
    const symbol = this.symbol(i);
    return covered || symbol === null ? symbol : { ...symbol, size: 0, sizeFrom: 'none' };
  }

  /** Of a table that is there in part (a region core) the ends may be what is missing. */
  #limits(): readonly Span[] {
    const indices = this.#indices(wantedNames(LIMIT_NAMES));
    const address = this.#addressesOf(indices);
    const complete =
      indices.size === 0 ? this.#load() !== null : [...indices.keys()].every(name => address(name) !== null);
    return coveredSpans(address, complete);
  }

  /** Up to the next symbol at another address, as the kernel reckons; 0 for the last. */
  #size(index: number, address: bigint): number {
    for (let i = index + 1; i < Math.min(this.count, index + MOST_ALIASES); i++) {
      const next = this.addresses.address(i);
      if (next === null) return 0;
      if (next > address) return Number(next - address);
    }
    return 0;
  }

  /** The name and type letter of symbol `index`. */
  #decode(index: number): { name: string; type: string } | null {
    if (!this.#expand(index)) return null;
    return { name: this.#expandedName(), type: String.fromCharCode(this.#tokens.text[0]) };
  }

  /** The name last expanded, without its type letter. */
  #expandedName(): string {
    return utf8.decode(this.#tokens.text.subarray(1, this.#expanded));
  }

  #expanded = 0;

  /** Expands a name into the tokens' text; its length goes to #expanded. */
  #expand(index: number): boolean {
    if (index < 0 || index >= this.count) return false;
    if (this.#bytes === null && this.#findBlock(index >>> 8) && this.#expandInBlock(index & 255)) return true;
    const positions = this.#load();
    return positions !== null && index < positions.length && this.#expandAt(positions[index]);
  }

  #blockFrom = 0;
  #blockLength = 0;

  /** Where the names from 256 * `block` on are, by the markers. */
  #findBlock(block: number): boolean {
    const { markers, names, tokenTable } = this.tables;
    if (markers === null) return false;
    const last = block === (this.count - 1) >>> 8;
    const at = this.#memory.locate(markers.address + BigInt(block * markers.size), markers.size * (last ? 1 : 2));
    if (at < 0) return false;
    const { view, littleEndian } = this.#memory;
    const low = littleEndian || markers.size === 4 ? 0 : 4;
    this.#blockFrom = view.getUint32(at + low, littleEndian);
    const next = last ? Number(tokenTable - names) : view.getUint32(at + markers.size + low, littleEndian);
    this.#blockLength = Math.min(next - this.#blockFrom, BLOCK_BYTES);
    return this.#blockLength > 0;
  }

  /** The name that is `skip` names behind the block's start. */
  #expandInBlock(skip: number): boolean {
    const address = this.tables.names + BigInt(this.#blockFrom);
    const length = this.#blockLength;
    const start = this.#memory.locate(address, length);
    if (start < 0) return false;
    const { arena } = this.#memory;
    const end = start + length;
    let at = start;
    for (let i = 0; i < skip && at < end; i++) at += nameSpan(arena, at);
    const header = arena[at] >= 128 ? 2 : 1;
    const size = nameSpan(arena, at) - header;
    if (at + header + size > end) return false;
    this.#expanded = this.#tokens.expand(arena, at + header, size);
    return this.#expanded > 0;
  }

  #expandAt(position: number): boolean {
    const bytes = this.#bytes;
    if (bytes === null || position >= bytes.length) return false;
    const header = bytes[position] >= 128 ? 2 : 1;
    const size = nameSpan(bytes, position) - header;
    if (position + header + size > bytes.length) return false;
    this.#expanded = this.#tokens.expand(bytes, position + header, size);
    return this.#expanded > 0;
  }

  /** Reads all names and finds where each begins; null if they cannot be read. */
  #load(): Uint32Array | null {
    if (this.#positions !== null) return this.#positions;
    const { markers, names, tokenTable } = this.tables;
    const end = markers === null || markers.address > tokenTable ? tokenTable : markers.address;
    const bytes = new Uint8Array(Number(end - names));
    const step = MOST_LOCATED;
    for (let from = 0; from < bytes.length; from += step) {
      const length = Math.min(step, bytes.length - from);
      const at = this.#memory.locate(names + BigInt(from), length);
      if (at < 0) return null;
      bytes.set(this.#memory.arena.subarray(at, at + length), from);
    }
    const positions = new Uint32Array(this.count);
    let at = 0;
    let i = 0;
    for (; i < this.count && at < bytes.length; i++) {
      positions[i] = at;
      at += nameSpan(bytes, at);
    }
    this.#bytes = bytes;
    this.#positions = i === this.count ? positions : positions.slice(0, i);
    return this.#positions;
  }

  #indices(wanted: WantedNames): Map<string, number> {
    const { sorted, markers } = this.tables;
    const few = sorted !== null && markers !== null && wanted.names.size <= MOST_LOOKED_UP;
    return (few && this.#sortedIsSound() ? this.#bySortedTable(wanted) : null) ?? this.#byPass(wanted);
  }

  /** All of a name by the sorted table, in which those of one name are in order of addresses; null if there is none, or a part of it cannot be read. */
  #allBySortedTable(name: string): number[] | null {
    const { sorted, markers } = this.tables;
    const bytes = wantedNames([name]).names.get(name);
    if (sorted === null || markers === null || bytes === undefined || !this.#sortedIsSound()) return null;
    const found: number[] = [];
    const first = this.#firstSorted(bytes);
    if (first < 0) return null;
    for (let i = first; i < this.count; i++) {
      const index = this.#sortedIndex(i);
      if (index < 0 || !this.#expand(index)) return null;
      if (compare(this.#tokens.text, 1, this.#expanded, bytes) !== 0) break;
      found.push(index);
    }
    return found;
  }

  /** Place in the sorted table of the first name that is not less; -1 if a part of it cannot be read. */
  #firstSorted(bytes: Uint8Array): number {
    let from = 0;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const index = this.#sortedIndex(middle);
      if (index < 0 || !this.#expand(index)) return -1;
      if (compare(this.#tokens.text, 1, this.#expanded, bytes) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** By the kernel's own table of indices sorted by name; null if a part of it cannot be read. */
  #bySortedTable(wanted: WantedNames): Map<string, number> | null {
    const found = new Map<string, number>();
    for (const [name, bytes] of wanted.names) {
      const place = this.#firstSorted(bytes);
      if (place < 0) return null;
      const index = place < this.count ? this.#sortedIndex(place) : -1;
      if (index >= 0 && this.#expand(index) && compare(this.#tokens.text, 1, this.#expanded, bytes) === 0) {
        found.set(name, index);
      }
    }
    return found;
  }

  #sound: boolean | null = null;

  /** Where the table lies is only inferred: samples of it must be in order, and none the same symbol twice, as zeros would be. */
  #sortedIsSound(): boolean {
    this.#sound ??= this.#samplesAreInOrder();
    return this.#sound;
  }

  #samplesAreInOrder(): boolean {
    const samples = Math.min(32, this.count);
    const seen = new Set<number>();
    let previous: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < samples; i++) {
      const index = this.#sortedIndex(Math.floor((i * this.count) / samples));
      if (index < 0 || seen.has(index) || !this.#expand(index)) return false;
      if (compare(this.#tokens.text, 1, this.#expanded, previous) < 0) return false;
      seen.add(index);
      previous = this.#tokens.text.slice(1, this.#expanded);
    }
    return true;
  }

  #sortedIndex(i: number): number {
    if (this.tables.sorted === null) return -1;
    const at = this.#memory.locate(this.tables.sorted + BigInt(3 * i), 3);
    if (at < 0) return -1;
    const { arena } = this.#memory;
    const index = (arena[at] << 16) | (arena[at + 1] << 8) | arena[at + 2];
    return index < this.count ? index : -1;
  }

  /** The first of each name. */
  #byPass(wanted: WantedNames): Map<string, number> {
    const found = new Map<string, number>();
    for (const [name, index] of this.#passOver(wanted)) {
      if (!found.has(name)) found.set(name, index);
      if (found.size === wanted.names.size) break;
    }
    return found;
  }

  /** One pass over all compressed names; only those are expanded whose length, first and last letter fit one that is wanted. */
  *#passOver(wanted: WantedNames): Iterable<readonly [name: string, index: number]> {
    const positions = this.#load();
    if (positions === null || this.#bytes === null) return;
    const bytes = this.#bytes;
    for (let i = 0; i < positions.length; i++) {
      const name = this.#match(bytes, positions[i], wanted);
      if (name !== null && wanted.names.has(name)) yield [name, i];
    }
  }

  /** The name at `position`, or null if its length or its first or last letter rule it out. */
  #match(bytes: Uint8Array, position: number, wanted: WantedNames): string | null {
    const tokens = this.#tokens;
    const header = bytes[position] >= 128 ? 2 : 1;
    const start = position + header;
    const size = nameSpan(bytes, position) - header;
    if (size === 0 || start + size > bytes.length || !wanted.lasts[tokens.last(bytes[start + size - 1])]) return null;
    const length = tokens.expandedLength(bytes, start, size) - 1;
    if (length >= wanted.lengths.length || wanted.lengths[length] === 0) return null;
    this.#expanded = tokens.expand(bytes, start, size);
    if (!wanted.firsts[tokens.text[1]]) return null;
    return this.#expandedName();
  }

  #addressesOf(indices: ReadonlyMap<string, number>): (name: string) => bigint | null {
    return name => {
      const index = indices.get(name);
      return index === undefined ? null : this.addresses.address(index);
    };
  }
}

/** How many bytes a compressed name takes with its length: one byte, or two where bit 7 is set (6.1 and later). */
function nameSpan(bytes: Uint8Array, at: number): number {
  const length = bytes[at];
  return length < 128 ? 1 + length : 2 + ((length & 0x7f) | (bytes[at + 1] << 7));
}

function compare(text: Uint8Array, from: number, to: number, other: Uint8Array): number {
  const length = Math.min(to - from, other.length);
  for (let i = 0; i < length; i++) {
    const difference = text[from + i] - other[i];
    if (difference !== 0) return difference;
  }
  return to - from - other.length;
}

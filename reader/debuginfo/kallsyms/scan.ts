// Finds kallsyms by content, where VMCOREINFO does not name its tables (kernels before 6.0, or no VMCOREINFO at all). The token table holds "0" to "9" as its tokens 48 to 57; all
// else lies around it in a known order and is proven by walking it. Source: scripts/kallsyms.c (4.6 to 7.3).
import { AddressMap } from '../../address-map.js';
import { Issues } from '../../issue.js';
import { MOST_LOCATED, type PhysicalMemory, type VirtualMemory } from '../../memory.js';
import type { SymbolSpace } from '../open-symbols.js';
import { Kallsyms } from './kallsyms.js';
import { completeTables, type KallsymsTables, MOST_SYMBOLS } from './tables.js';
import { Tokens } from './tokens.js';

/** "0" to "9", each with its NUL. */
const DIGITS = Uint8Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? 0x30 + i / 2 : 0));
const TOKENS_BEFORE_DIGITS = 48;
const MOST_TABLE = 16384;
const MOST_BEFORE_DIGITS = 4096;
const MOST_TOKEN = 64;
/** From the start of names to the token table. */
const MOST_BEFORE = 16 << 20;
/** How far an image reaches behind `_stext`. */
const MOST_IMAGE = 256 << 20;
const MOST_SCANNED = 2 ** 31;
const FEWEST_SYMBOLS = 1000;
const MOST_TABLES = 16;
/** How many places are tried in full. */
const MOST_WALKS = 64;

/** The running kernel's table, or null with an issue. */
export function kallsymsByScan(space: SymbolSpace, issues: Issues): Kallsyms | null {
  const { physical, virtual, vmcoreinfo } = space;
  const stext = vmcoreinfo?.symbol('_stext');
  const start = stext === undefined ? -1 : virtual.translate(stext);
  // Within the image, addresses differ by what places differ. Where it is not mapped, tables are read by physical address.
  const byPlace = start >= 0 && stext !== undefined;
  const memory = byPlace ? virtual : identity(physical);
  const from = byPlace ? start : 0;
  const to = byPlace ? start + MOST_IMAGE : Number.MAX_SAFE_INTEGER;
  for (const paddr of findDigits(physical, from, to)) {
    const address = byPlace ? stext + BigInt(paddr - start) : BigInt(paddr);
    const found = openAround(memory, address, stext);
    if (found === null) continue;
    // By physical address what is stored relative to its own place comes out wrong.
    if (byPlace || found.addresses.encoding === 'base' || found.addresses.encoding === 'absolute-percpu') return found;
  }
  issues.add('no-kallsyms', 'no symbol table of the running kernel was found in the dump');
  return null;
}

function identity(physical: PhysicalMemory): AddressMap {
  const last = BigInt(Number.MAX_SAFE_INTEGER);
  const range = { name: 'physical', method: 'linear', first: 0n, last, target: 0 } as const;
  return new AddressMap(physical, [{ ...range, confirmedBy: '', partial: false }]);
}

/** Physical addresses of the run of digits, MOST_TABLES at most. */
function findDigits(physical: PhysicalMemory, from: number, to: number): number[] {
  const found: number[] = [];
  let scanned = 0;
  let tail = new Uint8Array(0);
  let tailEnd = -1;
  physical.scan(from, to, (paddr, bytes) => {
    if (tailEnd === paddr && tail.length > 0) {
      // A run that began in the block before.
      const seam = new Uint8Array(tail.length + Math.min(DIGITS.length - 1, bytes.length));
      seam.set(tail);
      seam.set(bytes.subarray(0, seam.length - tail.length), tail.length);
      for (const at of runsOfDigits(seam)) found.push(paddr - tail.length + at);
    }
    for (const at of runsOfDigits(bytes)) found.push(paddr + at);
    tail = bytes.slice(Math.max(0, bytes.length - DIGITS.length + 1));
    tailEnd = paddr + bytes.length;
    scanned += bytes.length;
    return scanned < MOST_SCANNED && found.length < MOST_TABLES;
  });
  return found.slice(0, MOST_TABLES);
}

function* runsOfDigits(bytes: Uint8Array): Iterable<number> {
  for (let at = bytes.indexOf(0x34); at >= 0; at = bytes.indexOf(0x34, at + 1)) {
    // The middle digit is the rarer byte; the run begins 8 bytes before it.
    const start = at - 8;
    if (start < 0 || start + DIGITS.length > bytes.length || bytes[at + 1] !== 0) continue;
    let i = 0;
    while (i < DIGITS.length && bytes[start + i] === DIGITS[i]) i++;
    if (i === DIGITS.length) yield start;
  }
}

function openAround(memory: VirtualMemory, digits: bigint, stext: bigint | undefined): Kallsyms | null {
  const place = tokenPlace(memory, digits);
  if (place === null) return null;
  const bytes = readBefore(memory, place.tokenTable);
  for (const names of namesBefore(bytes, place.tokens, memory)) {
    for (const tables of offsetsOf(memory, place, names, bytes.length)) {
      const kallsyms = Kallsyms.open(memory, tables, stext, new Issues());
      if (kallsyms !== null) return kallsyms;
    }
  }
  return null;
}

interface TokenPlace {
  readonly tokenTable: bigint;
  readonly tokenIndex: bigint;
  readonly tokens: Tokens;
}

/** The table begins 48 tokens before "0"; what is before it need not be a NUL, but it is aligned. The index that agrees with it lies behind, padded to 8 bytes at most. */
function tokenPlace(memory: VirtualMemory, digits: bigint): TokenPlace | null {
  const start = memory.locate(digits - BigInt(MOST_BEFORE_DIGITS), MOST_BEFORE_DIGITS);
  if (start < 0) return null;
  const before = memory.arena.slice(start, start + MOST_BEFORE_DIGITS);
  let second = before.length;
  for (let tokens = 1; tokens < TOKENS_BEFORE_DIGITS; tokens++) {
    second = before.lastIndexOf(0, second - 2) + 1;
    if (second <= MOST_TOKEN) return null;
  }
  const bytes = readBehind(memory, digits, before);
  const nearest = second - 1 - Number((digits + BigInt(second - 1 - MOST_BEFORE_DIGITS)) & 3n);
  for (let first = nearest; first >= second - MOST_TOKEN; first -= 4) {
    const found = indexBehind(bytes.subarray(first), memory.littleEndian);
    if (found === null) continue;
    const tokenTable = digits - BigInt(MOST_BEFORE_DIGITS - first);
    return { tokenTable, tokenIndex: tokenTable + BigInt(found.at), tokens: found.tokens };
  }
  return null;
}

/** `before` and what follows it, as much as a token table and its index take or can be read. */
function readBehind(memory: VirtualMemory, digits: bigint, before: Uint8Array): Uint8Array {
  for (let length = MOST_TABLE; length >= 512; length >>= 1) {
    const at = memory.locate(digits, length);
    if (at < 0) continue;
    const bytes = new Uint8Array(before.length + length);
    bytes.set(before);
    bytes.set(memory.arena.subarray(at, at + length), before.length);
    return bytes;
  }
  return before;
}

function indexBehind(bytes: Uint8Array, littleEndian: boolean): { at: number; tokens: Tokens } | null {
  let end = 0;
  for (let i = 0; i < 256; i++) {
    const nul = bytes.indexOf(0, end);
    if (nul < 0) return null;
    end = nul + 1;
  }
  for (let at = end; at < end + 8 && at + 512 <= bytes.length; at++) {
    const tokens = Tokens.decode(bytes.subarray(0, end), bytes.subarray(at, at + 512), littleEndian);
    if (tokens !== null) return { at, tokens };
  }
  return null;
}

/** The bytes before the token table, as many as can be read. */
function readBefore(memory: VirtualMemory, tokenTable: bigint): Uint8Array {
  const bytes = new Uint8Array(MOST_BEFORE);
  let from = MOST_BEFORE;
  for (let step = MOST_LOCATED; step >= 64 && from >= step; ) {
    const at = memory.locate(tokenTable - BigInt(MOST_BEFORE - from + step), step);
    if (at < 0) {
      step >>= 1;
      continue;
    }
    from -= step;
    bytes.set(memory.arena.subarray(at, at + step), from);
  }
  return bytes.subarray(from);
}

interface NamesPlace {
  readonly count: number;
  /** Offsets in the bytes before the token table. */
  readonly countAt: number;
  readonly names: number;
}

/** Where a count is followed by that many names, whose marks lie behind them. */
function* namesBefore(bytes: Uint8Array, tokens: Tokens, memory: VirtualMemory): Iterable<NamesPlace> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let walks = 0;
  for (let countAt = (bytes.length - 8) & ~3; countAt >= 0 && walks < MOST_WALKS; countAt -= 4) {
    const count = view.getUint32(countAt, memory.littleEndian);
    const room = bytes.length - countAt;
    if (count < FEWEST_SYMBOLS || count > MOST_SYMBOLS || count * 3 > room || count * 128 < room) continue;
    for (const gap of [8, 4]) {
      const names = countAt + gap;
      if (!firstNamesFit(bytes, names, tokens)) continue;
      walks++;
      if (marked(bytes, view, names, count, memory.littleEndian)) yield { count, countAt, names };
    }
  }
}

/** The first names expand to a type letter and more. */
function firstNamesFit(bytes: Uint8Array, names: number, tokens: Tokens): boolean {
  let at = names;
  for (let i = 0; i < 64; i++) {
    const long = bytes[at] >= 128;
    const length = long ? (bytes[at] & 0x7f) | (bytes[at + 1] << 7) : bytes[at];
    const header = long ? 2 : 1;
    if (length < 1 || at + header + length > bytes.length) return false;
    const letter = String.fromCharCode(tokens.first(bytes[at + header]));
    if (!/[a-z]/i.test(letter) || tokens.expandedLength(bytes, at + header, length) < 2) return false;
    at += header + length;
  }
  return true;
}

/** Walks all names and compares each 256th place with the markers behind them. */
function marked(bytes: Uint8Array, view: DataView, names: number, count: number, littleEndian: boolean): boolean {
  const marks = new Uint32Array(Math.ceil(count / 256));
  let at = names;
  for (let i = 0; i < count; i++) {
    if (at >= bytes.length) return false;
    if (i % 256 === 0) marks[i >>> 8] = at - names;
    at += bytes[at] < 128 ? 1 + bytes[at] : 2 + ((bytes[at] & 0x7f) | (bytes[at + 1] << 7));
  }
  for (const size of [4, 8]) {
    for (let padding = 0; padding < 8; padding++) {
      const low = littleEndian || size === 4 ? 0 : 4;
      const start = at + padding + low;
      if (start + marks.length * size > bytes.length) continue;
      if (marks.every((mark, i) => view.getUint32(start + i * size, littleEndian) === mark)) return true;
    }
  }
  return false;
}

/** The places where offsets or addresses can be, for either order of the tables. */
function* offsetsOf(
  memory: VirtualMemory,
  place: TokenPlace,
  found: NamesPlace,
  before: number,
): Iterable<KallsymsTables> {
  const base = place.tokenTable - BigInt(before);
  const { count } = found;
  const common = {
    count,
    names: base + BigInt(found.names),
    tokenTable: place.tokenTable,
    tokenIndex: place.tokenIndex,
  };
  const word = memory.pointerSize;
  const countAt = base + BigInt(found.countAt);
  const length = BigInt(Math.ceil((4 * count) / word) * word);
  const early = countAt - BigInt(word);
  for (const [offsets, baseAt] of [
    [early - length, early],
    ...lateOffsets(place.tokenIndex + 512n, length, word),
  ] as const) {
    const relativeBase = baseAt === null ? null : pointerAt(memory, baseAt);
    if (baseAt !== null && (relativeBase === null || relativeBase === 0n)) continue;
    yield completeTables(memory, { ...common, offsets, offsetSize: 4, relativeBase }, baseAt);
  }
  const addresses = countAt - BigInt(word * count);
  yield completeTables(memory, { ...common, offsets: addresses, offsetSize: word, relativeBase: null }, null);
}

function lateOffsets(end: bigint, length: bigint, word: number): (readonly [bigint, bigint | null])[] {
  return [8n, 4n].flatMap(alignment => {
    const offsets = end + ((alignment - (end % alignment)) % alignment);
    const step = BigInt(word);
    const baseAt = offsets + length + ((step - ((offsets + length) % step)) % step);
    return [[offsets, baseAt] as const, [offsets, null] as const];
  });
}

function pointerAt(memory: VirtualMemory, address: bigint): bigint | null {
  const at = memory.locate(address, memory.pointerSize);
  if (at < 0) return null;
  if (memory.pointerSize === 8) return memory.view.getBigUint64(at, memory.littleEndian);
  return BigInt(memory.view.getUint32(at, memory.littleEndian));
}

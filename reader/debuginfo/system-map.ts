// System.map: lines of address, nm's letter and name, sorted by address. Source: scripts/mksysmap (6.x).
import { InputError } from '../fault.js';
import { type ByteSource, readExactly } from '../source.js';
import { joinU64 } from '../u64.js';
import { LIMIT_NAMES, type SymbolLimits, symbolLimits, within } from './limits.js';
import type { KernelSymbol, Symbols } from './symbols.js';

const MOST_BYTES = 1 << 27;
const MOST_LINE = 1024;
const NEWLINE = 10;
const SPACE = 32;

export class SystemMap implements Symbols {
  readonly source = 'system-map';
  /** Running address - linked address. */
  shift = 0n;
  readonly #bytes: Uint8Array;
  /** Where each line begins. */
  readonly #lines: Uint32Array;
  #limits: SymbolLimits | null = null;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    let count = 0;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
    this.#lines = new Uint32Array(count);
    let start = 0;
    for (let i = 0; i < count; i++) {
      this.#lines[i] = start;
      start = bytes.indexOf(NEWLINE, start) + 1;
    }
  }

  /** Throws InputError if the first line is not one of a System.map. */
  static open(source: ByteSource): SystemMap {
    if (source.size > MOST_BYTES) {
      throw new InputError(
        { source: source.name, record: 'System.map', offset: MOST_BYTES, field: 'content' },
        `a System.map is never larger than ${MOST_BYTES} bytes`,
      );
    }
    const map = new SystemMap(readExactly(source, 0, source.size, 'System.map'));
    if (map.count === 0 || map.#parse(0) === null) {
      throw new InputError(
        { source: source.name, record: 'System.map', offset: 0, field: 'address' },
        'the first line is not an address, a letter and a name',
      );
    }
    return map;
  }

  get count(): number {
    return this.#lines.length;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const asked = new Set(names);
    const wanted = new Set([...asked, ...LIMIT_NAMES]);
    const found = new Map<string, KernelSymbol>();
    for (let i = 0; i < this.count && found.size < wanted.size; i++) {
      const symbol = this.#parse(i);
      if (symbol !== null && wanted.has(symbol.name) && !found.has(symbol.name)) found.set(symbol.name, symbol);
    }
    this.#limits = symbolLimits(name => found.get(name)?.address ?? null);
    return new Map([...found].filter(([name]) => asked.has(name)).map(([name, one]) => [name, this.#marked(one)]));
  }

  /** The values of names as in the file, without the shift. */
  linked(names: Iterable<string>): Map<string, bigint> {
    return new Map([...this.resolve(names)].map(([name, symbol]) => [name, symbol.address - this.shift]));
  }

  all(name: string): readonly KernelSymbol[] {
    return [...this.search(one => one === name)];
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    if (this.#limits === null) this.resolve([]);
    for (let i = 0; i < this.count; i++) {
      const symbol = this.#parse(i);
      if (symbol !== null && match(symbol.name)) yield this.#marked(symbol);
    }
  }

  at(address: bigint): KernelSymbol | null {
    if (this.#limits === null) this.resolve([]);
    if (this.#limits?.spans.some(span => within(span, address)) === false) return null;
    let from = 0;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const symbol = this.#parse(middle);
      if (symbol === null || symbol.address <= address) from = middle + 1;
      else to = middle;
    }
    const next = this.#parse(from);
    let found: KernelSymbol | null = null;
    for (let i = from - 1; i >= 0; i--) {
      const symbol = this.#parse(i);
      if (symbol === null || (found !== null && symbol.address !== found.address)) break;
      found = symbol;
    }
    if (found === null) return null;
    const size = next === null ? 0 : Number(next.address - found.address);
    return this.#marked({ ...found, size, sizeFrom: size > 0 ? 'neighbour' : 'none' });
  }

  #marked(symbol: KernelSymbol): KernelSymbol {
    const limits = this.#limits;
    const perCpu = limits !== null && within(limits.perCpu, symbol.address);
    return { ...symbol, perCpu };
  }

  #parse(i: number): KernelSymbol | null {
    if (i >= this.count) return null;
    const start = this.#lines[i];
    const end = i + 1 < this.count ? this.#lines[i + 1] - 1 : this.#bytes.indexOf(NEWLINE, start);
    const bytes = this.#bytes;
    const width = bytes[start + 8] === SPACE ? 8 : 16;
    const name = start + width + 3;
    if (end - start > MOST_LINE || name >= end || bytes[start + width] !== SPACE || bytes[name - 1] !== SPACE)
      return null;
    const upper = width === 8 ? 0 : hexAt(bytes, start);
    const lower = hexAt(bytes, start + width - 8);
    if (upper < 0 || lower < 0) return null;
    for (let at = name - 2; at < end; at++) if (bytes[at] <= SPACE && at !== name - 1) return null;
    const linked = joinU64(upper, lower);
    const bits = width * 4;
    // Per-CPU templates linked at 0 do not move.
    const address = linked < 0x10_0000n ? linked : BigInt.asUintN(bits, linked + this.shift);
    const text = String.fromCharCode(...bytes.subarray(name, end));
    const type = String.fromCharCode(bytes[name - 2]);
    return { name: text, address, size: 0, sizeFrom: 'none', type, perCpu: false, module: null };
  }
}

/** Eight digits of either case as a number, or -1. */
function hexAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = at; i < at + 8; i++) {
    const letter = bytes[i] | 0x20;
    const digit =
      bytes[i] >= 0x30 && bytes[i] <= 0x39 ? bytes[i] - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

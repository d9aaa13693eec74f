// All that page tables map, in the order of their entries, each table read as a whole. Many entries may lead to one table (the shadow of KASAN, the espfix area, what a
// damaged dump holds): a table below which nothing was found is not gone through again, so work is bounded by the tables that exist and by what is found.
import { hex, type Issues, MemoryFault, type PhysicalMemory } from 'kdumpling/reader';
import type { PagingTables } from 'kdumpling/reader/arch';
import { type Level, type Levels, levelsOf, PAGE, type Rule } from './levels.js';
import type { PageTable } from './page-table.js';

/** One entry that maps memory. */
export interface Mapping {
  readonly vaddr: bigint;
  readonly physical: number;
  /** Bytes that the entry maps; `pageSize` is larger where several entries map one page. */
  readonly size: number;
  readonly pageSize: number;
  readonly level: string;
}

/** What is looked for: entries that map any byte of [from, to). */
export interface PhysicalRange {
  readonly from: number;
  readonly to: number;
}

const EVERYTHING: PhysicalRange = { from: 0, to: Number.POSITIVE_INFINITY };
const MOST_EXACT = Number.MAX_SAFE_INTEGER;

/** Tables that many entries lead to: gone through each time, or only where they are first met; in several walks that have one set, only in the first of them. */
export type SharedTables = 'each time' | 'once' | Set<number>;

/** One mapping for each entry. Tables that cannot be read and entries that cannot be are told in `issues` and passed over. */
export function* mappings(
  table: PageTable,
  wanted: PhysicalRange = EVERYTHING,
  issues: Issues | null = null,
  shared: SharedTables = 'each time',
): Iterable<Mapping> {
  const descent = new Descent(table, wanted, issues, shared);
  descent.enter(levelsOf(table.tables.mode).top, table.tables.root, 0n, 0, table.topEntries);
  while (descent.depth >= 0) {
    const found = descent.next();
    if (found !== null) yield found;
  }
}

/** A table that is being gone through. */
interface Frame {
  level: Level;
  table: number;
  /** The first address that the table maps. */
  base: bigint;
  index: number;
  end: number;
  found: boolean;
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
}

/** Names a table at a level: the table of one level may be another's too. */
const keyOf = (table: number, level: Level): number => table * 64 + level.shift;

class Descent {
  depth = -1;
  readonly #frames: Frame[] = [];
  /** Tables that are not gone through again. */
  readonly #done: Set<number>;
  readonly #physical: PhysicalMemory;
  readonly #tables: PagingTables;
  readonly #levels: Levels;
  readonly #wanted: PhysicalRange;
  readonly #issues: Issues | null;
  readonly #table: PageTable;

  readonly #once: boolean;

  constructor(table: PageTable, wanted: PhysicalRange, issues: Issues | null, shared: SharedTables) {
    this.#table = table;
    this.#once = shared !== 'each time';
    this.#done = typeof shared === 'string' ? new Set() : shared;
    this.#physical = table.physical;
    this.#tables = table.tables;
    this.#levels = levelsOf(table.tables.mode);
    this.#wanted = wanted;
    this.#issues = issues;
  }

  /** Goes on with a lower table, unless it is known to have nothing or cannot be read. */
  enter(level: Level, table: number, base: bigint, first: number, end: number): void {
    const key = keyOf(table, level);
    if (this.#done.has(key)) return;
    const size = level.entries * this.#tables.mode.entrySize;
    const frame = this.#frame(this.depth + 1, size);
    try {
      this.#physical.read(table, frame.bytes.subarray(0, size));
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      this.#issues?.add(
        'page-table-unreadable',
        `the ${level.name} table at physical ${hex(table)}, of the addresses from ${hex(base)}: ${error.message}`,
        table,
      );
      this.#done.add(key);
      return;
    }
    Object.assign(frame, { level, table, base, index: first, end, found: false });
    this.depth++;
  }

  #frame(depth: number, size: number): Frame {
    const old = this.#frames[depth];
    if (old !== undefined && old.bytes.length >= size) return old;
    const bytes = new Uint8Array(size);
    const view = new DataView(bytes.buffer);
    const frame: Frame = { level: this.#levels.top, table: 0, base: 0n, index: 0, end: 0, found: false, bytes, view };
    this.#frames[depth] = frame;
    return frame;
  }

  #leave(): void {
    const frame = this.#frames[this.depth];
    if (this.#once || !frame.found) this.#done.add(keyOf(frame.table, frame.level));
    this.depth--;
    if (this.depth >= 0 && frame.found) this.#frames[this.depth].found = true;
  }

  /** Takes entries until one maps what is wanted, or the table at hand changes. */
  next(): Mapping | null {
    const frame = this.#frames[this.depth];
    const { view, level } = frame;
    const { entrySize } = this.#tables.mode;
    while (frame.index < frame.end) {
      const index = frame.index++;
      const at = index * entrySize;
      const little = this.#table.littleEndian;
      let entryLow = view.getUint32(at, little);
      let entryHigh = 0;
      if (entrySize === 8) {
        entryHigh = view.getUint32(at + 4, little);
        if (!little) [entryHigh, entryLow] = [entryLow, entryHigh];
      }
      if (entryLow === 0 && entryHigh === 0) continue;
      const rule = level.match(entryHigh, entryLow);
      if (rule === null) continue;
      const base = this.#baseOf(frame, index);
      if (base === null) continue;
      const address = this.#addressIn(rule, entryHigh, entryLow, level, base);
      if (address < 0) continue;
      if (rule.kind === PAGE) {
        const found = this.#mapping(rule, address, level, base);
        if (found === null) continue;
        frame.found = true;
        return found;
      }
      const next = rule.next as Level;
      const [first, end] = quarters(rule, entryLow, next.entries);
      this.enter(next, address, base, first, end);
      return null;
    }
    this.#leave();
    return null;
  }

  /** The first address of an entry; null where the tables are never asked for it. */
  #baseOf(frame: Frame, index: number): bigint | null {
    const offset = BigInt(index) << BigInt(frame.level.shift);
    return this.depth > 0 ? frame.base + offset : this.#table.addressOf(offset);
  }

  #addressIn(rule: Rule, entryHigh: number, entryLow: number, level: Level, vaddr: bigint): number {
    const reserved = (entryHigh & rule.zeroHigh) !== 0 || (entryLow & rule.zeroLow) !== 0;
    const address = rule.kind <= PAGE && !reserved ? rule.address(entryHigh, entryLow) : -1;
    if (address >= 0 && address <= MOST_EXACT) return address;
    this.#issues?.add(
      'page-table-corrupt',
      `the ${level.name} entry for ${hex(vaddr)} is none that there can be`,
      vaddr,
    );
    return -1;
  }

  #mapping(rule: Rule, address: number, level: Level, vaddr: bigint): Mapping | null {
    const size = 2 ** rule.shift;
    if (address >= this.#wanted.to || address + size <= this.#wanted.from) return null;
    return this.#part(rule, address, level, vaddr, size);
  }

  /** Where several entries hold the same address of a larger page (NAPOT, supersections), each maps its part. */
  #part(rule: Rule, address: number, level: Level, vaddr: bigint, size: number): Mapping | null {
    const own = 2 ** level.shift;
    const pageSize = 2 ** rule.span;
    if (size <= own) return { vaddr, physical: address, size, pageSize, level: level.name };
    const into = Number(vaddr & BigInt(size - 1));
    const physical = address + into;
    if (physical >= this.#wanted.to || physical + own <= this.#wanted.from) return null;
    return { vaddr, physical, size: own, pageSize, level: level.name };
  }
}

function quarters(rule: Rule, entryLow: number, entries: number): [first: number, end: number] {
  if (rule.quarterLast === 0) return [0, entries];
  const [first, last] = rule.quarters(entryLow);
  return [(first * entries) / 4, ((last + 1) * entries) / 4];
}

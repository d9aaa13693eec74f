// The one walker of page tables, for every architecture: reader/arch describes the levels. Tables are read by physical address only. The way of
// a walk is the same with and without its steps recorded.
import {
  type FaultReason,
  type FaultRecord,
  HIGH,
  halves,
  joinU64,
  LOW,
  type PhysicalMemory,
  splitU64,
  type Translator,
} from 'kdumpling/reader';
import type { AddressForm, PagingTables } from 'kdumpling/reader/arch';
import { type Level, type Levels, levelsOf, Offset, PAGE, type Rule, TABLE } from './levels.js';
import { PageCache, TableCache } from './table-cache.js';

/** An entry that a walk read. */
export interface WalkStep {
  /** The kernel's name of the table: pgd … pte. */
  readonly level: string;
  /** Physical. */
  readonly entryAddress: number;
  readonly entry: bigint;
}

export interface WalkFault {
  readonly reason: FaultReason;
  /** Where it ended: a level's name, or '' where the address itself is not one of these tables. */
  readonly level: string;
  readonly detail: string;
}

export interface Walk {
  /** As given, and without tags and signatures. */
  readonly address: bigint;
  readonly walked: bigint;
  /** null where the address has no translation. */
  readonly physical: number | null;
  /** Bytes of the page; null likewise. */
  readonly pageSize: number | null;
  readonly steps: readonly WalkStep[];
  readonly fault: WalkFault | null;
}

const MOST_EXACT = Number.MAX_SAFE_INTEGER;

/** An AddressForm by halves. */
class Form {
  readonly maskHigh: number;
  readonly maskLow: number;
  readonly valueHigh: number;
  readonly valueLow: number;

  constructor({ mask, value }: AddressForm) {
    splitU64(mask);
    this.maskHigh = halves[HIGH] | 0;
    this.maskLow = halves[LOW] | 0;
    splitU64(value);
    this.valueHigh = halves[HIGH] | 0;
    this.valueLow = halves[LOW] | 0;
  }
}

export class PageTable implements Translator {
  readonly tables: PagingTables;
  readonly physical: PhysicalMemory;
  reach = 0;
  readonly #levels: Levels;
  readonly #described: readonly AddressForm[];
  readonly #forms: readonly Form[];
  readonly #notHeld: string;
  readonly #entrySize: number;
  readonly #wide: boolean;
  /** Of entries. */
  readonly littleEndian: boolean;
  /** How many entries of the top table there are. */
  readonly topEntries: number;
  readonly #regionShift: number;
  readonly #regionFactor: number;
  readonly #region: Offset;
  readonly #cache: TableCache | null;
  readonly #pages: PageCache | null;
  readonly #pageShift: number;
  readonly #pageFactor: number;
  /** The place of the bit that tells the half in the upper 32 bits (-1: no tags), and which of those are ignored. */
  readonly #tagSelect: number;
  readonly #tagMask: number;
  /** Set by `#canonical`. */
  #high = 0;
  /** Set by `#follow`: the rule of the entry that maps the page; null where it was known without one. */
  #leaf: Rule | null = null;
  /** Set by `#follow`: the last level's table, where the walk came to one. */
  #lastTable = -1;
  /** Set with a fault. */
  #reason: FaultReason = 'not-present';
  #detail = '';
  #faultLevel: Level | null = null;

  /** @param half which addresses the tables are asked for */
  constructor(physical: PhysicalMemory, tables: PagingTables, half: 'kernel' | 'user') {
    const { mode } = tables;
    this.tables = tables;
    this.physical = physical;
    this.#levels = levelsOf(mode);
    this.#described = mode[half];
    this.#forms = mode[half].map(form => new Form(form));
    this.#notHeld = `no address that ${half === 'kernel' ? "the kernel's" : "a process's"} tables hold (${mode.name})`;
    this.#entrySize = mode.entrySize;
    this.#wide = mode.entrySize === 8;
    this.littleEndian = mode.entryOrder === 'memory' ? physical.littleEndian : mode.entryOrder === 'little';
    this.topEntries = Math.min(tables.entries ?? this.#levels.top.entries, this.#levels.top.entries);
    this.#regionShift = this.#levels.beforeLast.shift;
    this.#region = new Offset(this.#regionShift);
    this.#regionFactor = 2 ** (32 - this.#regionShift);
    this.#cache = physical.stable ? new TableCache() : null;
    this.#pages = physical.stable ? new PageCache() : null;
    this.#pageShift = this.#levels.last.shift;
    this.#pageFactor = 2 ** (32 - this.#pageShift);
    splitU64(mode.tags?.ignored ?? 0n);
    this.#tagMask = halves[HIGH] | 0;
    this.#tagSelect = mode.tags === undefined ? -1 : mode.tags.select - 32;
  }

  translate(vaddr: bigint, fault: FaultRecord): number {
    splitU64(vaddr);
    const addressLow = halves[LOW];
    if (!this.#canonical(halves[HIGH], addressLow)) return this.#tell(vaddr, addressLow, fault);
    const addressHigh = this.#high;
    const page = addressHigh * this.#pageFactor + (addressLow >>> this.#pageShift);
    const base = this.#pages === null ? -1 : this.#pages.find(page);
    if (base >= 0) return this.#within(this.#levels.last.offset, base, addressHigh, addressLow);
    const paddr = this.#walked(addressHigh, addressLow);
    if (paddr < 0) return this.#tell(vaddr, addressLow, fault);
    if (this.#pages !== null && this.#leaf?.shift === this.#pageShift)
      this.#pages.add(page, paddr - this.#levels.last.offset.of(addressHigh, addressLow));
    return paddr;
  }

  /** From the last table or large page that is known, else from the top. */
  #walked(addressHigh: number, addressLow: number): number {
    const key = addressHigh * this.#regionFactor + (addressLow >>> this.#regionShift);
    const slot = this.#cache === null ? -1 : this.#cache.find(key);
    return slot < 0 ? this.#uncached(addressHigh, addressLow, key) : this.#cached(addressHigh, addressLow, slot);
  }

  /** Sets `reach`. */
  #within(piece: Offset, base: number, addressHigh: number, addressLow: number): number {
    const into = piece.of(addressHigh, addressLow);
    this.reach = piece.size - into;
    return base + into;
  }

  /** The fault is the same up to where another entry of that table begins. */
  #tell(vaddr: bigint, addressLow: number, fault: FaultRecord): -1 {
    const { offset } = this.#faultLevel ?? this.#levels.top;
    this.reach = offset.size - offset.of(this.#high, addressLow);
    return fault.set('virtual', vaddr, 1, this.#reason, this.#detail);
  }

  #cached(addressHigh: number, addressLow: number, slot: number): number {
    const cache = this.#cache as TableCache;
    const base = cache.base(slot);
    if (cache.isLarge(slot)) {
      this.#leaf = null;
      return this.#within(this.#region, base, addressHigh, addressLow);
    }
    return this.#page(this.#follow(this.#levels.last, base, addressHigh, addressLow, null), addressHigh, addressLow);
  }

  #uncached(addressHigh: number, addressLow: number, key: number): number {
    this.#lastTable = -1;
    const base = this.#follow(this.#levels.top, this.tables.root, addressHigh, addressLow, null);
    const paddr = this.#page(base, addressHigh, addressLow);
    if (this.#cache === null) return paddr;
    if (this.#lastTable >= 0) this.#cache.add(key, this.#lastTable, false);
    else if (paddr >= 0 && (this.#leaf as Rule).shift >= this.#regionShift) {
      this.#cache.add(key, paddr - this.#region.of(addressHigh, addressLow), true);
    }
    return paddr;
  }

  /** Physical address in the page whose first byte is at `base`. */
  #page(base: number, addressHigh: number, addressLow: number): number {
    if (base < 0) return -1;
    return this.#within((this.#leaf as Rule).offset, base, addressHigh, addressLow);
  }

  /** Takes tags away into #high and checks that these tables can hold the address. */
  #canonical(addressHigh: number, addressLow: number): boolean {
    let upper = addressHigh | 0;
    if (this.#tagSelect >= 0) {
      upper = ((upper >>> this.#tagSelect) & 1) === 1 ? upper | this.#tagMask : upper & ~this.#tagMask;
    }
    this.#high = upper >>> 0;
    for (const form of this.#forms) {
      if ((upper & form.maskHigh) === form.valueHigh && (addressLow & form.maskLow) === form.valueLow) return true;
    }
    return this.#fault('not-present', this.#notHeld, null) >= 0;
  }

  #fault(reason: FaultReason, detail: string, level: Level | null): -1 {
    this.#reason = reason;
    this.#detail = detail;
    this.#faultLevel = level;
    return -1;
  }

  /** From a table down to the page: its physical address, with #leaf set, or -1 with the fault. Every level leads to a lower one, so the walk ends. */
  #follow(first: Level, root: number, addressHigh: number, addressLow: number, steps: WalkStep[] | null): number {
    const { physical } = this;
    const { last, top } = this.#levels;
    let level = first;
    let table = root;
    for (;;) {
      if (level === last) this.#lastTable = table;
      const index = level.index(addressHigh, addressLow);
      if (level === top && index >= this.topEntries) return this.#fault('not-present', level.beyond, level);
      const entryAddress = table + index * this.#entrySize;
      const at = physical.locate(entryAddress, this.#entrySize);
      if (at < 0) return this.#unreadable(level, entryAddress);
      const { view } = physical;
      const first32 = view.getUint32(at, this.littleEndian);
      const second32 = this.#wide ? view.getUint32(at + 4, this.littleEndian) : 0;
      const swapped = this.#wide && !this.littleEndian;
      const entryHigh = swapped ? first32 : second32;
      const entryLow = swapped ? second32 : first32;
      if (steps !== null) steps.push({ level: level.name, entryAddress, entry: joinU64(entryHigh, entryLow) });
      const rule = level.match(entryHigh, entryLow);
      if (rule === null) {
        const nothing = entryHigh === 0 && entryLow === 0;
        return this.#fault('not-present', nothing ? level.empty : level.absent, level);
      }
      if (rule.kind > PAGE) return this.#fault('corrupt', `the ${level.name} entry: ${rule.why}`, level);
      if ((entryHigh & rule.zeroHigh) !== 0 || (entryLow & rule.zeroLow) !== 0)
        return this.#fault('corrupt', level.reserved, level);
      const address = rule.address(entryHigh, entryLow);
      if (!(address >= 0 && address <= MOST_EXACT)) return this.#fault('corrupt', level.wide, level);
      if (rule.kind !== TABLE || rule.next === null) {
        this.#leaf = rule;
        return address;
      }
      const next = rule.next;
      if (rule.quarterLast !== 0 && !inQuarters(rule, entryLow, next.index(addressHigh, addressLow), next.entries))
        return this.#fault('not-present', next.beyond, next);
      table = address;
      level = next;
    }
  }

  #unreadable(level: Level, entryAddress: number): -1 {
    const { reason } = this.physical.fault;
    return this.#fault(reason, `the ${level.name} entry at physical 0x${entryAddress.toString(16)} is needed`, level);
  }

  /** The address that these tables are asked for where the top table's index says `offset`; null if there is none. */
  addressOf(offset: bigint): bigint | null {
    const { top } = this.#levels;
    const index = offset >> BigInt(top.shift);
    for (const { mask, value } of this.#described) {
      const vaddr = offset | value;
      const back = (vaddr >> BigInt(top.shift)) & BigInt(top.entries - 1);
      if ((vaddr & mask) === value && back === index) return vaddr;
    }
    return null;
  }

  /** A walk from the top with its steps. */
  walk(vaddr: bigint): Walk {
    const steps: WalkStep[] = [];
    splitU64(vaddr);
    const addressLow = halves[LOW];
    const canonical = this.#canonical(halves[HIGH], addressLow);
    const addressHigh = this.#high;
    const base = canonical ? this.#follow(this.#levels.top, this.tables.root, addressHigh, addressLow, steps) : -1;
    const paddr = this.#page(base, addressHigh, addressLow);
    const level = this.#faultLevel?.name ?? '';
    return {
      address: vaddr,
      walked: joinU64(addressHigh, addressLow),
      physical: paddr < 0 ? null : paddr,
      pageSize: paddr < 0 ? null : 2 ** (this.#leaf as Rule).span,
      steps,
      fault: paddr < 0 ? { reason: this.#reason, level, detail: this.#detail } : null,
    };
  }
}

function inQuarters(rule: Rule, entryLow: number, index: number, entries: number): boolean {
  const quarter = Math.floor((index * 4) / entries);
  const [first, last] = rule.quarters(entryLow);
  return quarter >= first && quarter <= last;
}

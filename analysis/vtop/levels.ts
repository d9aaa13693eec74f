// A paging description made ready for the walker: masks as halves of 32 bits, so that nothing in a walk is a bigint.
import { HIGH, halves, LOW, splitU64 } from 'kdumpling/reader';
import type { EntryAddress, EntryRule, PagingLevel, PagingMode } from 'kdumpling/reader/arch';

const HALF = 0x1_0000_0000;

/** Which bits of an address are the place in a piece of 2^shift bytes. */
export class Offset {
  readonly size: number;
  readonly #highMask: number;
  readonly #lowMask: number;

  constructor(shift: number) {
    this.size = 2 ** shift;
    this.#highMask = shift > 32 ? 2 ** (shift - 32) - 1 : 0;
    this.#lowMask = shift >= 32 ? -1 : 2 ** shift - 1;
  }

  of(addressHigh: number, addressLow: number): number {
    const lower = (addressLow & this.#lowMask) >>> 0;
    return this.#highMask === 0 ? lower : ((addressHigh & this.#highMask) >>> 0) * HALF + lower;
  }
}

export const TABLE = 0;
export const PAGE = 1;
const CORRUPT = 2;

const KINDS = { table: TABLE, page: PAGE, corrupt: CORRUPT } as const;

/** A field of an entry that is part of an address: (half >>> shift & mask) * factor. */
interface Field {
  readonly inHigh: boolean;
  readonly shift: number;
  readonly mask: number;
  readonly factor: number;
}

/** One kind of entry, by halves. */
export class Rule {
  readonly kind: number;
  readonly maskHigh: number;
  readonly maskLow: number;
  readonly valueHigh: number;
  readonly valueLow: number;
  readonly zeroHigh: number;
  readonly zeroLow: number;
  /** log2 of what a page's entry maps, and of the page that it is a part of. */
  readonly shift: number;
  readonly span: number;
  readonly offset: Offset;
  /** Why an entry is refused. */
  readonly why: string;
  /** A table's entries begin and end at quarters told by these masks; 0 where the whole table is there. */
  readonly quarterFirst: number;
  readonly quarterLast: number;
  /** The table that a table entry leads to; set by `Levels`. */
  next: Level | null = null;
  readonly #addressHigh: number;
  readonly #addressLow: number;
  readonly #flip: number;
  readonly #factor: number;
  readonly #add: number;
  readonly #moved: readonly Field[];

  constructor(rule: EntryRule, levelShift: number) {
    this.kind = KINDS[rule.is];
    splitU64(rule.mask);
    this.maskHigh = halves[HIGH] | 0;
    this.maskLow = halves[LOW] | 0;
    splitU64(rule.value);
    this.valueHigh = halves[HIGH] | 0;
    this.valueLow = halves[LOW] | 0;
    splitU64(rule.zero ?? 0n);
    this.zeroHigh = halves[HIGH] | 0;
    this.zeroLow = halves[LOW] | 0;
    const shift = rule.is === 'page' ? (rule.shift ?? levelShift) : levelShift;
    this.shift = shift;
    this.offset = new Offset(shift);
    this.span = rule.is === 'page' ? (rule.span ?? shift) : shift;
    this.why = rule.is === 'corrupt' ? rule.why : '';
    this.quarterFirst = rule.is === 'table' ? (rule.quarters?.first ?? 0) : 0;
    this.quarterLast = rule.is === 'table' ? (rule.quarters?.last ?? 0) : 0;
    const address: EntryAddress = rule.is === 'table' || rule.is === 'page' ? rule.address : { mask: 0n };
    splitU64(address.mask);
    this.#addressHigh = halves[HIGH];
    this.#addressLow = halves[LOW];
    this.#flip = address.inverted === true ? -1 : 0;
    this.#factor = 2 ** (address.up ?? 0);
    this.#add = address.add ?? 0;
    this.#moved = (address.moved ?? []).map(({ from, bits, to }) => ({
      inHigh: from >= 32,
      shift: from & 31,
      mask: 2 ** bits - 1,
      factor: 2 ** to,
    }));
  }

  /** The first and the last quarter that the next table has. */
  quarters(entryLow: number): readonly [first: number, last: number] {
    const { quarterFirst, quarterLast } = this;
    return [
      (entryLow & quarterFirst) / (quarterFirst & -quarterFirst),
      (entryLow & quarterLast) / (quarterLast & -quarterLast),
    ];
  }

  /** The physical address in an entry; it may be one that no number holds exactly. */
  address(entryHigh: number, entryLow: number): number {
    const upper = ((entryHigh ^ this.#flip) & this.#addressHigh) >>> 0;
    const lower = ((entryLow ^ this.#flip) & this.#addressLow) >>> 0;
    let address = (upper * HALF + lower) * this.#factor + this.#add;
    for (const field of this.#moved) {
      address += (((field.inHigh ? entryHigh : entryLow) >>> field.shift) & field.mask) * field.factor;
    }
    return address;
  }
}

export class Level {
  readonly name: string;
  readonly shift: number;
  readonly offset: Offset;
  readonly entries: number;
  readonly rules: readonly Rule[];
  /** Sentences for faults, made once. */
  readonly empty: string;
  readonly absent: string;
  readonly beyond: string;
  readonly wide: string;
  readonly reserved: string;
  readonly #indexMask: number;

  constructor(level: PagingLevel) {
    this.name = level.name;
    this.shift = level.shift;
    this.offset = new Offset(level.shift);
    this.entries = 2 ** level.bits;
    this.#indexMask = this.entries - 1;
    this.rules = level.rules.map(rule => new Rule(rule, level.shift));
    this.empty = `the ${level.name} entry is 0`;
    this.absent = `the ${level.name} entry is not present`;
    this.beyond = `the ${level.name} table ends before this address`;
    this.wide = `the address in the ${level.name} entry is not one`;
    this.reserved = `reserved bits are set in the ${level.name} entry`;
  }

  /** Which entry of the table an address takes. */
  index(addressHigh: number, addressLow: number): number {
    const { shift } = this;
    if (shift >= 32) return (addressHigh >>> (shift - 32)) & this.#indexMask;
    return ((addressHigh << (32 - shift)) | (addressLow >>> shift)) & this.#indexMask;
  }

  /** The rule that an entry fits, or null. */
  match(entryHigh: number, entryLow: number): Rule | null {
    const { rules } = this;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i];
      if ((entryLow & rule.maskLow) === rule.valueLow && (entryHigh & rule.maskHigh) === rule.valueHigh) return rule;
    }
    return null;
  }
}

/** All levels of a mode, the top one first. */
export class Levels {
  readonly mode: PagingMode;
  readonly top: Level;
  /** The last level and the one above it. */
  readonly last: Level;
  readonly beforeLast: Level;
  readonly all: readonly Level[];

  constructor(mode: PagingMode) {
    if (mode.levels.length < 2) throw new RangeError(`${mode.name}: page tables have at least two levels`);
    this.mode = mode;
    this.all = mode.levels.map(level => new Level(level));
    this.all.forEach((level, i) => {
      level.rules.forEach((rule, j) => {
        const described = mode.levels[i].rules[j];
        if (described.is !== 'table') return;
        rule.next = described.next === undefined ? (this.all[i + 1] ?? null) : new Level(described.next);
      });
    });
    this.top = this.all[0];
    this.last = this.all[this.all.length - 1];
    this.beforeLast = this.all[this.all.length - 2];
  }
}

const ready = new WeakMap<PagingMode, Levels>();

/** Made once for each mode: processes share it. */
export function levelsOf(mode: PagingMode): Levels {
  let levels = ready.get(mode);
  if (levels === undefined) {
    levels = new Levels(mode);
    ready.set(mode, levels);
  }
  return levels;
}

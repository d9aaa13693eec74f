// Ranges that may overlap as disjoint pieces in order, the earlier range first: what an address is looked up in.
import type { AddressRange } from './address-range.js';
import { Extents, RangeColumns } from './extents.js';
import { HIGH, halves, LOW, splitU64, U64_MAX } from './u64.js';

/** Targets at or past this are not exact numbers. */
export const MOST_EXACT = 2 ** 53;

/** Disjoint pieces of ranges, sorted; 64-bit addresses as two halves, so that a look-up makes no bigint. */
export class Pieces {
  readonly startHigh: Uint32Array;
  readonly startLow: Uint32Array;
  /** Bytes of each piece. */
  readonly lengths: Float64Array;
  /** Physical address or file offset of each piece's start. */
  readonly targets: Float64Array;
  /** Which range a piece belongs to. */
  readonly owners: Uint32Array;
  /** 1 where a piece's bytes are found by file offset. */
  readonly byFile: Uint8Array;
  /** As targets; minus infinity where a piece has no physical addresses, or not all of them are exact. */
  readonly paddrs: Float64Array;
  readonly count: number;

  constructor(ranges: readonly AddressRange[]) {
    const borders = new Borders(ranges);
    const { starts, ends, values, length } = firstCome(ranges, borders);
    this.count = length;
    this.startHigh = new Uint32Array(length);
    this.startLow = new Uint32Array(length);
    this.lengths = new Float64Array(length);
    this.targets = new Float64Array(length);
    this.owners = new Uint32Array(length);
    this.byFile = new Uint8Array(length);
    this.paddrs = new Float64Array(length);
    for (let i = 0; i < length; i++) {
      const startHigh = borders.highs[starts[i]];
      const startLow = borders.lows[starts[i]];
      this.startHigh[i] = startHigh;
      this.startLow[i] = startLow;
      this.lengths[i] = (borders.highs[ends[i]] - startHigh) * 2 ** 32 + (borders.lows[ends[i]] - startLow);
      const owner = Math.floor(values[i] / OWNER);
      splitU64(ranges[owner].first);
      this.targets[i] = ranges[owner].target + (startHigh - halves[HIGH]) * 2 ** 32 + (startLow - halves[LOW]);
      this.owners[i] = owner;
      this.byFile[i] = ranges[owner].method === 'file' ? 1 : 0;
      const isPhysical = this.byFile[i] === 0 && this.targets[i] + this.lengths[i] < MOST_EXACT;
      this.paddrs[i] = isPhysical ? this.targets[i] : Number.NEGATIVE_INFINITY;
    }
  }

  /** Index of the piece that starts last at or before the address given in halves, or -1. */
  before(addressHigh: number, addressLow: number): number {
    let from = 0;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const startHigh = this.startHigh[middle];
      if (startHigh < addressHigh || (startHigh === addressHigh && this.startLow[middle] <= addressLow)) {
        from = middle + 1;
      } else to = middle;
    }
    return from - 1;
  }

  /** How far an address given in halves is in piece `i`; minus infinity where it is not in it. */
  into(i: number, addressHigh: number, addressLow: number): number {
    const into = (addressHigh - this.startHigh[i]) * 0x1_0000_0000 + (addressLow - this.startLow[i]);
    return into >= 0 && into < this.lengths[i] ? into : Number.NEGATIVE_INFINITY;
  }
}

/** All addresses where ranges begin or have ended, ascending, each once, in halves. Behind the highest stands 2^64. */
class Borders {
  readonly highs: Float64Array;
  readonly lows: Float64Array;
  readonly count: number;

  constructor(ranges: readonly AddressRange[]) {
    const all = new BigUint64Array(2 * ranges.length);
    // What ends at 2^64 has no border there but the one that is always there.
    for (const [i, { first, last }] of ranges.entries()) all.set([first, last === U64_MAX ? first : last + 1n], 2 * i);
    all.sort();
    this.highs = new Float64Array(all.length + 1);
    this.lows = new Float64Array(all.length + 1);
    let count = 0;
    for (const border of all) {
      splitU64(border);
      const high = halves[HIGH];
      const low = halves[LOW];
      if (count > 0 && this.highs[count - 1] === high && this.lows[count - 1] === low) continue;
      this.highs[count] = high;
      this.lows[count++] = low;
    }
    this.count = count;
    this.highs[count] = 2 ** 32;
    this.lows[count] = 0;
  }

  /** The number of a border. */
  place(address: bigint): number {
    splitU64(address);
    const high = halves[HIGH];
    const low = halves[LOW];
    let from = 0;
    let to = this.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.highs[middle] < high || (this.highs[middle] === high && this.lows[middle] < low)) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}

/** The owner sits above the place, so that pieces are joined only where both go on. */
const OWNER = 2 ** 24;

/** First come, first served: the sweep of Extents over the places of all borders, since it knows numbers only. */
function firstCome(ranges: readonly AddressRange[], borders: Borders): Extents {
  const columns = new RangeColumns();
  for (const [owner, { first, last }] of ranges.entries()) {
    const start = borders.place(first);
    const end = last === U64_MAX ? borders.count : borders.place(last + 1n);
    columns.add(start, end, owner * OWNER + start);
  }
  return Extents.of(columns);
}

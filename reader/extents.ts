// Which bytes exist, as disjoint, sorted ranges [start, end), each with a number of its own (a file offset, an index). Presence is kept
// so and never as pages: a page may be there only in part.

/** What `Extents.find` returns when no range holds the address. */
export const NOT_FOUND = -1;

export class Extents {
  /** Sorted starts, their ends and the value of each start (a byte further on has the value + its distance). */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly values: Float64Array;
  readonly length: number;

  private constructor(starts: Float64Array, ends: Float64Array, values: Float64Array) {
    this.starts = starts;
    this.ends = ends;
    this.values = values;
    this.length = starts.length;
  }

  /**
   * From ranges in any order; where two overlap, the one given first wins and the other keeps what is left of it. O(n log n)
   * plus the pieces made.
   */
  static from(ranges: readonly { start: number; end: number; value: number }[]): Extents {
    let sorted = true;
    for (let i = 1; i < ranges.length && sorted; i++) sorted = ranges[i - 1].end <= ranges[i].start;
    const pieces = sorted ? ranges.filter(r => r.end > r.start) : disjoint(ranges);
    const starts = new Float64Array(pieces.length);
    const ends = new Float64Array(pieces.length);
    const values = new Float64Array(pieces.length);
    for (let i = 0; i < pieces.length; i++) {
      starts[i] = pieces[i].start;
      ends[i] = pieces[i].end;
      values[i] = pieces[i].value;
    }
    return new Extents(starts, ends, values);
  }

  /** Index of the range that holds `address`, or NOT_FOUND. */
  find(address: number): number {
    const i = this.after(address) - 1;
    return i >= 0 && address < this.ends[i] ? i : NOT_FOUND;
  }

  /** Index of the first range that starts behind `address` (`length` if there is none). */
  after(address: number): number {
    let from = 0;
    let to = this.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.starts[middle] <= address) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** How many bytes exist. */
  get bytes(): number {
    let sum = 0;
    for (let i = 0; i < this.length; i++) sum += this.ends[i] - this.starts[i];
    return sum;
  }

  /** The end of the last range, 0 if there is none. */
  get end(): number {
    return this.length === 0 ? 0 : this.ends[this.length - 1];
  }

  /** Ranges that touch become one; values are lost (they become the starts). */
  merged(): Extents {
    const ranges: { start: number; end: number; value: number }[] = [];
    for (let i = 0; i < this.length; i++) {
      const last = ranges[ranges.length - 1];
      if (last !== undefined && last.end === this.starts[i]) last.end = this.ends[i];
      else ranges.push({ start: this.starts[i], end: this.ends[i], value: this.starts[i] });
    }
    return Extents.from(ranges);
  }
}

interface Piece {
  start: number;
  end: number;
  value: number;
}

/** A sweep over all borders: of the ranges open at a place the earliest given is taken. */
function disjoint(ranges: readonly Piece[]): Piece[] {
  const order = ranges.map((_, i) => i).filter(i => ranges[i].end > ranges[i].start);
  order.sort((a, b) => ranges[a].start - ranges[b].start || a - b);
  const pieces: Piece[] = [];
  // A binary heap of open ranges, the earliest given on top; ended ones are dropped when they surface.
  const heap: number[] = [];
  let next = 0;
  let at = 0;
  while (next < order.length || heap.length > 0) {
    while (heap.length > 0 && ranges[heap[0]].end <= at) pop(heap);
    if (heap.length === 0) {
      if (next >= order.length) break;
      at = ranges[order[next]].start;
    }
    while (next < order.length && ranges[order[next]].start <= at) push(heap, order[next++]);
    while (heap.length > 0 && ranges[heap[0]].end <= at) pop(heap);
    if (heap.length === 0) continue;
    const top = heap[0];
    const stop = Math.min(ranges[top].end, next < order.length ? ranges[order[next]].start : Number.POSITIVE_INFINITY);
    const value = ranges[top].value + (at - ranges[top].start);
    const last = pieces[pieces.length - 1];
    if (last !== undefined && last.end === at && last.value + (at - last.start) === value) last.end = stop;
    else pieces.push({ start: at, end: stop, value });
    at = stop;
  }
  return pieces;
}

function push(heap: number[], item: number): void {
  let i = heap.push(item) - 1;
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (heap[parent] <= heap[i]) break;
    [heap[parent], heap[i]] = [heap[i], heap[parent]];
    i = parent;
  }
}

function pop(heap: number[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  let i = 0;
  for (;;) {
    const left = 2 * i + 1;
    if (left >= heap.length) break;
    const child = left + 1 < heap.length && heap[left + 1] < heap[left] ? left + 1 : left;
    if (heap[i] <= heap[child]) break;
    [heap[i], heap[child]] = [heap[child], heap[i]];
    i = child;
  }
}

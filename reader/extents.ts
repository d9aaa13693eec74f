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
    const columns = new RangeColumns();
    for (const { start, end, value } of ranges) columns.add(start, end, value);
    return Extents.of(columns);
  }

  /** As `from`, of ranges that are no objects: there may be many. */
  static of(ranges: RangeColumns): Extents {
    const { starts, ends, values } = ranges.inOrder() ? ranges : disjoint(ranges);
    return new Extents(Float64Array.from(starts), Float64Array.from(ends), Float64Array.from(values));
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
    const ranges = new RangeColumns();
    for (let i = 0; i < this.length; i++) {
      const last = ranges.length - 1;
      if (last >= 0 && ranges.ends[last] === this.starts[i]) ranges.ends[last] = this.ends[i];
      else ranges.add(this.starts[i], this.ends[i], this.starts[i]);
    }
    return Extents.of(ranges);
  }
}

/** Ranges [start, end) with a value each, three numbers and no object for each. Those without bytes are left out. */
export class RangeColumns {
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly values: number[] = [];

  get length(): number {
    return this.starts.length;
  }

  add(start: number, end: number, value: number): void {
    if (!(end > start)) return;
    this.starts.push(start);
    this.ends.push(end);
    this.values.push(value);
  }

  /** Ascending and disjoint as they are. */
  inOrder(): boolean {
    for (let i = 1; i < this.length; i++) if (this.ends[i - 1] > this.starts[i]) return false;
    return true;
  }
}

/** A sweep over all borders: of the ranges open at a place the earliest given is taken. */
function disjoint({ starts, ends, values, length }: RangeColumns): RangeColumns {
  const order = Uint32Array.from(starts, (_, i) => i).sort((a, b) => starts[a] - starts[b] || a - b);
  const pieces = new RangeColumns();
  // A binary heap of open ranges, the earliest given on top; ended ones are dropped when they surface.
  const heap: number[] = [];
  let next = 0;
  let at = 0;
  while (next < length || heap.length > 0) {
    while (heap.length > 0 && ends[heap[0]] <= at) pop(heap);
    if (heap.length === 0) {
      if (next >= length) break;
      at = starts[order[next]];
    }
    while (next < length && starts[order[next]] <= at) push(heap, order[next++]);
    while (heap.length > 0 && ends[heap[0]] <= at) pop(heap);
    if (heap.length === 0) continue;
    const top = heap[0];
    const stop = Math.min(ends[top], next < length ? starts[order[next]] : Number.POSITIVE_INFINITY);
    const value = values[top] + (at - starts[top]);
    const last = pieces.length - 1;
    const goesOn = last >= 0 && pieces.ends[last] === at && pieces.values[last] + (at - pieces.starts[last]) === value;
    if (goesOn) pieces.ends[last] = stop;
    else pieces.add(at, stop, value);
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

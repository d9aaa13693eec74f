// Ascending, disjoint ranges of page frames, two numbers each: there may be millions.

export class FrameRanges {
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  /** Frames in all ranges. */
  frames = 0;

  get length(): number {
    return this.starts.length;
  }

  /** [start, end), not before what was added last: what touches it is joined, what overlaps it counts once. */
  add(start: number, end: number): void {
    const last = this.ends.length - 1;
    const from = last < 0 ? start : Math.max(start, this.ends[last]);
    if (end <= from) return;
    this.frames += end - from;
    if (last >= 0 && this.ends[last] === from) this.ends[last] = end;
    else {
      this.starts.push(from);
      this.ends.push(end);
    }
  }

  has(pfn: number): boolean {
    let from = 0;
    let to = this.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.ends[middle] <= pfn) from = middle + 1;
      else to = middle;
    }
    return from < this.length && pfn >= this.starts[from];
  }

  *[Symbol.iterator](): Iterator<readonly [start: number, end: number]> {
    for (let i = 0; i < this.length; i++) yield [this.starts[i], this.ends[i]];
  }

  /** The union of these and others, which are ascending by their starts. */
  union(others: Iterable<readonly [start: number, end: number]>): FrameRanges {
    const united = new FrameRanges();
    const other = others[Symbol.iterator]();
    let next = other.next();
    for (const [start, end] of this) {
      for (; next.done !== true && next.value[0] < start; next = other.next()) united.add(next.value[0], next.value[1]);
      united.add(start, end);
    }
    for (; next.done !== true; next = other.next()) united.add(next.value[0], next.value[1]);
    return united;
  }
}

// Page frames cut out of ranges of memory, in one pass over both, two numbers a range.
import { RangeColumns } from 'kdumpling/reader';

/** Page frames, as ascending, disjoint ranges. */
export interface Frames {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** What is left of memory, and what was cut out of it, in bytes. */
export interface Cut {
  readonly kept: RangeColumns;
  readonly cut: RangeColumns;
}

/**
 * Cuts page frames out of ascending, disjoint ranges of bytes. Values of the result are 0.
 * @param leastRun frames in a row within one range; fewer stay unless nothing of the range is kept behind them
 */
export function cutFrames(present: RangeColumns, frames: Frames, pageSize: number, leastRun: number): Cut {
  const kept = new RangeColumns();
  const cut = new RangeColumns();
  const { starts, ends } = frames;
  let d = 0;
  for (let i = 0; i < present.length; i++) {
    const end = present.ends[i];
    let at = present.starts[i];
    while (d < starts.length && ends[d] * pageSize <= at) d++;
    // What is kept reaches up to `from`; runs too short to be cut are passed over.
    let from = at;
    let k = d;
    for (; k < starts.length && starts[k] * pageSize < end; k++) {
      const start = Math.max(at, starts[k] * pageSize);
      const stop = Math.min(end, ends[k] * pageSize);
      at = stop;
      if (stop - start < leastRun * pageSize && stop < end) continue;
      if (start > from) kept.add(from, start, 0);
      cut.add(start, stop, 0);
      from = stop;
    }
    if (from < end) kept.add(from, end, 0);
    d = Math.max(d, k - 1);
  }
  return { kept, cut };
}

/** The union of two lists of frames. */
export function unitedFrames(a: Frames, b: Frames): Frames {
  const starts: number[] = [];
  const ends: number[] = [];
  let i = 0;
  let k = 0;
  while (i < a.starts.length || k < b.starts.length) {
    const first = k >= b.starts.length || (i < a.starts.length && a.starts[i] <= b.starts[k]);
    const start = first ? a.starts[i] : b.starts[k];
    const end = first ? a.ends[i++] : b.ends[k++];
    const last = ends.length - 1;
    if (last >= 0 && start <= ends[last]) ends[last] = Math.max(ends[last], end);
    else {
      starts.push(start);
      ends.push(end);
    }
  }
  return { starts, ends };
}

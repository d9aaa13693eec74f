// Takes the memory that a plan promises from a dump to a writer, in one sequential scan; tells what could not be had after all.
import type { Extents, PhysicalMemory } from 'kdumpling/reader';
import type { ByteRange } from 'kdumpling/reader/formats/real-bytes';
import type { DumpPlan } from './plan.js';
import type { DumpWriter } from './writers/writer.js';

/** Less than this between two ranges is read over and thrown away. */
const SMALL_GAP = 16384;

/** The last of the ranges that are read in one scan with `first`. */
function groupEnd({ starts, ends, length }: Extents, first: number): number {
  let last = first;
  while (last + 1 < length && starts[last + 1] - ends[last] <= SMALL_GAP) last++;
  return last;
}

/** Returns what the plan promised and the scan could not decode, ascending. */
export function writeMemory(
  physical: PhysicalMemory,
  plan: DumpPlan,
  writer: DumpWriter,
  onProgress?: (done: number, total: number) => void,
): ByteRange[] {
  const { present } = plan;
  const lost: { start: number; end: number }[] = [];
  if (present.length === 0) return lost;
  let range = 0;
  let at = present.starts[0];
  let done = 0;
  /** Everything promised up to `to` that was not given to the writer. */
  const pass = (to: number): void => {
    while (range < present.length && at < to) {
      const end = Math.min(to, present.ends[range]);
      if (at < end) {
        passOver(physical, at, end, writer, lost);
        done += end - at;
      }
      if (present.ends[range] > to) {
        at = Math.max(at, end);
        return;
      }
      range++;
      at = range < present.length ? present.starts[range] : to;
    }
  };
  /** Bytes of a scan, of which the plan may have dropped some. */
  const take = (paddr: number, bytes: Uint8Array): void => {
    const end = paddr + bytes.length;
    // A first attempt's lost memory is not in the plan either.
    pass(paddr);
    while (range < present.length && present.starts[range] < end) {
      const from = Math.max(paddr, at, present.starts[range]);
      const to = Math.min(end, present.ends[range]);
      if (to > from) {
        writer.data(from, to - from === bytes.length ? bytes : bytes.subarray(from - paddr, to - paddr));
        done += to - from;
        at = to;
      }
      if (present.ends[range] > end) return;
      range++;
      if (range < present.length) at = present.starts[range];
    }
  };
  for (let first = 0; first < present.length; ) {
    const last = groupEnd(present, first);
    physical.scan(present.starts[first], present.ends[last], (paddr, bytes) => {
      take(paddr, bytes);
      onProgress?.(done, plan.presentBytes);
      return true;
    });
    first = last + 1;
  }
  pass(present.end);
  return lost;
}

/** A gap in a scan: zeros that it did not bother to give, or pages that cannot be decoded. */
function passOver(
  physical: PhysicalMemory,
  from: number,
  to: number,
  writer: DumpWriter,
  lost: { start: number; end: number }[],
): void {
  for (const { start, end, state } of physical.runs(from, to)) {
    if (state === 'zero') {
      writer.zero(start, end - start);
      continue;
    }
    writer.lost(start, end - start);
    const last = lost[lost.length - 1];
    if (last !== undefined && last.end === start) last.end = end;
    else lost.push({ start, end });
  }
}

// Takes the memory that a plan promises from a dump to a writer, in one sequential scan; tells what could not be had after all.
import type { PhysicalMemory } from 'kdumpling/reader';
import type { ByteRange } from 'kdumpling/reader/formats/real-bytes';
import type { DumpPlan } from './plan.js';
import type { DumpWriter } from './writers/writer.js';

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
  physical.scan(at, present.end, (paddr, bytes) => {
    // A first attempt's lost memory is not in the plan, and no scan gives what runs() did not promise.
    if (paddr > at) pass(paddr);
    writer.data(paddr, bytes);
    at = paddr + bytes.length;
    done += bytes.length;
    while (range < present.length && present.ends[range] <= at) range++;
    if (range < present.length) at = Math.max(at, present.starts[range]);
    onProgress?.(done, plan.presentBytes);
    return true;
  });
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

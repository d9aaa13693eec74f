// The two bitmaps of the kdump-compressed format: one bit per frame, the lowest bit first. Source: makedumpfile 1.7 (set_bitmap).
import type { ByteSink } from 'kdumpling/reader';
import { type DumpPlan, extentRanges, joined, type PageRanges, pagesOf } from '../plan.js';

/** Also the least hole: a file system's block. */
const CHUNK = 4096;

/** The frames that get a descriptor (present, or missing and told so by an empty one), and those that existed at all. */
export function kdumpPages(plan: DumpPlan): { dumped: PageRanges; existing: PageRanges } {
  const dumped = joined([...extentRanges(plan.present)], plan.missing);
  return {
    dumped: pagesOf(dumped, plan.pageSize),
    existing: pagesOf(joined(dumped, plan.excluded), plan.pageSize),
  };
}

/** Writes `size` bytes of bitmap with the bits of `pages` set; long stretches without any become holes. */
export function writeBitmap(sink: ByteSink, pages: PageRanges, size: number): void {
  const chunk = new Uint8Array(CHUNK);
  let range = 0;
  let at = 0;
  while (at < size) {
    const firstBit = at * 8;
    while (range < pages.starts.length && pages.ends[range] <= firstBit) range++;
    const nextByte = range < pages.starts.length ? Math.floor(pages.starts[range] / 8) : size;
    if (nextByte - at >= CHUNK || nextByte >= size) {
      const end = Math.min(size, nextByte - (nextByte % CHUNK));
      sink.hole((nextByte >= size ? size : end) - at);
      at = nextByte >= size ? size : end;
      continue;
    }
    const length = Math.min(CHUNK, size - at);
    chunk.fill(0);
    for (let i = range; i < pages.starts.length && pages.starts[i] < (at + length) * 8; i++) {
      setBits(chunk, Math.max(pages.starts[i] - firstBit, 0), Math.min(pages.ends[i] - firstBit, length * 8));
    }
    sink.write(length === CHUNK ? chunk : chunk.subarray(0, length));
    at += length;
  }
}

function setBits(bytes: Uint8Array, from: number, to: number): void {
  let bit = from;
  while (bit < to && (bit & 7) !== 0) {
    bytes[bit >> 3] |= 1 << (bit & 7);
    bit++;
  }
  const whole = (to - bit) >> 3;
  bytes.fill(0xff, bit >> 3, (bit >> 3) + whole);
  bit += whole * 8;
  while (bit < to) {
    bytes[bit >> 3] |= 1 << (bit & 7);
    bit++;
  }
}

// Regions may overlap (a page table inside the kernel's data): then both blobs must have the same bytes. Where they do not, one of them is of another
// dump or another place, and that is told.
import { hex } from '../../fault.js';
import type { Faults } from './faults.js';
import type { Medium } from './media.js';
import type { PlacedSegment } from './place.js';

/** Overlaps are small; of larger ones only so much is compared in all. */
const MOST_COMPARED = 64 << 20;
const BLOCK = 65536;

export function compareOverlaps(medium: Medium, segments: readonly PlacedSegment[], faults: Faults): void {
  // In memory both are the same bytes.
  if (medium.memory !== null) return;
  const order = segments.filter(
    ({ source, spans, sharesWith }) => source !== null && spans.length > 0 && sharesWith < 0,
  );
  order.sort((a, b) => a.paddr - b.paddr || a.size - b.size);
  let left = MOST_COMPARED;
  let reaching: PlacedSegment | null = null;
  for (const segment of order) {
    if (reaching !== null && segment.paddr < endOf(reaching)) {
      const length = Math.min(endOf(reaching), endOf(segment)) - segment.paddr;
      const differs = length > left ? -1 : firstDifference(reaching, segment, length);
      if (length > left) faults.note('overlap-not-compared', 'regions overlap by more than is compared', segment.paddr);
      left -= Math.min(left, length);
      if (differs >= 0) {
        faults.add(
          'overlap-differs',
          `the regions at ${hex(reaching.paddr)} and ${hex(segment.paddr)} overlap, but their bytes differ at ${hex(segment.paddr + differs)}`,
          segment.paddr + differs,
        );
      }
    }
    if (reaching === null || endOf(segment) > endOf(reaching)) reaching = segment;
  }
}

/** Blobs of files are there from their first byte on. */
const endOf = ({ paddr, spans }: PlacedSegment): number => paddr + (spans[0]?.end ?? 0);

/** Distance of the first different byte from `b`'s start, or -1. */
function firstDifference(a: PlacedSegment, b: PlacedSegment, length: number): number {
  const one = new Uint8Array(Math.min(BLOCK, length));
  const two = new Uint8Array(one.length);
  for (let at = 0; at < length; at += one.length) {
    const want = Math.min(one.length, length - at);
    a.source?.read(a.sourceOffset + b.paddr - a.paddr + at, one.subarray(0, want));
    b.source?.read(b.sourceOffset + at, two.subarray(0, want));
    for (let i = 0; i < want; i++) if (one[i] !== two[i]) return at + i;
  }
  return -1;
}

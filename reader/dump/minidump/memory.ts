// Placed regions as memory: one source of all blobs, and which of its bytes lie at which physical address. Where regions overlap the one that the header
// names first counts.
import { Extents } from '../../extents.js';
import type { ByteSource } from '../../source.js';
import type { Gap } from '../extent-memory.js';
import { JoinedSource } from '../joined-source.js';
import type { PlacedSegment, Placement } from './place.js';

export interface PlacedMemory {
  readonly source: ByteSource;
  /** Values are offsets in `source`. */
  readonly extents: Extents;
  /** Registered, but not there: lost blobs (`hole`) and the ends of short ones (`truncated`). */
  readonly gaps: readonly Gap[];
}

export function placedMemory({ segments }: Placement): PlacedMemory {
  const sources = new Map<ByteSource, number>();
  const filled = segments.filter(
    ({ source, spans, sharesWith }) => source !== null && spans.length > 0 && sharesWith < 0,
  );
  for (const { source } of filled) if (source !== null && !sources.has(source)) sources.set(source, sources.size);
  const joined = new JoinedSource([...sources.keys()]);
  const ranges: { start: number; end: number; value: number }[] = [];
  for (const { source, sourceOffset, spans, paddr } of filled) {
    const base = joined.bases[sources.get(source as ByteSource) as number] + sourceOffset;
    for (const { start, end } of spans) ranges.push({ start: paddr + start, end: paddr + end, value: base + start });
  }
  return { source: joined, extents: Extents.from(ranges), gaps: gapsOf(segments) };
}

function gapsOf(segments: readonly PlacedSegment[]): Gap[] {
  const lost = segments.filter(({ spans, size }) => spans.length === 0 && size > 0);
  const cut = segments.filter(({ spans, size }) => spans.length > 0 && spans[spans.length - 1].end < size);
  const range = ({ paddr, size }: PlacedSegment) => ({ start: paddr, end: paddr + size, value: 0 });
  const gaps: Gap[] = [];
  if (lost.length > 0) {
    gaps.push({
      reason: 'hole',
      detail: 'the region was registered, but its blob is not there',
      extents: Extents.from(lost.map(range)),
    });
  }
  if (cut.length > 0) {
    gaps.push({
      reason: 'truncated',
      detail: 'the blob of this region is short',
      extents: Extents.from(cut.map(range)),
    });
  }
  return gaps;
}

// A stretch of virtual addresses and how its bytes are found: what an address map is made of.
import { hex } from './fault.js';

/** How a range finds its bytes: `segment` and `linear` by physical address, `file` by the offset in the container of a core without physical addresses. */
export type MapMethod = 'segment' | 'linear' | 'file';

export interface AddressRange {
  readonly name: string;
  readonly method: MapMethod;
  /** First and last address. */
  readonly first: bigint;
  readonly last: bigint;
  /** Physical address (or file offset) of the first byte. */
  readonly target: number;
  /** What confirmed it, for instance `init_uts_ns`; '' for a segment, whose claim is taken as it is. */
  readonly confirmedBy: string;
  /** The map may go on behind `last`: no more of it is proven. */
  readonly partial: boolean;
}

/** The map for people, a line a range, in order of precedence. */
export function formatRanges(ranges: readonly AddressRange[], most = 64): string[] {
  const lines = ranges.slice(0, most).map(range => {
    const to = range.method === 'file' ? 'file offset' : 'physical';
    const by = range.confirmedBy === '' ? '' : `, confirmed by ${range.confirmedBy}`;
    return `${hex(range.first)}-${hex(range.last)} ${range.method} ${range.name} -> ${to} ${hex(range.target)}${by}`;
  });
  if (ranges.length > most) lines.push(`and ${ranges.length - most} more`);
  return lines;
}

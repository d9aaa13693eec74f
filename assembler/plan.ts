// What of a dump's memory is to be written, found in one walk over its states before any of it is read: every header, bitmap and offset
// of an output follows from it.
import { Extents, type MemoryRun, type PhysicalMemory, RangeColumns } from 'kdumpling/reader';
import type { ByteRange } from 'kdumpling/reader/formats/real-bytes';
import { cutFrames, type Frames } from './cut-frames.js';

/** Past every physical address that a dump may have. */
export const MEMORY_END = 2 ** 52;

/**
 * Memory that the headers claim and the file lacks is kept as such up to these many bytes, or so many for each byte that is there, whichever is more. A claim
 * of more is no dump cut short but a wrong header: it would make a few bytes into bitmaps of terabytes. The same holds for the number of pieces, which cost a bit
 * each in a bitmap that lies.
 */
const MISSING = { least: 2 ** 32, perByte: 1024 };
const EXCLUDED = { least: 2 ** 40, perByte: 65536 };
const PIECES = { least: 2 ** 16, perPiece: 4 };
/** Claims are remembered up to these many pieces; those behind are counted together. */
const MOST_REMEMBERED = 2 ** 20;

/** Ranges of pages, ascending and disjoint, as numbers of pages. */
export interface PageRanges {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly pages: number;
}

export interface DumpPlan {
  readonly pageSize: number;
  /** Bytes that are there (zero pages included), as merged ranges; the value of each is where it begins when they are laid end to end. */
  readonly present: Extents;
  readonly presentBytes: number;
  /** Bytes that were filtered out when the dump was made, or are now. */
  readonly excluded: readonly ByteRange[];
  /** How many of them are filtered out now. */
  readonly droppedBytes: number;
  /** Bytes that the dump should have and lacks: cut off, or known to be damaged. */
  readonly missing: readonly ByteRange[];
  /** What headers claim beyond all likelihood: taken as if it had never been. */
  readonly unlikely: readonly ByteRange[];
  /** One past the last page that is present, excluded or missing. */
  readonly endPfn: number;
}

/** Page frames that the output is to do without; runs of fewer than `leastRun` may stay. */
export interface PlannedDrop {
  readonly frames: Frames;
  readonly leastRun: number;
}

const NO_DROP: PlannedDrop = { frames: { starts: [], ends: [] }, leastRun: 1 };

/** @param lost ranges that a first attempt found to be undecodable: taken as missing */
export function planDump(
  physical: PhysicalMemory,
  pageSize: number,
  lost: readonly ByteRange[] = [],
  drop: PlannedDrop = NO_DROP,
): DumpPlan {
  const present = new RangeList();
  const excluded = new RangeList(MOST_REMEMBERED);
  const missing = new RangeList(MOST_REMEMBERED);
  for (const run of physical.runs(0, MEMORY_END)) place(run, present, excluded, missing);
  const there = new RangeColumns();
  for (const { start, end } of lost.length === 0 ? present : subtract(present.ranges, lost)) there.add(start, end, 0);
  const { kept, cut } = cutFrames(there, drop.frames, pageSize, drop.leastRun);
  const laid = new RangeColumns();
  let bytes = 0;
  for (let i = 0; i < kept.length; i++) {
    laid.add(kept.starts[i], kept.ends[i], bytes);
    bytes += kept.ends[i] - kept.starts[i];
  }
  const size = { bytes: bytes + cutBytes(cut), pieces: there.length };
  const claims = likely(missing, size, MISSING);
  const lacking = { ranges: joined(claims.ranges, lost), beyond: claims.beyond };
  const filtered = likely(excluded, size, EXCLUDED);
  const left = cut.length === 0 ? filtered.ranges : joined(filtered.ranges, byteRanges(cut));
  const end = Math.max(laid.ends[laid.length - 1] ?? 0, lastEnd(left), lastEnd(lacking.ranges));
  return {
    pageSize,
    present: Extents.of(laid),
    presentBytes: bytes,
    excluded: left,
    droppedBytes: cutBytes(cut),
    missing: lacking.ranges,
    unlikely: [...lacking.beyond, ...filtered.beyond],
    endPfn: Math.ceil(end / pageSize),
  };
}

const cutBytes = (cut: RangeColumns): number => cut.starts.reduce((sum, start, i) => sum + cut.ends[i] - start, 0);

const byteRanges = ({ starts, ends }: RangeColumns): ByteRange[] => starts.map((start, i) => ({ start, end: ends[i] }));

/** Parts claims into those that are within the limits together, in order, and the others. */
function likely(
  claims: RangeList,
  present: { readonly bytes: number; readonly pieces: number },
  limit: { readonly least: number; readonly perByte: number },
): { ranges: readonly ByteRange[]; beyond: readonly ByteRange[] } {
  let bytesLeft = Math.max(limit.least, present.bytes * limit.perByte);
  let piecesLeft = PIECES.least + present.pieces * PIECES.perPiece;
  const kept: ByteRange[] = [];
  const beyond: { start: number; end: number }[] = [];
  for (const { start, end } of claims) {
    if (piecesLeft > 0 && end - start <= bytesLeft) {
      bytesLeft -= end - start;
      piecesLeft--;
      kept.push({ start, end });
      continue;
    }
    // What is dropped is told as one where nothing kept lies between.
    const last = beyond[beyond.length - 1];
    if (last !== undefined && last.end >= (kept[kept.length - 1]?.end ?? 0)) last.end = end;
    else beyond.push({ start, end });
  }
  if (claims.forgotten !== null) beyond.push(claims.forgotten);
  return { ranges: kept, beyond };
}

function place(run: MemoryRun, present: RangeList, excluded: RangeList, missing: RangeList): void {
  switch (run.state) {
    case 'data':
    case 'zero':
      present.add(run.start, run.end);
      break;
    case 'excluded':
      excluded.add(run.start, run.end);
      break;
    case 'truncated':
    case 'corrupt':
      missing.add(run.start, run.end);
      break;
    default: // hole, unregistered, not-present: nothing is there and nothing was
  }
}

const lastEnd = (ranges: readonly ByteRange[]): number => (ranges.length === 0 ? 0 : ranges[ranges.length - 1].end);

/** Ascending ranges; those that touch become one. Two numbers each, since there may be millions. */
class RangeList implements Iterable<ByteRange> {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #most: number;
  forgotten: { start: number; end: number } | null = null;

  /** @param most so many are remembered; of those behind only where they begin and end together */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  add(start: number, end: number): void {
    const last = this.#ends.length - 1;
    if (this.forgotten !== null) this.forgotten.end = end;
    else if (last >= 0 && this.#ends[last] === start) this.#ends[last] = end;
    else if (last + 1 >= this.#most) this.forgotten = { start, end };
    else if (end > start) {
      this.#starts.push(start);
      this.#ends.push(end);
    }
  }

  *[Symbol.iterator](): Iterator<ByteRange> {
    for (let i = 0; i < this.#starts.length; i++) yield { start: this.#starts[i], end: this.#ends[i] };
  }

  get ranges(): ByteRange[] {
    return [...this];
  }
}

/** What of `ranges` none of `holes` covers; both ascending and disjoint. */
export function subtract(ranges: readonly ByteRange[], holes: readonly ByteRange[]): ByteRange[] {
  const left = new RangeList();
  let h = 0;
  for (const { start, end } of ranges) {
    let at = start;
    while (h < holes.length && holes[h].end <= at) h++;
    for (let i = h; i < holes.length && holes[i].start < end; i++) {
      if (holes[i].start > at) left.add(at, holes[i].start);
      at = Math.max(at, holes[i].end);
    }
    if (at < end) left.add(at, end);
  }
  return left.ranges;
}

/** The union of two lists of ranges. */
export function joined(a: readonly ByteRange[], b: readonly ByteRange[]): ByteRange[] {
  const all = [...a, ...b].sort((x, y) => x.start - y.start);
  const list: { start: number; end: number }[] = [];
  for (const { start, end } of all) {
    const last = list[list.length - 1];
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else list.push({ start, end });
  }
  return list;
}

/** The real bytes of pages that are there only in part. */
export function partialPages({ present, pageSize }: DumpPlan): ByteRange[] {
  const partial = new RangeList();
  for (const { start, end } of extentRanges(present)) {
    const firstPage = start - (start % pageSize);
    const lastPage = end - (end % pageSize);
    if (firstPage !== start) partial.add(start, Math.min(end, firstPage + pageSize));
    if (lastPage !== end && (lastPage !== firstPage || firstPage === start))
      partial.add(Math.max(start, lastPage), end);
  }
  return partial.ranges;
}

/** Pages that ranges of bytes touch; `whole` takes only those that they cover. */
export function pagesOf(ranges: Iterable<ByteRange>, pageSize: number, whole = false): PageRanges {
  const starts: number[] = [];
  const ends: number[] = [];
  let pages = 0;
  for (const range of ranges) {
    const start = whole ? Math.ceil(range.start / pageSize) : Math.floor(range.start / pageSize);
    const end = whole ? Math.floor(range.end / pageSize) : Math.ceil(range.end / pageSize);
    const last = starts.length - 1;
    if (last >= 0 && start <= ends[last]) {
      if (end > ends[last]) {
        pages += end - ends[last];
        ends[last] = end;
      }
    } else if (end > start) {
      starts.push(start);
      ends.push(end);
      pages += end - start;
    }
  }
  return { starts, ends, pages };
}

export function* extentRanges(extents: Extents): Iterable<ByteRange> {
  for (let i = 0; i < extents.length; i++) yield { start: extents.starts[i], end: extents.ends[i] };
}

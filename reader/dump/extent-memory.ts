// Physical memory whose bytes lie uncompressed in one source: ELF cores, raw images, folders of blobs (joined into one source).

import { type Extents, NOT_FOUND } from '../extents.js';
import type { FaultReason, FaultRecord } from '../fault.js';
import type { MemoryRun, MemoryState } from '../memory.js';
import { type BlockCache, CachedMemory } from '../page-cache.js';
import type { ByteSource } from '../source.js';

/** Memory that is not there, and why. */
export interface Gap {
  readonly reason: FaultReason;
  readonly detail: string;
  readonly extents: Extents;
}

export interface ExtentMemoryOptions {
  readonly source: ByteSource;
  /** What is there; values are offsets in `source`. */
  readonly extents: Extents;
  /** What is known of the rest; of several gaps that hold an address the first counts. */
  readonly gaps?: readonly Gap[];
  /** Why everything else is not there (default `hole`). */
  readonly otherwise?: FaultReason;
  readonly cache: BlockCache;
}

/** One read of `scan`. */
const SCAN_SIZE = 1 << 20;

export class ExtentMemory extends CachedMemory {
  readonly extents: Extents;
  readonly #source: ByteSource;
  readonly #gaps: readonly Gap[];
  readonly #otherwise: FaultReason;
  /** How many bytes of each cached block the source had. */
  readonly #filled: Int32Array;
  #lastExtent = 0;
  #scanBuffer: Uint8Array<ArrayBuffer> | null = null;

  constructor({ source, extents, gaps = [], otherwise = 'hole', cache }: ExtentMemoryOptions) {
    super(cache);
    this.extents = extents;
    this.#source = source;
    this.#gaps = gaps;
    this.#otherwise = otherwise;
    this.#filled = new Int32Array(cache.slots);
  }

  #extentOf(paddr: number): number {
    const { starts, ends } = this.extents;
    const last = this.#lastExtent;
    if (last < starts.length && paddr >= starts[last] && paddr < ends[last]) return last;
    const found = this.extents.find(paddr);
    if (found !== NOT_FOUND) this.#lastExtent = found;
    return found;
  }

  protected enter(paddr: number): boolean {
    const index = this.#extentOf(paddr);
    if (index === NOT_FOUND) return this.#absent(paddr);
    const { starts, ends, values } = this.extents;
    const { blockSize } = this.cache;
    const shift = starts[index] - values[index];
    const offset = paddr - shift;
    const block = Math.floor(offset / blockSize);
    const base = block * blockSize;
    let at = this.cache.find(block);
    if (at < 0) at = this.#load(block);
    const end = base + this.#filled[at / blockSize];
    if (offset >= end) return this.#endsEarly(paddr);
    this.windowStart = Math.max(starts[index], base + shift);
    this.windowEnd = Math.min(ends[index], end + shift);
    this.windowAt = at + (this.windowStart - shift - base);
    return true;
  }

  #load(block: number): number {
    const at = this.cache.claim(block);
    // What the slot held may be the window.
    this.windowEnd = this.windowStart;
    try {
      this.#filled[at / this.cache.blockSize] = this.#source.read(block * this.cache.blockSize, this.cache.slot(at));
    } catch (error) {
      this.cache.forget(at);
      throw error;
    }
    return at;
  }

  #endsEarly(paddr: number): boolean {
    this.fault.set('physical', paddr, 1, 'truncated', 'the file became shorter while it was read');
    return false;
  }

  #absent(paddr: number): boolean {
    const gap = this.#gaps.find(({ extents }) => extents.find(paddr) !== NOT_FOUND);
    this.fault.set('physical', paddr, 1, gap?.reason ?? this.#otherwise, gap?.detail ?? '');
    return false;
  }

  protected override direct(paddr: number, into: Uint8Array, at: number): number {
    const index = this.#extentOf(paddr);
    if (index === NOT_FOUND) return 0;
    const { starts, ends, values } = this.extents;
    const length = Math.min(into.length - at, ends[index] - paddr);
    if (length < this.cache.blockSize) return 0;
    return this.#source.read(values[index] + (paddr - starts[index]), into.subarray(at, at + length));
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    let run: { start: number; end: number; state: MemoryState } | null = null;
    for (const piece of this.#pieces(from, to)) {
      if (run !== null && run.state === piece.state) {
        run.end = piece.end;
        continue;
      }
      if (run !== null) yield run;
      run = piece;
    }
    if (run !== null) yield run;
  }

  *#pieces(from: number, to: number): Iterable<{ start: number; end: number; state: MemoryState }> {
    const { starts, ends, length } = this.extents;
    let at = from;
    let i = Math.max(0, this.extents.after(from) - 1);
    while (at < to) {
      while (i < length && ends[i] <= at) i++;
      if (i < length && starts[i] <= at) {
        const end = Math.min(ends[i], to);
        yield { start: at, end, state: 'data' };
        at = end;
        continue;
      }
      const stop = i < length ? Math.min(starts[i], to) : to;
      yield* this.#gapPieces(at, stop);
      at = stop;
    }
  }

  /** [from, to) holds nothing: what is known of why, piece by piece. */
  *#gapPieces(from: number, to: number): Iterable<{ start: number; end: number; state: MemoryState }> {
    let at = from;
    while (at < to) {
      let end = to;
      let state: FaultReason = this.#otherwise;
      for (const { extents, reason } of this.#gaps) {
        const next = extents.after(at);
        const inside = next > 0 && extents.ends[next - 1] > at;
        if (inside) {
          end = Math.min(end, extents.ends[next - 1]);
          state = reason;
          break;
        }
        if (next < extents.length) end = Math.min(end, extents.starts[next]);
      }
      yield { start: at, end, state };
      at = end;
    }
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    // A visitor may scan too: it then gets a buffer of its own.
    const buffer = this.#scanBuffer ?? new Uint8Array(SCAN_SIZE);
    this.#scanBuffer = null;
    const { starts, ends, values, length } = this.extents;
    const first = Math.max(0, this.extents.after(from) - 1);
    for (let i = first; i < length && starts[i] < to; i++) {
      const end = Math.min(ends[i], to);
      for (let at = Math.max(starts[i], from); at < end; ) {
        const want = Math.min(end - at, SCAN_SIZE);
        const bytes = want === SCAN_SIZE ? buffer : buffer.subarray(0, want);
        const got = this.#source.read(values[i] + (at - starts[i]), bytes);
        if (got > 0 && visit(at, got === bytes.length ? bytes : bytes.subarray(0, got)) === false) {
          this.#scanBuffer = buffer;
          return;
        }
        if (got < want) {
          this.#endsEarly(at + got);
          this.fault.length = want - got;
          onFault?.(this.fault);
        }
        at += want;
      }
    }
    this.#scanBuffer = buffer;
  }
}

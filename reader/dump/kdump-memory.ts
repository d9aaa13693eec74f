// Physical memory of kdump-compressed files: a page is found by its rank among the dumped frames, and decoded into the page cache. Source: makedumpfile 1.7
// diskdump_mod.h and IMPLEMENTATION; crash diskdump.c for split sets.
import type { CodecName, PageCodec } from '../codecs/codec.js';
import { Extents } from '../extents.js';
import { type FaultReason, type FaultRecord, hex, InputError } from '../fault.js';
import type { MemoryRun, MemoryState } from '../memory.js';
import { type BlockCache, CachedMemory } from '../page-cache.js';
import type { ByteSource } from '../source.js';
import { ANY_CODEC, codecsOf, type KdumpPart, Part, stateBehindFile } from './kdump-part.js';

/** One batch of `scan`, and the most pieces that `extents` makes of memory. */
const SCAN_SIZE = 1 << 20;
const MOST_PIECES = 1 << 20;

export class KdumpMemory extends CachedMemory {
  readonly #blockSize: number;
  readonly #parts: readonly Part[];
  readonly #codecs: ReadonlyMap<CodecName, PageCodec>;
  readonly #name: string;
  #recent: Part;
  #lastFlags = 0;
  #lastCodec: PageCodec | null = null;
  #extents: Extents | null = null;
  /** Pages are decoded into the cache's arena, or elsewhere by scans. */
  #scanBuffer: Uint8Array<ArrayBuffer> | null = null;

  /** @param parts by ascending startPfn, at least one; their bitmaps cover the same frames */
  constructor(parts: readonly KdumpPart[], codecs: ReadonlyMap<CodecName, PageCodec>, cache: BlockCache) {
    super(cache);
    this.#blockSize = cache.blockSize;
    this.#parts = parts.map(part => new Part(part, cache.blockSize));
    this.#codecs = codecs;
    this.#name = parts[0].source.name;
    this.#recent = this.#parts[0];
  }

  #partOf(pfn: number): Part | null {
    const { part } = this.#recent;
    if (pfn >= part.startPfn && pfn < part.endPfn) return this.#recent;
    for (const candidate of this.#parts) {
      if (pfn < candidate.part.startPfn || pfn >= candidate.part.endPfn) continue;
      this.#recent = candidate;
      return candidate;
    }
    return null;
  }

  protected enter(paddr: number): boolean {
    const pfn = Math.floor(paddr / this.#blockSize);
    let at = this.cache.find(pfn);
    if (at < 0) {
      at = this.cache.claim(pfn);
      this.windowEnd = this.windowStart;
      let decoded = false;
      try {
        decoded = this.#decode(pfn, this.arena, at);
      } finally {
        if (!decoded) this.cache.forget(at);
      }
      if (!decoded) {
        this.fault.address = paddr;
        return false;
      }
    }
    this.windowStart = pfn * this.#blockSize;
    this.windowEnd = this.windowStart + this.#blockSize;
    this.windowAt = at;
    return true;
  }

  protected override direct(paddr: number, into: Uint8Array, at: number): number {
    const blockSize = this.#blockSize;
    if (into.length - at < 4 * blockSize || paddr % blockSize !== 0) return 0;
    return this.#decode(paddr / blockSize, into, at) ? blockSize : 0;
  }

  #refuse(pfn: number, reason: FaultReason, detail = ''): false {
    this.fault.set('physical', pfn * this.#blockSize, this.#blockSize, reason, detail);
    return false;
  }

  /** Puts the page into output[at …], or leaves the reason in `fault`. */
  #decode(pfn: number, output: Uint8Array, at: number): boolean {
    const part = this.#partOf(pfn);
    const state = this.#find(pfn, part);
    const blockSize = this.#blockSize;
    if (state === 'zero') {
      output.fill(0, at, at + blockSize);
      return true;
    }
    if (state !== 'data') return this.#refuse(pfn, state, this.#detail(part, pfn, state));
    return part !== null && this.#decodeData(pfn, part, output, at);
  }

  #decodeData(pfn: number, part: Part, output: Uint8Array, at: number): boolean {
    const blockSize = this.#blockSize;
    const { offset, size, flags } = part.descriptors;
    const from = part.data.fetch(offset, size);
    if (from < 0) return this.#refuse(pfn, 'truncated', 'the file became shorter while it was read');
    if ((flags & ANY_CODEC) === 0) {
      output.set(part.data.bytes.subarray(from, from + blockSize), at);
      return true;
    }
    const codec = this.#codecOf(flags);
    if (codec === null) {
      return this.#refuse(pfn, 'corrupt', `flags ${hex(flags)} name a codec that the header does not announce`);
    }
    if (codec.decompress(part.data.bytes, from, size, output, at, blockSize) !== blockSize) {
      return this.#refuse(pfn, 'corrupt', `${size} bytes at file offset ${hex(offset)} are no ${codec.name} page`);
    }
    return true;
  }

  /** The codec that a descriptor names: a writer uses one, so the last is most likely the next. */
  #codecOf(flags: number): PageCodec | null {
    if (flags !== this.#lastFlags) {
      this.#lastFlags = flags;
      this.#lastCodec = this.#codecs.get(codecsOf(flags)[0]) ?? null;
    }
    return this.#lastCodec;
  }

  /** What a frame is, as far as bitmaps and descriptor tell; for `data` the descriptor is at hand. */
  #find(pfn: number, part: Part | null): MemoryState {
    const { dumped, exists } = (part ?? this.#parts[0]).part;
    if (!dumped.has(pfn)) return exists.has(pfn) ? 'excluded' : 'hole';
    if (part === null) return 'truncated';
    const { descriptors, part: file } = part;
    if (!descriptors.fetch(part.index(pfn))) return 'truncated';
    const { offset, size, flags } = descriptors;
    const blockSize = this.#blockSize;
    if (offset === 0 && size === 0) return file.incomplete ? 'truncated' : 'corrupt';
    if (size === 0 || size > blockSize || ((flags & ANY_CODEC) === 0 && size !== blockSize)) return 'corrupt';
    if (offset + size > file.source.size) return 'truncated';
    if (offset < file.descriptorsAt) return 'corrupt';
    if ((flags & ANY_CODEC) === 0 && offset === part.zeroPage(blockSize)) return 'zero';
    return 'data';
  }

  #detail(part: Part | null, pfn: number, state: MemoryState): string {
    if (state === 'hole' || state === 'excluded') return '';
    if (part === null) return `frame ${hex(pfn)} is in a part of the split set that was not given`;
    const { offset, size, flags } = part.descriptors;
    if (offset === 0 && size === 0) return 'its page descriptor was never written, or is cut off';
    return `its page descriptor says ${size} bytes at file offset ${hex(offset)}, flags ${hex(flags)}`;
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    const blockSize = this.#blockSize;
    const { frames } = this.#parts[0].part.dumped;
    const lastPfn = Math.min(frames, Math.ceil(to / blockSize));
    let pfn = Math.floor(from / blockSize);
    let run: { start: number; end: number; state: MemoryState } | null = null;
    /** The part whose file has ended before the frame at hand: from there on its bitmaps alone tell. */
    let ended: Part | null = null;
    while (pfn < lastPfn) {
      const part = this.#partOf(pfn);
      const start = Math.max(from, pfn * blockSize);
      let state: MemoryState;
      if (part !== null && part === ended) state = stateBehindFile(pfn, part.part);
      else {
        state = this.#find(pfn, part);
        if (state === 'truncated' && part?.isBehindFile(pfn) === true) ended = part;
      }
      let next = pfn + 1;
      if (state === 'hole' || state === 'excluded') next = this.#absentUntil(pfn, part, state);
      else if (part !== null && part === ended)
        next = part.part.dumped.next(next, false, Math.min(lastPfn, part.part.endPfn));
      else while (next < lastPfn && this.#find(next, this.#partOf(next)) === state) next++;
      pfn = next;
      const end = Math.min(to, next * blockSize);
      if (run !== null && run.state === state) run.end = end;
      else {
        if (run !== null) yield run;
        run = { start, end, state };
      }
    }
    const start = Math.max(from, pfn * blockSize);
    if (start >= to) {
      if (run !== null) yield run;
    } else if (run?.state === 'hole') yield { ...run, end: to };
    else {
      if (run !== null) yield run;
      yield { start, end: to, state: 'hole' };
    }
  }

  /** Where a stretch of frames that are holes or excluded ends. */
  #absentUntil(pfn: number, part: Part | null, state: 'hole' | 'excluded'): number {
    const { dumped, exists, endPfn } = (part ?? this.#parts[0]).part;
    // The second search goes no further than the first: in a filtered dump all frames exist.
    const end = exists.next(pfn, state === 'hole', dumped.next(pfn, true));
    return part === null ? pfn + 1 : Math.max(pfn + 1, Math.min(end, endPfn));
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    const buffer = this.#scanBuffer ?? new Uint8Array(Math.max(SCAN_SIZE, this.#blockSize));
    this.#scanBuffer = null;
    const blockSize = this.#blockSize;
    const { frames } = this.#parts[0].part.dumped;
    const end = Math.min(frames, Math.ceil(to / blockSize));
    let first = 0;
    let filled = 0;
    /** Hands out what is in the buffer: frames from `first` on, cut to what was asked for. */
    const flush = (): boolean => {
      const start = Math.max(from, first * blockSize);
      const stop = Math.min(to, first * blockSize + filled);
      const skipped = start - first * blockSize;
      filled = 0;
      return stop <= start || visit(start, buffer.subarray(skipped, skipped + stop - start)) !== false;
    };
    let going = true;
    for (
      let pfn = this.#nextDumped(Math.floor(from / blockSize));
      going && pfn < end;
      pfn = this.#nextDumped(pfn + 1)
    ) {
      if (filled > 0 && (filled + blockSize > buffer.length || pfn !== first + filled / blockSize)) going = flush();
      if (filled === 0) first = pfn;
      if (!going) break;
      if (this.#decode(pfn, buffer, filled)) {
        filled += blockSize;
        continue;
      }
      if (filled > 0) going = flush();
      onFault?.(this.fault);
      const part = this.#partOf(pfn);
      if (part?.isBehindFile(pfn)) pfn = Math.max(pfn, Math.min(end, part.part.endPfn) - 1);
    }
    if (going && filled > 0) flush();
    this.#scanBuffer = buffer;
  }

  #nextDumped(pfn: number): number {
    const { dumped } = (this.#partOf(pfn) ?? this.#parts[0]).part;
    return dumped.next(pfn, true);
  }

  /** Made when it is first asked for, and the only thing here that grows with the number of pieces that memory is in: prefer `runs`. */
  get extents(): Extents {
    if (this.#extents === null) {
      const pieces: { start: number; end: number; value: number }[] = [];
      for (const { start, end, state } of this.runs(0, this.bounds.end)) {
        if (state !== 'data' && state !== 'zero') continue;
        const last = pieces[pieces.length - 1];
        if (last !== undefined && last.end === start) last.end = end;
        else if (pieces.length < MOST_PIECES) pieces.push({ start, end, value: start });
        else {
          const { offset } = this.#parts[0].part.dumped;
          throw new InputError(
            { source: this.#name, record: 'bitmap of dumped frames', offset, field: 'content' },
            `memory is in more than ${MOST_PIECES} separate pieces`,
          );
        }
      }
      this.#extents = Extents.from(pieces);
    }
    return this.#extents;
  }

  /** What the file of a part lacks at its end; null if it lacks nothing. */
  cutShort(source: ByteSource): string | null {
    return this.#parts.find(candidate => candidate.part.source === source)?.cutShort() ?? null;
  }

  /** By the bitmaps, or by the descriptors of a file that was cut short: pages that turn out to be corrupt are counted. */
  override get presentBytes(): number {
    let frames = 0;
    for (const part of this.#parts) frames += part.cutShort() === null ? part.pages : part.pagesInFile();
    return frames * this.#blockSize;
  }

  override get bounds(): { readonly start: number; readonly end: number } {
    const { dumped } = this.#parts[0].part;
    const first = dumped.next(0, true);
    if (first === dumped.frames) return { start: 0, end: 0 };
    return { start: first * this.#blockSize, end: dumped.last() * this.#blockSize + this.#blockSize };
  }
}

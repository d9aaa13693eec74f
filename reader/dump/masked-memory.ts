// Memory of which a part is taken as not there: the filling of a core whose small regions were written as whole pages (its note: reader/formats/real-bytes.ts), or all that a
// region set leaves out. Everything else is the other memory's, arena and cache included.
import { Extents } from '../extents.js';
import type { FaultRecord } from '../fault.js';
import type { ByteRange } from '../formats/real-bytes.js';
import type { MemoryRun, PhysicalMemory } from '../memory.js';
import { alignDown, alignUp } from '../u64.js';
import { WrappedMemory } from '../wrapped-memory.js';

export const FILLED = 'the page was filled up with zeros around the registered bytes';

export class MaskedMemory extends WrappedMemory {
  /** What is not there. */
  readonly #masked: Extents;
  readonly #detail: string;
  #extents: Extents | null = null;

  /** @param detail why it is not there, for faults */
  constructor(base: PhysicalMemory, masked: Extents, detail: string) {
    super(base);
    this.#masked = masked;
    this.#detail = detail;
  }

  get extents(): Extents {
    if (this.#extents === null) {
      const pieces: { start: number; end: number; value: number }[] = [];
      const { starts, ends, values, length } = this.base.extents;
      for (let i = 0; i < length; i++) {
        for (const { start, end } of this.#realIn(starts[i], ends[i])) {
          pieces.push({ start, end, value: values[i] + (start - starts[i]) });
        }
      }
      this.#extents = Extents.from(pieces);
    }
    return this.#extents;
  }

  /** The pieces of [from, to) that are there. */
  *#realIn(from: number, to: number): Iterable<ByteRange> {
    const { starts, ends, length } = this.#masked;
    let at = from;
    for (let i = Math.max(0, this.#masked.after(from) - 1); i < length && starts[i] < to; i++) {
      if (ends[i] <= at) continue;
      if (starts[i] > at) yield { start: at, end: starts[i] };
      at = ends[i];
    }
    if (at < to) yield { start: at, end: to };
  }

  /** Where what is not there begins in [paddr, paddr + length), or -1. */
  #maskedIn(paddr: number, length: number): number {
    const { starts, ends } = this.#masked;
    const next = this.#masked.after(paddr);
    if (next > 0 && ends[next - 1] > paddr) return paddr;
    return next < starts.length && starts[next] < paddr + length ? starts[next] : -1;
  }

  locate(paddr: number, length: number): number {
    const masked = this.#maskedIn(paddr, length);
    const reach = masked < 0 ? length : masked - paddr;
    const at = reach === 0 ? -1 : this.base.locate(paddr, reach);
    if (reach > 0 && at < 0) return this.fault.copy(this.base.fault);
    if (masked < 0) return at;
    return this.fault.set('physical', masked, paddr + length - masked, 'unregistered', this.#detail);
  }

  read(paddr: number, into: Uint8Array): void {
    const masked = this.#maskedIn(paddr, into.length);
    if (masked !== paddr) this.base.read(paddr, masked < 0 ? into : into.subarray(0, masked - paddr));
    if (masked < 0) return;
    this.fault.set('physical', masked, paddr + into.length - masked, 'unregistered', this.#detail);
    throw this.fault.toError();
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    let last: { start: number; end: number; state: MemoryRun['state'] } | null = null;
    for (const { start, end, state } of this.#pieces(from, to)) {
      if (last !== null && last.state === state) {
        last.end = end;
        continue;
      }
      if (last !== null) yield last;
      last = { start, end, state };
    }
    if (last !== null) yield last;
  }

  *#pieces(from: number, to: number): Iterable<MemoryRun> {
    for (const run of this.base.runs(from, to)) {
      if (run.state !== 'data' && run.state !== 'zero') {
        yield run;
        continue;
      }
      let at = run.start;
      for (const { start, end } of this.#realIn(run.start, run.end)) {
        if (start > at) yield { start: at, end: start, state: 'unregistered' };
        yield { start, end, state: run.state };
        at = end;
      }
      if (at < run.end) yield { start: at, end: run.end, state: 'unregistered' };
    }
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    const realOnly = (paddr: number, bytes: Uint8Array): boolean => {
      for (const { start, end } of this.#realIn(paddr, paddr + bytes.length)) {
        if (visit(start, bytes.subarray(start - paddr, end - paddr)) === false) return false;
      }
      return true;
    };
    this.base.scan(from, to, realOnly, onFault);
  }
}

/** Everything but `stretches`, which are ascending. */
export function allBut(stretches: readonly ByteRange[]): Extents {
  const rest: { start: number; end: number; value: number }[] = [];
  let at = 0;
  for (const { start, end } of stretches) {
    if (start > at) rest.push({ start: at, end: start, value: 0 });
    at = Math.max(at, end);
  }
  rest.push({ start: at, end: Number.MAX_SAFE_INTEGER, value: 0 });
  return Extents.from(rest);
}

/**
 * The pages that real ranges touch, without those ranges.
 * @param real ascending and disjoint: all real bytes of every page that is real only in part
 */
export function fillingOf(real: readonly ByteRange[], pageSize: number): Extents {
  const filling: { start: number; end: number; value: number }[] = [];
  const add = (start: number, end: number) => {
    if (end > start) filling.push({ start, end, value: 0 });
  };
  let at = -1;
  for (const { start, end } of real) {
    const page = alignDown(start, pageSize);
    if (at >= 0 && page >= alignUp(at, pageSize)) {
      add(at, alignUp(at, pageSize));
      at = -1;
    }
    add(at < 0 ? page : at, start);
    at = end;
  }
  if (at >= 0) add(at, alignUp(at, pageSize));
  return Extents.from(filling);
}

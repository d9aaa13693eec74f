// Writes to a sink with zero pages as holes. Stretches of data between two holes go out in one piece.
import type { ByteSink } from 'kdumpling/reader';
import type { ZeroTest } from '../zero-pages.js';

/** Most file systems' block: a smaller hole saves nothing. */
const BLOCK = 4096;

export class SparseOutput {
  readonly #sink: ByteSink;
  readonly #zeroTest: ZeroTest;
  /** Where position 0 of this output is in the sink. */
  readonly #origin: number;

  constructor(sink: ByteSink, zeroTest: ZeroTest) {
    this.#sink = sink;
    this.#zeroTest = zeroTest;
    this.#origin = sink.position;
  }

  /** Leaves a hole up to `position`, which is not behind what was written. */
  to(position: number): void {
    const gap = position - (this.#sink.position - this.#origin);
    if (gap < 0) throw new RangeError('memory must be given in ascending order');
    if (gap > 0) this.#sink.hole(gap);
  }

  write(bytes: Uint8Array): void {
    // Holes only where whole blocks of the file are zero.
    let at = 0;
    let from = 0;
    let block = BLOCK - (this.#sink.position % BLOCK);
    while (at < bytes.length) {
      const length = Math.min(block, bytes.length - at);
      if (length === BLOCK && this.#zeroTest.isZero(bytes, at, length)) {
        if (at > from) this.#sink.write(bytes.subarray(from, at));
        let end = at + BLOCK;
        while (end + BLOCK <= bytes.length && this.#zeroTest.isZero(bytes, end, BLOCK)) end += BLOCK;
        this.#sink.hole(end - at);
        at = end;
        from = end;
      } else {
        at += length;
      }
      block = BLOCK;
    }
    if (at > from) this.#sink.write(from === 0 && at === bytes.length ? bytes : bytes.subarray(from, at));
  }
}

// A sink that keeps nothing: it counts, and refuses more than an input of a few KiB can honestly become.
import type { ByteSink } from 'kdumpling/reader';

/** Bytes written, not counting holes: a flattened stream has to write those too. */
export const MOST_WRITTEN = 2 ** 30 + (64 << 20);

export class CountingSink implements ByteSink {
  position = 0;
  written = 0;

  write(bytes: Uint8Array): void {
    this.position += bytes.length;
    this.written += bytes.length;
    if (this.written > MOST_WRITTEN) throw new Error(`more than ${MOST_WRITTEN} bytes were written`);
  }

  hole(length: number): void {
    if (!(length >= 0)) throw new Error(`a hole of ${length} bytes`);
    this.position += length;
  }

  patch(offset: number, bytes: Uint8Array): void {
    if (offset < 0 || offset + bytes.length > this.position)
      throw new Error(`a patch at ${offset} of ${this.position} bytes`);
  }

  finish(): void {
    if (!Number.isSafeInteger(this.position)) throw new Error(`an output of ${this.position} bytes`);
  }

  abort(): void {}
}

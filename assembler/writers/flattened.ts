// A sink that turns what is written into makedumpfile's flattened stream, in any order and once each: every byte of the file described is in exactly one
// record, unless it is patched after it was written. Readers of the format differ in what they make of bytes that no record has,
// so holes are written out as zeros in the end.
import { type ByteSink, InputError } from 'kdumpling/reader';
import {
  encodeFlattenedEnd,
  encodeFlattenedHeader,
  encodeFlattenedRecord,
  FLATTENED_RECORD_HEADER_SIZE,
} from 'kdumpling/reader/formats/flattened';

const BUFFER_SIZE = 1 << 20;
/** Holes kept open for later patches; further ones are written out at once. */
const MOST_HOLES = 65536;
/** Zeros for holes beyond those of memory: so many, or so many for each byte written, whichever is more. Only headers that lie make more: bitmaps of memory at 8 TiB and beyond in a file of next to nothing. */
const ZEROS_LIMIT = { least: 2 ** 29, perByte: 16 };
const ZEROS = new Uint8Array(65536);

export class FlattenedSink implements ByteSink {
  /** In the file that the stream describes. */
  position = 0;
  readonly #out: ByteSink;
  readonly #memory: number;
  readonly #buffer = new Uint8Array(BUFFER_SIZE);
  #buffered = 0;
  /** Ascending and disjoint: bytes that no record has yet. */
  readonly #holes: { start: number; end: number }[] = [];
  /** Bytes that were written as they are. */
  #written = 0;
  readonly #header = new Uint8Array(FLATTENED_RECORD_HEADER_SIZE);
  readonly #view = new DataView(this.#header.buffer);

  /** @param memory bytes of memory that the output may have as pages of zeros */
  constructor(out: ByteSink, memory: number) {
    this.#out = out;
    this.#memory = memory;
    out.write(encodeFlattenedHeader());
  }

  #record(offset: number, size: number): void {
    encodeFlattenedRecord(this.#view, 0, offset, size);
    this.#out.write(this.#header);
  }

  #flush(): void {
    if (this.#buffered === 0) return;
    this.#record(this.position - this.#buffered, this.#buffered);
    this.#out.write(this.#buffer.subarray(0, this.#buffered));
    this.#written += this.#buffered;
    this.#buffered = 0;
  }

  #zeros(start: number, end: number): void {
    for (let at = start; at < end; at += BUFFER_SIZE) {
      const size = Math.min(BUFFER_SIZE, end - at);
      this.#record(at, size);
      for (let done = 0; done < size; done += ZEROS.length) {
        this.#out.write(size - done >= ZEROS.length ? ZEROS : ZEROS.subarray(0, size - done));
      }
    }
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#buffered === BUFFER_SIZE) this.#flush();
      const length = Math.min(BUFFER_SIZE - this.#buffered, bytes.length - at);
      this.#buffer.set(length === bytes.length ? bytes : bytes.subarray(at, at + length), this.#buffered);
      this.#buffered += length;
      this.position += length;
      at += length;
    }
  }

  hole(length: number): void {
    if (length === 0) return;
    this.#flush();
    const start = this.position;
    this.position += length;
    if (this.#holes.length < MOST_HOLES) this.#holes.push({ start, end: this.position });
    else this.#zeros(start, this.position);
  }

  patch(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length > this.position) throw new RangeError('patch lies behind what was written');
    this.#flush();
    this.#record(offset, bytes.length);
    this.#out.write(bytes);
    this.#fill(offset, offset + bytes.length);
  }

  /** [start, end) has a record now. */
  #fill(start: number, end: number): void {
    const holes = this.#holes;
    for (let i = 0; i < holes.length && holes[i].start < end; i++) {
      const hole = holes[i];
      if (hole.end <= start) continue;
      const left: { start: number; end: number }[] = [];
      if (hole.start < start) left.push({ start: hole.start, end: start });
      if (hole.end > end) left.push({ start: end, end: hole.end });
      holes.splice(i, 1, ...left);
      i += left.length - 1;
    }
  }

  #checkHoles(): void {
    const zeros = this.#holes.reduce((sum, { start, end }) => sum + end - start, 0);
    if (zeros <= this.#memory + Math.max(ZEROS_LIMIT.least, this.#written * ZEROS_LIMIT.perByte)) return;
    throw new InputError(
      { source: 'flattened output', nowhere: 'output', record: 'flattened stream', offset: this.#holes[0].start },
      `${zeros} bytes of zeros would have to be written for holes`,
      'write the file itself, without --flat',
    );
  }

  finish(): void {
    this.#flush();
    this.#checkHoles();
    for (const { start, end } of this.#holes) this.#zeros(start, end);
    encodeFlattenedEnd(this.#view, 0);
    this.#out.write(this.#header);
    this.#out.finish();
  }

  abort(): void {
    this.#out.abort();
  }
}

// A flattened stream presented as the file that it makes up: its records are indexed in one pass and never rewritten. Source of the layout:
// reader/formats/flattened.ts.
import { Extents, NOT_FOUND } from '../extents.js';
import { hex, InputError } from '../fault.js';
import { FLATTENED_HEADER_SIZE, FLATTENED_RECORD_HEADER_SIZE, FLATTENED_SIGNATURE } from '../formats/flattened.js';
import type { Issues } from '../issue.js';
import type { ByteSource } from '../source.js';
import { getU64 } from '../u64.js';

const RECORD = 'flattened record';
/** Offset and size of -1 as getU64 gives them. */
const END = 2 ** 64;
/** The most runs of records that are kept. */
const MOST_RUNS = 1 << 20;
const READ_SIZE = 16384;
/** A gap that is read over rather than skipped. */
const NEAR = 4096;

/**
 * Records of one size that go on from each other, as a writer with a buffer makes them (64 KiB each): in the stream only their headers lie between them.
 * Their bytes are numbered through all runs, so that overlaps are resolved as for any other ranges.
 */
class Runs {
  /** Number of the first byte, place in the stream of the first record's bytes, bytes of each record. */
  readonly #numbers: number[] = [];
  readonly #places: number[] = [];
  readonly #sizes: number[] = [];
  readonly #ranges: { start: number; end: number; value: number }[] = [];
  #next = 0;
  #last = 0;

  get count(): number {
    return this.#ranges.length;
  }

  add(offset: number, size: number, place: number): void {
    if (size === 0) return;
    const i = this.#ranges.length - 1;
    const range = this.#ranges[i];
    const goesOn =
      range !== undefined &&
      range.end === offset &&
      this.#sizes[i] === size &&
      place === this.#places[i] + ((range.end - range.start) / size) * (size + FLATTENED_RECORD_HEADER_SIZE);
    if (goesOn) {
      range.end += size;
    } else {
      this.#ranges.push({ start: offset, end: offset + size, value: this.#next });
      this.#numbers.push(this.#next);
      this.#places.push(place);
      this.#sizes.push(size);
    }
    this.#next += size;
  }

  /** Offset in the file -> number of a byte. Later records overwrite earlier ones: of overlapping ranges the one given first wins. */
  extents(): Extents {
    return Extents.from(this.#ranges.reverse());
  }

  /** Set by `seek`: the place in the stream, and how many bytes follow each other there. */
  place = 0;
  reach = 0;

  seek(number: number): void {
    const numbers = this.#numbers;
    let i = this.#last;
    if (number < numbers[i] || (i + 1 < numbers.length && number >= numbers[i + 1])) i = before(numbers, number);
    this.#last = i;
    const size = this.#sizes[i];
    const record = Math.floor((number - numbers[i]) / size);
    const within = number - numbers[i] - record * size;
    this.place = this.#places[i] + record * (size + FLATTENED_RECORD_HEADER_SIZE) + within;
    this.reach = size - within;
  }
}

/** Index of the last element that is not greater; the first is not. */
function before(sorted: readonly number[], value: number): number {
  let from = 1;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle] <= value) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

export class FlattenedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  readonly #stream: ByteSource;
  readonly #runs: Runs;
  /** Offset in the file -> number of a byte in `runs`. */
  readonly #extents: Extents;
  #last = 0;

  constructor(stream: ByteSource, issues: Issues) {
    this.name = stream.name;
    this.blockSize = stream.blockSize;
    this.#stream = stream;
    this.#runs = indexRecords(stream, issues);
    this.#extents = this.#runs.extents();
    this.size = this.#extents.end;
  }

  /** What no record holds is zero, as in the sparse file that `makedumpfile -R` makes. */
  read(offset: number, into: Uint8Array): number {
    if (offset >= this.size) return 0;
    const length = Math.min(into.length, this.size - offset);
    const { starts, ends, values } = this.#extents;
    let done = 0;
    while (done < length) {
      const at = offset + done;
      const i = this.#find(at);
      if (i === NOT_FOUND) {
        const end = Math.min(length, starts[this.#extents.after(at)] - offset);
        into.fill(0, done, end);
        done = end;
        continue;
      }
      this.#runs.seek(values[i] + (at - starts[i]));
      const count = Math.min(length - done, ends[i] - at, this.#runs.reach);
      const target = count === into.length ? into : into.subarray(done, done + count);
      const got = this.#stream.read(this.#runs.place, target);
      done += got;
      if (got < count) break;
    }
    return done;
  }

  #find(at: number): number {
    const { starts, ends } = this.#extents;
    const last = this.#last;
    if (last < starts.length && at >= starts[last] && at < ends[last]) return last;
    const found = this.#extents.find(at);
    if (found !== NOT_FOUND) this.#last = found;
    return found;
  }

  close(): void {
    this.#stream.close();
  }
}

/** Reads record headers through one buffer: records of a few bytes follow each other closely. */
class RecordHeaders {
  /** Of the record last fetched. */
  offset = 0;
  size = 0;
  readonly #stream: ByteSource;
  readonly #buffer = new Uint8Array(READ_SIZE);
  readonly #view = new DataView(this.#buffer.buffer);
  #start = 0;
  #end = 0;

  constructor(stream: ByteSource) {
    this.#stream = stream;
  }

  /** False where the stream ends before the whole header. */
  fetch(position: number): boolean {
    if (position < this.#start || position + FLATTENED_RECORD_HEADER_SIZE > this.#end) {
      // Where the next header lies close by, much is read at once; behind a long record only the header is.
      const near = position >= this.#start && position < this.#end + NEAR;
      const length = near ? READ_SIZE : FLATTENED_RECORD_HEADER_SIZE;
      this.#start = position;
      this.#end = position + this.#stream.read(position, this.#buffer.subarray(0, length));
    }
    if (position + FLATTENED_RECORD_HEADER_SIZE > this.#end) return false;
    this.offset = getU64(this.#view, position - this.#start, false);
    this.size = getU64(this.#view, position - this.#start + 8, false);
    return true;
  }

  /** Offset and size of the header last fetched, at `position`, as they stand there. */
  exactly(position: number): { readonly offset: bigint; readonly size: bigint } {
    const at = position - this.#start;
    return { offset: this.#view.getBigUint64(at, false), size: this.#view.getBigUint64(at + 8, false) };
  }
}

function indexRecords(stream: ByteSource, issues: Issues): Runs {
  const records = new RecordHeaders(stream);
  const runs = new Runs();
  let position = FLATTENED_HEADER_SIZE;
  let ended = false;
  while (!ended && records.fetch(position)) {
    const { offset, size } = records;
    if (offset === END && size === END) {
      ended = true;
      continue;
    }
    if (offset + size > Number.MAX_SAFE_INTEGER) throw refusal(stream, position, records.exactly(position));
    const place = position + FLATTENED_RECORD_HEADER_SIZE;
    const there = Math.min(size, stream.size - place);
    runs.add(offset, there, place);
    if (runs.count > MOST_RUNS) {
      throw new InputError(
        { source: stream.name, record: RECORD, offset: position, field: 'offset' },
        `there are more than ${MOST_RUNS} runs of records`,
        'makedumpfile -R makes a plain file of it',
      );
    }
    position = place + there;
  }
  if (runs.count === 0) {
    throw new InputError(
      { source: stream.name, record: RECORD, offset: FLATTENED_HEADER_SIZE, field: 'offset' },
      'the flattened stream holds no records',
    );
  }
  if (!ended) {
    issues.add(
      'truncated',
      `the flattened stream ${stream.name} ends at ${stream.size} bytes without its end record: it was cut short`,
      position,
    );
  }
  return runs;
}

function refusal(
  stream: ByteSource,
  position: number,
  { offset, size }: { readonly offset: bigint; readonly size: bigint },
): InputError {
  const field = offset > Number.MAX_SAFE_INTEGER ? 'offset' : 'buf_size';
  return new InputError(
    {
      source: stream.name,
      record: RECORD,
      offset: position + (field === 'offset' ? 0 : 8),
      field,
      value: field === 'offset' ? offset : size,
    },
    `no ${FLATTENED_SIGNATURE} stream has such a place in its file: ${hex(offset)} + ${hex(size)}`,
  );
}

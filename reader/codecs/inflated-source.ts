// A zlib stream as a source that is read anywhere, in pieces: decoding goes forward, and begins again at the nearest of some places whose 32 KiB of history were kept. Sources: RFC 1950,
// RFC 1951; the idea of such places is zlib's examples/zran.c.
import {
  Z_BLOCK,
  Z_BUF_ERROR,
  Z_OK,
  Z_STREAM_END,
  ZStream,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateSetDictionary,
} from 'pako';
import { InputError } from '../fault.js';
import type { ByteSource } from '../source.js';

const PIECE = 1 << 18;
/** How many pieces are kept. */
const MOST_PIECES = 64;
const HISTORY = 1 << 15;
/** A place to begin at is kept at the first end of a block behind so many bytes. */
const SPACING = 1 << 22;
const INPUT = 1 << 16;
const RAW = -15;
/** data_type: the stream stands at the begin of a block. */
const AT_BLOCK = 128;
const LAST_BLOCK = 64;
const HEADER_SIZE = 2;
const DEFLATE = 8;
const FDICT = 0x20;

/** Where decoding can begin. */
interface Place {
  /** In the output. */
  readonly position: number;
  /** Of the next whole byte of the input. */
  readonly input: number;
  /** So many bits of the byte before it (its highest) belong to the block that begins. */
  readonly bits: number;
  readonly history: Uint8Array<ArrayBuffer>;
}

export class InflatedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize = PIECE;
  readonly #source: ByteSource;
  readonly #places: Place[] = [{ position: 0, input: HEADER_SIZE, bits: 0, history: new Uint8Array(0) }];
  /** By number, the one used last at the end. */
  readonly #pieces = new Map<number, Uint8Array<ArrayBuffer>>();
  #stream: ZStream | null = null;
  /** Output that the stream has given. */
  #position = 0;
  /** Where in the source the stream's input buffer ends. */
  #read = 0;
  /** The last output, in a ring. */
  readonly #history = new Uint8Array(HISTORY);

  /** @param size of the data decompressed, as their header claims it */
  constructor(source: ByteSource, size: number, name = source.name) {
    this.#source = source;
    this.size = size;
    this.name = name;
    const header = new Uint8Array(HEADER_SIZE);
    source.read(0, header);
    const check = header[0] * 256 + header[1];
    if ((header[0] & 15) !== DEFLATE || check % 31 !== 0 || (header[1] & FDICT) !== 0) {
      throw this.#wrong(0, 'zlib header', check, 'this is no zlib stream');
    }
  }

  read(offset: number, into: Uint8Array): number {
    if (offset >= this.size) return 0;
    const length = Math.min(into.length, this.size - offset);
    for (let done = 0; done < length; ) {
      const at = offset + done;
      const piece = this.#piece(Math.floor(at / PIECE));
      const from = at % PIECE;
      const count = Math.min(length - done, piece.length - from);
      into.set(piece.subarray(from, from + count), done);
      done += count;
    }
    return length;
  }

  close(): void {}

  #piece(number: number): Uint8Array<ArrayBuffer> {
    const known = this.#pieces.get(number);
    if (known !== undefined) {
      this.#pieces.delete(number);
      this.#pieces.set(number, known);
      return known;
    }
    this.#begin(number * PIECE);
    // Up to the piece's begin what comes out is only history.
    const scratch = new Uint8Array(PIECE);
    while (this.#position < number * PIECE) {
      this.#fill(scratch, 0, Math.min(PIECE, number * PIECE - this.#position));
    }
    this.#fill(scratch, 0, Math.min(PIECE, this.size - this.#position));
    const piece = scratch.subarray(0, Math.min(PIECE, this.size - number * PIECE));
    if (this.#pieces.size === MOST_PIECES) {
      for (const oldest of this.#pieces.keys()) {
        this.#pieces.delete(oldest);
        break;
      }
    }
    this.#pieces.set(number, piece);
    return piece;
  }

  /** Makes the stream stand at or before a position, as near as there is a place, unless it stands nearer. */
  #begin(position: number): void {
    let low = 0;
    let high = this.#places.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#places[middle].position <= position) low = middle;
      else high = middle;
    }
    const place = this.#places[low];
    if (this.#stream !== null && this.#position <= position && this.#position >= place.position) return;
    const stream = new ZStream();
    if (zlibInflateInit2(stream, RAW) !== Z_OK) throw new Error('zlib cannot be initialised');
    if (place.history.length > 0) zlibInflateSetDictionary(stream, place.history);
    this.#stream = stream;
    this.#position = place.position;
    if (place.history.length > 0) {
      this.#position -= HISTORY;
      this.#keep(place.history, 0, HISTORY);
    }
    this.#read = place.input;
    if (place.bits === 0) {
      stream.input = new Uint8Array(0);
      stream.avail_in = 0;
      return;
    }
    const last = new Uint8Array(1);
    this.#source.read(place.input - 1, last);
    stream.input = emptyBlocks(8 - place.bits, last[0]);
    stream.next_in = 0;
    stream.avail_in = stream.input.length;
  }

  /** Decodes exactly `length` bytes to `into`. */
  #fill(into: Uint8Array<ArrayBuffer>, at: number, length: number): void {
    const stream = this.#stream;
    if (stream === null) return;
    stream.output = into;
    stream.next_out = at;
    stream.avail_out = length;
    while (stream.avail_out > 0) {
      if (stream.avail_in === 0) this.#feed(stream);
      const from = stream.next_out;
      const before = stream.avail_in;
      const status = zlibInflate(stream, Z_BLOCK);
      this.#keep(into, from, stream.next_out);
      const stuck = stream.next_out === from && stream.avail_in === before && !(stream.data_type & AT_BLOCK);
      if (status === Z_STREAM_END && stream.avail_out > 0) {
        throw this.#wrong(this.#position, 'size', this.size, 'the stream ends before that');
      }
      if ((status !== Z_OK && status !== Z_BUF_ERROR && status !== Z_STREAM_END) || (stuck && before > 0)) {
        throw this.#wrong(this.#position, 'zlib stream', status, 'it is damaged there');
      }
      if ((stream.data_type & (AT_BLOCK | LAST_BLOCK)) === AT_BLOCK) this.#note(stream);
    }
  }

  #feed(stream: ZStream): void {
    const input = new Uint8Array(INPUT);
    const count = this.#source.read(this.#read, input);
    if (count === 0) throw this.#wrong(this.#position, 'size', this.size, 'the stream is cut short');
    this.#read += count;
    stream.input = input;
    stream.next_in = 0;
    stream.avail_in = count;
  }

  #keep(bytes: Uint8Array, from: number, to: number): void {
    const first = Math.max(from, to - HISTORY);
    const at = (this.#position + first - from) % HISTORY;
    const split = Math.min(to, first + HISTORY - at);
    this.#history.set(bytes.subarray(first, split), at);
    this.#history.set(bytes.subarray(split, to), 0);
    this.#position += to - from;
  }

  /** Keeps the place where the stream stands, if the last one is far enough. */
  #note(stream: ZStream): void {
    const last = this.#places[this.#places.length - 1];
    if (this.#position < last.position + SPACING) return;
    const history = new Uint8Array(HISTORY);
    const oldest = this.#position % HISTORY;
    history.set(this.#history.subarray(oldest));
    history.set(this.#history.subarray(0, oldest), HISTORY - oldest);
    const input = this.#read - stream.avail_in;
    this.#places.push({ position: this.#position, input, bits: stream.data_type & 7, history });
  }

  #wrong(offset: number, field: string, value: number, why: string): InputError {
    return new InputError(
      { source: this.#source.name, record: this.name, offset, field, value },
      why,
      'the compressed section is damaged',
    );
  }
}

/** 93 bits: a block with codes of its own, and nothing in it but its end. */
const DYNAMIC = dynamicBlock();
/** 10 bits: a block with fixed codes, and nothing in it but its end. */
const FIXED = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/** Empty blocks that end behind `used` bits of their last byte; the bits of `last` above those follow. */
function emptyBlocks(used: number, last: number): Uint8Array {
  const bits: number[] = used % 2 === 1 ? [...DYNAMIC] : [];
  while (bits.length % 8 !== used) bits.push(...FIXED);
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  for (const [i, bit] of bits.entries()) bytes[i >> 3] |= bit << (i & 7);
  bytes[bytes.length - 1] |= last & (0xff << used);
  return bytes;
}

function dynamicBlock(): number[] {
  const bits: number[] = [];
  const put = (value: number, count: number) => {
    for (let i = 0; i < count; i++) bits.push((value >> i) & 1);
  };
  // Not the last, with codes of its own: 257 of literals, 1 of distances, lengths of all 19 code lengths.
  put(0, 1);
  put(2, 2);
  put(0, 5);
  put(0, 5);
  put(15, 4);
  const order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
  // Code 0 is a length of 1, code 1 a run of zeros.
  for (const symbol of order) put(symbol === 1 || symbol === 18 ? 1 : 0, 3);
  for (const run of [138, 118]) {
    put(1, 1);
    put(run - 11, 7);
  }
  // The end of the block and the only distance have a code of one bit; then the end.
  put(0, 3);
  return bits;
}

// A bitmap of page frames as it lies in a kdump file, bit 0 of a byte first, with the rank of a frame (how many set bits precede it). Read in chunks on
// demand: what is kept is a few chunks and one number per chunk, whatever the size of the dump.
import type { ByteSource } from '../source.js';

const CHUNK = 65536;
const CHUNK_BITS = CHUNK * 8;
/** Bits between two counts inside a chunk. */
const STEP = 512;
const SLOTS = 16;

interface Chunk {
  index: number;
  readonly words: Uint32Array;
  readonly bytes: Uint8Array;
  /** Set bits of the chunk before each STEP. */
  readonly counts: Uint32Array;
}

export class FrameBitmap {
  /** How many frames the bitmap covers: bits behind them are not looked at. */
  readonly frames: number;
  readonly #source: ByteSource;
  /** Where it begins in the file. */
  readonly offset: number;
  readonly #slots: Chunk[] = [];
  #recent: Chunk;
  /** Set bits before each chunk, as far as they were needed. */
  readonly #ranks: Float64Array;
  #ranked = 0;

  /** @param offset where the bitmap begins in `source`; the caller has checked that all of it lies inside */
  constructor(source: ByteSource, offset: number, frames: number) {
    this.#source = source;
    this.offset = offset;
    this.frames = frames;
    this.#ranks = new Float64Array(Math.ceil(frames / CHUNK_BITS) + 1);
    for (let i = 0; i < Math.min(SLOTS, this.#ranks.length); i++) {
      const words = new Uint32Array(CHUNK / 4);
      const counts = new Uint32Array(CHUNK_BITS / STEP);
      this.#slots.push({ index: -1, words, bytes: new Uint8Array(words.buffer), counts });
    }
    this.#recent = this.#slots[0];
  }

  #chunk(index: number): Chunk {
    if (this.#recent.index === index) return this.#recent;
    const chunk = this.#slots[index % this.#slots.length];
    if (chunk.index !== index) this.#load(chunk, index);
    this.#recent = chunk;
    return chunk;
  }

  #load(chunk: Chunk, index: number): void {
    chunk.index = -1;
    const bits = Math.min(CHUNK_BITS, this.frames - index * CHUNK_BITS);
    const length = Math.ceil(bits / 8);
    const got = this.#source.read(this.offset + index * CHUNK, chunk.bytes.subarray(0, length));
    chunk.bytes.fill(0, got);
    if (bits % 8 !== 0) chunk.bytes[length - 1] &= (1 << (bits % 8)) - 1;
    const { words, counts } = chunk;
    let count = 0;
    for (let i = 0; i < counts.length; i++) {
      counts[i] = count;
      for (let word = i * (STEP / 32); word < (i + 1) * (STEP / 32); word++) count += bitsOf(words[word]);
    }
    chunk.index = index;
    if (index === this.#ranked) {
      this.#ranks[index + 1] = this.#ranks[index] + count;
      this.#ranked++;
    }
  }

  has(pfn: number): boolean {
    if (pfn >= this.frames) return false;
    const index = Math.floor(pfn / CHUNK_BITS);
    const bit = pfn - index * CHUNK_BITS;
    return ((this.#chunk(index).bytes[bit >>> 3] >>> (bit & 7)) & 1) === 1;
  }

  /** How many frames below `pfn` are set. */
  rank(pfn: number): number {
    const end = Math.min(pfn, this.frames);
    const index = Math.floor(end / CHUNK_BITS);
    while (this.#ranked < index) this.#rankNext();
    const bit = end - index * CHUNK_BITS;
    if (bit === 0) return this.#ranks[index];
    const { counts, bytes } = this.#chunk(index);
    const step = Math.floor(bit / STEP);
    let rank = this.#ranks[index] + counts[step];
    const last = bit >>> 3;
    let at = step * (STEP / 8);
    for (; at < last; at++) rank += BITS[bytes[at]];
    if ((bit & 7) !== 0) rank += BITS[bytes[last] & ((1 << (bit & 7)) - 1)];
    return rank;
  }

  #rankNext(): void {
    const index = this.#ranked;
    const chunk = this.#slots[index % this.#slots.length];
    if (chunk.index === index) chunk.index = -1;
    this.#load(chunk, index);
  }

  /** All set frames. */
  get count(): number {
    return this.rank(this.frames);
  }

  /** The first frame at or behind `pfn` whose bit is `set`; `limit` if there is none before it. */
  next(pfn: number, set: boolean, limit = this.frames): number {
    const stop = Math.min(limit, this.frames);
    const skip = set ? 0 : 0xff;
    const skipWord = set ? 0 : 0xffff_ffff;
    let at = pfn;
    while (at < stop) {
      const index = Math.floor(at / CHUNK_BITS);
      const base = index * CHUNK_BITS;
      const { bytes, words } = this.#chunk(index);
      let bit = at - base;
      const last = Math.min(CHUNK_BITS, stop - base);
      while (bit < last) {
        if ((bit & 31) === 0 && words[bit >>> 5] === skipWord) bit += 32;
        else if ((bit & 7) === 0 && bytes[bit >>> 3] === skip) bit += 8;
        else if ((((bytes[bit >>> 3] >>> (bit & 7)) & 1) === 1) === set) return Math.min(base + bit, stop);
        else bit++;
      }
      at = base + CHUNK_BITS;
    }
    return stop;
  }

  /** The last set frame, or -1. */
  last(): number {
    for (let index = Math.ceil(this.frames / CHUNK_BITS) - 1; index >= 0; index--) {
      const { bytes } = this.#chunk(index);
      for (let at = CHUNK - 1; at >= 0; at--) {
        if (bytes[at] !== 0) return index * CHUNK_BITS + at * 8 + 31 - Math.clz32(bytes[at]);
      }
    }
    return -1;
  }
}

const BITS = Uint8Array.from({ length: 256 }, (_, byte) => bitsOf(byte));

/** Set bits of a 32-bit word. */
function bitsOf(word: number): number {
  let pairs = word - ((word >>> 1) & 0x5555_5555);
  pairs = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return (((pairs + (pairs >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}

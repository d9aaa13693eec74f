// Page descriptors and page data of a kdump file, read on demand: a few blocks of descriptors are kept, and page data is read ahead while pages are
// asked for in file order. Source of the layout: reader/formats/diskdump.ts.
import {
  PAGE_DESCRIPTOR_SIZE,
  pageDescriptorFlags,
  pageDescriptorOffset,
  pageDescriptorSize,
} from '../formats/diskdump.js';
import type { ByteSource } from '../source.js';

const PER_BLOCK = 512;
const BLOCK = PER_BLOCK * PAGE_DESCRIPTOR_SIZE;
const SLOTS = 8;

/** The descriptor last fetched is in `offset`, `size` and `flags`. */
export class PageDescriptors {
  offset = 0;
  size = 0;
  flags = 0;
  readonly #source: ByteSource;
  readonly #littleEndian: boolean;
  readonly #base: number;
  readonly #buffer = new Uint8Array(SLOTS * BLOCK);
  readonly #view = new DataView(this.#buffer.buffer);
  readonly #blocks = new Float64Array(SLOTS).fill(-1);
  readonly #lengths = new Int32Array(SLOTS);

  /** @param base where descriptor 0 lies in the source */
  constructor(source: ByteSource, littleEndian: boolean, base: number) {
    this.#source = source;
    this.#littleEndian = littleEndian;
    this.#base = base;
  }

  /** False, with zeros, where the file ends before descriptor `index`. */
  fetch(index: number): boolean {
    const block = Math.floor(index / PER_BLOCK);
    const slot = block % SLOTS;
    if (this.#blocks[slot] !== block) this.#load(block, slot);
    const within = (index - block * PER_BLOCK) * PAGE_DESCRIPTOR_SIZE;
    if (within + PAGE_DESCRIPTOR_SIZE > this.#lengths[slot]) {
      this.offset = 0;
      this.size = 0;
      this.flags = 0;
      return false;
    }
    const at = slot * BLOCK + within;
    this.offset = pageDescriptorOffset(this.#view, at, this.#littleEndian);
    this.size = pageDescriptorSize(this.#view, at, this.#littleEndian);
    this.flags = pageDescriptorFlags(this.#view, at, this.#littleEndian);
    return true;
  }

  #load(block: number, slot: number): void {
    this.#blocks[slot] = -1;
    const at = slot * BLOCK;
    this.#lengths[slot] = this.#source.read(this.#base + block * BLOCK, this.#buffer.subarray(at, at + BLOCK));
    this.#blocks[slot] = block;
  }
}

const LEAST_AHEAD = 16384;
const MOST_AHEAD = 262144;

/** Compressed pages by file offset. */
export class PageData {
  bytes: Uint8Array<ArrayBuffer>;
  readonly #source: ByteSource;
  #start = 0;
  #end = 0;
  #ahead = 0;

  /** @param most the longest piece that is asked for */
  constructor(source: ByteSource, most: number) {
    this.#source = source;
    this.bytes = new Uint8Array(Math.max(MOST_AHEAD, most));
  }

  /** Where in `bytes` the piece lies, or -1 if the file ends before it does. */
  fetch(offset: number, size: number): number {
    if (offset >= this.#start && offset + size <= this.#end) return offset - this.#start;
    const onward = offset >= this.#start && offset <= this.#end + LEAST_AHEAD;
    this.#ahead = onward ? Math.min(MOST_AHEAD, Math.max(LEAST_AHEAD, this.#ahead * 2)) : 0;
    const length = Math.max(size, this.#ahead);
    // The window is empty while it is read, in case that fails.
    this.#end = 0;
    const got = this.#source.read(offset, this.bytes.subarray(0, length));
    this.#start = offset;
    this.#end = offset + got;
    return got < size ? -1 : 0;
  }
}

// The pointers of one object that is said to be of a type, as words: read together, and sorted by what they lead to.
import { MOST_LOCATED } from 'kdumpling/reader';
import type { Space } from './space.js';
import type { TypeTable } from './types.js';

const MOST_WORDS = 8192;

/** Good until the next object is read. Where the type is an array, the words of its elements follow each other. */
export class PointerWords {
  readonly high = new Uint32Array(MOST_WORDS);
  readonly low = new Uint32Array(MOST_WORDS);
  /** As `Space.classify` tells. */
  readonly what = new Uint8Array(MOST_WORDS);
  /** Of words that lead to objects: which, and where in it. */
  readonly nodes = new Int32Array(MOST_WORDS);
  readonly inner = new Int32Array(MOST_WORDS);
  count = 0;
  readonly #space: Space;
  readonly #table: TypeTable;

  constructor(space: Space, table: TypeTable) {
    this.#space = space;
    this.#table = table;
  }

  /** @returns how many there are; -1 where the bytes cannot be read */
  read(node: number, type: number, offset: number): number {
    const { form, size } = this.#table.all[type];
    const { extent } = this.#table.shape(type);
    const { heap } = this.#space;
    const isObject = this.#space.isObject(node);
    const room = isObject ? heap.cache(node).objectSize - offset : Number.POSITIVE_INFINITY;
    this.count = 0;
    if (form === 'pointers' || form === 'structs') return this.#elements(node, type, offset, isObject ? room : size);
    if (extent === 0) return 0;
    if (extent > MOST_LOCATED || extent > room) return this.#oneByOne(node, type, offset, room);
    return this.#elements(node, type, offset, extent, 1);
  }

  #elements(node: number, type: number, offset: number, room: number, most = Number.POSITIVE_INFINITY): number {
    const space = this.#space;
    const { offsets } = this.#table.shape(type);
    const { size } = this.#table.all[type];
    const length = most === 1 ? room : Math.min(room, MOST_LOCATED) - (Math.min(room, MOST_LOCATED) % size);
    const elements = Math.min(most, Math.floor(length / size) || 1);
    const at = length > 0 ? space.locate(node, offset, length) : -1;
    if (at < 0) return -1;
    const { view } = space;
    let read = 0;
    for (let k = 0; k < elements && read + offsets.length <= MOST_WORDS; k++) {
      for (let i = 0; i < offsets.length; i++, read++) {
        this.high[read] = space.high(view, at + k * size + offsets[i]);
        this.low[read] = space.low(view, at + k * size + offsets[i]);
      }
    }
    return this.#sorted(read);
  }

  /** The kernel left out the end of the last member, or the type is larger than what is read at once. */
  #oneByOne(node: number, type: number, offset: number, room: number): number {
    const space = this.#space;
    const { offsets } = this.#table.shape(type);
    const word = this.#table.pointerSize;
    let read = 0;
    for (; read < offsets.length && offsets[read] + word <= room; read++) {
      const at = space.locate(node, offset + offsets[read], word);
      if (at < 0) return -1;
      this.high[read] = space.high(space.view, at);
      this.low[read] = space.low(space.view, at);
    }
    return this.#sorted(read);
  }

  #sorted(count: number): number {
    const space = this.#space;
    for (let i = 0; i < count; i++) {
      this.what[i] = space.classify(this.high[i], this.low[i]);
      this.nodes[i] = space.node;
      this.inner[i] = space.offset;
    }
    this.count = count;
    return count;
  }
}

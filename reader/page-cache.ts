// A bounded cache of blocks in one buffer, and physical memory on top of it. A block is a decoded page (compressed formats) or a block of the file (all
// others); what lies in it physically is for the format to say, so a page that is there only in part is never cached as a page.
import { MOST_LOCATED, PhysicalMemory } from './memory.js';

const WAYS = 4;
const FREE = -1;

/** Set-associative, four ways, replaced in turn: as many slots as fit the buffer, and an index no larger than that. */
export class BlockCache {
  readonly blockSize: number;
  readonly arena: Uint8Array;
  readonly view: DataView;
  /** Where MOST_LOCATED bytes lie behind the slots. */
  readonly scratch: number;
  readonly slots: number;
  readonly #setMask: number;
  /** The block in each slot, FREE for none. */
  readonly #blocks: Float64Array;
  /** The way of each set that is given away next. */
  readonly #turns: Uint8Array;
  readonly #views: (Uint8Array | undefined)[];

  /** @param buffer holds the slots and MOST_LOCATED bytes of scratch; see `bufferSize` */
  constructor(blockSize: number, buffer: Uint8Array) {
    const fit = Math.floor((buffer.length - MOST_LOCATED) / blockSize / WAYS);
    if (fit < 1) throw new RangeError(`a cache of ${buffer.length} bytes holds no set of ${blockSize}-byte blocks`);
    const sets = 2 ** Math.floor(Math.log2(fit));
    this.blockSize = blockSize;
    this.slots = sets * WAYS;
    this.arena = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    this.scratch = this.slots * blockSize;
    this.#setMask = sets - 1;
    this.#blocks = new Float64Array(this.slots).fill(FREE);
    this.#turns = new Uint8Array(sets);
    this.#views = Array.from({ length: this.slots });
  }

  /** The least buffer that holds `bytes` of blocks (at least one set of them) and the scratch. */
  static bufferSize(blockSize: number, bytes: number): number {
    const sets = Math.max(1, 2 ** Math.floor(Math.log2(Math.max(1, bytes / blockSize / WAYS))));
    return sets * WAYS * blockSize + MOST_LOCATED;
  }

  /** The position of a block in `arena`, or -1. */
  find(block: number): number {
    const first = (block & this.#setMask) * WAYS;
    const blocks = this.#blocks;
    for (let slot = first; slot < first + WAYS; slot++) if (blocks[slot] === block) return slot * this.blockSize;
    return -1;
  }

  /** Gives a slot to a block that has none; the caller fills it, or calls `forget`. */
  claim(block: number): number {
    const set = block & this.#setMask;
    const way = this.#turns[set];
    this.#turns[set] = (way + 1) % WAYS;
    const slot = set * WAYS + way;
    this.#blocks[slot] = block;
    return slot * this.blockSize;
  }

  /** The slot at a position holds nothing any more. */
  forget(at: number): void {
    this.#blocks[at / this.blockSize] = FREE;
  }

  /** The bytes of the slot at a position; the same object each time. */
  slot(at: number): Uint8Array {
    const slot = at / this.blockSize;
    let view = this.#views[slot];
    if (view === undefined) {
      view = this.arena.subarray(at, at + this.blockSize);
      this.#views[slot] = view;
    }
    return view;
  }

  clear(): void {
    this.#blocks.fill(FREE);
  }
}

/** Physical memory whose bytes come through a BlockCache. A format says in `enter` where an address lies. */
export abstract class CachedMemory extends PhysicalMemory {
  littleEndian = true;
  pointerSize: 4 | 8 = 8;
  readonly stable: boolean = true;
  protected readonly cache: BlockCache;
  /** The stretch that is at hand: physical addresses from `windowStart` to `windowEnd`, the first at `windowAt` of the arena. */
  protected windowStart = 0;
  protected windowEnd = 0;
  protected windowAt = 0;

  constructor(cache: BlockCache) {
    super();
    this.cache = cache;
  }

  get arena(): Uint8Array {
    return this.cache.arena;
  }

  get view(): DataView {
    return this.cache.view;
  }

  get scratch(): number {
    return this.cache.scratch;
  }

  /**
   * Brings the stretch that holds `paddr` to hand (`window…`), or leaves the reason in `fault` and returns false; the window is then empty or
   * what it was.
   */
  protected abstract enter(paddr: number): boolean;

  /** Reads straight into `into` where that is cheaper than the cache; returns how many bytes it did, 0 for none. */
  protected direct(_paddr: number, _into: Uint8Array, _at: number): number {
    return 0;
  }

  locate(paddr: number, length: number): number {
    if (paddr >= this.windowStart && paddr + length <= this.windowEnd)
      return this.windowAt + (paddr - this.windowStart);
    return this.#locate(paddr, length);
  }

  #locate(paddr: number, length: number): number {
    if (length > MOST_LOCATED) throw new RangeError(`locate of ${length} bytes: the most is ${MOST_LOCATED}`);
    if (!this.#reach(paddr, length)) return -1;
    if (paddr + length <= this.windowEnd) return this.windowAt + (paddr - this.windowStart);
    const scratch = this.cache.scratch;
    let done = 0;
    for (;;) {
      const at = this.windowAt + (paddr + done - this.windowStart);
      const count = Math.min(length - done, this.windowEnd - paddr - done);
      this.arena.copyWithin(scratch + done, at, at + count);
      done += count;
      if (done === length) return scratch;
      if (!this.#reach(paddr + done, length - done)) return -1;
    }
  }

  /** `enter` for an address that is one; a fault then tells how many bytes were wanted from there on. */
  #reach(paddr: number, length: number): boolean {
    if (paddr >= this.windowStart && paddr < this.windowEnd) return true;
    if (!(paddr >= 0 && paddr + length <= Number.MAX_SAFE_INTEGER)) {
      this.fault.set('physical', paddr, length, 'hole', 'no such physical address');
      return false;
    }
    if (this.enter(paddr)) return true;
    this.fault.length = length;
    return false;
  }

  read(paddr: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const address = paddr + done;
      const direct = into.length - done >= this.cache.blockSize ? this.direct(address, into, done) : 0;
      if (direct > 0) {
        done += direct;
        continue;
      }
      if (!this.#reach(address, into.length - done)) throw this.fault.toError();
      const at = this.windowAt + (address - this.windowStart);
      const count = Math.min(into.length - done, this.windowEnd - address);
      copy(this.arena, at, into, done, count);
      done += count;
    }
  }
}

/** `set` of a subarray costs an object; a few bytes are copied without one. */
function copy(from: Uint8Array, at: number, into: Uint8Array, done: number, count: number): void {
  if (count <= 32) for (let i = 0; i < count; i++) into[done + i] = from[at + i];
  else into.set(from.subarray(at, at + count), done);
}

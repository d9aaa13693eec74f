// The window that memory passes through while it is searched: the end of each block stays for the next, so that nothing is lost that lies across them.
import { type Find, finder, type Hit, patternLength, type SearchPattern } from './pattern.js';

const BLOCK = 1 << 20;

export class SearchWindow {
  readonly #overlap: number;
  readonly #window: Uint8Array<ArrayBuffer>;
  readonly #find: Find;
  #kept = 0;
  #keptAt = 0;
  #next = -1;

  /** @param hit gets the positions as they were fed. */
  constructor(pattern: SearchPattern, littleEndian: boolean, hit: Hit) {
    this.#overlap = patternLength(pattern) - 1;
    this.#window = new Uint8Array(BLOCK + Math.ceil((this.#overlap + 8) / 8) * 8);
    this.#find = finder(this.#window, pattern, littleEndian, hit);
  }

  /** What is fed next does not go on where the last ended. */
  cut(): void {
    this.#next = -1;
  }

  /** Positions are below 2^53; what follows the position where the last ended goes on with it. @returns false if the search is to end */
  feed(position: number, bytes: Uint8Array): boolean {
    const window = this.#window;
    const overlap = this.#overlap;
    if (position !== this.#next) this.#kept = 0;
    for (let at = 0; at < bytes.length; ) {
      // The window's first byte stands at a multiple of 8, or `lead` bytes behind one.
      const first = position + at - this.#kept;
      const lead = first % 8;
      const length = Math.min(BLOCK + overlap - lead - this.#kept, bytes.length - at);
      if (this.#kept > 0) window.copyWithin(lead, this.#keptAt, this.#keptAt + this.#kept);
      window.set(bytes.subarray(at, at + length), lead + this.#kept);
      const total = this.#kept + length;
      if (!this.#find(first - lead, lead, lead + total)) return false;
      this.#kept = Math.min(overlap, total);
      this.#keptAt = lead + total - this.#kept;
      at += length;
    }
    this.#next = position + bytes.length;
    return true;
  }
}

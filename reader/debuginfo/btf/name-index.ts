// Finds records by name: a hash table of numbers over the names as they lie in the string section.
import { type BtfRecords, hashText } from './records.js';

const encoder = new TextEncoder();

export class NameIndex {
  readonly #records: BtfRecords;
  /** The name of each entry, as an offset. */
  readonly #names: Uint32Array;
  /** 1 + the first entry of each slot; 0 for none. */
  readonly #heads: Uint32Array;
  /** 1 + the next entry of the same slot. */
  readonly #next: Uint32Array;

  /** @param names the offset of each entry's name */
  constructor(records: BtfRecords, names: Uint32Array) {
    this.#records = records;
    this.#names = names;
    const slots = 2 ** Math.ceil(Math.log2(Math.max(16, names.length)));
    this.#heads = new Uint32Array(slots);
    this.#next = new Uint32Array(names.length);
    // Backwards, so that each chain is in the order of the entries.
    for (let i = names.length - 1; i >= 0; i--) {
      if (names[i] === 0) continue;
      const slot = slotOf(records.hashName(names[i]), slots);
      this.#next[i] = this.#heads[slot];
      this.#heads[slot] = i + 1;
    }
  }

  /** All entries of that name, in their order. */
  find(name: string): number[] {
    const found: number[] = [];
    if (name === '') return found;
    const text = encoder.encode(name);
    let at = this.#heads[slotOf(hashText(text), this.#heads.length)];
    while (at !== 0) {
      if (this.#records.nameIs(this.#names[at - 1], text)) found.push(at - 1);
      at = this.#next[at - 1];
    }
    return found;
  }
}

/** FNV's low bits are its best, but those above take part too. */
const slotOf = (hash: number, slots: number): number => (hash ^ (hash >>> 15)) & (slots - 1);

// What the two byte-oriented compressors share: finding the last place where the same four bytes stood, and growing a match.

const HASH_BITS = 12;

/** The last position of each hash of four bytes. Every candidate must be compared, so an entry never set may say 0. */
export class MatchTable {
  readonly #last = new Int32Array(1 << HASH_BITS);

  clear(): void {
    this.#last.fill(0);
  }

  /** Notes that `at` holds `word`; returns the position noted before for words of this hash. */
  replace(word: number, at: number): number {
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = this.#last[slot];
    this.#last[slot] = at;
    return candidate;
  }
}

/** The four bytes at `at`, as one number to compare and hash. */
export function wordAt(input: Uint8Array, at: number): number {
  return input[at] | (input[at + 1] << 8) | (input[at + 2] << 16) | (input[at + 3] << 24);
}

/** How many bytes from `at` on equal those from `earlier` on, given that the first four do. */
export function matchLength(input: Uint8Array, earlier: number, at: number): number {
  let end = at + 4;
  let from = earlier + 4;
  while (end < input.length && input[end] === input[from]) {
    end++;
    from++;
  }
  return end - at;
}

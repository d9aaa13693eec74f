// The token table of kallsyms: 256 pieces of text that the bytes of a compressed name stand for. Source: kernel/kallsyms.c, scripts/kallsyms.c (6.x).

/** An expanded name is never longer (KSYM_NAME_LEN is 512 with the type letter and a NUL; 128 before 6.1). */
export const MOST_NAME = 1024;
/** A token is never longer in practice; more is a sign of a wrong table. */
const MOST_TOKEN = 256;

export class Tokens {
  readonly #bytes: Uint8Array;
  readonly #starts = new Uint16Array(256);
  readonly lengths = new Uint16Array(256);
  /** The name last expanded, type letter first. */
  readonly text = new Uint8Array(MOST_NAME);

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * @param table the bytes from kallsyms_token_table on, as many as there are up to kallsyms_token_index
   * @param index the 512 bytes of kallsyms_token_index
   * @returns null if they are not what they are said to be: 256 starts that ascend, each behind the NUL of the token before it
   */
  static decode(table: Uint8Array, index: Uint8Array, littleEndian: boolean): Tokens | null {
    const tokens = new Tokens(table);
    const view = new DataView(index.buffer, index.byteOffset, index.byteLength);
    let expected = 0;
    for (let i = 0; i < 256; i++) {
      const start = view.getUint16(2 * i, littleEndian);
      const end = table.indexOf(0, start);
      if (start !== expected || end < 0 || end - start > MOST_TOKEN) return null;
      tokens.#starts[i] = start;
      tokens.lengths[i] = end - start;
      expected = end + 1;
    }
    return tokens;
  }

  /** Expands `length` bytes at `at` of `bytes` into `text`; returns how long it became. What passes MOST_NAME is cut. */
  expand(bytes: Uint8Array, at: number, length: number): number {
    const { text, lengths } = this;
    let size = 0;
    for (let i = at; i < at + length; i++) {
      const token = bytes[i];
      const start = this.#starts[token];
      const end = start + lengths[token];
      for (let j = start; j < end && size < MOST_NAME; j++) text[size++] = this.#bytes[j];
    }
    return size;
  }

  /** The length that a name will have when expanded, type letter included. */
  expandedLength(bytes: Uint8Array, at: number, length: number): number {
    let size = 0;
    for (let i = at; i < at + length; i++) size += this.lengths[bytes[i]];
    return size;
  }

  /** First byte of a token; 0 for an empty one. */
  first(token: number): number {
    return this.#bytes[this.#starts[token]];
  }

  /** Last byte of a token; 0 for an empty one. */
  last(token: number): number {
    const length = this.lengths[token];
    return length === 0 ? 0 : this.#bytes[this.#starts[token] + length - 1];
  }
}

// Is a stretch of borrowed bytes all zeros? Word by word where the bytes lie on a word's boundary; one view per buffer, none per page.

const NO_WORDS = new Int32Array(0);

export class ZeroTest {
  #buffer: ArrayBufferLike | null = null;
  #words: Int32Array = NO_WORDS;

  /** True if bytes[at, at + length) are all zeros. */
  isZero(bytes: Uint8Array, at: number, length: number): boolean {
    const from = bytes.byteOffset + at;
    if ((from & 3) !== 0 || (length & 3) !== 0 || (bytes.buffer.byteLength & 3) !== 0)
      return zeroBytes(bytes, at, length);
    if (bytes.buffer !== this.#buffer) {
      this.#buffer = bytes.buffer;
      this.#words = new Int32Array(bytes.buffer);
    }
    const words = this.#words;
    const end = (from + length) / 4;
    let i = from / 4;
    for (; i + 8 <= end; i += 8) {
      const some =
        words[i] |
        words[i + 1] |
        words[i + 2] |
        words[i + 3] |
        words[i + 4] |
        words[i + 5] |
        words[i + 6] |
        words[i + 7];
      if (some !== 0) return false;
    }
    for (; i < end; i++) if (words[i] !== 0) return false;
    return true;
  }
}

function zeroBytes(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) if (bytes[i] !== 0) return false;
  return true;
}

// Bitmaps: arrays of unsigned long, bit n in word n / BITS_PER_LONG (include/linux/bitmap.h); a word has the memory's byte order.
import type { VirtualMemory } from 'kdumpling/reader';

/** No bitmap of a kernel is larger: a bit for each page of 16 TiB. */
const MOST_BITS = 2 ** 32;

export class Bitmap implements Iterable<number> {
  /** Bytes as a little-endian machine keeps them: bit n in byte n >> 3. */
  readonly bytes: Uint8Array;
  readonly length: number;

  /**
   * @param memory where it is read from, whole
   * @param length bits
   * @throws MemoryFault; RangeError for a length that no bitmap has
   */
  constructor(memory: VirtualMemory, address: bigint, length: number) {
    if (!(length >= 0 && length <= MOST_BITS)) throw new RangeError(`a bitmap of ${length} bits`);
    const word = memory.pointerSize;
    this.length = length;
    this.bytes = memory.bytes(address, Math.ceil(length / (8 * word)) * word);
    if (!memory.littleEndian) {
      for (let at = 0; at < this.bytes.length; at += word) this.bytes.subarray(at, at + word).reverse();
    }
  }

  has(bit: number): boolean {
    return bit >= 0 && bit < this.length && ((this.bytes[bit >> 3] >> (bit & 7)) & 1) === 1;
  }

  /** How many bits are set: bitmap_weight(). */
  get count(): number {
    let count = 0;
    for (const _ of this) count++;
    return count;
  }

  /** The set bits in ascending order. */
  *[Symbol.iterator](): Iterator<number> {
    for (let at = 0; at < this.bytes.length; at++) {
      const byte = this.bytes[at];
      if (byte === 0) continue;
      for (let bit = at * 8; bit < at * 8 + 8 && bit < this.length; bit++) {
        if (((byte >> (bit & 7)) & 1) === 1) yield bit;
      }
    }
  }
}

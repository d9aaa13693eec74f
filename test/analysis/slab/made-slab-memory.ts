// Physical memory that a made kernel has, and what DEBUG_SLAB keeps in it.
import { BASE, BASE32 } from '../made-kernel.js';
import type { Word } from './made-structs.js';

export const SIZE = 0x20_0000;

/** What DEBUG_SLAB adds to an object. */
export const RED_ZONE = 8;
export const DEBUG_BYTES = 3 * RED_ZONE;
export const DEBUG_FLAGS = 0x400 + 0x800 + 0x1_0000;
const LAST_USER = 0x1234_5678;

/** Physical memory and its words. */
export class MadeMemory {
  readonly bytes = new Uint8Array(SIZE);
  readonly view = new DataView(this.bytes.buffer);
  readonly word: Word;
  readonly little: boolean;
  readonly base: bigint;

  constructor(word: Word, littleEndian: boolean) {
    this.word = word;
    this.little = littleEndian;
    this.base = this.word === 4 ? BASE32 : BASE;
  }

  setWord(at: number, value: bigint): void {
    if (this.word === 8) this.view.setBigUint64(at, BigInt.asUintN(64, value), this.little);
    else this.view.setUint32(at, Number(BigInt.asUintN(32, value)), this.little);
  }

  setSized(at: number, size: number, value: number): void {
    if (size === 1) this.view.setUint8(at, value);
    else if (size === 2) this.view.setUint16(at, value, this.little);
    else if (size === 4) this.view.setUint32(at, value, this.little);
    else this.setWord(at, BigInt(value));
  }

  virtual(paddr: number): bigint {
    return this.base + BigInt(paddr);
  }
}

/** Red zones, poison and last users of a slab's objects. */
export function fillDebug(memory: MadeMemory, first: number, size: number, letters: readonly string[]): void {
  for (const [i, letter] of letters.entries()) {
    const slot = first + i * size;
    const zone = letter === 'a' ? 0xd841_56c5_6356_88c0n : 0x09f9_1102_9d74_e35bn;
    memory.view.setBigUint64(slot, zone, memory.little);
    memory.view.setBigUint64(slot + size - 2 * RED_ZONE, zone, memory.little);
    memory.setWord(slot + size - memory.word, BigInt(LAST_USER));
    if (letter === 'a') continue;
    const end = slot + RED_ZONE + size - DEBUG_BYTES;
    memory.bytes.fill(0x6b, slot + RED_ZONE, end - 1);
    memory.bytes[end - 1] = 0xa5;
  }
}

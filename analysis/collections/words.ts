// Machine words in bytes that were copied out of memory, or at a place in its arena.
import type { VirtualMemory } from 'kdumpling/reader';

/** An unsigned long at a position of the arena. */
export function wordAt(memory: VirtualMemory, at: number): bigint {
  return memory.pointerSize === 8
    ? memory.view.getBigUint64(at, memory.littleEndian)
    : BigInt(memory.view.getUint32(at, memory.littleEndian));
}

/** A node's bytes, kept while its elements are handed out: what lies in the arena is good until the next access only. */
export class NodeBytes {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #wide: boolean;

  constructor(memory: VirtualMemory, size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#littleEndian = memory.littleEndian;
    this.#wide = memory.pointerSize === 8;
  }

  /** False if the memory cannot be read; the reason is in its `fault`. */
  load(memory: VirtualMemory, address: bigint): boolean {
    const { bytes } = this;
    const at = memory.locate(address, bytes.length);
    if (at < 0) return false;
    const { arena } = memory;
    for (let i = 0; i < bytes.length; i++) bytes[i] = arena[at + i];
    return true;
  }

  word(offset: number): bigint {
    return this.#wide
      ? this.#view.getBigUint64(offset, this.#littleEndian)
      : BigInt(this.#view.getUint32(offset, this.#littleEndian));
  }

  /** Whether a word is 0, without making a bigint. */
  isNull(offset: number): boolean {
    return this.#view.getUint32(offset, true) === 0 && (!this.#wide || this.#view.getUint32(offset + 4, true) === 0);
  }

  u8(offset: number): number {
    return this.bytes[offset];
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, this.#littleEndian);
  }
}

// Kernel memory that tests write word by word, and the kernel that has it.
import type { Kernel } from 'kdumpling/analysis';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { BASE, BASE32, madeKernel } from '../made-kernel.js';

export interface Machine {
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
}

export const LITTLE: Machine = { littleEndian: true, pointerSize: 8 };
export const BIG: Machine = { littleEndian: false, pointerSize: 8 };
export const SMALL: Machine = { littleEndian: true, pointerSize: 4 };
export const MACHINES: readonly (readonly [string, Machine])[] = [
  ['64 bits', LITTLE],
  ['64 bits, big-endian', BIG],
  ['32 bits', SMALL],
];

export class MadeMemory {
  readonly bytes: Uint8Array;
  readonly base: bigint;
  readonly machine: Machine;
  readonly #view: DataView;
  #next = 0x100;

  constructor(size: number, machine: Machine = LITTLE) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.machine = machine;
    this.base = machine.pointerSize === 4 ? BASE32 : BASE;
  }

  /** The address of `size` bytes that nothing else has. */
  take(size: number, alignment = 16): bigint {
    const at = Math.ceil(this.#next / alignment) * alignment;
    this.#next = at + size;
    if (this.#next > this.bytes.length) throw new RangeError('the memory made is too small');
    return this.base + BigInt(at);
  }

  /** Bytes taken so far. */
  get used(): number {
    return this.#next;
  }

  #offset(address: bigint): number {
    return Number(address - this.base);
  }

  /** Writes machine words from an address on. */
  words(address: bigint, ...values: bigint[]): void {
    const { littleEndian, pointerSize } = this.machine;
    for (const [i, value] of values.entries()) {
      const at = this.#offset(address) + i * pointerSize;
      if (pointerSize === 8) this.#view.setBigUint64(at, value, littleEndian);
      else this.#view.setUint32(at, Number(BigInt.asUintN(32, value)), littleEndian);
    }
  }

  word(address: bigint): bigint {
    const { littleEndian, pointerSize } = this.machine;
    const at = this.#offset(address);
    return pointerSize === 8
      ? this.#view.getBigUint64(at, littleEndian)
      : BigInt(this.#view.getUint32(at, littleEndian));
  }

  u8(address: bigint, ...values: number[]): void {
    this.bytes.set(values, this.#offset(address));
  }

  u32(address: bigint, value: number): void {
    this.#view.setUint32(this.#offset(address), value, this.machine.littleEndian);
  }

  /** @param holes addresses whose page of 256 bytes the dump does not have */
  kernel(
    types: readonly Type[] = [],
    symbols: Readonly<Record<string, bigint>> = {},
    holes: readonly bigint[] = [],
  ): Kernel {
    const missing = new Set(holes.map(hole => this.#offset(hole) >> 8));
    const pieces: { paddr: number; bytes: Uint8Array }[] = [];
    let start = 0;
    for (let page = 0; page <= this.bytes.length >> 8; page++) {
      if (!missing.has(page) && page < this.bytes.length >> 8) continue;
      if (page << 8 > start) pieces.push({ paddr: start, bytes: this.bytes.subarray(start, page << 8) });
      start = (page + 1) << 8;
    }
    return madeKernel({ pieces, types, symbols, ...this.machine });
  }
}

/** What a walk gave, and the codes of what it told. */
export function walked(walk: (issues: Issues) => Iterable<bigint>): {
  found: bigint[];
  codes: string[];
  messages: string[];
} {
  const issues = new Issues();
  const found = [...walk(issues)];
  return { found, codes: issues.list().map(({ code }) => code), messages: issues.list().map(({ message }) => message) };
}

// How kallsyms stores addresses. Four encodings, none of them told; the one is taken that finds `_stext` where VMCOREINFO has it. Source: kernel/kallsyms.c: kallsyms_sym_address() of 4.6, 6.15
// (commit 01157ddc58dc: no more ABSOLUTE_PERCPU) and 7.0 (commit a081b5789255: relative to the entry).
import type { VirtualMemory } from '../../memory.js';
import type { KallsymsTables } from './tables.js';

/**
 * `entry`: &kallsyms_offsets[i] + (s32) offset; `absolute-percpu`: an offset of 0 or more is the address (of a per-CPU variable), a negative one means
 * relative_base - 1 - offset; `base`: relative_base + (u32) offset; `address`: the value is the address.
 */
export type AddressEncoding = 'entry' | 'absolute-percpu' | 'base' | 'address';

export class KallsymsAddresses {
  readonly encoding: AddressEncoding;
  readonly #memory: VirtualMemory;
  readonly #tables: KallsymsTables;
  readonly #base: bigint;

  constructor(memory: VirtualMemory, tables: KallsymsTables, encoding: AddressEncoding) {
    this.#memory = memory;
    this.#tables = tables;
    this.encoding = encoding;
    this.#base = tables.relativeBase ?? 0n;
  }

  /** Address of symbol `index`, or null if its entry cannot be read. */
  address(index: number): bigint | null {
    const { offsetSize, offsets } = this.#tables;
    const { view, littleEndian } = this.#memory;
    const entry = offsets + BigInt(index * offsetSize);
    const at = this.#memory.locate(entry, offsetSize);
    if (at < 0) return null;
    if (offsetSize === 8) return view.getBigUint64(at, littleEndian);
    switch (this.encoding) {
      case 'entry':
        return this.#wrap(entry + BigInt(view.getInt32(at, littleEndian)));
      case 'base':
        return this.#wrap(this.#base + BigInt(view.getUint32(at, littleEndian)));
      case 'address':
        return BigInt(view.getUint32(at, littleEndian));
      case 'absolute-percpu': {
        const offset = view.getInt32(at, littleEndian);
        return offset >= 0 ? BigInt(offset) : this.#wrap(this.#base - 1n - BigInt(offset));
      }
    }
  }

  /** True if entry `index` of the encoding `absolute-percpu` is an address as it stands. */
  absolute(index: number): boolean {
    const at = this.#memory.locate(this.#tables.offsets + BigInt(4 * index), 4);
    return at >= 0 && this.#memory.view.getInt32(at, this.#memory.littleEndian) >= 0;
  }

  #wrap(address: bigint): bigint {
    return this.#memory.pointerSize === 8 ? BigInt.asUintN(64, address) : BigInt.asUintN(32, address);
  }

  /** Index of the last symbol at or before `address`, or -1: the table is sorted by address. */
  before(address: bigint): number {
    let from = 0;
    let to = this.#tables.count;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const there = this.address(middle);
      if (there === null) return -1;
      if (there <= address) from = middle + 1;
      else to = middle;
    }
    return from - 1;
  }
}

/** The encodings that can be, the likeliest first. */
export function possibleEncodings(tables: KallsymsTables): readonly AddressEncoding[] {
  if (tables.offsetSize === 8) return ['address'];
  return tables.relativeBase === null ? ['entry', 'address'] : ['absolute-percpu', 'base'];
}

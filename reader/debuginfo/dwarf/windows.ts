// Random reads of a section that may be hundreds of megabytes: a few windows of it are kept, each found by its number alone.
import { InputError } from '../../fault.js';
import type { ByteSource } from '../../source.js';
import { u64ToNumber } from '../../u64.js';

const BLOCK = 1 << 16;
/** What a window holds past its block, so that what begins in a block seldom passes its window. */
const OVERLAP = 1 << 12;
const SLOTS = 64;
/** Nothing that is read at once is longer. */
export const MOST_AT_ONCE = 1 << 24;
/** Paths are no longer; names are cut by whoever keeps them. */
const MOST_TEXT = 4096;
const EMPTY = new Uint8Array(0);
const utf8 = new TextDecoder('utf-8');

interface Slot {
  block: number;
  /** Bytes of `bytes` that are the section's. */
  filled: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
}

function makeSlot(size: number): Slot {
  const bytes = new Uint8Array(size);
  return { block: -1, filled: 0, bytes, view: new DataView(bytes.buffer) };
}

export class Windows {
  readonly source: ByteSource;
  readonly littleEndian: boolean;
  readonly size: number;
  /** The window that `at` last gave; borrowed, good until the next call. */
  bytes: Uint8Array = EMPTY;
  view: DataView = new DataView(EMPTY.buffer);
  /** How many of `bytes` are the section's. */
  filled = 0;
  readonly #slots: (Slot | undefined)[] = Array.from({ length: SLOTS });
  #long: Slot | null = null;

  constructor(source: ByteSource, littleEndian: boolean) {
    this.source = source;
    this.littleEndian = littleEndian;
    this.size = source.size;
  }

  /** Where `offset` lies in `bytes`, with `length` bytes from there; throws InputError where the section ends before them. */
  at(offset: number, length: number): number {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) throw this.past(offset, length);
    const index = this.reach(offset, length);
    if (this.filled - index < length) throw this.past(offset, length);
    return index;
  }

  /** As `at`, but with as many of `length` bytes as the section has; `offset` must be inside of it. */
  reach(offset: number, length: number): number {
    if (!(offset >= 0 && offset < this.size) && !(offset === this.size && length === 0)) throw this.past(offset, 1);
    const within = offset % BLOCK;
    const start = offset - within;
    if (within + length > BLOCK + OVERLAP) return this.#readLong(offset, length);
    const block = start / BLOCK;
    const number = block % SLOTS;
    let slot = this.#slots[number];
    if (slot === undefined) {
      slot = makeSlot(Math.min(BLOCK + OVERLAP, Math.max(this.size, 1)));
      this.#slots[number] = slot;
    }
    if (slot.block !== block) {
      slot.block = -1;
      const wanted = Math.min(slot.bytes.length, this.size - start);
      slot.filled = this.source.read(start, slot.bytes.subarray(0, wanted));
      slot.block = block;
    }
    return this.#use(slot, within);
  }

  #use(slot: Slot, index: number): number {
    this.bytes = slot.bytes;
    this.view = slot.view;
    this.filled = slot.filled;
    return index;
  }

  #readLong(offset: number, length: number): number {
    if (length > MOST_AT_ONCE) throw this.past(offset, length);
    const wanted = Math.min(length, this.size - offset);
    let slot = this.#long;
    if (slot === null || slot.bytes.length < wanted) slot = makeSlot(wanted);
    this.#long = slot;
    slot.filled = this.source.read(offset, slot.bytes.subarray(0, wanted));
    return this.#use(slot, 0);
  }

  past(offset: number, length: number): InputError {
    return new InputError(
      {
        source: this.source.name,
        record: 'debug section',
        offset: Number.isFinite(offset) && offset > 0 ? offset : 0,
        field: 'length',
        value: length,
      },
      `that many bytes are needed there, but the section has ${this.size}`,
      'the debug information is damaged or cut short',
    );
  }

  u8(offset: number): number {
    const at = this.at(offset, 1);
    return this.bytes[at];
  }

  u16(offset: number): number {
    const at = this.at(offset, 2);
    return this.view.getUint16(at, this.littleEndian);
  }

  u32(offset: number): number {
    const at = this.at(offset, 4);
    return this.view.getUint32(at, this.littleEndian);
  }

  u64(offset: number): bigint {
    const at = this.at(offset, 8);
    return this.view.getBigUint64(at, this.littleEndian);
  }

  /** A value of 1, 2, 3, 4 or 8 bytes as a number, exact below 2^53. */
  unsigned(offset: number, size: number): number {
    if (size === 4) return this.u32(offset);
    if (size === 1) return this.u8(offset);
    if (size === 2) return this.u16(offset);
    if (size === 8) return u64ToNumber(this.u64(offset));
    const at = this.at(offset, 3);
    const [first, second, third] = this.bytes.subarray(at, at + 3);
    return this.littleEndian ? first | (second << 8) | (third << 16) : (first << 16) | (second << 8) | third;
  }

  /** Where the next LEB128 ends that begins at `offset`. */
  lebEnd(offset: number): number {
    const at = this.reach(offset, 16);
    for (let i = at; i < this.filled && i < at + 16; i++) if (this.bytes[i] < 0x80) return offset + i - at + 1;
    throw this.past(offset, 16);
  }

  /** An unsigned LEB128 as a number, exact below 2^53; `lebEnd` tells where it ends. */
  uleb(offset: number): number {
    const at = this.reach(offset, 16);
    let value = 0;
    let scale = 1;
    for (let i = at; i < this.filled && i < at + 16; i++) {
      const byte = this.bytes[i];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw this.past(offset, 16);
  }

  /** A LEB128 modulo 2^64, as it is read with a sign or without. */
  bigLeb(offset: number, signed: boolean): bigint {
    const at = this.reach(offset, 16);
    let value = 0n;
    let shift = 0n;
    for (let i = at; i < this.filled && i < at + 16; i++) {
      const byte = this.bytes[i];
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte >= 0x80) continue;
      if (signed) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << shift) : value);
      return BigInt.asUintN(64, value);
    }
    throw this.past(offset, 16);
  }

  /** Text up to its NUL, cut where it is longer than any name. */
  text(offset: number): string {
    if (!(offset >= 0 && offset < this.size)) throw this.past(offset, 1);
    const at = this.reach(offset, 256);
    const limit = Math.min(this.filled, at + 256);
    for (let i = at; i < limit; i++) if (this.bytes[i] === 0) return utf8.decode(this.bytes.subarray(at, i));
    return this.#longText(offset);
  }

  #longText(offset: number): string {
    const at = this.reach(offset, MOST_TEXT);
    const bytes = this.bytes.subarray(at, Math.min(this.filled, at + MOST_TEXT));
    const end = bytes.indexOf(0);
    return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** A copy of bytes. */
  copy(offset: number, length: number): Uint8Array<ArrayBuffer> {
    const at = this.at(offset, length);
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }
}

// A bounds-checked walk over a record: each field is read once, by name, so that a short or impossible one is told with its place.
import { InputError } from './fault.js';
import { getU64 } from './u64.js';

const utf8 = new TextDecoder('utf-8');

export interface CursorPlace {
  /** The input's short name. */
  readonly source: string;
  /** The record's name in messages. */
  readonly record: string;
  /** Where the bytes begin in the input. */
  readonly base?: number;
}

export class Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly littleEndian: boolean;
  readonly place: CursorPlace;
  position = 0;

  constructor(bytes: Uint8Array, littleEndian: boolean, place: CursorPlace) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.littleEndian = littleEndian;
    this.place = place;
  }

  /** Claims `length` bytes for `field`; returns where they begin. */
  #take(length: number, field: string): number {
    const at = this.position;
    if (length < 0 || at + length > this.bytes.length) {
      throw new InputError(
        { source: this.place.source, record: this.place.record, offset: (this.place.base ?? 0) + at, field },
        `it needs ${length} bytes, but only ${Math.max(0, this.bytes.length - at)} are there`,
      );
    }
    this.position = at + length;
    return at;
  }

  u8(field: string): number {
    return this.view.getUint8(this.#take(1, field));
  }

  u16(field: string): number {
    return this.view.getUint16(this.#take(2, field), this.littleEndian);
  }

  u32(field: string): number {
    return this.view.getUint32(this.#take(4, field), this.littleEndian);
  }

  i32(field: string): number {
    return this.view.getInt32(this.#take(4, field), this.littleEndian);
  }

  u64(field: string): bigint {
    return this.view.getBigUint64(this.#take(8, field), this.littleEndian);
  }

  /** A u64 as a number (see u64.ts: exact below 2^53). */
  u64n(field: string): number {
    return getU64(this.view, this.#take(8, field), this.littleEndian);
  }

  /** A native word: u32 or u64 as bits says, as a number. */
  word(bits: 32 | 64, field: string): number {
    return bits === 64 ? this.u64n(field) : this.u32(field);
  }

  /** A borrowed view of the next bytes. */
  take(length: number, field: string): Uint8Array {
    const at = this.#take(length, field);
    return this.bytes.subarray(at, at + length);
  }

  /** Text in a field of fixed length; it ends at the first NUL or at the field's end. */
  text(length: number, field: string): string {
    return fixedText(this.take(length, field));
  }

  skip(length: number, field = 'padding'): void {
    this.#take(length, field);
  }

  get left(): number {
    return this.bytes.length - this.position;
  }
}

/** Text up to the first NUL, or all of it. */
export function fixedText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return utf8.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

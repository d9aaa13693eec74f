// Memory as lines of text: 16 bytes a line, in hexadecimal with their characters, or as words. What cannot be read is never shown as zeros: `??`.
import { hex } from 'kdumpling/reader';

const PER_LINE = 16;
const FIRST_PRINTABLE = 0x20;
const LAST_PRINTABLE = 0x7e;

export type Unit = 1 | 2 | 4 | 8;

/** Takes stretches of memory in ascending order and gives lines. Lines that repeat the one before are told by one `*`. */
export class Hexdump {
  readonly #unit: Unit;
  readonly #littleEndian: boolean;
  readonly #digits: number;
  readonly #bytes = new Uint8Array(PER_LINE);
  readonly #view = new DataView(this.#bytes.buffer);
  /** One for each byte of the line that is there. */
  readonly #there = new Uint8Array(PER_LINE);
  #line: bigint;
  #filled: number;
  #previous = '';
  #repeating = false;

  /** @param start the address of the first byte; lines begin at multiples of 16 from there */
  constructor(start: bigint, unit: Unit, littleEndian: boolean, digits: number) {
    this.#line = start;
    this.#filled = 0;
    this.#unit = unit;
    this.#littleEndian = littleEndian;
    this.#digits = digits;
  }

  *data(bytes: Uint8Array): Iterable<string> {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(PER_LINE - this.#filled, bytes.length - at);
      this.#bytes.set(bytes.subarray(at, at + length), this.#filled);
      this.#there.fill(1, this.#filled, this.#filled + length);
      at += length;
      yield* this.#advance(length);
    }
  }

  /** `length` bytes that cannot be read; whole lines of them are one line with the reason. */
  *missing(length: bigint, reason: string): Iterable<string> {
    let left = length;
    while (left > 0n) {
      const lines = this.#filled === 0 ? left / BigInt(PER_LINE) : 0n;
      if (lines > 1n) {
        yield* this.#endRepeat();
        const end = this.#line + lines * BigInt(PER_LINE);
        yield `${this.#address(this.#line)}  ${lines * BigInt(PER_LINE)} bytes up to ${hex(end)} cannot be read: ${reason}`;
        this.#line = end;
        this.#previous = '';
        left -= lines * BigInt(PER_LINE);
        continue;
      }
      const room = PER_LINE - this.#filled;
      const part = left < BigInt(room) ? Number(left) : room;
      this.#there.fill(0, this.#filled, this.#filled + part);
      left -= BigInt(part);
      yield* this.#advance(part);
    }
  }

  *end(): Iterable<string> {
    yield* this.#endRepeat();
    if (this.#filled > 0) yield this.#text();
    this.#filled = 0;
  }

  *#advance(length: number): Iterable<string> {
    this.#filled += length;
    if (this.#filled < PER_LINE) return;
    const text = this.#text();
    const content = text.slice(this.#digits);
    if (content === this.#previous) {
      if (!this.#repeating) yield '*';
      this.#repeating = true;
    } else {
      this.#repeating = false;
      yield text;
    }
    this.#previous = content;
    this.#line += BigInt(PER_LINE);
    this.#filled = 0;
  }

  /** Behind a `*` the address of what follows would be unknown. */
  *#endRepeat(): Iterable<string> {
    if (this.#repeating && this.#filled === 0) yield this.#address(this.#line);
    this.#repeating = false;
  }

  #address(address: bigint): string {
    return address.toString(16).padStart(this.#digits, '0');
  }

  #text(): string {
    const address = this.#address(this.#line);
    return this.#unit === 1 ? `${address}  ${this.#byteColumns()}` : `${address}  ${this.#wordColumns()}`;
  }

  #byteColumns(): string {
    let digits = '';
    let characters = '';
    for (let i = 0; i < PER_LINE; i++) {
      if (i === PER_LINE / 2) digits += ' ';
      const byte = this.#bytes[i];
      const there = this.#there[i] === 1;
      if (i >= this.#filled) digits += '   ';
      else {
        digits += there ? `${byte.toString(16).padStart(2, '0')} ` : '?? ';
        characters += !there
          ? '?'
          : byte >= FIRST_PRINTABLE && byte <= LAST_PRINTABLE
            ? String.fromCharCode(byte)
            : '.';
      }
    }
    return `${digits} |${characters}|`;
  }

  #wordColumns(): string {
    const words: string[] = [];
    for (let i = 0; i + this.#unit <= this.#filled; i += this.#unit) {
      const whole = this.#there.subarray(i, i + this.#unit).every(there => there === 1);
      words.push(
        whole
          ? this.#word(i)
              .toString(16)
              .padStart(this.#unit * 2, '0')
          : '??'.repeat(this.#unit),
      );
    }
    return words.join(' ');
  }

  #word(at: number): bigint | number {
    switch (this.#unit) {
      case 8:
        return this.#view.getBigUint64(at, this.#littleEndian);
      case 4:
        return this.#view.getUint32(at, this.#littleEndian);
      case 2:
        return this.#view.getUint16(at, this.#littleEndian);
      case 1:
        return this.#bytes[at];
    }
  }
}

// Memory written field by field, for tests of what decodes kernel structures.
import { AddressMap } from 'kdumpling/reader';
import { PiecesMemory } from '../../reader/pieces-memory.js';

export class Writer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly start: bigint;
  readonly littleEndian: boolean;
  readonly word: 4 | 8;

  constructor(start: bigint, length: number, littleEndian: boolean, word: 4 | 8) {
    this.start = start;
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
    this.littleEndian = littleEndian;
    this.word = word;
  }

  number(at: number, value: bigint | number, size: 1 | 2 | 4 | 8 = this.word): void {
    const big = BigInt.asUintN(size * 8, BigInt(value));
    if (size === 8) this.view.setBigUint64(at, big, this.littleEndian);
    else if (size === 4) this.view.setUint32(at, Number(big), this.littleEndian);
    else if (size === 2) this.view.setUint16(at, Number(big), this.littleEndian);
    else this.view.setUint8(at, Number(big));
  }

  text(at: number, text: string): void {
    this.bytes.set(Buffer.from(text), at);
  }

  /** All bytes at their virtual addresses, without `holes` ([from, to) of offsets). */
  memory(holes: readonly (readonly [number, number])[] = []): AddressMap {
    const pieces: { paddr: number; bytes: Uint8Array }[] = [];
    let from = 0;
    for (const [start, end] of [...holes, [this.bytes.length, this.bytes.length]]) {
      if (start > from) pieces.push({ paddr: 0x1000 + from, bytes: this.bytes.subarray(from, start) });
      from = end;
    }
    const physical = new PiecesMemory(pieces, this.littleEndian, this.word);
    const last = this.start + BigInt(this.bytes.length) - 1n;
    const range = { name: 'made', method: 'linear', first: this.start, last, target: 0x1000 } as const;
    return new AddressMap(physical, [{ ...range, confirmedBy: '', partial: false }]);
  }
}

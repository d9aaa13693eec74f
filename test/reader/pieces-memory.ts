// Physical memory written by hand: pieces of bytes at addresses. Each access spoils what the one before returned, so that a position kept too long is noticed.
import { Extents, type MemoryRun, MOST_LOCATED, PhysicalMemory } from 'kdumpling/reader';

export interface Piece {
  readonly paddr: number;
  readonly bytes: Uint8Array;
}

export class PiecesMemory extends PhysicalMemory {
  readonly stable = true;
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
  /** Two windows that take turns, then the scratch room. */
  readonly arena = new Uint8Array(3 * MOST_LOCATED);
  readonly view = new DataView(this.arena.buffer);
  readonly scratch = 2 * MOST_LOCATED;
  readonly extents: Extents;
  readonly pieces: readonly Piece[];
  #window = 0;
  #used = 0;

  constructor(pieces: readonly Piece[], littleEndian = true, pointerSize: 4 | 8 = 8) {
    super();
    this.pieces = pieces;
    this.littleEndian = littleEndian;
    this.pointerSize = pointerSize;
    this.extents = Extents.from(
      pieces.map(({ paddr, bytes }, value) => ({ start: paddr, end: paddr + bytes.length, value })),
    );
  }

  locate(paddr: number, length: number): number {
    const piece = this.pieces.find(one => paddr >= one.paddr && paddr + length <= one.paddr + one.bytes.length);
    const before = this.#window * MOST_LOCATED;
    this.arena.fill(0xa5, before, before + this.#used);
    if (piece === undefined) return this.fault.set('physical', paddr, length, 'hole');
    this.#window = 1 - this.#window;
    this.#used = length;
    this.arena.set(
      piece.bytes.subarray(paddr - piece.paddr, paddr - piece.paddr + length),
      this.#window * MOST_LOCATED,
    );
    return this.#window * MOST_LOCATED;
  }

  read(paddr: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; done += MOST_LOCATED) {
      const length = Math.min(MOST_LOCATED, into.length - done);
      const at = this.locate(paddr + done, length);
      if (at < 0) throw this.fault.toError();
      into.set(this.arena.subarray(at, at + length), done);
    }
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    yield { start: from, end: to, state: this.locate(from, to - from) < 0 ? 'hole' : 'data' };
  }

  /** In blocks of 1000 bytes, so that what crosses blocks is met. */
  scan(from: number, to: number, visit: (paddr: number, bytes: Uint8Array) => boolean | undefined): void {
    const block = new Uint8Array(1000);
    for (const { paddr, bytes } of [...this.pieces].sort((a, b) => a.paddr - b.paddr)) {
      const end = Math.min(to, paddr + bytes.length);
      for (let at = Math.max(from, paddr); at < end; at += block.length) {
        const length = Math.min(block.length, end - at);
        block.fill(0xa5);
        block.set(bytes.subarray(at - paddr, at - paddr + length));
        if (visit(at, block.subarray(0, length)) === false) return;
      }
    }
  }
}

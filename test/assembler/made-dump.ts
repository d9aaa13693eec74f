// A dump made in memory for tests of the converter: stretches of bytes and of states, and whatever else of a Dump a test wants to say.
import {
  AddressMap,
  Attributes,
  type Dump,
  Extents,
  type FaultRecord,
  Issues,
  type MemoryRun,
  type MemoryState,
  PhysicalMemory,
} from 'kdumpling/reader';
import { architectureByName } from 'kdumpling/reader/arch';

/** [start, end) with bytes where the state is `data`; what no piece covers is a hole. `undecodable` bytes are promised by runs() and missing from scan(). */
export interface Piece {
  readonly start: number;
  readonly end: number;
  readonly state: MemoryState;
  readonly bytes?: Uint8Array;
  readonly undecodable?: true;
}

export const data = (start: number, bytes: Uint8Array): Piece => ({
  start,
  end: start + bytes.length,
  state: 'data',
  bytes,
});

/** Bytes that do not compress and differ from place to place. */
export function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Bytes that compress well. */
export const text = (length: number, word: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length }, (_, i) => word.charCodeAt(i % word.length));

export class MadeMemory extends PhysicalMemory {
  readonly littleEndian: boolean = true;
  readonly pointerSize: 4 | 8 = 8;
  readonly arena = new Uint8Array(1 << 17);
  readonly view = new DataView(this.arena.buffer);
  readonly stable = true;
  readonly scratch = 65536;
  readonly extents: Extents;
  readonly #pieces: readonly Piece[];
  /** How many bytes scan() gave out: everything is to be read once. */
  scanned = 0;

  /** @param pieces ascending and disjoint */
  constructor(pieces: readonly Piece[]) {
    super();
    this.#pieces = pieces;
    const there = pieces.filter(piece => piece.state === 'data' || piece.state === 'zero');
    this.extents = Extents.from(there.map(({ start, end }) => ({ start, end, value: start })));
  }

  locate(paddr: number, length: number): number {
    const piece = this.#pieces.find(({ start, end }) => start <= paddr && paddr + length <= end);
    if (piece?.bytes === undefined) return this.fault.set('physical', paddr, length, 'hole');
    this.arena.set(piece.bytes.subarray(paddr - piece.start, paddr - piece.start + length));
    return 0;
  }

  read(paddr: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const length = Math.min(into.length - done, this.scratch);
      const at = this.locate(paddr + done, length);
      if (at < 0) throw this.fault.toError();
      into.set(this.arena.subarray(at, at + length), done);
      done += length;
    }
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    let at = from;
    for (const { start, end, state } of this.#pieces) {
      if (end <= at || start >= to) continue;
      if (start > at) yield { start: at, end: start, state: 'hole' };
      yield { start: Math.max(at, start), end: Math.min(end, to), state };
      at = Math.min(end, to);
    }
    if (at < to) yield { start: at, end: to, state: 'hole' };
  }

  /** In uneven blocks, from a buffer that is poisoned after each visit. */
  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    const buffer = new Uint8Array(10007);
    for (const { start, end, bytes, undecodable } of this.#pieces) {
      if (undecodable === true) {
        this.fault.set('physical', start, end - start, 'corrupt');
        onFault?.(this.fault);
        continue;
      }
      if (bytes === undefined) continue;
      for (let at = Math.max(start, from); at < Math.min(end, to); ) {
        const length = Math.min(buffer.length, end - at, to - at);
        buffer.set(bytes.subarray(at - start, at - start + length));
        this.scanned += length;
        if (visit(at, buffer.subarray(0, length)) === false) return;
        buffer.fill(0xa5);
        at += length;
      }
    }
  }
}

export function madeDump(
  pieces: readonly Piece[],
  other: Partial<Dump> = {},
): Dump & { readonly physical: MadeMemory } {
  const physical = new MadeMemory(pieces);
  return {
    name: 'made',
    container: { format: 'elf', flattened: false, compression: [], littleEndian: true, bits: 64, files: 1 },
    arch: architectureByName('x86_64'),
    pageSize: 4096,
    virtual: new AddressMap(physical, []),
    segments: [],
    regions: [],
    notes: [],
    vmcoreinfo: null,
    eraseinfo: null,
    cpus: [],
    deviceDumps: [],
    attributes: new Attributes(),
    issues: new Issues(),
    close() {},
    ...other,
    physical,
  };
}

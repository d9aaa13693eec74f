// Physical memory that notes what was read of it: the choke point at which `advise` listens. Searches (`scan`) are not noted: what a search finds and takes is read again.
import type { Extents } from './extents.js';
import type { FaultRecord } from './fault.js';
import type { MemoryRun, PhysicalMemory } from './memory.js';
import { WrappedMemory } from './wrapped-memory.js';

/** Bytes that are noted together: a read of one of them counts for all. */
const UNIT = 8;
const UNITS = 512;
/** Bytes that one bitmap tells of. */
const CHUNK = UNIT * UNITS;
const WORD_BITS = 32;

/** Which bytes were read: a bitmap of 64 bytes for each 4 KiB that were touched. */
export class ReadLog {
  readonly #chunks = new Map<number, Uint32Array<ArrayBuffer>>();
  #last = -1;
  #bits = new Uint32Array(0);

  add(paddr: number, length: number): void {
    if (length <= 0) return;
    const end = Math.floor((paddr + length - 1) / UNIT) + 1;
    for (let unit = Math.floor(paddr / UNIT); unit < end; ) {
      const chunk = Math.floor(unit / UNITS);
      const base = chunk * UNITS;
      const to = Math.min(end - base, UNITS);
      setBits(this.#bitmap(chunk), unit - base, to);
      unit = base + to;
    }
  }

  #bitmap(chunk: number): Uint32Array<ArrayBuffer> {
    if (chunk === this.#last) return this.#bits;
    let bits = this.#chunks.get(chunk);
    if (bits === undefined) {
      bits = new Uint32Array(UNITS / WORD_BITS);
      this.#chunks.set(chunk, bits);
    }
    this.#last = chunk;
    this.#bits = bits;
    return bits;
  }

  /** Ascending, disjoint and as long as they can be, in whole units of 8 bytes. */
  ranges(): { readonly start: number; readonly end: number }[] {
    const ranges: { start: number; end: number }[] = [];
    const chunks = [...this.#chunks.keys()].sort((a, b) => a - b);
    for (const chunk of chunks) {
      const bits = this.#chunks.get(chunk) ?? this.#bits;
      for (let unit = 0; unit < UNITS; unit++) {
        const word = bits[unit >>> 5];
        if (word === 0) unit |= WORD_BITS - 1;
        if (((word >>> (unit & 31)) & 1) === 0) continue;
        const start = chunk * CHUNK + unit * UNIT;
        const last = ranges.at(-1);
        if (last?.end === start) last.end += UNIT;
        else ranges.push({ start, end: start + UNIT });
      }
    }
    return ranges;
  }
}

/** Sets the bits [from, to). */
function setBits(bits: Uint32Array, from: number, to: number): void {
  const first = from >>> 5;
  const last = (to - 1) >>> 5;
  const head = -1 << (from & 31);
  const tail = -1 >>> (31 - ((to - 1) & 31));
  if (first === last) {
    bits[first] |= head & tail;
    return;
  }
  bits[first] |= head;
  bits.fill(0xffffffff, first + 1, last);
  bits[last] |= tail;
}

/** Everything is the other memory's, arena and cache included. Reads that fail are not noted. */
export class RecordingMemory extends WrappedMemory {
  readonly #log: ReadLog;

  constructor(base: PhysicalMemory, log: ReadLog) {
    super(base);
    this.#log = log;
  }

  get extents(): Extents {
    return this.base.extents;
  }

  override get presentBytes(): number {
    return this.base.presentBytes;
  }

  override get bounds(): { readonly start: number; readonly end: number } {
    return this.base.bounds;
  }

  locate(paddr: number, length: number): number {
    const at = this.base.locate(paddr, length);
    if (at < 0) return this.fault.copy(this.base.fault);
    this.#log.add(paddr, length);
    return at;
  }

  read(paddr: number, into: Uint8Array): void {
    this.base.read(paddr, into);
    this.#log.add(paddr, into.length);
  }

  runs(from: number, to: number): Iterable<MemoryRun> {
    return this.base.runs(from, to);
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    this.base.scan(from, to, visit, onFault);
  }
}

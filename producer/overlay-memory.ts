// A dump's memory and beside it what the producer allocated: the core image's header, firmware's tables. New pages lie at physical addresses
// that the dump has nothing for, so nothing of the dump is hidden or changed.
import { alignUp, Extents, type FaultRecord, type MemoryRun, PhysicalMemory } from 'kdumpling/reader';

interface Area {
  readonly start: number;
  readonly end: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Free pages between the dump's memory and each allocation, so that no read runs from one into another. */
const GUARD_PAGES = 1;

export class OverlayMemory extends PhysicalMemory {
  readonly base: PhysicalMemory;
  readonly pageSize: number;
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
  readonly stable: boolean;
  readonly #areas: Area[] = [];
  #extents: Extents;
  /** The next address to try. */
  #next: number;

  constructor(base: PhysicalMemory, pageSize: number) {
    super();
    this.base = base;
    this.pageSize = pageSize;
    this.littleEndian = base.littleEndian;
    this.pointerSize = base.pointerSize;
    this.stable = base.stable;
    this.#extents = base.extents;
    this.#next = endOfLargest(base.extents) + GUARD_PAGES * pageSize;
  }

  get arena(): Uint8Array {
    return this.base.arena;
  }

  get view(): DataView {
    return this.base.view;
  }

  get scratch(): number {
    return this.base.scratch;
  }

  get extents(): Extents {
    return this.#extents;
  }

  /** What was allocated, by ascending address. */
  get allocations(): readonly { readonly start: number; readonly end: number }[] {
    return this.#areas;
  }

  /** Zeroed whole pages for `length` bytes; returns their physical address, page-aligned. */
  allocate(length: number): number {
    const size = alignUp(Math.max(length, 1), this.pageSize);
    const guard = GUARD_PAGES * this.pageSize;
    const { starts, ends } = this.base.extents;
    let start = alignUp(this.#next, this.pageSize);
    // The first extent that could collide, then those behind it while they do.
    let i = this.base.extents.after(start);
    if (i > 0 && ends[i - 1] + guard > start) start = alignUp(ends[i - 1] + guard, this.pageSize);
    while (i < this.base.extents.length && starts[i] < start + size + guard) {
      start = alignUp(ends[i] + guard, this.pageSize);
      i++;
    }
    this.#next = start + size + guard;
    this.#areas.push({ start, end: start + size, bytes: new Uint8Array(size) });
    this.#rebuild();
    return start;
  }

  /** Changes allocated memory. Throws RangeError where the bytes are not all in one allocation. */
  write(paddr: number, bytes: Uint8Array): void {
    const area = this.#areas.find(({ start, end }) => paddr >= start && paddr + bytes.length <= end);
    if (area === undefined) throw new RangeError(`0x${paddr.toString(16)} was not allocated`);
    area.bytes.set(bytes, paddr - area.start);
  }

  #rebuild(): void {
    const { starts, ends, values, length } = this.base.extents;
    const ranges = Array.from({ length }, (_, i) => ({ start: starts[i], end: ends[i], value: values[i] }));
    for (const { start, end } of this.#areas) ranges.push({ start, end, value: start });
    this.#extents = Extents.from(ranges.sort((a, b) => a.start - b.start));
  }

  /** The allocation that holds the whole stretch. Guard pages keep a stretch from being in two. */
  #areaOf(address: number, length: number): Area | undefined {
    for (const area of this.#areas) if (address >= area.start && address + length <= area.end) return area;
    return undefined;
  }

  locate(address: number, length: number): number {
    const area = this.#areaOf(address, length);
    if (area === undefined) {
      const at = this.base.locate(address, length);
      return at < 0 ? this.fault.copy(this.base.fault) : at;
    }
    const at = address - area.start;
    this.arena.set(area.bytes.subarray(at, at + length), this.scratch);
    return this.scratch;
  }

  read(address: number, into: Uint8Array): void {
    const area = this.#areaOf(address, into.length);
    if (area === undefined) this.base.read(address, into);
    else into.set(area.bytes.subarray(address - area.start, address - area.start + into.length));
  }

  *runs(from: number, to: number): Iterable<MemoryRun> {
    let at = from;
    for (const area of this.#areas) {
      if (area.end <= at || area.start >= to) continue;
      if (at < area.start) yield* this.base.runs(at, area.start);
      const end = Math.min(area.end, to);
      yield { start: Math.max(at, area.start), end, state: 'data' };
      at = end;
    }
    if (at < to) yield* this.base.runs(at, to);
  }

  scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void {
    let stopped = false;
    const watched = (paddr: number, bytes: Uint8Array) => {
      const go = visit(paddr, bytes);
      stopped = go === false;
      return go;
    };
    let at = from;
    for (const area of this.#areas) {
      if (area.end <= at || area.start >= to) continue;
      if (at < area.start) this.base.scan(at, area.start, watched, onFault);
      if (stopped) return;
      const start = Math.max(at, area.start);
      const end = Math.min(area.end, to);
      if (watched(start, area.bytes.subarray(start - area.start, end - area.start)) === false) return;
      at = end;
    }
    if (at < to) this.base.scan(at, to, watched, onFault);
  }
}

/** Where the largest extent (RAM, not a ROM somewhere above it) ends. */
function endOfLargest(extents: Extents): number {
  const merged = extents.merged();
  let largest = -1;
  let end = 0;
  for (let i = 0; i < merged.length; i++) {
    const size = merged.ends[i] - merged.starts[i];
    if (size <= largest) continue;
    largest = size;
    end = merged.ends[i];
  }
  return end;
}

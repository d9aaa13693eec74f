// VirtualMemory as an ordered list of ranges, each with a method: a segment's own claim, a linear map confirmed by known content, page tables (added
// by whoever can walk them). Where ranges overlap the earlier one wins.
import { MOST_EXACT, Pieces } from './address-pieces.js';
import type { AddressRange, MapMethod } from './address-range.js';
import type { FaultReason, FaultRecord } from './fault.js';
import { MemoryFault } from './fault.js';
import { type MemoryState, MOST_LOCATED, type PhysicalMemory, VirtualMemory } from './memory.js';
import { HIGH, halves, joinU64, LOW, splitU64 } from './u64.js';

/** Translation by page tables, for addresses that no range holds. */
export interface Translator {
  /** The physical address, or -1 with the reason in `fault`. Reads by physical address only. */
  translate(vaddr: bigint, fault: FaultRecord): number;
  /** How many bytes from the address last asked for on are contiguous in physical memory or, where it has no translation, have none either. */
  readonly reach: number;
}

/** A stretch [start, end) of virtual memory in one state. */
export interface VirtualRun {
  readonly start: bigint;
  readonly end: bigint;
  readonly state: MemoryState;
  /** The physical address of the first byte, or -1: not translated, or of a core without physical addresses. */
  readonly paddr: number;
}

/** A stretch of addresses that one range holds. */
export interface MappedPiece {
  readonly vaddr: bigint;
  readonly size: number;
  readonly method: MapMethod;
  /** Physical address, or file offset, of the first byte. */
  readonly target: number;
}

/** The least page of any architecture: how far an address without translation by page tables is taken to reach. */
const LEAST_PAGE = 4096n;

/** Of addresses, by 16 MiB: which piece one of the same kind was last found in. Random addresses of a few ranges find theirs at once. */
const HINTS = 1024;

const kindOf = (addressHigh: number, addressLow: number): number =>
  ((addressLow >>> 24) ^ (addressHigh << 8) ^ addressHigh) & (HINTS - 1);

export class AddressMap extends VirtualMemory {
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
  readonly arena: Uint8Array;
  readonly view: DataView;
  readonly physical: PhysicalMemory;
  /** Page tables, for what no range holds. */
  translator: Translator | null = null;
  readonly #file: PhysicalMemory | null;
  /** What an address is that nothing holds. */
  readonly missing: FaultReason;
  /** Told of each access that fails, when `fault` is set. */
  onMiss: ((vaddr: bigint, length: number) => void) | null = null;
  /** The memory whose arena is this one's. */
  readonly #primary: PhysicalMemory;
  #ranges: readonly AddressRange[];
  #pieces: Pieces;
  readonly #hints = new Uint32Array(HINTS);
  /** Set by #pieceAt. */
  #into = 0;
  /** Set by #find: the memory, the place in it and how many bytes go on there. */
  #memory: PhysicalMemory;
  #target = 0;
  #reach = 0;
  #composed: Uint8Array | null = null;

  /**
   * @param ranges in order of precedence
   * @param file memory by file offset, for ranges with the method `file`
   * @param missing what an address is that no range holds: `unregistered` in a region core
   */
  constructor(
    physical: PhysicalMemory,
    ranges: readonly AddressRange[],
    file: PhysicalMemory | null = null,
    missing: FaultReason = 'not-present',
  ) {
    super();
    this.physical = physical;
    this.#file = file;
    this.missing = missing;
    this.#ranges = ranges;
    this.#pieces = new Pieces(ranges);
    this.#primary = file !== null && ranges.every(range => range.method === 'file') ? file : physical;
    this.#memory = this.#primary;
    this.littleEndian = this.#primary.littleEndian;
    this.pointerSize = this.#primary.pointerSize;
    this.arena = this.#primary.arena;
    this.view = this.#primary.view;
  }

  get ranges(): readonly AddressRange[] {
    return this.#ranges;
  }

  /** Adds a range behind all others, for instance the rest of an image whose end became known. */
  add(range: AddressRange): void {
    this.#ranges = [...this.#ranges, range];
    this.#pieces = new Pieces(this.#ranges);
    this.#hints.fill(0);
  }

  /** What ranges hold, ascending and disjoint; nothing of what only page tables map. */
  *pieces(): Iterable<MappedPiece> {
    const { count, startHigh, startLow, lengths, targets, owners } = this.#pieces;
    for (let i = 0; i < count; i++) {
      const vaddr = joinU64(startHigh[i], startLow[i]);
      yield { vaddr, size: lengths[i], method: this.#ranges[owners[i]].method, target: targets[i] };
    }
  }

  /** Short, so that it is compiled into loops that call it: a number beyond 2^31 that a call returns has to be made in memory. */
  translate(vaddr: bigint): number {
    splitU64(vaddr);
    const addressHigh = halves[HIGH];
    const addressLow = halves[LOW];
    const pieces = this.#pieces;
    const hint = this.#hints[kindOf(addressHigh, addressLow)];
    if (hint < pieces.count) {
      const paddr = pieces.paddrs[hint] + pieces.into(hint, addressHigh, addressLow);
      if (paddr >= 0) return paddr;
    }
    return Math.max(this.#translateElsewhere(vaddr, addressHigh, addressLow), -1);
  }

  #translateElsewhere(vaddr: bigint, addressHigh: number, addressLow: number): number {
    const i = this.#pieceAt(addressHigh, addressLow);
    if (i < 0 && this.translator !== null) return this.translator.translate(vaddr, this.fault);
    if (!this.#find(vaddr, 1)) return -1;
    if (this.#memory === this.physical) return this.#target;
    return this.fault.set('virtual', vaddr, 1, 'not-present', 'this core has no physical addresses');
  }

  locate(vaddr: bigint, length: number): number {
    const at = this.#locate(vaddr, length);
    if (at < 0 && this.onMiss !== null) this.onMiss(vaddr, length);
    return at;
  }

  #locate(vaddr: bigint, length: number): number {
    if (!this.#find(vaddr, length)) return -1;
    if (length > this.#reach || this.#memory !== this.#primary) return this.#compose(vaddr, length);
    const at = this.#memory.locate(this.#target, length);
    return at >= 0 ? at : this.fault.copy(this.#memory.fault);
  }

  read(vaddr: bigint, into: Uint8Array): void {
    try {
      this.#read(vaddr, into);
    } catch (error) {
      if (this.onMiss !== null && error instanceof MemoryFault) {
        this.fault.set(error.space, error.address, error.length, error.reason, error.detail);
        this.onMiss(vaddr, into.length);
      }
      throw error;
    }
  }

  #read(vaddr: bigint, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      if (!this.#find(vaddr + BigInt(done), into.length - done)) throw this.fault.toError();
      const length = Math.min(this.#reach, into.length - done);
      this.#memory.read(this.#target, into.subarray(done, done + length));
      done += length;
    }
  }

  /** The state of memory from `from` to `to`, in order, without gaps; a new run begins wherever the translation or the state changes. */
  *runs(from: bigint, to: bigint): Iterable<VirtualRun> {
    let at = from;
    while (at < to) {
      if (!this.#find(at, 1)) {
        const start = at;
        const { reason } = this.fault;
        do at = this.#mappedAgain(at, to);
        while (at < to && !this.#find(at, 1) && this.fault.reason === reason);
        yield { start, end: at, state: reason, paddr: -1 };
        continue;
      }
      const memory = this.#memory;
      const target = this.#target;
      const length = Math.min(this.#reach, Number(to - at));
      const base = at - BigInt(target);
      for (const { start, end, state } of memory.runs(target, target + length)) {
        const paddr = memory === this.physical ? start : -1;
        yield { start: base + BigInt(start), end: base + BigInt(end), state, paddr };
      }
      at += BigInt(length);
    }
  }

  /** `at` has no translation: where the next address may have one. */
  #mappedAgain(at: bigint, to: bigint): bigint {
    const pieces = this.#pieces;
    splitU64(at);
    const next = pieces.before(halves[HIGH], halves[LOW]) + 1;
    let end = to;
    if (next < pieces.count) {
      const start = joinU64(pieces.startHigh[next], pieces.startLow[next]);
      if (start > at && start < end) end = start;
    }
    if (this.translator === null) return end;
    const { reach } = this.translator;
    const again = reach > 0 ? at + BigInt(reach) : at - (at % LEAST_PAGE) + LEAST_PAGE;
    return again < end ? again : end;
  }

  /** The piece that holds an address given in halves, with #into set, or -1. */
  #pieceAt(addressHigh: number, addressLow: number): number {
    const pieces = this.#pieces;
    const hints = this.#hints;
    const kind = kindOf(addressHigh, addressLow);
    const hint = hints[kind];
    if (hint < pieces.count) {
      this.#into = pieces.into(hint, addressHigh, addressLow);
      if (this.#into >= 0) return hint;
    }
    const i = pieces.before(addressHigh, addressLow);
    if (i < 0) return -1;
    this.#into = pieces.into(i, addressHigh, addressLow);
    if (this.#into < 0) return -1;
    hints[kind] = i;
    return i;
  }

  /** Where `vaddr` is: sets #memory, #target and #reach, or leaves the reason in `fault`. */
  #find(vaddr: bigint, length: number): boolean {
    splitU64(vaddr);
    const i = this.#pieceAt(halves[HIGH], halves[LOW]);
    if (i >= 0) return this.#setPiece(vaddr, length, i, this.#into);
    if (this.translator !== null) {
      const paddr = this.translator.translate(vaddr, this.fault);
      if (paddr < 0) {
        this.fault.length = length;
        return false;
      }
      this.#memory = this.physical;
      this.#target = paddr;
      this.#reach = this.translator.reach;
      return true;
    }
    this.fault.set('virtual', vaddr, length, this.missing);
    return false;
  }

  #setPiece(vaddr: bigint, length: number, i: number, into: number): boolean {
    const pieces = this.#pieces;
    const target = pieces.targets[i] + into;
    if (target >= MOST_EXACT) {
      this.fault.set('virtual', vaddr, length, 'not-present', 'its physical address would pass 2^53');
      return false;
    }
    this.#memory = pieces.byFile[i] === 1 && this.#file !== null ? this.#file : this.physical;
    this.#target = target;
    this.#reach = pieces.lengths[i] - into;
    return true;
  }

  /** Bytes from several places, put together in the scratch room; #find was called for the first. */
  #compose(vaddr: bigint, length: number): number {
    if (length > MOST_LOCATED) throw new RangeError(`locate: ${length} bytes are more than ${MOST_LOCATED}`);
    this.#composed ??= new Uint8Array(MOST_LOCATED);
    let done = 0;
    for (;;) {
      const part = Math.min(this.#reach, length - done);
      const at = this.#memory.locate(this.#target, part);
      if (at < 0) return this.fault.copy(this.#memory.fault);
      const { arena } = this.#memory;
      for (let i = 0; i < part; i++) this.#composed[done + i] = arena[at + i];
      done += part;
      if (done >= length) break;
      if (!this.#find(vaddr + BigInt(done), length - done)) return -1;
    }
    // Only now: a part that crosses blocks is put together in the same room.
    const { scratch } = this.#primary;
    for (let i = 0; i < length; i++) this.arena[scratch + i] = this.#composed[i];
    return scratch;
  }
}

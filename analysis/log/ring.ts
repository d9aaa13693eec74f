// The lockless ring of printk (5.10 and later), decoded by VMCOREINFO's SIZE and OFFSET lines. Source: kernel/printk/printk_ringbuffer.{c,h} (5.10 to 7.3), include/linux/printk.h.
import { fixedText, hex, type Issues, type VirtualMemory } from 'kdumpling/reader';
import type { LogLayouts } from './layouts.js';
import { callerName, type LogRecord } from './record.js';

/** Bits of state_var: the topmost two are the state, the rest the descriptor's id. */
const COMMITTED = 1;
const FINALIZED = 2;
/** The most descriptors that are believed: a log buffer of 512 MiB. */
const MOST_COUNT_BITS = 24;
const MOST_SIZE_BITS = 31;
/** struct dev_printk_info: PRINTK_INFO_SUBSYSTEM_LEN and PRINTK_INFO_DEVICE_LEN bytes. */
const SUBSYSTEM_LENGTH = 16;
const DEVICE_LENGTH = 48;
/** lpos of a record without data: 3 is an empty line; 1, a text that could not be stored. */
const EMPTY_LINE = 3n;
/** After so many descriptors in a row that cannot be read the rest is given up. */
const MOST_UNREADABLE = 4096;
/** No block of the data ring begins with such an id. */
const NOBODY = -1n;

/** Offsets and sizes; 0 where the member is first. */
interface RingLayout {
  readonly descRing: number;
  readonly textRing: number;
  readonly countBits: number;
  readonly descs: number;
  readonly infos: number;
  readonly headId: number;
  readonly tailId: number;
  readonly descSize: number;
  readonly stateVar: number;
  readonly blockAt: number;
  readonly begin: number;
  readonly next: number;
  readonly infoSize: number;
  readonly seq: number;
  readonly timestamp: number;
  readonly textLength: number;
  readonly callerId: number;
  readonly devInfo: number;
  readonly sizeBits: number;
  readonly data: number;
  readonly counter: number;
}

/** True if VMCOREINFO tells of this ring. */
export function hasRing(vmcoreinfo: LogLayouts): boolean {
  return vmcoreinfo.size('printk_ringbuffer') !== undefined;
}

/** Null, with an issue, if a line of VMCOREINFO is missing. */
function ringLayout(info: LogLayouts, issues: Issues): RingLayout | null {
  let missing = '';
  const offset = (type: string, member: string) => {
    const value = info.offset(type, member);
    if (value === undefined && missing === '') missing = `OFFSET(${type}.${member})`;
    return value ?? 0;
  };
  const size = (type: string) => {
    const value = info.size(type);
    if (!value && missing === '') missing = `SIZE(${type})`;
    return value ?? 0;
  };
  const layout: RingLayout = {
    descRing: offset('printk_ringbuffer', 'desc_ring'),
    textRing: offset('printk_ringbuffer', 'text_data_ring'),
    countBits: offset('prb_desc_ring', 'count_bits'),
    descs: offset('prb_desc_ring', 'descs'),
    infos: offset('prb_desc_ring', 'infos'),
    headId: offset('prb_desc_ring', 'head_id'),
    tailId: offset('prb_desc_ring', 'tail_id'),
    descSize: size('prb_desc'),
    stateVar: offset('prb_desc', 'state_var'),
    blockAt: offset('prb_desc', 'text_blk_lpos'),
    begin: offset('prb_data_blk_lpos', 'begin'),
    next: offset('prb_data_blk_lpos', 'next'),
    infoSize: size('printk_info'),
    seq: offset('printk_info', 'seq'),
    timestamp: offset('printk_info', 'ts_nsec'),
    textLength: offset('printk_info', 'text_len'),
    callerId: offset('printk_info', 'caller_id'),
    devInfo: offset('printk_info', 'dev_info'),
    sizeBits: offset('prb_data_ring', 'size_bits'),
    data: offset('prb_data_ring', 'data'),
    counter: offset('atomic_long_t', 'counter'),
  };
  if (missing === '') return layout;
  issues.add('log-layout', `the log cannot be decoded: VMCOREINFO lacks ${missing}`);
  return null;
}

/** Records in order. What cannot be read is left out and told in `issues`. */
export function* readRing(
  virtual: VirtualMemory,
  vmcoreinfo: LogLayouts,
  symbol: (name: string) => bigint | null,
  issues: Issues,
): Iterable<LogRecord> {
  const layout = ringLayout(vmcoreinfo, issues);
  const ring = layout === null ? null : ringAddress(virtual, vmcoreinfo, symbol, issues);
  if (layout === null || ring === null) return;
  const reader = RingReader.open(virtual, layout, ring, issues);
  if (reader !== null) yield* reader.records();
}

/** `prb` points at the ring in use. Where it cannot be read the static ring of early boot is taken. */
function ringAddress(
  virtual: VirtualMemory,
  vmcoreinfo: LogLayouts,
  symbol: (name: string) => bigint | null,
  issues: Issues,
): bigint | null {
  const pointer = vmcoreinfo.symbol('prb') ?? symbol('prb');
  const early = vmcoreinfo.symbol('printk_rb_static') ?? symbol('printk_rb_static');
  if (pointer === null) {
    issues.add('log-symbol', 'the log cannot be found: neither VMCOREINFO nor a symbol table has prb');
    return early;
  }
  const at = virtual.locate(pointer, virtual.pointerSize);
  if (at >= 0) return virtual.pointer(pointer);
  const why = virtual.fault.toError().message;
  issues.add('log-unreadable', `prb, which points at the log in use, cannot be read: ${why}`, pointer);
  return early;
}

class RingReader {
  readonly #virtual: VirtualMemory;
  readonly #layout: RingLayout;
  readonly #issues: Issues;
  readonly #count: number;
  readonly #descs: bigint;
  readonly #infos: bigint;
  readonly #head: bigint;
  readonly #tail: bigint;
  readonly #sizeBits: bigint;
  readonly #data: bigint;
  readonly #decoder = new TextDecoder();

  static open(virtual: VirtualMemory, layout: RingLayout, ring: bigint, issues: Issues): RingReader | null {
    try {
      return new RingReader(virtual, layout, ring, issues);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      issues.add('log-unreadable', `the log's ring cannot be read: ${why}`, ring);
      return null;
    }
  }

  /** Throws MemoryFault or RangeError. */
  private constructor(virtual: VirtualMemory, layout: RingLayout, ring: bigint, issues: Issues) {
    this.#virtual = virtual;
    this.#layout = layout;
    this.#issues = issues;
    const descRing = ring + BigInt(layout.descRing);
    const textRing = ring + BigInt(layout.textRing);
    const countBits = virtual.u32(descRing + BigInt(layout.countBits));
    const sizeBits = virtual.u32(textRing + BigInt(layout.sizeBits));
    if (countBits === 0 || countBits > MOST_COUNT_BITS) throw new RangeError(`count_bits is ${countBits}`);
    if (sizeBits === 0 || sizeBits > MOST_SIZE_BITS) throw new RangeError(`size_bits is ${sizeBits}`);
    this.#count = 2 ** countBits;
    this.#sizeBits = BigInt(sizeBits);
    this.#descs = virtual.pointer(descRing + BigInt(layout.descs));
    this.#infos = virtual.pointer(descRing + BigInt(layout.infos));
    this.#head = this.#id(virtual.pointer(descRing + BigInt(layout.headId + layout.counter)));
    this.#tail = this.#id(virtual.pointer(descRing + BigInt(layout.tailId + layout.counter)));
    this.#data = virtual.pointer(textRing + BigInt(layout.data));
  }

  get #idBits(): number {
    return this.#virtual.pointerSize * 8 - 2;
  }

  #id(word: bigint): bigint {
    return BigInt.asUintN(this.#idBits, word);
  }

  *records(): Iterable<LogRecord> {
    const span = this.#id(this.#head - this.#tail) + 1n;
    if (span > BigInt(this.#count)) {
      this.#issues.add(
        'log-corrupt',
        `the log's ids go from ${hex(this.#tail)} to ${hex(this.#head)}, but the ring has ${this.#count} descriptors: only the last of them are read`,
      );
    }
    const records = span > BigInt(this.#count) ? this.#count : Number(span);
    let id = this.#id(this.#head - BigInt(records - 1));
    let unreadable = 0;
    for (let i = 0; i < records && unreadable < MOST_UNREADABLE; i++) {
      const state = this.#state(id);
      if (state < 0) unreadable++;
      else {
        unreadable = 0;
        const record = state === COMMITTED || state === FINALIZED ? this.#record(id) : null;
        if (record !== null) yield record;
      }
      id = this.#id(id + 1n);
    }
  }

  #descriptor(id: bigint): bigint {
    return this.#descs + this.#index(id) * BigInt(this.#layout.descSize);
  }

  #index(id: bigint): bigint {
    return id & BigInt(this.#count - 1);
  }

  /** The state of descriptor `id`: 0 reserved, 1 committed, 2 finalized, 3 reusable or another record's by now; -1 if it cannot be read. */
  #state(id: bigint): number {
    const address = this.#descriptor(id) + BigInt(this.#layout.stateVar + this.#layout.counter);
    const word = this.#word(address, 'a descriptor of the log');
    if (word === null) return -1;
    return this.#id(word) === id ? Number(word >> BigInt(this.#idBits)) : 3;
  }

  /** A word, or null with an issue. */
  #word(address: bigint, what: string): bigint | null {
    const { pointerSize, view, littleEndian } = this.#virtual;
    const at = this.#virtual.locate(address, pointerSize);
    if (at < 0) {
      this.#lost(what, address);
      return null;
    }
    return pointerSize === 8 ? view.getBigUint64(at, littleEndian) : BigInt(view.getUint32(at, littleEndian));
  }

  #lost(what: string, address: bigint): void {
    this.#issues.add('log-record-lost', `${what} cannot be read: ${this.#virtual.fault.toError().message}`, address);
  }

  #record(id: bigint): LogRecord | null {
    const layout = this.#layout;
    const virtual = this.#virtual;
    const address = this.#infos + this.#index(id) * BigInt(layout.infoSize);
    const at = virtual.locate(address, layout.infoSize);
    if (at < 0) {
      this.#lost('the information of a log record', address);
      return null;
    }
    const { view, littleEndian } = virtual;
    const length = view.getUint16(at + layout.textLength, littleEndian);
    const flags = view.getUint8(at + layout.textLength + 3);
    const record = {
      seq: Number(view.getBigUint64(at + layout.seq, littleEndian)),
      timestampNs: view.getBigUint64(at + layout.timestamp, littleEndian),
      // Bitfields (flags 5, level 3) fill a byte from the end that comes first in memory.
      level: littleEndian ? flags >> 5 : flags & 7,
      facility: view.getUint8(at + layout.textLength + 2),
      caller: callerName(view.getUint32(at + layout.callerId, littleEndian)),
      dictionary: this.#dictionary(at + layout.devInfo, at + layout.infoSize),
    };
    const text = this.#text(id, length);
    return text === null ? null : { ...record, text };
  }

  /** From [at, end) of the arena. */
  #dictionary(at: number, end: number): Record<string, string> | null {
    if (at + SUBSYSTEM_LENGTH + DEVICE_LENGTH > end) return null;
    const { arena } = this.#virtual;
    if (arena[at] === 0 && arena[at + SUBSYSTEM_LENGTH] === 0) return null;
    const device = at + SUBSYSTEM_LENGTH;
    return {
      SUBSYSTEM: fixedText(arena.subarray(at, device)),
      DEVICE: fixedText(arena.subarray(device, device + DEVICE_LENGTH)),
    };
  }

  #text(id: bigint, length: number): string | null {
    const block = this.#descriptor(id) + BigInt(this.#layout.blockAt);
    const begin = this.#word(block + BigInt(this.#layout.begin), 'the position of a log text');
    const next = begin === null ? null : this.#word(block + BigInt(this.#layout.next), 'the position of a log text');
    if (begin === null || next === null) return null;
    if ((begin & 1n) === 1n || (next & 1n) === 1n) {
      // A record whose text could not be stored is passed over by the kernel too.
      return begin === EMPTY_LINE && next === EMPTY_LINE ? '' : null;
    }
    const ring = 1n << this.#sizeBits;
    const wraps = begin >> this.#sizeBits !== (next - 1n) >> this.#sizeBits;
    const start = wraps ? 0n : begin & (ring - 1n);
    const size = wraps ? next & (ring - 1n) : BigInt.asUintN(this.#virtual.pointerSize * 8, next - begin);
    const word = BigInt(this.#virtual.pointerSize);
    const owner = size < word || size > ring ? NOBODY : this.#word(this.#data + start, 'a text of the log');
    if (owner === null) return null;
    if (owner === NOBODY || this.#id(owner) !== id) {
      this.#issues.add('log-corrupt', 'the text of a log record is not where its descriptor says', block);
      return null;
    }
    return this.#decode(this.#data + start + word, Math.min(length, Number(size - word)));
  }

  #decode(address: bigint, length: number): string | null {
    if (length === 0) return '';
    const at = this.#virtual.locate(address, length);
    if (at < 0) {
      this.#lost('a text of the log', address);
      return null;
    }
    return this.#decoder.decode(this.#virtual.arena.subarray(at, at + length));
  }
}

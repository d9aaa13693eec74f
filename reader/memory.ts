// The interfaces that all else reads memory through.

import { fixedText } from './cursor.js';
import type { Extents } from './extents.js';
import { type FaultReason, FaultRecord } from './fault.js';

/** The most that one `locate` can ask for; `read` has no such limit. */
export const MOST_LOCATED = 65536;

/** What a stretch of physical memory is: bytes that are there (`data`), pages known to be all zeros (`zero`), or why they are not there. */
export type MemoryState = 'data' | 'zero' | FaultReason;

/** A stretch [start, end) of one state. */
export interface MemoryRun {
  readonly start: number;
  readonly end: number;
  readonly state: MemoryState;
}

/**
 * Bytes by address. `A` is `number` for physical memory, `bigint` for virtual memory.
 *
 * Two forms of access with one meaning: `read` and the typed accessors throw MemoryFault; `locate` allocates nothing, returns -1
 * and leaves the reason in `fault`. A position that `locate` returned is good until the next call of any method.
 */
export abstract class Memory<A extends number | bigint> {
  /** The byte order of this memory (never taken from the container's). */
  abstract readonly littleEndian: boolean;
  abstract readonly pointerSize: 4 | 8;
  /** What `locate`'s result is an index into. */
  abstract readonly arena: Uint8Array;
  abstract readonly view: DataView;
  readonly fault: FaultRecord = new FaultRecord();

  /** Makes `length` (at most MOST_LOCATED) bytes at `address` available in `arena`; returns their position there, or -1. */
  abstract locate(address: A, length: number): number;

  /** Copies memory into `into`. Throws MemoryFault for the first byte that cannot be had. */
  abstract read(address: A, into: Uint8Array): void;

  #at(address: A, length: number): number {
    const at = this.locate(address, length);
    if (at < 0) throw this.fault.toError();
    return at;
  }

  bytes(address: A, length: number): Uint8Array<ArrayBuffer> {
    const into = new Uint8Array(length);
    this.read(address, into);
    return into;
  }

  u8(address: A): number {
    return this.arena[this.#at(address, 1)];
  }

  u16(address: A): number {
    return this.view.getUint16(this.#at(address, 2), this.littleEndian);
  }

  u32(address: A): number {
    return this.view.getUint32(this.#at(address, 4), this.littleEndian);
  }

  i32(address: A): number {
    return this.view.getInt32(this.#at(address, 4), this.littleEndian);
  }

  u64(address: A): bigint {
    return this.view.getBigUint64(this.#at(address, 8), this.littleEndian);
  }

  /** A pointer or an unsigned long. */
  pointer(address: A): bigint {
    return this.pointerSize === 8 ? this.u64(address) : BigInt(this.u32(address));
  }

  /** Text up to a NUL, at most `most` bytes of it (up to MOST_LOCATED); what cannot be read ends it, unless it is the first byte. */
  text(address: A, most: number): string {
    const length = Math.min(most, MOST_LOCATED);
    const at = this.locate(address, length);
    if (at >= 0) return fixedText(this.arena.subarray(at, at + length));
    const bytes = new Uint8Array(length);
    let done = 0;
    for (let step = length >> 1; step > 0 && done < length && !bytes.subarray(0, done).includes(0); ) {
      const part = Math.min(step, length - done);
      const from = this.locate(advanced(address, done), part);
      if (from < 0) {
        step >>= 1;
        continue;
      }
      bytes.set(this.arena.subarray(from, from + part), done);
      done += part;
    }
    if (done === 0) throw this.fault.toError();
    return fixedText(bytes.subarray(0, done));
  }
}

function advanced<A extends number | bigint>(address: A, by: number): A {
  return (typeof address === 'bigint' ? address + BigInt(by) : Number(address) + by) as A;
}

/** Memory by physical address. All reads of it pass `locate`, `read` or `scan`. */
export abstract class PhysicalMemory extends Memory<number> {
  /** False for memory that changes while it is read: nothing of it may be kept longer than one question. */
  abstract readonly stable: boolean;
  /** The bytes that are there, as disjoint extents; the values are the format's own. Compressed formats work it out when it is first asked for. */
  abstract readonly extents: Extents;
  /** How many bytes are there. */
  get presentBytes(): number {
    return this.extents.bytes;
  }
  /** From the first byte that is there to one past the last; both 0 if there is none. */
  get bounds(): { readonly start: number; readonly end: number } {
    return { start: this.extents.starts[0] ?? 0, end: this.extents.end };
  }
  /** Where in `arena` MOST_LOCATED bytes lie that `locate` uses only for reads across blocks: room for a space that composes pieces. */
  abstract readonly scratch: number;

  /** The state of memory from `from` to `to`, in order, without gaps: every byte belongs to one run. */
  abstract runs(from: number, to: number): Iterable<MemoryRun>;

  /**
   * Reads all bytes that are there in [from, to) in ascending order, in large blocks, leaving the cache alone. `visit` gets borrowed bytes,
   * contiguous in physical memory; it returns false to stop. Stretches that cannot be decoded are passed over and told in `onFault`.
   */
  abstract scan(
    from: number,
    to: number,
    visit: (paddr: number, bytes: Uint8Array) => boolean | undefined,
    onFault?: (fault: FaultRecord) => void,
  ): void;
}

/** Memory by virtual address. */
export abstract class VirtualMemory extends Memory<bigint> {
  /** The physical address, or -1 with the reason in `fault`. */
  abstract translate(vaddr: bigint): number;
}

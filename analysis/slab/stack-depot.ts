// The stack depot: each call chain is kept once, and named by a handle of 32 bits. Source: lib/stackdepot.c, include/linux/stackdepot.h (4.6 to 7.3).
import { MemoryFault } from 'kdumpling/reader';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, type Struct, struct } from '../object/index.js';

/** DEPOT_POOL_ORDER, DEPOT_STACK_ALIGN (STACK_ALLOC_… before 6.3): pools of four pages, records at multiples of 16 bytes. */
const POOL_PAGES = 4;
const RECORD_ALIGN = 16;
/** CONFIG_STACKDEPOT_MAX_FRAMES is 256 at most. */
const MOST_FRAMES = 256;
/** DEPOT_MAX_POOLS is 8192. */
const MOST_POOLS = 2 ** 17;

/** Which pool a handle names; where in it is `offset`. */
interface HandleLayout {
  readonly pool: Get<number>;
  readonly offset: Get<number>;
}

export class StackDepot {
  readonly #kernel: Kernel;
  readonly #record: Struct;
  readonly #handle: HandleLayout;
  readonly #size: Get<number>;
  readonly #pools: bigint;
  readonly #stacks = new Map<number, readonly bigint[]>();
  /** Whether the pools' addresses stand at the symbol, or in an array that it points to (7.x); null until a record told. */
  #isPointer: boolean | null = null;

  /** @throws Missing */
  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#record = struct(kernel, 'stack_record');
    this.#handle = handleLayout(kernel);
    this.#size = this.#record.number('size');
    kernel.expect(['stack_pools', 'stack_slabs']);
    // Called stack_slabs before 6.3 (commit 961c949b012f).
    const pools = kernel.symbol('stack_pools') ?? kernel.symbol('stack_slabs');
    if (pools === null) throw new Missing('symbol', 'stack_pools', 'give the vmlinux of this kernel with --vmlinux');
    this.#pools = pools.address;
  }

  /**
   * The call chain of the handle that lies at an address, the innermost first; null where it leads to no record that has the same handle.
   * @throws MemoryFault where the handle itself cannot be read
   */
  at(address: bigint): readonly bigint[] | null {
    const handle = this.#kernel.memory.u32(address);
    if (handle === 0) return null;
    const known = this.#stacks.get(handle);
    if (known !== undefined) return known;
    const found = this.#find(address);
    if (found !== null) this.#stacks.set(handle, found);
    return found;
  }

  #find(handle: bigint): readonly bigint[] | null {
    const pool = this.#handle.pool(handle);
    const place = this.#handle.offset(handle) * RECORD_ALIGN;
    if (pool < 0 || pool >= MOST_POOLS) return null;
    for (const isPointer of this.#isPointer === null ? [false, true] : [this.#isPointer]) {
      try {
        const { memory } = this.#kernel;
        const array = isPointer ? memory.pointer(this.#pools) : this.#pools;
        const start = memory.pointer(array + BigInt(pool * memory.pointerSize));
        const stack = start === 0n ? null : this.#read(start, place, handle);
        if (stack === null) continue;
        this.#isPointer = isPointer;
        return stack;
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
      }
    }
    return null;
  }

  /** Null for what is no record, or that of another handle. */
  #read(pool: bigint, place: number, handle: bigint): readonly bigint[] | null {
    const { memory, pageSize } = this.#kernel;
    const record = pool + BigInt(place);
    const own = record + BigInt(this.#record.offset('handle'));
    const isSame = this.#handle.pool(own) === this.#handle.pool(handle);
    if (!isSame || this.#handle.offset(own) !== this.#handle.offset(handle)) return null;
    const count = this.#size(record);
    const entries = this.#record.offset('entries');
    const length = count * memory.pointerSize;
    if (count > MOST_FRAMES || place + entries + length > POOL_PAGES * pageSize) return null;
    const at = memory.locate(record + BigInt(entries), length);
    if (at < 0) throw memory.fault.toError();
    return Array.from({ length: count }, (_, i) => wordAt(memory, at + i * memory.pointerSize));
  }
}

/** Newest first: counted from 1 since 6.9 (commit 3ee34eabac2a), called a slab before 6.3. */
function handleLayout(kernel: Kernel): HandleLayout {
  const parts = struct(kernel, 'handle_parts');
  const pool = parts.number(parts.which('pool_index_plus_1', 'pool_index', 'slabindex'));
  const offset = parts.number('offset');
  return parts.has('pool_index_plus_1') ? { pool: address => pool(address) - 1, offset } : { pool, offset };
}

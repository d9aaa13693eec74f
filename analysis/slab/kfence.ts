// KFENCE's pool: now and then an object of any cache is put on a page of its own between guard pages. The pages are marked as slabs, but are on no list of a cache. Source: mm/kfence/core.c, mm/kfence/kfence.h (5.12 to 7.3).
import { MemoryFault } from 'kdumpling/reader';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { readClock } from '../machine/clock.js';
import { Missing } from '../missing.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import type { ObjectState } from './model.js';
import type { Track, Tracks } from './tracks.js';

export interface KfenceObject {
  readonly address: bigint;
  /** Bytes, as was asked for. */
  readonly size: number;
  readonly state: ObjectState;
  /** The struct kmem_cache of its last user, 0 for none yet. */
  readonly cache: bigint;
  readonly tracks: Tracks;
}

/** The greatest CONFIG_KFENCE_NUM_OBJECTS. */
const MOST_OBJECTS = 65535;

/** Null where the kernel has none, it is switched off, or nothing tells where it is. */
export const kfencePool = (kernel: Kernel): KfencePool | null => kernel.once(findPool);

function findPool(kernel: Kernel): KfencePool | null {
  try {
    return openPool(kernel);
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return null;
  }
}

function openPool(kernel: Kernel): KfencePool | null {
  if (!hasStruct(kernel, 'kfence_metadata')) return null;
  kernel.expect(['__kfence_pool', 'kfence_metadata']);
  const [pool, metadata] = ['__kfence_pool', 'kfence_metadata'].map(name => kernel.symbol(name));
  if (pool == null || metadata == null) return null;
  const { memory } = kernel;
  const start = memory.pointer(pool.address);
  const paddr = start === 0n ? -1 : memory.translate(start);
  if (paddr < 0) return null;
  // An array of its own before 6.6, then a pointer to one (commit cabdf74e6b31).
  const places = [() => memory.pointer(metadata.address), () => metadata.address];
  for (const place of places) {
    const found = new KfencePool(kernel, start, paddr, place());
    if (found.count > 0) return found;
  }
  return null;
}

export class KfencePool {
  /** Of objects. */
  readonly count: number;
  readonly #start: bigint;
  readonly #firstFrame: number;
  readonly #metadata: bigint;
  readonly #layout: Struct;
  readonly #kernel: Kernel;
  readonly #states: ReadonlyMap<bigint, ObjectState>;
  readonly #track: Get<Track | null>;

  /** @param start of the pool, and `paddr` where that is. @param metadata of its first object. @throws Missing */
  constructor(kernel: Kernel, start: bigint, paddr: number, metadata: bigint) {
    this.#kernel = kernel;
    this.#start = start;
    this.#firstFrame = Math.floor(paddr / kernel.pageSize);
    this.#metadata = metadata;
    this.#layout = struct(kernel, 'kfence_metadata');
    this.#states = statesOf(kernel);
    this.#track = trackOf(kernel);
    this.count = this.#countObjects();
  }

  /** Each object's metadata says on which page it is: as many of them as say the right one. */
  #countObjects(): number {
    const { memory, pageSize } = this.#kernel;
    const addr = this.#layout.address('addr');
    const page = BigInt(pageSize);
    for (let i = 0; i < MOST_OBJECTS; i++) {
      const at = memory.locate(addr(this.#metadataOf(i)), memory.pointerSize);
      if (at < 0) return i;
      const address = wordAt(memory, at);
      if (address - (address % page) !== this.#start + page * BigInt(2 * (i + 1))) return i;
    }
    return MOST_OBJECTS;
  }

  #metadataOf(index: number): bigint {
    return this.#metadata + BigInt(index * this.#layout.size);
  }

  has(pfn: number): boolean {
    return pfn >= this.#firstFrame && pfn < this.#firstFrame + 2 * (this.count + 1);
  }

  /** The object that a page is for: every other page from the third on; null for guard pages. @throws MemoryFault */
  at(pfn: number): KfenceObject | null {
    const page = pfn - this.#firstFrame;
    if (!this.has(pfn) || page < 2 || page % 2 === 1) return null;
    const place = this.#metadataOf(page / 2 - 1);
    const layout = this.#layout;
    const state = this.#states.get(layout.word('state')(place)) ?? 'unknown';
    return {
      address: layout.word('addr')(place),
      size: layout.number('size')(place),
      state,
      cache: layout.word('cache')(place),
      tracks: {
        allocated: this.#track(layout.address('alloc_track')(place)),
        freed: state === 'allocated' ? null : this.#track(layout.address('free_track')(place)),
      },
    };
  }
}

/** enum kfence_object_state: by name, since KFENCE_OBJECT_RCU_FREEING came in between. */
function statesOf(kernel: Kernel): ReadonlyMap<bigint, ObjectState> {
  const states = [
    ['KFENCE_OBJECT_UNUSED', 'free'],
    ['KFENCE_OBJECT_ALLOCATED', 'allocated'],
    ['KFENCE_OBJECT_RCU_FREEING', 'rcu'],
    ['KFENCE_OBJECT_FREED', 'free'],
  ] as const;
  const map = new Map<bigint, ObjectState>();
  for (const [name, state] of states) {
    const value = kernel.types?.enumerator(name) ?? null;
    if (value !== null) map.set(value, state);
  }
  return map;
}

/** struct kfence_track; null for what never happened. */
function trackOf(kernel: Kernel): Get<Track | null> {
  const { memory } = kernel;
  const layout = struct(kernel, 'kfence_track');
  const [pid, depth] = [layout.number('pid'), layout.number('num_stack_entries')];
  // Both came with commit 4bbf04aa9aa8 (5.18).
  const cpu = layout.has('cpu') ? layout.number('cpu') : null;
  const time = layout.has('ts_nsec') ? layout.word('ts_nsec') : null;
  const entries = layout.address('stack_entries');
  const most = Math.floor(layout.sizeOf('stack_entries') / memory.pointerSize);
  const now = clockOf(kernel);
  return address => {
    const count = depth(address);
    if (count < 1 || count > most) return null;
    const at = memory.locate(entries(address), count * memory.pointerSize);
    if (at < 0) return null;
    const stack = Array.from({ length: count }, (_, i) => wordAt(memory, at + i * memory.pointerSize));
    return {
      caller: stack[0],
      stack,
      cpu: cpu?.(address) ?? null,
      pid: pid(address),
      when: null,
      agoMs: time === null || now === null ? null : Math.max(0, Math.round(Number(now - time(address)) / 1e6)),
    };
  };
}

/** local_clock() runs beside the monotonic clock. */
function clockOf(kernel: Kernel): bigint | null {
  try {
    return readClock(kernel).monotonicNs;
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return null;
  }
}

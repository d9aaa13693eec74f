// Who took an object and who gave it back, as SLAB_STORE_USER keeps it behind each. Source: mm/slub.c (struct track, get_track(), get_info_end(); 2.6.22 to 7.3).
import { hex, MemoryFault } from 'kdumpling/reader';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { tickNs } from '../machine/clock.js';
import { Missing } from '../missing.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { placeText, type SymbolPlace, symbolPlace } from '../symbols/index.js';
import { slabFlags } from './slab-flags.js';
import type { SlubCache } from './slub-caches.js';
import { StackDepot } from './stack-depot.js';

export interface Track {
  /** Who called the allocator. */
  readonly caller: bigint;
  /** Return addresses, the innermost first; null where they are not kept, or cannot be read. */
  readonly stack: readonly bigint[] | null;
  /** Null where it is not kept. */
  readonly cpu: number | null;
  readonly pid: number;
  /** jiffies at the time; on 64-bit kernels too, no more than 2^53; null where it is kept in another way. */
  readonly when: number | null;
  /** How long before the dump; null where it cannot be told. */
  readonly agoMs: number | null;
}

/** Null for what never happened. */
export interface Tracks {
  readonly allocated: Track | null;
  readonly freed: Track | null;
}

export type TrackedCache = Pick<SlubCache, 'address' | 'freeOffset' | 'flags'>;

interface TrackMembers {
  readonly addr: Get<bigint>;
  readonly cpu: Get<number>;
  readonly pid: Get<number>;
  readonly when: Get<number>;
  readonly stack: Get<readonly bigint[] | null>;
}

interface TrackClock {
  readonly jiffies: number;
  readonly tickNs: number;
}

/** Reads the tracks of all caches that have them. */
export class TrackReader {
  readonly #track: Struct;
  readonly #cache: Struct;
  readonly #members: TrackMembers;
  readonly #clock: TrackClock | null;
  readonly #mask: bigint;

  /** @param cache the layout of struct kmem_cache. @throws Missing */
  constructor(cache: Struct) {
    const { kernel } = cache;
    this.#cache = cache;
    this.#track = struct(kernel, 'track');
    this.#members = {
      addr: this.#track.word('addr'),
      cpu: this.#track.number('cpu'),
      pid: this.#track.number('pid'),
      when: this.#track.number('when'),
      stack: stackReader(kernel, this.#track),
    };
    this.#clock = clockOf(kernel);
    this.#mask = slabFlags(kernel).STORE_USER;
  }

  has(cache: Pick<SlubCache, 'flags'>): boolean {
    return (cache.flags & this.#mask) !== 0n;
  }

  /** @param object its address; both null for caches that keep none. @throws MemoryFault */
  of(cache: TrackedCache, object: bigint): Tracks {
    if (!this.has(cache)) return { allocated: null, freed: null };
    const first = object + BigInt(infoEnd(this.#cache, cache));
    return { allocated: this.#read(first), freed: this.#read(first + BigInt(this.#track.size)) };
  }

  #read(address: bigint): Track | null {
    const { addr, cpu, pid, when: at, stack } = this.#members;
    const caller = addr(address);
    if (caller === 0n) return null;
    const when = at(address);
    const clock = this.#clock;
    return {
      caller,
      stack: stack(address),
      cpu: cpu(address),
      pid: pid(address),
      when,
      agoMs: clock === null ? null : Math.round(((clock.jiffies - when) * clock.tickNs) / 1e6),
    };
  }
}

/** Null for caches of kernels that cannot have them. */
export function trackReader(cache: Struct): TrackReader | null {
  try {
    return new TrackReader(cache);
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return null;
  }
}

/** get_info_end(): what the allocator keeps of an object begins behind its freelist pointer. */
export function infoEnd(layout: Struct, { address, freeOffset }: Pick<SlubCache, 'address' | 'freeOffset'>): number {
  const inuse = layout.number('inuse')(address);
  return freeOffset >= inuse ? inuse + layout.kernel.memory.pointerSize : inuse;
}

/** In the track itself, or since 5.19 (commit 5cf909c553e9) in the stack depot. */
function stackReader(kernel: Kernel, track: Struct): Get<readonly bigint[] | null> {
  const { memory } = kernel;
  if (track.has('handle')) {
    if (!hasStruct(kernel, 'stack_record')) return () => null;
    const depot = new StackDepot(kernel);
    const handle = track.address('handle');
    return address => depot.at(handle(address));
  }
  if (!track.has('addrs')) return () => null;
  const count = Math.floor(track.sizeOf('addrs') / memory.pointerSize);
  const addrs = track.address('addrs');
  return address => {
    const at = memory.locate(addrs(address), count * memory.pointerSize);
    if (at < 0) return null;
    const words = Array.from({ length: count }, (_, i) => wordAt(memory, at + i * memory.pointerSize));
    const end = words.indexOf(0n);
    return end < 0 ? words : words.slice(0, end);
  };
}

function clockOf(kernel: Kernel): TrackClock | null {
  try {
    const jiffies = Number(BigInt.asUintN(kernel.arch.bits, kernel.memory.u64(kernel.address('jiffies_64'))));
    const tick = tickNs(kernel);
    return tick > 0 ? { jiffies, tickNs: tick } : null;
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return null;
  }
}

/** A track with names, as answers show it. */
export interface NamedTrack extends Omit<Track, 'caller' | 'stack'> {
  readonly caller: SymbolPlace;
  readonly stack: readonly SymbolPlace[] | null;
}

export const namedTrack = (kernel: Kernel, track: Track): NamedTrack => ({
  ...track,
  caller: symbolPlace(kernel, track.caller),
  stack: track.stack?.map(at => symbolPlace(kernel, at)) ?? null,
});

/** `by caller+0x12 (PID 33, CPU 1, 1.234 s before)`. */
export function trackText({ caller, cpu, pid, agoMs }: NamedTrack): string {
  const ago = agoMs === null ? '' : `, ${(agoMs / 1000).toFixed(3)} s before`;
  return `by ${callText(caller)} (PID ${pid}${cpu === null ? '' : `, CPU ${cpu}`}${ago})`;
}

/** The same with the calls behind it: `: a < b < c`. @param most calls, the innermost */
export function trackStackText(track: NamedTrack, most: number): string {
  const calls = track.stack?.slice(0, most).map(callText) ?? [];
  return `${trackText(track)}${calls.length === 0 ? '' : `: ${calls.join(' < ')}`}`;
}

export const callText = (place: SymbolPlace): string => placeText(place) || hex(place.address);

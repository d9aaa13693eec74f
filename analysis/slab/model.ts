// What is known of slab caches, whichever allocator made them.
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { Pages } from '../pages/index.js';
import type { DirectMap } from './direct-map.js';
import type { ObjectPlaces } from './object-places.js';
import type { SlabPages } from './slab-pages.js';
import type { Tracks } from './tracks.js';

/** Where an object is; in this order in arrays of states. `rcu`: in an rcu_free sheaf, until its grace period ends. */
export const OBJECT_STATES = ['allocated', 'free', 'cpu', 'shared', 'alien', 'barn', 'rcu', 'unknown'] as const;
export type ObjectState = (typeof OBJECT_STATES)[number];

/** Positions in OBJECT_STATES. */
export const ALLOCATED = 0;
/** On the slab's own freelist. */
export const FREE = 1;
/** On a CPU's freelist, in its sheaves or its array_cache. */
export const CPU = 2;
/** In the array_cache that the CPUs of a node share. */
export const SHARED = 3;
/** In a node's array_cache of objects that belong to another node. */
export const ALIEN = 4;
export const BARN = 5;
export const RCU = 6;
export const UNKNOWN = 7;

export interface SlabCache {
  readonly name: string;
  /** Of its struct kmem_cache. */
  readonly address: bigint;
  readonly allocator: 'slub' | 'slab';
  /** Bytes that the owner of an object may use. */
  readonly objectSize: number;
  /** Bytes from one object to the next. */
  readonly slotSize: number;
  /** Null where the kernel does not keep it. */
  readonly align: number | null;
  /** Bytes of a slab, as the cache asks for them now: a slab made when memory was short may be smaller. */
  readonly slabSize: number;
  /** SLAB_… flags of include/linux/slab.h. */
  readonly flags: bigint;
  /** How many users share it: more than 1 where caches of one shape were merged; null where the kernel does not count. */
  readonly refcount: number | null;
}

/** How many objects of a cache are where. */
export interface CacheUsage {
  readonly slabs: number;
  readonly total: number;
  /** By state, in the order of OBJECT_STATES. */
  readonly counts: Float64Array;
}

/** Objects that nobody may use again yet count as allocated: only then allocated and free make up the total. */
export const allocatedOf = ({ counts }: CacheUsage): number => counts[ALLOCATED] + counts[RCU];

/** One allocator's caches, and what can be asked of them. A cache that is passed to it is one of its own. Slabs are named by their first frame. */
export interface SlabAllocator<C extends SlabCache = SlabCache> {
  readonly kernel: Kernel;
  readonly pages: Pages;
  readonly map: DirectMap;
  readonly caches: readonly C[];
  /** How many objects are where, by the allocator's own lists and counters. */
  usage(cache: C, issues: Issues): CacheUsage;
  /** All objects that lists outside of their slabs hold, for `states`. */
  held(cache: C, issues: Issues): ObjectPlaces;
  /** The first frame of the slab that a frame is in, -1 for one that is in none. @param pages the window to read through. @throws MemoryFault */
  firstFrame(pages: Pages, pfn: number): number;
  /** Of what the kernel knows the slab by: its struct slab. */
  slabAddress(pfn: number): bigint | null;
  /** The physical address of the slab's first object. @throws MemoryFault */
  firstObject(cache: C, pfn: number): number;
  /**
   * The state of every object of a slab, by number.
   * @param held of its cache
   * @returns how many objects it has, -1 where its struct cannot be read or says what cannot be
   */
  states(cache: C, pfn: number, held: ObjectPlaces, into: Uint8Array, issues: Issues): number;
  /** Who took and freed an object; null where its cache does not keep it. @throws MemoryFault */
  tracks?(cache: C, object: bigint): Tracks | null;
  /** The path of the cgroup that an object is charged to; null for none. @param slab its address. @param index of the object in it. @throws MemoryFault */
  cgroup?(cache: C, slab: bigint, index: number): string | null;
  /** Whether the cache is as the allocator's own rules want it; what is not goes to `issues`. @param pages of all its caches. @throws Missing */
  check(pages: SlabPages, cache: C, issues: Issues): void;
}

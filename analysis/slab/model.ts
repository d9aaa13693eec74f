// What is known of slab caches, whichever allocator made them.

/** Where an object is; in this order in arrays of states. `rcu`: in an rcu_free sheaf, until its grace period ends. */
export const OBJECT_STATES = ['allocated', 'free', 'cpu', 'shared', 'alien', 'barn', 'rcu', 'unknown'] as const;
export type ObjectState = (typeof OBJECT_STATES)[number];

/** Positions in OBJECT_STATES. */
export const ALLOCATED = 0;
/** On the slab's own freelist. */
export const FREE = 1;
/** On a CPU's freelist, in its sheaves or its array_cache. */
export const CPU = 2;
export const BARN = 5;
export const RCU = 6;
export const UNKNOWN = 7;

export interface SlabCache {
  readonly name: string;
  /** Of its struct kmem_cache. */
  readonly address: bigint;
  readonly allocator: 'slub';
  /** Bytes that the owner of an object may use. */
  readonly objectSize: number;
  /** Bytes from one object to the next. */
  readonly slotSize: number;
  readonly align: number;
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

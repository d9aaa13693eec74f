// struct kmem_cache of SLUB. Source: include/linux/slub_def.h (to 6.7), mm/slab.h (6.8 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { cacheName } from './cache-name.js';
import type { SlabCache } from './model.js';
import type { SlubLayout } from './slub-layout.js';

export interface SlubCache extends SlabCache {
  /** From an object's start to its freelist pointer, while it is free. */
  readonly freeOffset: number;
  /** From a slab's start to its first object: the red zone on the left, with SLAB_RED_ZONE. */
  readonly redLeft: number;
  /** kmem_cache.random; 0 for kernels without hardened freelists. */
  readonly random: bigint;
  /** The per-CPU pointer to sheaves; 0 where there are none. */
  readonly cpuSheaves: bigint;
  readonly sheafCapacity: number;
}

/** OO_SHIFT of mm/slub.c. */
const ORDER_SHIFT = 16;
/** KMALLOC_MAX_CACHE_SIZE is two pages, of 64 KiB at most; caches of others are no larger than 32 pages. */
const MOST_SLOT = 2 ** 22;

/** Caches whose struct cannot be read, or says what cannot be, are told and left out. @throws Missing */
export function readSlubCaches({ cache }: SlubLayout, addresses: readonly bigint[], issues: Issues): SlubCache[] {
  const { memory } = cache.kernel;
  const name = cache.word('name');
  const objectSize = cache.number(cache.which('object_size', 'objsize'));
  const slotSize = cache.number('size');
  const align = cache.number('align');
  // struct kmem_cache_order_objects since 2.6.27 (commit 834f3d119234): the order in the upper half.
  const order = cache.has('oo') ? cache.number('oo') : null;
  const flags = cache.word('flags');
  const freeOffset = cache.number('offset');
  const zero = (): number => 0;
  const none = (): bigint => 0n;
  const refcount = cache.has('refcount') ? cache.number('refcount') : null;
  const redLeft = cache.has('red_left_pad') ? cache.number('red_left_pad') : zero;
  const random = cache.has('random') ? cache.word('random') : none;
  const cpuSheaves = cache.has('cpu_sheaves') ? cache.word('cpu_sheaves') : none;
  const sheafCapacity = cache.has('sheaf_capacity') ? cache.number('sheaf_capacity') : zero;
  const read = (address: bigint): SlubCache => ({
    name: cacheName(memory, name(address), address, issues),
    address,
    allocator: 'slub',
    objectSize: objectSize(address),
    slotSize: slotSize(address),
    align: align(address),
    slabSize:
      order === null ? cache.kernel.pageSize : cache.kernel.pageSize * 2 ** ((order(address) >>> ORDER_SHIFT) & 0xf),
    flags: flags(address),
    refcount: refcount === null ? null : refcount(address),
    freeOffset: freeOffset(address),
    redLeft: redLeft(address),
    random: random(address),
    cpuSheaves: cpuSheaves(address),
    sheafCapacity: sheafCapacity(address),
  });
  return addresses.flatMap(address => {
    try {
      const found = read(address);
      if (isSane(found)) return [found];
      const { slotSize: slot, objectSize: object, freeOffset: offset } = found;
      const message = `the cache ${found.name} says that its objects have ${object} bytes in slots of ${slot}, with the freelist pointer at ${offset}: it is left out`;
      issues.add('damaged-cache', message, address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-cache', `the cache at ${hex(address)}: ${error.message}`, address);
    }
    return [];
  });
}

const isSane = ({ slotSize, objectSize, freeOffset, redLeft }: SlubCache): boolean =>
  slotSize > 0 && slotSize <= MOST_SLOT && objectSize <= slotSize && freeOffset < slotSize && redLeft < slotSize;

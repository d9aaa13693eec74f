// struct kmem_cache of SLAB. Source: include/linux/slab_def.h, mm/slab.c (2.6.0 to 6.7).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { cacheName } from './cache-name.js';
import type { SlabCache } from './model.js';
import type { SlabLayout } from './slab-layout.js';
import { MOST_OBJECTS } from './slub-freelist.js';

export interface SlabListCache extends SlabCache {
  /** Objects of a slab: all its slabs have as many. */
  readonly num: number;
  /** From what the allocator calls an object to what its owner has: DEBUG_SLAB's red zone. */
  readonly objectOffset: number;
  /** Whether the freelist lies in a free object of the slab (4.6 and later, commit b03a017bebc4). */
  readonly freelistInObject: boolean;
}

/** CFLGS_OBJFREELIST_SLAB of mm/slab.c. */
const OBJFREELIST = 0x4000_0000n;
const MOST_ORDER = 20;
const MOST_SLOT = 2 ** 26;

/** Caches whose struct cannot be read, or says what cannot be, are told and left out. @throws Missing */
export function readSlabCaches(layout: SlabLayout, addresses: readonly bigint[], issues: Issues): SlabListCache[] {
  const read = reader(layout, issues);
  return addresses.flatMap(address => {
    try {
      const found = read(address);
      if (isSane(found)) return [found];
      const { name, slotSize, objectSize, num, slabSize } = found;
      const message = `the cache ${name} says that its slabs of ${slabSize} bytes have ${num} objects of ${objectSize} bytes in slots of ${slotSize}: it is left out`;
      issues.add('damaged-cache', message, address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-cache', `the cache at ${hex(address)}: ${error.message}`, address);
    }
    return [];
  });
}

function reader({ cache, descriptor }: SlabLayout, issues: Issues): (address: bigint) => SlabListCache {
  const { kernel } = cache;
  const name = cache.word('name');
  // 3.6 and later as in SLUB; buffer_size since 2.6.16.
  const slotSize = cache.number(cache.which('size', 'buffer_size', 'objsize'));
  const objectMember = ['object_size', 'obj_size', 'reallen'].find(member => cache.has(member));
  const objectSize = objectMember === undefined ? slotSize : cache.number(objectMember);
  const offsetMember = ['obj_offset', 'dbghead'].find(member => cache.has(member));
  const objectOffset = offsetMember === undefined ? () => 0 : cache.number(offsetMember);
  const align = cache.has('align') ? cache.number('align') : null;
  const order = cache.number('gfporder');
  const num = cache.number('num');
  const flags = cache.word('flags');
  const refcount = cache.has('refcount') ? cache.number('refcount') : null;
  return address => ({
    name: cacheName(kernel.memory, name(address), address, issues),
    address,
    allocator: 'slab',
    objectSize: objectSize(address),
    slotSize: slotSize(address),
    align: align === null ? null : align(address),
    slabSize: kernel.pageSize * 2 ** Math.min(order(address), MOST_ORDER),
    flags: flags(address),
    refcount: refcount === null ? null : refcount(address),
    num: num(address),
    objectOffset: objectOffset(address),
    freelistInObject: descriptor.form === 'array' && (flags(address) & OBJFREELIST) !== 0n,
  });
}

function isSane({ slotSize, objectSize, objectOffset, num, slabSize }: SlabListCache): boolean {
  const isSlot = slotSize > 0 && slotSize <= MOST_SLOT && objectSize >= 0 && objectOffset >= 0;
  return isSlot && objectOffset + objectSize <= slotSize && num > 0 && num < MOST_OBJECTS && num * slotSize <= slabSize;
}

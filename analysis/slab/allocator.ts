// Which slab allocator a kernel was built with, and its caches. Source: mm/slab_common.c: slab_caches links all of them (3.7 and later, before that each allocator's own list).
import type { Issues } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Struct, struct } from '../object/index.js';
import { directMapBy } from './direct-map.js';
import type { SlabAllocator } from './model.js';
import { Slub } from './slub.js';

/** By members that only one of them has. @throws Missing for the allocators whose caches are not read */
function needSlub(cache: Struct): void {
  if (cache.has('cpu_slab') || cache.has('cpu_sheaves')) return;
  const isSlab = ['cpu_cache', 'array', 'nodelists'].some(member => cache.has(member));
  const why = isSlab
    ? 'this kernel has SLAB (removed in 6.8), whose caches kdumpling does not read: crash does (kmem -s)'
    : 'this kernel has SLOB (removed in 6.4), which keeps no lists of objects by cache';
  throw new Missing('member', 'kmem_cache.cpu_slab', why);
}

/** @throws Missing, MemoryFault */
export function slabAllocator(kernel: Kernel, issues: Issues): SlabAllocator {
  kernel.expect([
    'slab_caches',
    '__per_cpu_offset',
    '__cpu_possible_mask',
    'nr_cpu_ids',
    'mem_section',
    'node_data',
    'node_states',
  ]);
  const cache = struct(kernel, 'kmem_cache');
  needSlub(cache);
  const head = kernel.address('slab_caches');
  const addresses = [...listEntries(kernel, head, cache, 'list', issues, { name: 'slab_caches' })];
  if (addresses.length === 0)
    throw new Missing('symbol', 'slab_caches', 'the list of caches is empty or cannot be read');
  return new Slub(kernel, directMapBy(kernel, addresses), addresses, issues);
}

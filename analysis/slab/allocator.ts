// Which slab allocator a kernel was built with, and its caches. Source: mm/slab_common.c: slab_caches links all of them (3.7 and later, before that each allocator's own list).
import type { Issues } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Struct, struct } from '../object/index.js';
import { directMapBy } from './direct-map.js';
import type { AllocatorName } from './model.js';
import { Slub } from './slub.js';

/** Told by members that only one of them has. @throws Missing */
export function allocatorOf(cache: Struct): AllocatorName {
  if (cache.has('cpu_slab') || cache.has('cpu_sheaves')) return 'slub';
  if (cache.has('cpu_cache') || cache.has('array') || cache.has('nodelists')) return 'slab';
  throw new Missing(
    'member',
    'kmem_cache.cpu_slab',
    'SLOB (removed in 6.4) keeps no caches and no lists of objects by cache',
  );
}

/** @throws Missing, MemoryFault */
export function slabAllocator(kernel: Kernel, issues: Issues): Slub {
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
  allocatorOf(cache);
  const head = kernel.address('slab_caches');
  const addresses = [...listEntries(kernel, head, cache, 'list', issues, { name: 'slab_caches' })];
  if (addresses.length === 0)
    throw new Missing('symbol', 'slab_caches', 'the list of caches is empty or cannot be read');
  return new Slub(kernel, directMapBy(kernel, addresses[0]), addresses, issues);
}

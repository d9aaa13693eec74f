// Which slab allocator a kernel was built with, and its caches. Source: mm/slab_common.c: slab_caches links all of them (3.6 and later), mm/slab.c: cache_chain before.
import type { Issues } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import type { Struct } from '../object/index.js';
import { directMapBy } from './direct-map.js';
import type { SlabAllocator } from './model.js';
import { Slab } from './slab.js';
import { cacheStruct } from './slab-layout.js';
import { Slub } from './slub.js';

/** By members that only one of them has. @throws Missing for the one whose objects no list has */
function allocatorOf(cache: Struct): 'slub' | 'slab' {
  if (cache.has('cpu_slab') || cache.has('cpu_sheaves')) return 'slub';
  if (['cpu_cache', 'array', 'nodelists', 'lists'].some(member => cache.has(member))) return 'slab';
  const why = 'this kernel has SLOB (removed in 6.4), which keeps no lists of objects by cache';
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
  const cache = cacheStruct(kernel);
  const allocator = allocatorOf(cache);
  const name = kernel.symbol('slab_caches') === null && allocator === 'slab' ? 'cache_chain' : 'slab_caches';
  const link = cache.which('list', 'next');
  const addresses = [...listEntries(kernel, kernel.address(name), cache, link, issues, { name })];
  if (addresses.length === 0) throw new Missing('symbol', name, 'the list of caches is empty or cannot be read');
  const map = directMapBy(kernel, addresses);
  return allocator === 'slub' ? new Slub(kernel, map, addresses, issues) : new Slab(kernel, map, addresses, issues);
}

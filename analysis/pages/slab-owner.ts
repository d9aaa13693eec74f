// Which cache a slab's page belongs to. Source: mm/slab.h (struct slab, 5.17 and later, lies over struct page: commit d122019bf061), include/linux/mm_types.h before:
// page.slab_cache (3.7 to 5.16, SLUB and SLAB), page.slab (SLUB, 2.6.22 to 3.6), page.lru.next (SLAB, to 3.6, whose page has a member `slab` too; page.list.next before 2.6.6).
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, struct } from '../object/index.js';
import { pageLayout } from './layout.js';
import type { Pages } from './pages.js';

/** Where in the struct page of a slab's head the pointer to its kmem_cache lies. Resolved once for a kernel. @throws Missing */
export const slabCacheOffset = (kernel: Kernel): number => kernel.once(findOffset);

function findOffset(kernel: Kernel): number {
  if (hasStruct(kernel, 'slab') && struct(kernel, 'slab').has('slab_cache')) {
    return inPage(kernel, struct(kernel, 'slab').offset('slab_cache'));
  }
  const page = struct(kernel, 'page');
  const isSlub = hasStruct(kernel, 'kmem_cache') && struct(kernel, 'kmem_cache').has('cpu_slab');
  const member = ['slab_cache', ...(isSlub ? ['slab'] : ['lru.next', 'list.next'])].find(path => page.has(path));
  if (member === undefined) throw new Missing('member', 'slab.slab_cache', 'types of another kernel?');
  return inPage(kernel, page.offset(member));
}

function inPage(kernel: Kernel, offset: number): number {
  if (offset + kernel.memory.pointerSize <= pageLayout(kernel).size) return offset;
  throw new Missing('member', 'slab.slab_cache', `it cannot be at ${offset}, behind the struct page`);
}

/** The kmem_cache of the slab whose first frame `head` is (`isSlab` says whether it is one). @throws Missing, MemoryFault */
export const slabCache = (pages: Pages, head: number): bigint => pages.word(head, slabCacheOffset(pages.kernel));

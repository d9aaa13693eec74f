// Whether a cache of SLAB is as its own rules want it: lists, counters, freelists, array_caches. Source: mm/slab.c (get_slabinfo, fixup_slab_list, free_block; 2.6.0 to 6.7).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { slabCache } from '../pages/index.js';
import type { SlabNode } from './array-caches.js';
import { cacheObjects, type SlabObjects } from './cache-objects.js';
import { FREE } from './model.js';
import type { Slab } from './slab.js';
import type { SlabListCache } from './slab-caches.js';
import { SlabDebugBytes } from './slab-debug.js';
import { SLAB_LISTS, type SlabList } from './slab-layout.js';
import type { SlabPages } from './slab-pages.js';

/** Findings go to `issues`; what `usage` and `cacheObjects` find of damage is among them. @throws Missing */
export function checkSlabCache(slab: Slab, pages: SlabPages, cache: SlabListCache, issues: Issues): void {
  let listed = 0;
  for (const node of slab.nodesOf(cache, issues)) listed += checkNode(slab, cache, node, issues);
  const debug = SlabDebugBytes.of(slab, cache);
  let found = 0;
  for (const objects of cacheObjects(slab, pages, cache, issues)) {
    found++;
    if (cache.freelistInObject) checkFreelistPlace(slab, cache, objects, issues);
    debug?.check(objects, issues);
  }
  checkHeld(slab, cache, issues);
  if (pages.unread > 0 || found === listed) return;
  const message = `the lists of ${cache.name} have ${listed} slabs, but the memory map has ${found} (a CPU that was stopped while it made or freed a slab explains one)`;
  issues.add('slab-counters', message, cache.address);
}

interface ListCount {
  slabs: number;
  freeObjects: number;
}

/** @returns how many slabs are on its lists */
function checkNode(slab: Slab, cache: SlabListCache, node: SlabNode, issues: Issues): number {
  const [full, partial, free] = SLAB_LISTS.map(list => checkList(slab, cache, node, list, issues));
  const slabs = full.slabs + partial.slabs + free.slabs;
  const counted = {
    // 4.10 and later.
    total_slabs: slabs,
    free_slabs: free.slabs,
    free_objects: full.freeObjects + partial.freeObjects + free.freeObjects,
  };
  const layout = slab.layout.node;
  for (const [member, count] of Object.entries(counted)) {
    if (!layout.has(member)) continue;
    const place = node.address + BigInt(layout.offset(member));
    try {
      const said = layout.number(member)(node.address);
      if (said === count) continue;
      const locked = isLocked(slab, node);
      const lock = locked ? '; its list_lock is held: a CPU was stopped while it changed the lists' : '';
      const message = `node ${node.id} of ${cache.name} says that ${member} is ${said}, its lists have ${count}${lock}`;
      issues.add(locked ? 'changing-slab-counters' : 'slab-counters', message, place);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-node', `${member} of ${cache.name}: ${error.message}`, place);
    }
  }
  return slabs;
}

function checkList(slab: Slab, cache: SlabListCache, node: SlabNode, list: SlabList, issues: Issues): ListCount {
  const count = { slabs: 0, freeObjects: 0 };
  for (const at of slab.listed(node, list, cache, issues)) {
    count.slabs++;
    const pfn = slab.frameOf(at);
    if (pfn < 0 || slab.slabAddress(pfn) !== at) {
      issues.add(
        'damaged-slab',
        `${hex(at)} is on ${list} of ${cache.name}, but the pages that it tells are not its`,
        at,
      );
      continue;
    }
    const home = slab.nodeFrames.nodeOf(pfn);
    if (home >= 0 && home !== node.id) {
      const message = `the slab at ${hex(at)} of ${cache.name} is on ${list} of node ${node.id}, but of node ${home}`;
      issues.add('slab-of-another-node', message, at);
    }
    const counts = slab.counts(at, pfn, cache, issues);
    if (counts === null) continue;
    count.freeObjects += cache.num - counts.active;
    if (listFor(counts.active, cache.num) === list) continue;
    const message = `the slab at ${hex(at)} of ${cache.name} is on ${list}, but ${counts.active} of its ${cache.num} objects are in use`;
    issues.add('slab-on-wrong-list', message, at);
  }
  return count;
}

const listFor = (active: number, num: number): SlabList =>
  active === num ? 'slabs_full' : active === 0 ? 'slabs_free' : 'slabs_partial';

/** A freelist that lies in an object must lie in a free one: a slab without free objects has none. */
function checkFreelistPlace(
  slab: Slab,
  { name, slotSize, objectOffset }: SlabListCache,
  { slab: at, first, count, states }: SlabObjects,
  issues: Issues,
): void {
  try {
    const pointer = slab.layout.descriptor.indexes(at);
    if (pointer === 0n) return;
    const paddr = slab.map.physicalOf(pointer);
    const index = (paddr - first) / slotSize;
    if (paddr >= 0 && Number.isInteger(index) && index >= 0 && index < count && states[index] === FREE) return;
    const message = `the slab at ${hex(at)} of ${name} has its freelist at ${hex(pointer)}, which is none of its free objects`;
    issues.add('freelist-misplaced', message, at);
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-slab', `a slab of ${name}: ${error.message}`, at + BigInt(objectOffset));
  }
}

/** What array_caches hold must lie in a slab of the cache. */
function checkHeld(slab: Slab, cache: SlabListCache, issues: Issues): void {
  const { pages, map, kernel } = slab;
  const held = slab.held(cache, issues);
  for (let i = 0; i < held.count; i++) {
    const paddr = held.paddr(i);
    try {
      const head = slab.firstFrame(pages, Math.floor(paddr / kernel.pageSize));
      if (head >= 0 && slabCache(pages, head) === cache.address) continue;
      const address = map.toVirtual(paddr);
      const message = `an array_cache of ${cache.name} holds ${hex(address)}, which is in none of its slabs`;
      issues.add('wild-pointer', message, address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory-map', `an object of ${cache.name}: ${error.message}`, map.toVirtual(paddr));
    }
  }
}

/** Of kernels that count slabs (4.10 and later): nobody holds a lock of 0, or of two equal tickets. */
function isLocked({ kernel, layout: { node } }: Slab, { address }: SlabNode): boolean {
  if (!node.has('total_slabs')) return false;
  try {
    const lock = kernel.memory.u32(address + BigInt(node.offset('list_lock')));
    return lock >>> 16 !== (lock & 0xffff);
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    return false;
  }
}

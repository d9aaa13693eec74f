// Whether a cache of SLUB is as its own rules want it: lists, counters, and in caches with debugging the bytes around and in its objects. Source: mm/slub.c (check_slab, on_freelist,
// validate_slab_node, 2.6.33 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { cacheObjects } from './cache-objects.js';
import type { SlabPages } from './slab-pages.js';
import type { NodePlace, Slub } from './slub.js';
import type { SlubCache } from './slub-caches.js';
import { DebugBytes } from './slub-debug.js';

/** Findings go to `issues`; what `usage` and `cacheObjects` find of damage is among them. @throws Missing */
export function checkSlubCache(slub: Slub, pages: SlabPages, cache: SlubCache, issues: Issues): void {
  const { node } = slub.layout;
  let slabs: number | null = 0;
  let objects: number | null = 0;
  for (const place of slub.nodesOf(cache, issues)) {
    checkPartial(slub, cache, place, issues);
    checkFull(slub, cache, place, issues);
    slub.checkBarn(place, cache, issues);
    if (!node.has('total_objects')) continue;
    slabs = sum(slabs, slub.nodeCount(place, 'nr_slabs', cache, issues));
    objects = sum(objects, slub.nodeCount(place, 'total_objects', cache, issues));
  }
  const debug = DebugBytes.of(slub, cache);
  let foundSlabs = 0;
  let foundObjects = 0;
  for (const found of cacheObjects(slub, pages, cache, issues)) {
    foundSlabs++;
    foundObjects += found.count;
    debug?.check(found, issues);
  }
  debug?.finish(issues);
  if (!node.has('total_objects') || pages.unread > 0 || slabs === null || objects === null) return;
  if (foundSlabs === slabs && foundObjects === objects) return;
  const message = `${cache.name} counts ${slabs} slabs with ${objects} objects, but the memory map has ${foundSlabs} with ${foundObjects}`;
  issues.add('slab-counters', message, cache.address);
}

const sum = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a + b);

function checkPartial(slub: Slub, cache: SlubCache, place: NodePlace, issues: Issues): void {
  const { node, frozen } = slub.layout;
  let count = 0;
  for (const slab of slub.partialOf(place, cache, issues)) {
    count++;
    const found = slub.counts(slab, cache, issues);
    if (found === null) continue;
    if (found.inuse === found.objects) {
      const message = `the slab at ${hex(slab)} of ${cache.name} is on a list of partial slabs, but all its ${found.objects} objects are in use`;
      issues.add('full-slab-on-partial-list', message, slab);
    }
    if (frozen !== null && frozen(slab) !== 0) {
      const message = `the slab at ${hex(slab)} of ${cache.name} is on a list of partial slabs, but frozen: a CPU has it`;
      issues.add('frozen-slab-on-partial-list', message, slab);
    }
  }
  const said = slub.nodeCount(place, 'nr_partial', cache, issues);
  if (said === null || said === count) return;
  const locked = isLocked(slub, place);
  const lock = locked ? '; its list_lock is held: a CPU was stopped while it changed the list' : '';
  const message = `node ${place.id} of ${cache.name} counts ${said} partial slabs, its list has ${count}${lock}`;
  issues.add(
    locked ? 'changing-slab-counters' : 'slab-counters',
    message,
    place.address + BigInt(node.offset('nr_partial')),
  );
}

function checkFull(slub: Slub, cache: SlubCache, place: NodePlace, issues: Issues): void {
  for (const slab of slub.fullOf(place, cache, issues)) {
    const found = slub.counts(slab, cache, issues);
    if (found === null || found.inuse === found.objects) continue;
    const message = `the slab at ${hex(slab)} of ${cache.name} is on a list of full slabs, but ${found.inuse} of its ${found.objects} objects are in use`;
    issues.add('partial-slab-on-full-list', message, slab);
  }
}

/** A raw spinlock that nobody holds is 0 on every architecture but for what lockdep adds behind it. */
function isLocked(slub: Slub, { address }: NodePlace): boolean {
  try {
    return slub.kernel.memory.u32(address + BigInt(slub.layout.node.offset('list_lock'))) !== 0;
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    return false;
  }
}

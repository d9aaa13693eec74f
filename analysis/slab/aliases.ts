// The other names of merged caches. The kernel keeps none of them in kmem_cache: they are the symbolic links in /sys/kernel/slab, whose kernfs nodes are in memory.
// Source: mm/slub.c (sysfs_slab_add, sysfs_slab_alias; 2.6.22 to 7.3).
import { Issues, MemoryFault } from 'kdumpling/reader';
import { Kernfs } from '../fs/kernfs.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Struct, struct } from '../object/index.js';
import type { SlabCache } from './model.js';

/** By the address of the kmem_cache, in alphabetical order, without its own name; empty for kernels without CONFIG_SYSFS. */
export function cacheAliases(kernel: Kernel, caches: readonly SlabCache[]): ReadonlyMap<bigint, readonly string[]> {
  try {
    const layout = struct(kernel, 'kmem_cache');
    if (!layout.has('kobj.sd')) return new Map();
    return readAliases(new Kernfs(kernel), layout, caches);
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return new Map();
  }
}

function readAliases(kernfs: Kernfs, layout: Struct, caches: readonly SlabCache[]): Map<bigint, readonly string[]> {
  const directoryOf = layout.word('kobj.sd');
  const owners = new Map<bigint, SlabCache>();
  let all = 0n;
  for (const cache of caches) {
    const directory = directoryOf(cache.address);
    if (directory === 0n) continue;
    owners.set(directory, cache);
    if (all === 0n) all = kernfs.parent(directory);
  }
  const found = new Map<bigint, string[]>();
  // Damage of sysfs is no damage of a cache.
  for (const node of all === 0n ? [] : kernfs.children(all, new Issues())) {
    const target = kernfs.target(node);
    const cache = target === null ? undefined : owners.get(target);
    const name = cache === undefined ? '' : kernfs.name(node);
    if (cache === undefined || name === cache.name) continue;
    const names = found.get(cache.address);
    if (names === undefined) found.set(cache.address, [name]);
    else names.push(name);
  }
  for (const names of found.values()) names.sort();
  return found;
}

// CACHE as commands take it: the name of a slab cache, names that match a pattern, or the address of a kmem_cache.
import type { SlabCache } from 'kdumpling/analysis/slab';
import { hex } from 'kdumpling/reader';

export const isPattern = (name: string): boolean => /[*?]/.test(name);

/** Whether a cache is called so, or lies there. */
export function isNamed(cache: SlabCache, name: string): boolean {
  if (cache.name === name || hex(cache.address) === name.toLowerCase()) return true;
  if (!isPattern(name)) return false;
  const pattern = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${pattern}$`).test(cache.name);
}

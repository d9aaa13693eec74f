// kmem_cache.name: text of its own, which a dump may lack although it has the cache.
import { hex, type Issues, MemoryFault, type VirtualMemory } from 'kdumpling/reader';

const MOST_NAME = 256;

/** The text at `name`; where it cannot be read, which is told, the cache goes by its address. */
export function cacheName(memory: VirtualMemory, name: bigint, cache: bigint, issues: Issues): string {
  try {
    return memory.text(name, MOST_NAME);
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-cache-name', `the name of the cache at ${hex(cache)}: ${error.message}`, cache);
    return hex(cache);
  }
}

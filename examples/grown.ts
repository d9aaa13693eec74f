// Which caches grew between two dumps of a machine: kdumpling run grown.ts BEFORE AFTER
import { type Kernel, openKernel, type ScriptContext } from 'kdumpling/analysis';
import { allocatedOf, slabAllocator } from 'kdumpling/analysis/slab';
import type { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';

interface Usage {
  readonly allocated: number;
  readonly bytes: number;
}

/** By the caches' names. */
function usages(kernel: Kernel, issues: Issues): Map<string, Usage> {
  const allocator = slabAllocator(kernel, issues);
  return new Map(
    allocator.caches.map(cache => {
      const usage = allocator.usage(cache, issues);
      return [cache.name, { allocated: allocatedOf(usage), bytes: usage.slabs * cache.slabSize }];
    }),
  );
}

export default async function ({ kernel, args, issues }: ScriptContext) {
  if (args[0] === undefined) throw new Error('give the later dump, too');
  const dump = await openFile(args[0]);
  try {
    const before = usages(kernel, issues);
    const after = usages(await openKernel(dump), issues);
    const none: Usage = { allocated: 0, bytes: 0 };
    return [...new Set([...before.keys(), ...after.keys()])]
      .map(name => {
        const [old, now] = [before.get(name) ?? none, after.get(name) ?? none];
        return { name, objects: now.allocated - old.allocated, bytes: now.bytes - old.bytes };
      })
      .filter(({ objects }) => objects > 0)
      .sort((a, b) => b.bytes - a.bytes || b.objects - a.objects || (a.name < b.name ? -1 : 1));
  } finally {
    dump.close();
  }
}

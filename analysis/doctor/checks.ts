// What the doctor looks at, in order: each check walks what it names and tells what is not as the kernel's own rules want it.
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { modules } from '../modules/index.js';
import { SlabPages, slabAllocator } from '../slab/index.js';
import { tasks } from '../tasks/index.js';
import { timers } from '../timers/index.js';
import { checkAreas } from './areas.js';
import { checkPageFrames } from './page-frames.js';
import { checkPageTables } from './page-tables.js';

export interface Check {
  readonly about: string;
  /** @throws Missing, MemoryFault where it cannot be made at all */
  readonly run: (kernel: Kernel, issues: Issues) => void;
}

export const CHECKS = {
  slab: { about: 'slab caches: lists, counters, freelists, what CPUs hold, red zones and poison', run: slab },
  tasks: { about: 'threads: the list of processes against the PIDs', run: tasks },
  modules: {
    about: 'the list of modules',
    run: (kernel, issues) => {
      for (const _ of modules(kernel, issues));
    },
  },
  timers: {
    about: 'timers: buckets of wheels and trees of clocks, each in the place of its expiry',
    run: (kernel, issues) => {
      timers(kernel, { wheel: true, hrtimers: true, buckets: true }, issues);
    },
  },
  frames: { about: 'struct pages: flags and counts that cannot be, free lists', run: checkPageFrames },
  areas: { about: 'memory areas of processes: order, places in their tree, owner, count', run: checkAreas },
  tables: { about: 'page tables: entries that lead to no memory, or to memory that is free', run: checkPageTables },
} as const satisfies Record<string, Check>;

export type CheckName = keyof typeof CHECKS;

function slab(kernel: Kernel, issues: Issues): void {
  const allocator = slabAllocator(kernel, issues);
  const pages = SlabPages.find(allocator, issues);
  for (const cache of allocator.caches) allocator.check(pages, cache, issues);
}

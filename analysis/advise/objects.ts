// All objects of a type, for region sets that register them wherever they lie: the types that analyses lead to without the slab caches.
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { areaAddresses } from '../mm/areas.js';
import { struct } from '../object/index.js';
import { tasks } from '../tasks/index.js';

type Find = (kernel: Kernel, issues: Issues) => Iterable<bigint>;

const FINDERS: Readonly<Record<string, Find>> = {
  task_struct: (kernel, issues) => tasks(kernel, issues).map(({ task }) => task),
  mm_struct: memories,
  vm_area_struct: areas,
};

export const OBJECT_TYPES: readonly string[] = Object.keys(FINDERS);

/** Addresses, each once; null for a type whose objects nothing here leads to. @throws Missing, MemoryFault */
export function objectsOfType(kernel: Kernel, type: string, issues: Issues): readonly bigint[] | null {
  return Object.hasOwn(FINDERS, type) ? [...new Set(FINDERS[type](kernel, issues))] : null;
}

function* memories(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const layout = struct(kernel, 'task_struct');
  const mm = layout.word('mm');
  // What a kernel thread runs on, and an idle task too (init_mm).
  const active = layout.word('active_mm');
  for (const { task } of tasks(kernel, issues)) {
    for (const address of [mm(task), active(task)]) if (address !== 0n) yield address;
  }
}

function* areas(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const layout = struct(kernel, 'mm_struct');
  for (const mm of new Set(memories(kernel, issues))) yield* areaAddresses(kernel, mm, layout, issues);
}

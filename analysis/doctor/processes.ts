// The address spaces of processes, each once: threads share theirs.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { tasks } from '../tasks/index.js';

export interface AddressSpace {
  /** Of its mm_struct. */
  readonly mm: bigint;
  /** For findings: `PID 12 (sh)`. */
  readonly owner: string;
}

/** @throws Missing */
export function addressSpaces(kernel: Kernel, issues: Issues): AddressSpace[] {
  const mmOf = struct(kernel, 'task_struct').word('mm');
  const found = new Map<bigint, AddressSpace>();
  for (const { task, pid, comm } of tasks(kernel, issues)) {
    try {
      const mm = mmOf(task);
      if (mm !== 0n && !found.has(mm)) found.set(mm, { mm, owner: `PID ${pid ?? '?'} (${comm ?? '?'})` });
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `the address space of a task is unknown: ${error.message}`, task);
    }
  }
  return [...found.values()];
}

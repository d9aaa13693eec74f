// The tasks that run when nothing else does: one for each CPU that can be. They are in no list and have no number; only their CPU's run queue knows them. Source:
// kernel/sched/sched.h (struct rq), kernel/sched/core.c (init_idle, 6.1 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';

/** Addresses of task_structs in the order of CPUs. @throws Missing */
export function* idleTasks(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const idle = struct(kernel, 'rq').word('idle');
  const queues = kernel.address('runqueues');
  const copies = perCpu(kernel);
  for (const cpu of copies.possible) {
    try {
      const task = idle(copies.address(queues, cpu));
      // A CPU that was never brought up has none.
      if (task !== 0n) yield task;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `the idle task of CPU ${cpu} cannot be told: ${error.message}`);
    }
  }
}

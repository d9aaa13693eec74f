// What each CPU ran: rq.curr of its run queue. Source: kernel/sched/sched.h (struct rq, 2.6.23 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { type Task, taskReader } from '../tasks/index.js';

/** By CPU; one whose run queue cannot be read, or that was never brought up, is absent. @throws Missing */
export function runningTasks(kernel: Kernel, issues: Issues): Map<number, Task> {
  const current = struct(kernel, 'rq').word('curr');
  const queues = kernel.address('runqueues');
  const copies = perCpu(kernel);
  const read = taskReader(kernel, issues);
  const found = new Map<number, Task>();
  for (const cpu of copies.possible) {
    try {
      const task = current(copies.address(queues, cpu));
      if (task !== 0n) found.set(cpu, read(task));
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `what CPU ${cpu} ran cannot be told: ${error.message}`);
    }
  }
  return found;
}

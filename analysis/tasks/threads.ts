// All threads by the kernel's own list: processes from init_task.tasks, the threads of each from its signal_struct. Source: include/linux/sched/signal.h (for_each_process,
// for_each_thread, 6.1 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { listNodes } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Struct, struct } from '../object/index.js';

/** Addresses of task_structs, a process's first thread before its others; idle tasks are in no list. @throws Missing */
export function* threadsByList(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const layout = struct(kernel, 'task_struct');
  const ofNode = layout.container('tasks');
  const others = threadsOf(kernel, layout, issues);
  const head = layout.address('tasks')(kernel.address('init_task'));
  for (const node of listNodes(kernel, head, issues, { name: 'init_task.tasks' })) {
    const leader = ofNode(node);
    yield leader;
    yield* others(leader);
  }
}

/** The threads of a process but for its first. */
function threadsOf(kernel: Kernel, layout: Struct, issues: Issues): (leader: bigint) => Iterable<bigint> {
  // A list of siblings without a head until it went (6.7, commit 8e1f385104ac); thread_head and thread_node stand beside it since 3.14 (commit 0c740d0afc3b).
  if (!layout.has('thread_node')) {
    const group = layout.address('thread_group');
    const ofGroup = layout.container('thread_group');
    return function* byGroup(leader) {
      for (const node of listNodes(kernel, group(leader), issues, { name: threadsName(leader) })) yield ofGroup(node);
    };
  }
  const signal = layout.word('signal');
  const head = struct(kernel, 'signal_struct').address('thread_head');
  const ofNode = layout.container('thread_node');
  return function* bySignal(leader) {
    try {
      for (const node of listNodes(kernel, head(signal(leader)), issues, { name: threadsName(leader) })) {
        const thread = ofNode(node);
        if (thread !== leader) yield thread;
      }
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `the threads of the process cannot be told: ${error.message}`, leader);
    }
  };
}

const threadsName = (leader: bigint): string => `of the threads of the process at ${hex(leader)}`;

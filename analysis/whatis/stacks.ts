// Which task's stack an address is in. Source: include/linux/sched/task_stack.h: task_struct.stack is the lowest address of THREAD_SIZE bytes.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { type Task, tasks } from '../tasks/index.js';

export interface TaskStack {
  readonly task: Task;
  readonly start: bigint;
}

/** THREAD_SIZE where the types do not have union thread_union: arch/ARCH/include/asm/thread_info.h, without sanitizers. */
const THREAD_PAGES: Readonly<Record<string, number>> = {
  x86_64: 16384,
  i386: 8192,
  arm64: 16384,
  arm: 8192,
  riscv64: 16384,
  ppc64: 16384,
  s390x: 16384,
};

/** Bytes; null where nothing tells. */
export function threadSize(kernel: Kernel): number | null {
  const union = kernel.types?.find('union', 'thread_union');
  if (union?.kind === 'union' && union.complete) return union.size;
  return THREAD_PAGES[kernel.arch.name] ?? null;
}

/** Stacks of all tasks by their start; an address is looked up in them by bisection. */
export class TaskStacks {
  readonly #stacks: readonly TaskStack[];
  readonly #size: bigint;
  readonly #byTask: ReadonlyMap<bigint, Task>;

  /** @throws Missing */
  constructor(kernel: Kernel, issues: Issues) {
    const stack = struct(kernel, 'task_struct').word('stack');
    const all = tasks(kernel, issues);
    const found: TaskStack[] = [];
    for (const task of all) {
      try {
        const start = stack(task.task);
        // A task that has ended has given its stack back.
        if (start !== 0n) found.push({ task, start });
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-memory', `the stack of a task is unknown: ${error.message}`, task.task);
      }
    }
    this.#stacks = found.sort((a, b) => (a.start < b.start ? -1 : Number(a.start > b.start)));
    this.#size = BigInt(threadSize(kernel) ?? 0);
    this.#byTask = new Map(all.map(task => [task.task, task]));
  }

  /** The task whose task_struct lies there. */
  taskAt(address: bigint): Task | null {
    return this.#byTask.get(address) ?? null;
  }

  at(address: bigint): TaskStack | null {
    let from = 0;
    let to = this.#stacks.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#stacks[middle].start <= address) from = middle + 1;
      else to = middle;
    }
    const found = this.#stacks[from - 1];
    return found !== undefined && address < found.start + this.#size ? found : null;
  }
}

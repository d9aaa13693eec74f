// All threads of a kernel, found in three ways that must agree: the list of processes, the PIDs, and the idle tasks of the CPUs.
import { Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { idleTasks } from './idle.js';
import { threadsByPid } from './pids.js';
import { type Task, taskReader } from './task.js';
import { threadsByList } from './threads.js';

const NAMES = [
  'init_task',
  'init_pid_ns',
  'pid_hash',
  'pidhash_shift',
  'runqueues',
  '__per_cpu_offset',
  '__cpu_possible_mask',
  'nr_cpu_ids',
];

/**
 * Idle tasks by CPU, then by process and thread. A thread that only one of the ways leads to is in the answer, with an issue.
 * @throws Missing where none of the ways can be gone
 */
export function tasks(kernel: Kernel, issues: Issues): Task[] {
  kernel.expect(NAMES);
  const read = taskReader(kernel, issues);
  const listed = go(issues, 'the list of processes', found =>
    [...threadsByList(kernel, found)].map(task => [task, null]),
  );
  const numbered = go(issues, 'the PIDs', found =>
    [...threadsByPid(kernel, found)].map(({ pid, task }) => [task, pid]),
  );
  const idleFound = go(issues, 'the idle tasks', found => [...idleTasks(kernel, found)].map(task => [task, null]));
  const idle = idleFound.tasks.size > 0 ? new Set(idleFound.tasks.keys()) : bootIdle(kernel);
  const found = new Set([...listed.tasks.keys(), ...numbered.tasks.keys()]);
  if (found.size === 0 && idle.size === 0) {
    throw new Missing('symbol', 'init_task', 'give the vmlinux of this kernel with --vmlinux');
  }
  for (const task of idle) found.delete(task);
  const rows = [...found].map(read).sort(byProcess);
  compare(rows, listed, numbered, issues);
  return [...[...idle].map(read), ...rows];
}

/** The address of a thread's task_struct; null if no thread has that PID. @throws Missing */
export function taskOfPid(kernel: Kernel, pid: number, issues: Issues): bigint | null {
  kernel.expect(NAMES);
  const numbered = go(new Issues(), 'the PIDs', found =>
    [...threadsByPid(kernel, found)].map(one => [one.task, one.pid]),
  );
  for (const [task, number] of numbered.tasks) if (number === pid) return task;
  return tasks(kernel, issues).find(row => row.pid === pid && pid !== 0)?.task ?? null;
}

/** What one of the ways led to. */
interface Way {
  /** By the address of the task, with its number where the way tells it. */
  readonly tasks: ReadonlyMap<bigint, number | null>;
  /** Nothing stood in the way: what it did not lead to is not on it. */
  readonly whole: boolean;
}

function go(issues: Issues, what: string, ask: (found: Issues) => (readonly [bigint, number | null])[]): Way {
  const found = new Issues();
  let tasks: (readonly [bigint, number | null])[] = [];
  try {
    tasks = ask(found);
  } catch (error) {
    const message = error instanceof Error ? `${what} cannot be gone through: ${error.message}` : '';
    if (error instanceof Missing) found.add(`missing-${error.kind}`, message);
    else if (error instanceof MemoryFault) found.add('unreadable-memory', message, error.address);
    else throw error;
  }
  issues.addAll(found);
  return { tasks: new Map(tasks), whole: found.count === 0 };
}

/** The first CPU's idle task has a name of its own. */
function bootIdle(kernel: Kernel): Set<bigint> {
  const init = kernel.symbol('init_task');
  return new Set(init === null ? [] : [init.address]);
}

const LAST = Number.MAX_SAFE_INTEGER;

function byProcess(a: Task, b: Task): number {
  const process = (a.tgid ?? LAST) - (b.tgid ?? LAST);
  if (process !== 0) return process;
  const first = Number(b.pid === b.tgid) - Number(a.pid === a.tgid);
  return first === 0 ? (a.pid ?? LAST) - (b.pid ?? LAST) : first;
}

/** What a way that could not be gone to its end did not lead to says nothing. */
function compare(rows: readonly Task[], listed: Way, numbered: Way, issues: Issues): void {
  for (const { task, pid, comm } of rows) {
    const who = `PID ${pid ?? 'unknown'} (${comm ?? 'unknown'})`;
    const number = numbered.tasks.get(task) ?? null;
    if (listed.whole && !listed.tasks.has(task)) {
      issues.add('task-not-listed', `${who} has a number, but the list of processes does not lead to it`, task);
    }
    if (numbered.whole && number === null) {
      issues.add('task-not-numbered', `${who} is in the list of processes, but no PID leads to it`, task);
    }
    if (number !== null && pid !== null && number !== pid) {
      issues.add('pid-differs', `${who} is found under the number ${number}`, task);
    }
  }
}

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
  const listed = ask(issues, 'the list of processes', () => new Set(threadsByList(kernel, issues)));
  const numbered = ask(
    issues,
    'the PIDs',
    () => new Map([...threadsByPid(kernel, issues)].map(({ pid, task }) => [task, pid])),
  );
  const idle = ask(issues, 'the idle tasks', () => new Set(idleTasks(kernel, issues))) ?? bootIdle(kernel);
  if (listed === null && numbered === null && idle.size === 0) {
    throw new Missing('symbol', 'init_task', 'give the vmlinux of this kernel with --vmlinux');
  }
  const found = new Set([...(listed ?? []), ...(numbered?.keys() ?? [])]);
  for (const task of idle) found.delete(task);
  const rows = [...found].map(read).sort(byProcess);
  if (listed !== null && numbered !== null) compare(rows, listed, numbered, issues);
  return [...[...idle].map(read), ...rows];
}

/** The address of a thread's task_struct; null if no thread has that PID. @throws Missing */
export function taskOfPid(kernel: Kernel, pid: number, issues: Issues): bigint | null {
  kernel.expect(NAMES);
  const numbered = ask(new Issues(), 'the PIDs', () =>
    [...threadsByPid(kernel, new Issues())].find(thread => thread.pid === pid),
  );
  return numbered?.task ?? tasks(kernel, issues).find(row => row.pid === pid && pid !== 0)?.task ?? null;
}

/** The answer of one way; null with an issue if it cannot be gone. */
function ask<T>(issues: Issues, what: string, answer: () => T): T | null {
  try {
    return answer();
  } catch (error) {
    if (error instanceof Missing)
      issues.add(`missing-${error.kind}`, `${what} cannot be gone through: ${error.message}`);
    else if (error instanceof MemoryFault) {
      issues.add('unreadable-memory', `${what} cannot be gone through: ${error.message}`, error.address);
    } else throw error;
    return null;
  }
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

function compare(
  rows: readonly Task[],
  listed: ReadonlySet<bigint>,
  numbered: ReadonlyMap<bigint, number>,
  issues: Issues,
): void {
  for (const { task, pid, comm } of rows) {
    const who = `PID ${pid ?? 'unknown'} (${comm ?? 'unknown'})`;
    const number = numbered.get(task);
    if (!listed.has(task)) {
      issues.add('task-not-listed', `${who} has a number, but the list of processes does not lead to it`, task);
    } else if (number === undefined) {
      issues.add('task-not-numbered', `${who} is in the list of processes, but no PID leads to it`, task);
    }
    if (number !== undefined && pid !== null && number !== pid) {
      issues.add('pid-differs', `${who} is found under the number ${number}`, task);
    }
  }
}

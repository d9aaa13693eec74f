// Commands about one process: PID on the command line becomes a task, or a finding.
import type { Kernel } from 'kdumpling/analysis';
import { type Task, taskOfPid, taskReader } from 'kdumpling/analysis/tasks';
import { type Issues, printable } from 'kdumpling/reader';
import { UsageError } from './command.js';

/** @throws UsageError for a text that is neither a PID nor the address of a task */
export function parseProcess(text: string): number | bigint {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) return BigInt(text);
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new UsageError(`${text} is neither a PID nor the address of a task (0x…)`);
}

/** The thread meant; null, with an issue, if there is none. @throws Missing */
export function findProcess(kernel: Kernel, who: number | bigint, issues: Issues): Task | null {
  const task = typeof who === 'bigint' ? who : taskOfPid(kernel, who, issues);
  if (task !== null) return taskReader(kernel, issues)(task);
  issues.add('no-such-task', `no thread has the PID ${who}`);
  return null;
}

/** The line that stands above what is told of a thread. */
export function heading({ pid, cpu, comm, task }: Task): string {
  const name = comm === null ? 'unknown' : JSON.stringify(printable(comm));
  return `PID: ${pid ?? '?'}  TASK: 0x${task.toString(16)}  CPU: ${cpu ?? '?'}  COMMAND: ${name}`;
}

/** Whether something asked for could not be read. */
export function incomplete(issues: Issues): boolean {
  return issues.list().some(({ code }) => /^(missing|unreadable|damaged|no-such)-/.test(code));
}

// kdumpling runq: what each CPU ran, and what waited for it.
import { Command } from 'commander';
import { type FairTask, type QueuedTask, type RunQueue, runQueues } from 'kdumpling/analysis/cpus';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { chosenCpus, cpuNumber } from './cpu-arguments.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('The run queue of each CPU: the thread that ran, and those that waited in each scheduling class.')
      .addArgument(dumpArgument())
      .argument('[cpu...]', 'numbers of CPUs; all if left out'),
  )
    .addHelpText('after', '\nExample:\n  kdumpling runq vmcore')
    .action((dump: string, which: string[], options: KernelOptions) => runq(context, dump, which, options));

function runq(context: CommandContext, dump: string, which: readonly string[], options: KernelOptions): Promise<void> {
  const wanted = which.map(cpuNumber);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const rows = chosenCpus(runQueues(kernel, issues), wanted, issues);
    return {
      json: rows.map(row),
      *text() {
        for (const one of rows) yield* lines(one);
      },
      partial: incomplete(issues),
    };
  });
}

/** Nanoseconds are decimal strings. */
const decimal = (value: bigint | null): string | null => (value === null ? null : String(value));

const row = ({ fair, deadline, ...rest }: RunQueue) => ({
  ...rest,
  deadline: deadline && {
    ...deadline,
    tasks: deadline.tasks.map(task => ({ ...task, deadline: decimal(task.deadline) })),
  },
  fair: fair && {
    ...fair,
    tasks: fair.tasks.map(task => ({
      ...task,
      vruntime: decimal(task.vruntime),
      deadline: decimal(task.deadline),
    })),
  },
});

const UNKNOWN = '?';

function* lines(queue: RunQueue): Iterable<string> {
  const { cpu, runqueue, online, nrRunning, current, idle } = queue;
  const offline = online === false ? '  offline' : '';
  yield `CPU ${cpu}  RUNQUEUE: 0x${runqueue.toString(16)}  RUNNING: ${nrRunning ?? UNKNOWN}${offline}`;
  yield `  CURRENT: ${current === null ? UNKNOWN : `${taskText(current)}${idle === true ? '  (idle)' : ''}`}`;
  if (queue.deadline !== null && queue.deadline.tasks.length > 0) {
    yield '  DEADLINE';
    for (const task of queue.deadline.tasks) yield `    [${task.deadline}] ${taskText(task)}`;
  }
  yield* tasks('REAL-TIME', queue.realTime?.tasks);
  if (queue.ext !== null && queue.ext.tasks.length > 0) yield* tasks('EXT', queue.ext.tasks);
  yield* tasks('FAIR', queue.fair?.tasks, ({ delayed, throttled }: FairTask) =>
    [delayed ? '  (delayed)' : '', throttled ? '  (throttled)' : ''].join(''),
  );
}

function* tasks<T extends QueuedTask>(
  name: string,
  rows: readonly T[] | undefined,
  more: (task: T) => string = () => '',
): Iterable<string> {
  const none = rows === undefined ? ': unknown' : rows.length === 0 ? ': none' : '';
  yield `  ${name}${none}`;
  for (const task of rows ?? []) {
    yield `    [${String(task.priority ?? UNKNOWN).padStart(3)}] ${taskText(task)}${more(task)}`;
  }
}

const taskText = ({ pid, task, comm }: QueuedTask): string =>
  `PID: ${String(pid ?? UNKNOWN).padEnd(6)} TASK: 0x${task.toString(16)}  COMMAND: ${JSON.stringify(printable(comm ?? UNKNOWN))}`;

// kdumpling vm: the memory areas of a process.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { type AreaDetail, type ProcessMemory, processMemory } from 'kdumpling/analysis/mm';
import type { Task } from 'kdumpling/analysis/tasks';
import { type Issues, printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { findProcess, heading, incomplete, parseProcess } from './process-command.js';

interface VmOptions extends KernelOptions {
  readonly flags?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('List the memory areas of a process, as /proc/PID/maps would, with how much of each is present.')
      .argument('<dump>', DUMP_HELP)
      .argument('<pid>', 'the PID of a thread, or the address of its task (0x…)')
      .option('--flags', 'all flags, by the words of VmFlags in /proc/PID/smaps'),
  ).action((dump: string, pid: string, options: VmOptions) => vm(context, dump, pid, options));

function vm(context: CommandContext, dump: string, pid: string, options: VmOptions): Promise<void> {
  const who = parseProcess(pid);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const task = findProcess(kernel, who, issues);
    const found = task === null ? null : memoryOfTask(kernel, task, issues);
    const rows = (found?.areas ?? []).map(area => rowOf(area, options.flags === true));
    return {
      json: rows,
      text: () => (task === null ? [] : lines(kernel, task, found, rows)),
      partial: incomplete(issues),
    };
  });
}

function memoryOfTask(kernel: Kernel, task: Task, issues: Issues): ProcessMemory | null {
  const found = processMemory(kernel, task.task, issues);
  if (found === null)
    issues.add('no-memory', 'a kernel thread, or a process that has exited, has no memory of its own');
  return found;
}

function rowOf({ start, end, flags, flagWords, file, offset, rss }: AreaDetail, allFlags: boolean) {
  const words = allFlags && flags !== null && flagWords !== null ? ` ${flagWords.join(' ')}` : '';
  return { start, end, flags: flags === null ? null : `${flags}${words}`, file, offset, rss };
}

const UNKNOWN = '?';
const kib = (bytes: number | null): string => (bytes === null ? UNKNOWN : `${bytes / 1024}k`);

function* lines(
  kernel: Kernel,
  task: Task,
  found: ProcessMemory | null,
  rows: readonly ReturnType<typeof rowOf>[],
): Iterable<string> {
  yield heading(task);
  if (found === null) return;
  const { mm, pgd, rss, totalPages } = found;
  const pages = (count: number | null | undefined): string => kib(count == null ? null : count * kernel.pageSize);
  const top = pgd === null ? UNKNOWN : `0x${pgd.toString(16)}`;
  yield `MM: 0x${mm.toString(16)}  PGD: ${top}  RSS: ${pages(rss?.total)}  SWAP: ${pages(rss?.swapped)}  TOTAL: ${pages(totalPages)}`;
  const width = Math.max(5, ...rows.map(({ flags }) => flags?.length ?? 1));
  yield `START-END${' '.repeat(17)}${'FLAGS'.padEnd(width)}    OFFSET      RSS  FILE`;
  for (const { start, end, flags, offset, rss: present, file } of rows) {
    const range = `${start.toString(16).padStart(8, '0')}-${end.toString(16).padStart(8, '0')}`.padEnd(25);
    const place = (offset === null ? UNKNOWN : offset.toString(16).padStart(8, '0')).padStart(9);
    yield `${range} ${(flags ?? UNKNOWN).padEnd(width)} ${place} ${kib(present).padStart(8)}  ${printable(file ?? '')}`.trimEnd();
  }
}

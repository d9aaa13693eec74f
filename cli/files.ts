// kdumpling files: the open files of a process.
import { Command } from 'commander';
import { type OpenFile, type ProcessFiles, processFiles } from 'kdumpling/analysis/fs';
import type { Task } from 'kdumpling/analysis/tasks';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { findProcess, heading, incomplete, parseProcess } from './process-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('List the open files of a process, as /proc/PID/fd and fdinfo would.')
      .argument('<dump>', DUMP_HELP)
      .argument('<pid>', 'the PID of a thread, or the address of its task (0x…)'),
  ).action((dump: string, pid: string, options: KernelOptions) => files(context, dump, pid, options));

function files(context: CommandContext, dump: string, pid: string, options: KernelOptions): Promise<void> {
  const who = parseProcess(pid);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const task = findProcess(kernel, who, issues);
    const found = task === null ? null : processFiles(kernel, task.task, issues);
    return {
      json: found?.files ?? [],
      text: () => (task === null || found === null ? [] : lines(task, found)),
      partial: incomplete(issues),
    };
  });
}

const UNKNOWN = '?';

function* lines(task: Task, { root, cwd, exe, files: open }: ProcessFiles): Iterable<string> {
  yield heading(task);
  yield `ROOT: ${text(root)}  CWD: ${text(cwd)}  EXE: ${text(exe)}`;
  yield '  FD  FILE                FLAGS     POSITION  PATH';
  yield* open.map(line);
}

const text = (path: string | null): string => (path === null ? '-' : printable(path));

function line({ fd, file, path, flags, position }: OpenFile): string {
  const address = `0x${file.toString(16).padStart(16, '0')}`;
  const state = `${(flags ?? UNKNOWN).padEnd(8)} ${`${position ?? UNKNOWN}`.padStart(9)}`;
  return `${`${fd}`.padStart(4)}  ${address}  ${state}  ${printable(path ?? UNKNOWN)}`;
}

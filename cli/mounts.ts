// kdumpling mounts: what is mounted where.
import { Command } from 'commander';
import { type Mount, mounts } from 'kdumpling/analysis/fs';
import { taskOfPid } from 'kdumpling/analysis/tasks';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { findProcess, incomplete, parseProcess } from './process-command.js';

interface MountsOptions extends KernelOptions {
  readonly pid?: string;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('List what is mounted, as /proc/mounts would; options that a file system adds itself are not known.')
      .addArgument(dumpArgument({ several: true }))
      .option('--pid <pid>', 'as this process sees it: its namespace and root directory'),
  ).action((dump: string[], options: MountsOptions) => answerMounts(context, dump, options));

function answerMounts(context: CommandContext, dump: string[], options: MountsOptions): Promise<void> {
  const who = options.pid === undefined ? null : parseProcess(options.pid);
  return answerFromKernel(context, dump, options, [], (kernel, issues) => {
    // As the first process sees it, or the kernel where that is gone.
    const task =
      who === null
        ? (taskOfPid(kernel, 1, issues) ?? kernel.address('init_task'))
        : (findProcess(kernel, who, issues)?.task ?? null);
    const found = task === null ? [] : mounts(kernel, task, issues);
    return { json: found, text: () => found.map(line), partial: incomplete(issues) };
  });
}

const UNKNOWN = '?';

function line({ source, path, type, options }: Mount): string {
  const [from, at, of] = [source, path, type].map(word => printable(word ?? UNKNOWN));
  return `${from} on ${at} type ${of} (${options ?? UNKNOWN})`;
}

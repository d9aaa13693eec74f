// kdumpling mod: the loaded modules, as /proc/modules has them.
import { Command } from 'commander';
import { type Module, modules } from 'kdumpling/analysis/modules';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('The loaded modules, the last loaded first: a line each as in /proc/modules.')
      .addArgument(dumpArgument({ several: true })),
  )
    .addHelpText('after', '\nExample:\n  kdumpling mod vmcore')
    .action((dump: string[], options: KernelOptions) => mod(context, dump, options));

function mod(context: CommandContext, dump: string[], options: KernelOptions): Promise<void> {
  return answerFromKernel(context, dump, options, [], (kernel, issues) => {
    const found = [...modules(kernel, issues)];
    return {
      json: found.map(row),
      *text() {
        for (const module of found) yield line(module, kernel.memory.pointerSize);
      },
      partial: issues.count > 0,
    };
  });
}

const row = ({ name, address, size, taints, state, references, usedBy, permanent, ...more }: Module) => ({
  name,
  address,
  size,
  taints,
  state,
  references,
  usedBy,
  permanent,
  version: more.version,
  sourceVersion: more.sourceVersion,
  object: more.object,
  memory: more.memory,
});

/** kernel/module/procfs.c: m_show(). */
function line(module: Module, pointerSize: number): string {
  const { name, size, references, usedBy, permanent, state, address, taints } = module;
  const users = [...usedBy, ...(permanent ? ['[permanent]'] : [])].map(user => `${user},`).join('');
  const there = (address ?? 0n).toString(16).padStart(2 * pointerSize, '0');
  const mark = state === 'Unloading' ? '-' : state === 'Loading' ? '+' : '';
  const flags = taints === '' && mark === '' ? '' : ` (${taints}${mark})`;
  return printable(
    `${name} ${size} ${references ?? '-'} ${users === '' ? '-' : users} ${state ?? '?'} 0x${there}${flags}`,
  );
}

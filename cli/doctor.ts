// kdumpling doctor: what in the kernel's structures contradicts itself.
import { Command, Option } from 'commander';
import { CHECKS, type CheckName, doctor } from 'kdumpling/analysis/doctor';
import { hex, printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';

const NAMES = Object.keys(CHECKS) as CheckName[];

interface DoctorOptions extends KernelOptions {
  readonly only?: CheckName[];
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        "Find what in the kernel's structures contradicts itself: a line for each, with the bytes at its place.",
      )
      .addArgument(dumpArgument({ several: true }))
      .addOption(new Option('--only <check...>', 'these checks only').choices(NAMES)),
  )
    .addHelpText(
      'after',
      `\nChecks:\n${NAMES.map(name => `  ${name.padEnd(9)} ${CHECKS[name].about}`).join('\n')}\n\nExample:\n  kdumpling doctor vmcore --only slab`,
    )
    .action((dump: string[], options: DoctorOptions) => examine(context, dump, options));

function examine(context: CommandContext, dump: string[], options: DoctorOptions): Promise<void> {
  return answerFromKernel(context, dump, options, [], (kernel, issues) => {
    const found = [...doctor(kernel, options.only ?? NAMES, issues)];
    return {
      json: found,
      *text() {
        for (const { code, message, address, evidence, sure, why } of found) {
          yield `${code}: ${printable(message)}`;
          yield `  ${sure}: ${printable(why)}`;
          if (address !== null && evidence !== null)
            yield `  ${hex(address)}: ${evidence.replaceAll(/(.{16})(?=.)/g, '$1 ')}`;
        }
        yield found.length === 0 ? 'nothing was found' : `${found.length} found`;
      },
      partial: issues.count > 0,
    };
  });
}

// kdumpling config: the configuration that the kernel was built with.
import { Command } from 'commander';
import { kernelConfig } from 'kdumpling/analysis/machine';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description("Print the kernel's .config, where the kernel carries it (CONFIG_IKCONFIG).")
      .addArgument(dumpArgument({ several: true })),
  ).action((dump: string[], options: KernelOptions) => config(context, dump, options));

function config(context: CommandContext, texts: string[], options: KernelOptions): Promise<void> {
  return answerFromKernel(context, texts, options, { config: null }, (kernel, issues) => {
    const text = kernelConfig(kernel);
    if (text === null) {
      const what = kernel.vmcoreinfo?.release ?? 'RELEASE';
      issues.add(
        'no-config',
        `no configuration was found in this kernel's image: it was built without CONFIG_IKCONFIG, or its memory (kernel_config_data) is not in the dump; a distribution installs it as /boot/config-${what}`,
      );
    }
    return { json: { config: text }, text: () => text?.trimEnd().split('\n') ?? [], partial: text === null };
  });
}

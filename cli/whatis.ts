// kdumpling whatis: what addresses point to.
import { Command } from 'commander';
import { Whatis, whatisText } from 'kdumpling/analysis/whatis';
import { hex, MemoryFault, printable } from 'kdumpling/reader';
import { parseAddresses } from './address-argument.js';
import type { CommandContext, DefineCommand } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { trackLines } from './track-lines.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'Tell what addresses point to: a slab object, a stack, a symbol, a per-CPU variable, a module, a page.',
      )
      .argument('<dump>', DUMP_HELP)
      .argument('<address...>', 'virtual addresses of the kernel: 0x…, SYMBOL or SYMBOL+0x…'),
  )
    .addHelpText('after', '\nExample:\n  kdumpling whatis vmcore 0xffff8a5d819a623f')
    .action((dump: string, addresses: string[], options: KernelOptions) => whatis(context, dump, addresses, options));

function whatis(context: CommandContext, dump: string, texts: string[], options: KernelOptions): Promise<void> {
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const ask = new Whatis(kernel, issues);
    const rows = parseAddresses(texts, () => kernel.symbols, issues).map(address => {
      if (address === null) return null;
      try {
        return ask.at(address);
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-memory', `${hex(address)}: ${error.message}`, error.address);
        return null;
      }
    });
    return {
      json: rows.filter(row => row !== null),
      *text() {
        for (const row of rows) {
          if (row === null) continue;
          yield printable(`${hex(row.address)}: ${whatisText(row)}`);
          yield* trackLines(row);
        }
      },
      partial: issues.count > 0 || rows.some(row => row === null || row.kind === 'unknown'),
    };
  });
}

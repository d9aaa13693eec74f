// kdumpling whatis: what addresses point to.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import type { Inference } from 'kdumpling/analysis/infer';
import { Whatis, whatisText } from 'kdumpling/analysis/whatis';
import { hex, type Issues, MemoryFault, printable } from 'kdumpling/reader';
import { parseAddresses } from './address-argument.js';
import type { CommandContext, DefineCommand } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { inferredLines } from './inferred-lines.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { trackLines } from './track-lines.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'Tell what addresses point to: a slab object, a stack, a symbol, a per-CPU variable, a module, a page.',
      )
      .argument('<dump>', DUMP_HELP)
      .argument('<address...>', 'virtual addresses of the kernel: 0x…, SYMBOL or SYMBOL+0x…')
      .option('--infer', 'of allocated slab objects also the type, by what points to them'),
  )
    .addHelpText('after', '\nExample:\n  kdumpling whatis vmcore 0xffff8a5d819a623f --infer')
    .action((dump: string, addresses: string[], options: WhatisOptions) => whatis(context, dump, addresses, options));

interface WhatisOptions extends KernelOptions {
  readonly infer?: boolean;
}

function whatis(context: CommandContext, dump: string, texts: string[], options: WhatisOptions): Promise<void> {
  return answerFromKernel(context, [dump], options, [], async (kernel, issues) => {
    const inferred = options.infer === true ? await inferrer(context, kernel, issues) : null;
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
      json: rows
        .filter(row => row !== null)
        .map(row =>
          inferred === null ? row : { ...row, inferred: row.kind === 'slab' ? inferred.at(row.address) : null },
        ),
      *text() {
        for (const row of rows) {
          if (row === null) continue;
          yield printable(`${hex(row.address)}: ${whatisText(row)}`);
          const object = row.kind === 'slab' ? (inferred?.at(row.address) ?? null) : null;
          if (object !== null) yield* inferredLines(object);
          yield* trackLines(row);
        }
      },
      partial: issues.count > 0 || rows.some(row => row === null || row.kind === 'unknown'),
    };
  });
}

async function inferrer(context: CommandContext, kernel: Kernel, issues: Issues): Promise<Inference> {
  const { infer } = await import('kdumpling/analysis/infer');
  const bar = await context.progress('memory map');
  try {
    return infer(kernel, issues, { progress: (done, total) => bar.update(done, total) });
  } finally {
    bar.stop();
  }
}

// kdumpling swap: devices and files that hold swapped pages, as /proc/swaps has them.
import { Command } from 'commander';
import { type SwapArea, swapAreas } from 'kdumpling/analysis/swap';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Swap devices and files, with their size, use and priority, as /proc/swaps has them.')
      .addArgument(dumpArgument()),
  )
    .addHelpText('after', '\nExample:\n  kdumpling swap vmcore')
    .action((dump: string, options: KernelOptions) => swap(context, dump, options));

function swap(context: CommandContext, dump: string, options: KernelOptions): Promise<void> {
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const rows = swapAreas(kernel, issues);
    return { json: rows, text: () => lines(rows), partial: incomplete(issues) || issues.has('unchecked-swap') };
  });
}

const UNKNOWN = '?';
const kib = (bytes: number | null): string => (bytes === null ? UNKNOWN : String(bytes / 1024));

/** The columns of swap_show(). */
function* lines(rows: readonly SwapArea[]): Iterable<string> {
  yield 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority';
  for (const { file, kind, size, used, priority } of rows) {
    // White space and backslashes as octal escapes.
    const name = printable(file ?? UNKNOWN).replace(
      /[ \t\n\\]/g,
      char => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`,
    );
    const cells = [kib(size), kib(used), String(priority ?? UNKNOWN)];
    yield `${name.padEnd(39)} ${(kind ?? UNKNOWN).padEnd(8)}\t${cells.map(cell => cell.padEnd(8)).join('\t')}`.trimEnd();
  }
}

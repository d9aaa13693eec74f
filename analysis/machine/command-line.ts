// The kernel's command line: its variable, or, where that is not in the dump (a region core), what start_kernel() said of it. Source: init/main.c (6.1 to 7.3).
import { MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { LogRecord } from '../log/record.js';
import { Missing } from '../missing.js';

/** COMMAND_LINE_SIZE is 4096 at most. */
const MOST_COMMAND_LINE = 4096;
const SAID = 'Kernel command line: ';
/** Longer ones are printed in several records (print_kernel_cmdline() of newer kernels): which of them are left is not known. */
const WRAPPED = /\\\s*$/;

/** @throws Missing, MemoryFault where neither the variable nor the log has it */
export function commandLine(kernel: Kernel, log: Iterable<LogRecord>): string {
  const { memory } = kernel;
  try {
    return memory.text(memory.pointer(kernel.address('saved_command_line')), MOST_COMMAND_LINE);
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    const logged = loggedCommandLine(log);
    if (logged === null) throw error;
    return logged;
  }
}

/** What user space wrote to /dev/kmsg has another facility. */
function loggedCommandLine(log: Iterable<LogRecord>): string | null {
  for (const { facility, text } of log) {
    if (facility === 0 && text.startsWith(SAID)) return WRAPPED.test(text) ? null : text.slice(SAID.length);
  }
  return null;
}

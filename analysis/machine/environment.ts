// The machine and its state when the kernel died, as far as the dump tells. Source: init/main.c, kernel/panic.c, mm/page_alloc.c (6.1 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { kernelLog } from '../log/kernel-log.js';
import { Missing } from '../missing.js';
import { type Clock, readClock } from './clock.js';
import { type Panic, panicOf } from './panic.js';
import { type Taint, taintsOf } from './taint.js';
import { readUtsname, type Utsname } from './utsname.js';

/** What is unknown is null, with an issue. */
export interface Environment {
  readonly uts: Utsname | null;
  /** CPUs that can be, that are there, that were running when the dump was made. */
  readonly cpus: { readonly possible: number; readonly present: number; readonly online: number } | null;
  /** Bytes of memory that the kernel manages (MemTotal). */
  readonly memory: number | null;
  readonly clock: Clock | null;
  readonly tainted: readonly Taint[] | null;
  readonly commandLine: string | null;
  readonly panic: Panic | null;
}

const NAMES = [
  'tainted_mask',
  'saved_command_line',
  '_totalram_pages',
  'totalram_pages',
  '__cpu_possible_mask',
  '__cpu_present_mask',
  '__cpu_online_mask',
  'timekeeper_data',
  'tk_core',
];
/** COMMAND_LINE_SIZE is 4096 at most. */
const MOST_COMMAND_LINE = 4096;
/** CONFIG_NR_CPUS is 8192 at most. */
const MOST_CPUS = 8192;

export function environment(kernel: Kernel, issues: Issues): Environment {
  kernel.expect(NAMES);
  const ask = <T>(what: string, answer: () => T): T | null => {
    try {
      return answer();
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
      issues.add('unknown', `${what} cannot be told: ${error.message}`);
      return null;
    }
  };
  const { memory } = kernel;
  return {
    uts: readUtsname(memory, kernel.vmcoreinfo),
    cpus: ask('how many CPUs there are', () => ({
      possible: countCpus(kernel, '__cpu_possible_mask'),
      present: countCpus(kernel, '__cpu_present_mask'),
      online: countCpus(kernel, '__cpu_online_mask'),
    })),
    memory: ask('how much memory there is', () => {
      // An atomic_long_t since 5.0 (commit ca79b0c211af), before that an unsigned long of another name.
      const name = kernel.symbol('_totalram_pages') === null ? 'totalram_pages' : '_totalram_pages';
      return Number(memory.pointer(kernel.address(name))) * kernel.pageSize;
    }),
    clock: ask('the time', () => readClock(kernel)),
    tainted: ask('whether the kernel is tainted', () => taintsOf(memory.pointer(kernel.address('tainted_mask')))),
    commandLine: ask('the command line', () =>
      memory.text(memory.pointer(kernel.address('saved_command_line')), MOST_COMMAND_LINE),
    ),
    panic: panicOf(kernelLog(kernel, issues)),
  };
}

/** Bits of a cpumask that is a variable of its own (4.5 and later, commit 5aec01b834fd). @throws Missing, MemoryFault */
function countCpus(kernel: Kernel, name: string): number {
  const symbol = kernel.symbol(name);
  const address = kernel.address(name);
  const bytes = symbol?.size === undefined || symbol.size === 0 ? kernel.memory.pointerSize : symbol.size;
  let count = 0;
  for (const byte of kernel.memory.bytes(address, Math.min(bytes, MOST_CPUS / 8))) {
    for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  }
  return count;
}

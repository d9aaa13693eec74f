// The machine and its state when the kernel died, as far as the dump tells. Source: init/main.c, kernel/panic.c, mm/page_alloc.c (6.1 to 7.3).
import type { Issues } from 'kdumpling/reader';
import { asking } from '../asking.js';
import type { Kernel } from '../kernel.js';
import { kernelLog } from '../log/kernel-log.js';
import { type Clock, readClock } from './clock.js';
import { commandLine } from './command-line.js';
import { countCpus } from './cpu-count.js';
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

export function environment(kernel: Kernel, issues: Issues): Environment {
  kernel.expect(NAMES);
  const ask = asking(issues, 'unknown');
  const { memory } = kernel;
  const cpusIn = (name: string): number => countCpus(memory, kernel.mustHave(name));
  const records = [...kernelLog(kernel, issues)];
  return {
    uts: readUtsname(memory, kernel.vmcoreinfo),
    cpus: ask('how many CPUs there are', () => ({
      possible: cpusIn('__cpu_possible_mask'),
      present: cpusIn('__cpu_present_mask'),
      online: cpusIn('__cpu_online_mask'),
    })),
    memory: ask('how much memory there is', () => {
      // An atomic_long_t since 5.0 (commit ca79b0c211af), before that an unsigned long of another name.
      const name = kernel.symbol('_totalram_pages') === null ? 'totalram_pages' : '_totalram_pages';
      return Number(memory.pointer(kernel.address(name))) * kernel.pageSize;
    }),
    clock: ask('the time', () => readClock(kernel)),
    tainted: ask('whether the kernel is tainted', () => taintsOf(memory.pointer(kernel.address('tainted_mask')))),
    commandLine: ask('the command line', () => commandLine(kernel, records)),
    panic: panicOf(records),
  };
}

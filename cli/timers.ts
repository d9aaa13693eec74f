// kdumpling timers: what each CPU had pending.
import { Command } from 'commander';
import { placeText } from 'kdumpling/analysis/symbols';
import {
  type CpuTimers,
  type Hrtimer,
  type HrtimerClock,
  type Purpose,
  type Timer,
  type Timers,
  timers as timersOf,
  type Wheel,
} from 'kdumpling/analysis/timers';
import { printable } from 'kdumpling/reader';
import type { CommandContext, DefineCommand } from './command.js';
import { chosenCpus, cpuNumber } from './cpu-arguments.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

interface TimersOptions extends KernelOptions {
  readonly wheel?: boolean;
  readonly hrtimers?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description(
        'Pending timers of each CPU by when they are due: those of the wheel, in ticks, and high-resolution ones.',
      )
      .addArgument(dumpArgument())
      .argument('[cpu...]', 'numbers of CPUs; all if left out')
      .option('-w, --wheel', 'the timers of the wheel only')
      .option('-r, --hrtimers', 'high-resolution timers only'),
  )
    .addHelpText('after', '\nExample:\n  kdumpling timers vmcore -r')
    .action((dump: string, which: string[], options: TimersOptions) => timers(context, dump, which, options));

function timers(
  context: CommandContext,
  dump: string,
  which: readonly string[],
  options: TimersOptions,
): Promise<void> {
  const wanted = which.map(cpuNumber);
  const { wheel = false, hrtimers = false } = options;
  const both = wheel === hrtimers;
  const empty = { jiffies: null, monotonic: null, cpus: null };
  return answerFromKernel(context, [dump], options, empty, (kernel, issues) => {
    const found = timersOf(kernel, { wheel: both || wheel, hrtimers: both || hrtimers }, issues);
    const cpus = chosenCpus(found.cpus, wanted, issues);
    return {
      json: { jiffies: decimal(found.jiffies), monotonic: decimal(found.monotonic), cpus: cpus.map(row) },
      *text() {
        if (both || wheel) yield* wheelLines(found, cpus, 2 * kernel.memory.pointerSize);
        if (both || hrtimers) yield* hrtimerLines(found, cpus, 2 * kernel.memory.pointerSize);
      },
      partial: incomplete(issues),
    };
  });
}

/** Times are decimal strings. */
const decimal = (value: bigint | null): string | null => (value === null ? null : String(value));

const timerRow = ({ expires, remaining, ...rest }: Timer) => ({
  ...rest,
  expires: decimal(expires),
  remaining: decimal(remaining),
});

const row = ({ wheels, clocks, ...rest }: CpuTimers) => ({
  ...rest,
  wheels:
    wheels?.map((wheel: Wheel) => ({ ...wheel, clock: decimal(wheel.clock), timers: wheel.timers.map(timerRow) })) ??
    null,
  clocks:
    clocks?.map((clock: HrtimerClock) => ({
      ...clock,
      offset: decimal(clock.offset),
      timers: clock.timers.map(({ softExpires, ...timer }: Hrtimer) => ({
        ...timerRow(timer),
        softExpires: decimal(softExpires),
      })),
    })) ?? null,
});

const UNKNOWN = '?';
const place = (timer: Timer | Hrtimer): string => {
  if (timer.function === null) return UNKNOWN;
  const text = placeText(timer.function);
  return `${text === '' ? `0x${timer.function.address.toString(16)}` : text}${purposeText(timer.purpose)}`;
};

function purposeText(purpose: Purpose | null): string {
  if (purpose?.work != null) return `  (${placeText(purpose.work)})`;
  if (purpose?.thread == null) return '';
  return `  (PID ${purpose.thread.pid} ${JSON.stringify(printable(purpose.thread.comm))})`;
}

function columns(width: number, ...cells: readonly (bigint | null)[]): string {
  return cells.map(cell => String(cell ?? UNKNOWN).padStart(width)).join(' ');
}

function* wheelLines({ jiffies }: Timers, rows: readonly CpuTimers[], width: number): Iterable<string> {
  yield `JIFFIES ${jiffies ?? UNKNOWN}`;
  for (const { cpu, wheels } of rows) {
    for (const { base, address, timers: found, running } of wheels ?? []) {
      const run = running === null ? '' : `  RUNNING: 0x${running.toString(16)}`;
      yield `CPU ${cpu}  TIMER_BASE: 0x${address.toString(16)} (${base})${run}`;
      if (found.length > 0) yield `      EXPIRES    REMAINING  ${'TIMER_LIST'.padEnd(width)}  FUNCTION`;
      for (const timer of found) {
        yield `${columns(12, timer.expires, timer.remaining)}   ${timer.timer.toString(16).padStart(width, '0')}  ${place(timer)}`;
      }
    }
  }
}

function* hrtimerLines({ monotonic }: Timers, rows: readonly CpuTimers[], width: number): Iterable<string> {
  yield `CLOCK_MONOTONIC ${monotonic ?? UNKNOWN}`;
  for (const { cpu, hrtimerBase, clocks } of rows) {
    yield `CPU ${cpu}  HRTIMER_CPU_BASE: ${hrtimerBase === null ? UNKNOWN : `0x${hrtimerBase.toString(16)}`}`;
    for (const { clock, soft, timers: found } of clocks ?? []) {
      if (found.length === 0) continue;
      yield `  ${clock}${soft ? ' (soft)' : ''}`;
      yield `         SOFTEXPIRES              EXPIRES            REMAINING  ${'HRTIMER'.padEnd(width)}  FUNCTION`;
      for (const timer of found) {
        const times = columns(20, timer.softExpires, timer.expires, timer.remaining);
        yield `${times}   ${timer.timer.toString(16).padStart(width, '0')}  ${place(timer)}`;
      }
    }
  }
}

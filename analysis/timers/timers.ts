// The timers that every CPU has pending: those of the wheel, in ticks, and the high-resolution ones, in nanoseconds.
import type { Issues } from 'kdumpling/reader';
import { asking } from '../asking.js';
import { MOST_FINDINGS } from '../collections/damage.js';
import { cpus, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { readClock } from '../machine/clock.js';
import { type HrtimerClock, Hrtimers } from './hrtimers.js';
import { oldWheel } from './old-wheel.js';
import { type Wheel, Wheels } from './wheel.js';

/** What is unknown is null. */
export interface CpuTimers {
  readonly cpu: number;
  readonly online: boolean | null;
  readonly wheels: readonly Wheel[] | null;
  /** The address of its hrtimer_cpu_base. */
  readonly hrtimerBase: bigint | null;
  readonly clocks: readonly HrtimerClock[] | null;
}

export interface Timers {
  /** As timers count them: a machine word. */
  readonly jiffies: bigint | null;
  /** CLOCK_MONOTONIC of the last tick, nanoseconds. */
  readonly monotonic: bigint | null;
  readonly cpus: readonly CpuTimers[];
}

export interface TimersWanted {
  readonly wheel: boolean;
  readonly hrtimers: boolean;
  /** Whether each timer of the wheel is in the bucket of its expiry is checked too. */
  readonly buckets?: boolean;
}

const NAMES = [
  'timer_bases',
  'tvec_bases',
  'hrtimer_bases',
  'jiffies_64',
  'jiffies',
  '__per_cpu_offset',
  '__cpu_possible_mask',
  '__cpu_online_mask',
];

/** By CPU, possible ones all. @throws Missing, MemoryFault where not even the CPUs are known */
export function timers(kernel: Kernel, wanted: TimersWanted, issues: Issues): Timers {
  kernel.expect(NAMES);
  const ask = asking(issues);
  const copies = perCpu(kernel);
  const online = ask('which CPUs were online', () => new Set(cpus(kernel, 'online')));
  const jiffies = ask('jiffies', () => jiffiesOf(kernel));
  const monotonic = wanted.hrtimers ? ask('the time', () => readClock(kernel).monotonicNs) : null;
  const wheels = wanted.wheel
    ? ask('the timers of the wheel', () => wheelReader(kernel, jiffies, wanted.buckets === true, issues))
    : null;
  const hrtimers = wanted.hrtimers
    ? ask('high-resolution timers', () => hrtimerReader(kernel, monotonic, issues))
    : null;
  const rows: CpuTimers[] = [];
  const before = issues.count;
  for (const cpu of copies.possible) {
    if (issues.count - before > MOST_FINDINGS) {
      issues.add('damaged-timers', `so much is damaged that the timers of the CPUs from ${cpu} on are left out`);
      break;
    }
    rows.push({
      cpu,
      online: online?.has(cpu) ?? null,
      wheels: wheels === null ? null : ask(`the timers of CPU ${cpu}`, () => wheels(cpu)),
      hrtimerBase: hrtimers === null ? null : hrtimers.address(cpu),
      clocks: hrtimers === null ? null : ask(`high-resolution timers of CPU ${cpu}`, () => hrtimers.of(cpu)),
    });
  }
  return { jiffies, monotonic, cpus: rows };
}

/** jiffies is the lower half of jiffies_64 on 32-bit machines. */
function jiffiesOf(kernel: Kernel): bigint {
  return BigInt.asUintN(kernel.arch.bits, kernel.memory.u64(kernel.address('jiffies_64')));
}

function wheelReader(kernel: Kernel, now: bigint | null, buckets: boolean, issues: Issues): (cpu: number) => Wheel[] {
  const copies = perCpu(kernel);
  const old = kernel.symbol('tvec_bases');
  if (kernel.symbol('timer_bases') === null && old !== null) {
    return cpu => [oldWheel(kernel, copies.address(old.address, cpu), cpu, now, issues)];
  }
  const wheels = new Wheels(kernel, now, buckets, issues);
  const bases = kernel.address('timer_bases');
  return cpu => wheels.of(copies.address(bases, cpu), cpu);
}

function hrtimerReader(kernel: Kernel, now: bigint | null, issues: Issues) {
  const copies = perCpu(kernel);
  const reader = new Hrtimers(kernel, now, issues);
  const bases = kernel.address('hrtimer_bases');
  const address = (cpu: number): bigint => copies.address(bases, cpu);
  return { address, of: (cpu: number) => reader.of(address(cpu), cpu) };
}

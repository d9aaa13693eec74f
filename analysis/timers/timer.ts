// A timer of the wheel as a row. Source: include/linux/timer.h (2.6.x to 7.3).

import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, type Struct, struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';
import { type Purpose, Purposes } from './purpose.js';

/** What is unknown is null. */
export interface Timer {
  /** The address of its timer_list. */
  readonly timer: bigint;
  /** Jiffies, as the kernel counts them: a machine word. */
  readonly expires: bigint | null;
  /** Jiffies from now on; negative for what is overdue. */
  readonly remaining: bigint | null;
  readonly function: SymbolPlace | null;
  /** What for, where the function does not say. */
  readonly purpose: Purpose | null;
}

/** include/linux/timer.h, 4.8 and later (commit 500462a9de65). */
export const TIMER_CPU_MASK = 0x3_ffff;
export const TIMER_ARRAY_SHIFT = 22;

/** Now, in jiffies; null if it cannot be told. */
export function timerReader(kernel: Kernel, now: bigint | null, issues: Issues): Get<Timer> {
  const layout: Struct = struct(kernel, 'timer_list');
  const columns = new Columns('timer', issues);
  const expires = columns.add('expires', () => layout.word('expires'));
  const run = columns.add('function', () => layout.word('function'));
  const purposes = new Purposes(kernel);
  const { bits } = kernel.arch;
  return timer => {
    const at = expires(timer);
    const pointer = run(timer);
    const place = pointer === null ? null : symbolPlace(kernel, pointer);
    const row = {
      timer,
      expires: at,
      remaining: at === null || now === null ? null : BigInt.asIntN(bits, at - now),
      function: place,
      purpose: purposes.of(place, timer),
    };
    columns.tell(timer);
    return row;
  };
}

/** By when they are due, however often jiffies have wrapped around. */
export function byExpiry(now: bigint | null, bits: number): (a: Timer, b: Timer) => number {
  const from = (expires: bigint | null): bigint => BigInt.asIntN(bits, (expires ?? 0n) - (now ?? 0n));
  return (a, b) => Number(from(a.expires) - from(b.expires));
}

// The kernel's clocks when it died: struct timekeeper. Source: include/linux/timekeeper_internal.h, kernel/time/timekeeping.c (3.17 to 7.3).
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, type Struct, struct } from '../object/index.js';
import { clockByContent } from './clock-by-content.js';

export interface Clock {
  /** Wall-clock time of the boot, nanoseconds since 1970 (UTC): what `dmesg -T` adds to a record's time. */
  readonly bootNs: bigint;
  /** Wall-clock time of the last tick. */
  readonly wallNs: bigint;
  /** Nanoseconds from the boot to the last tick, time in suspend included. */
  readonly uptimeNs: bigint;
  /** CLOCK_MONOTONIC of the last tick: without time in suspend. */
  readonly monotonicNs: bigint;
}

const NS = 1_000_000_000n;
/** The region of the meminspect series that holds it. */
const REGION = 'tk_data';
/** It has some 300 bytes; several stand in an array. */
const MOST_SIZE = 4096;

/** @throws Missing, MemoryFault */
export function readClock(kernel: Kernel): Clock {
  return hasStruct(kernel, 'timekeeper') ? clockByTypes(kernel) : clockOfRegion(kernel);
}

/** A region core may hold the variable and nothing that tells its members. */
function clockOfRegion(kernel: Kernel): Clock {
  const names = ['timekeeper_data', 'tk_core', REGION];
  kernel.expect(names);
  const symbol = names.map(name => kernel.symbol(name)).find(one => one !== null && one.size > 0);
  const size = Math.min(symbol?.size ?? 0, MOST_SIZE);
  const clock = symbol == null ? null : clockByContent(kernel.memory, symbol.address, size);
  // The sentence that says what is missing.
  if (clock === null) return clockByTypes(kernel);
  return clock;
}

function clockByTypes(kernel: Kernel): Clock {
  const { address, timekeeper } = findTimekeeper(kernel);
  const shift = BigInt(timekeeper.number('tkr_mono.shift')(address));
  const nsec = timekeeper.word('tkr_mono.xtime_nsec')(address) >> shift;
  const wallNs = timekeeper.word('xtime_sec')(address) * NS + nsec;
  const ahead = timekeeper.word('offs_real')(address);
  const bootNs = ahead - timekeeper.word('offs_boot')(address);
  return { bootNs, wallNs, uptimeNs: wallNs - bootNs, monotonicNs: wallNs - ahead };
}

/** Nanoseconds from one tick to the next, 1 / HZ: timekeeper.ntp_tick has them << 32 (3.13 and later). @throws Missing, MemoryFault */
export function tickNs(kernel: Kernel): number {
  const { address, timekeeper } = findTimekeeper(kernel);
  return Number(timekeeper.word('ntp_tick')(address) >> 32n);
}

/**
 * tk_core became `struct tk_data` in 6.13 (commit 2cab490b41db) and an array of them, timekeeper_data, in 6.17 (commit 22c62b9a84b8); before, it was an anonymous struct
 * with a sequence counter in front.
 */
function findTimekeeper(kernel: Kernel): { address: bigint; timekeeper: Struct } {
  const timekeeper = struct(kernel, 'timekeeper');
  kernel.expect(['timekeeper_data', 'tk_core']);
  const symbol = kernel.symbol('timekeeper_data') ?? kernel.symbol('tk_core');
  if (symbol === null) throw new Missing('symbol', 'tk_core', 'give the vmlinux of this kernel with --vmlinux');
  if (hasStruct(kernel, 'tk_data')) {
    return { address: struct(kernel, 'tk_data').address('timekeeper')(symbol.address), timekeeper };
  }
  const counter = ['seqcount_raw_spinlock_t', 'seqcount_t'].find(name => hasStruct(kernel, name));
  const { bits, alignsU64 = false } = kernel.arch;
  const alignment = bits === 64 || alignsU64 ? 8 : 4;
  const size = counter === undefined ? alignment : struct(kernel, counter).size;
  return { address: symbol.address + BigInt(Math.ceil(size / alignment) * alignment), timekeeper };
}

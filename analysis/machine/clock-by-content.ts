// The kernel's clocks without types: struct timekeeper found in the memory that holds it, by sums that only its members fulfil. The members that are read lie side by side in every release, those
// before them do not. Source: include/linux/timekeeper_internal.h, kernel/time/timekeeping.c (tk_update_ktime_data, tk_set_wall_to_mono; 4.20 to 7.3).
import type { VirtualMemory } from 'kdumpling/reader';
import type { Clock } from './clock.js';

const NS = 1_000_000_000n;
const WORD = 8;
/** struct tk_read_base of a 64-bit kernel: clock, mask, cycle_last, mult and shift, xtime_nsec, base, base_real. */
const READ_BASE_WORDS = 7;
/** xtime_sec, ktime_sec, wall_to_monotonic (two words), offs_real, offs_boot. */
const TIME_WORDS = 6;
/** A clocksource counts in at least this many bits, and shifts by at most that many. */
const LEAST_MASK = 0xffn;
const MOST_SHIFT = 32;

/** The clocks of the first timekeeper in [address, address + size): since 6.13 a copy that the kernel prepares the next tick in lies behind it. Null if there is none. @throws MemoryFault */
export function clockByContent(memory: VirtualMemory, address: bigint, size: number): Clock | null {
  if (memory.pointerSize !== WORD) return null;
  const bytes = memory.bytes(address, size - (size % WORD)).slice();
  const view = new DataView(bytes.buffer);
  const count = bytes.length / WORD;
  const words = Array.from({ length: count }, (_, i) => view.getBigUint64(i * WORD, memory.littleEndian));
  for (let base = 0; base + READ_BASE_WORDS <= count; base++) {
    const shift = view.getUint32(base * WORD + 3 * WORD + 4, memory.littleEndian);
    if (!isReadBase(words, base) || shift === 0 || shift > MOST_SHIFT) continue;
    const nsec = words[base + 4] >> BigInt(shift);
    for (let time = base + READ_BASE_WORDS; time + TIME_WORDS <= count; time++) {
      if (agree(words, base, time)) return clockOf(words, time, nsec);
    }
  }
  return null;
}

/** A pointer of the kernel, and a mask of the counter's bits. */
function isReadBase(words: readonly bigint[], base: number): boolean {
  const [clock, mask] = [words[base], words[base + 1]];
  return clock >> 63n === 1n && mask >= LEAST_MASK && (mask & (mask + 1n)) === 0n;
}

const signed = (word: bigint): bigint => BigInt.asIntN(64, word);

/** base is the monotonic time of xtime_sec, base_real and offs_real tell the same distance to it, and so does wall_to_monotonic. */
function agree(words: readonly bigint[], base: number, time: number): boolean {
  const [xtime, ktime, seconds, nanoseconds, real, boot] = words.slice(time, time + TIME_WORDS).map(signed);
  if (nanoseconds < 0n || nanoseconds >= NS || xtime <= 0n || boot < 0n) return false;
  const toMonotonic = seconds * NS + nanoseconds;
  const [monotonic, wall] = [signed(words[base + 5]), signed(words[base + 6])];
  const second = xtime + seconds;
  return (
    real === -toMonotonic &&
    monotonic === xtime * NS + toMonotonic &&
    wall === monotonic + real &&
    (ktime === second || ktime === second + 1n)
  );
}

function clockOf(words: readonly bigint[], time: number, nsec: bigint): Clock {
  const [xtime, , , , real, boot] = words.slice(time, time + TIME_WORDS).map(signed);
  const wallNs = xtime * NS + nsec;
  const bootNs = real - boot;
  return { bootNs, wallNs, uptimeNs: wallNs - bootNs, monotonicNs: wallNs - real };
}

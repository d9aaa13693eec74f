// Variables that are numbers and texts, told by what values they can have; and the clock. Source: kernel/time/{timer,timekeeping}.c, init/main.c, kernel/panic.c, kernel/crash_core.c, mm/swapfile.c
// (6.1 to 7.3).
import { hasStruct, struct } from '../../object/index.js';
import type { Check } from './check.js';

const MOST_TEXT = 4096;
/** INITIAL_JIFFIES is -300 * HZ in 32 bits: from HZ = 100 to 1000 all lie behind this. */
const LEAST_JIFFIES = 0xfff0_0000n;
const MOST_JIFFIES = 1n << 44n;
/** MAX_SWAPFILES is at most 32. */
const MOST_SWAP_FILES = 32;
const MOST_CPUS = 8192;
const TAINTS = 32n;

export const jiffies: Check = (finding, address) => {
  const value = finding.kernel.memory.u64(address);
  return value >= LEAST_JIFFIES && value < MOST_JIFFIES ? 'likely' : 'no';
};

/** A text of one line. */
export const textPointer: Check = (finding, address) => {
  const text = finding.kernel.memory.text(finding.word(address), MOST_TEXT);
  return /^[\x20-\x7e\u00a0-\uffff]+\n?$/.test(text) ? 'likely' : 'no';
};

export const taint: Check = (finding, address) => (finding.word(address) >> TAINTS === 0n ? 'likely' : 'no');

/** -1, or the CPU that panicked. */
export const cpuOrNone: Check = (finding, address) => {
  const value = finding.kernel.memory.i32(address);
  return value >= -1 && value < MOST_CPUS ? 'likely' : 'no';
};

export const swapFiles: Check = (finding, address) =>
  finding.kernel.memory.u32(address) <= MOST_SWAP_FILES ? 'likely' : 'no';

/** A note of each CPU: the name `CORE` and NT_PRSTATUS, or nothing. */
export const crashNotes: Check = (finding, address) => {
  const { memory, arch } = finding.kernel;
  const note = finding.word(address) + finding.word(finding.address('__per_cpu_offset'));
  const start = BigInt.asUintN(arch.bits, note);
  const nameSize = memory.u32(start);
  if (nameSize === 0) return 'likely';
  return nameSize === 5 && memory.u32(start + 8n) === 1 && memory.text(start + 12n, 5) === 'CORE' ? 'sure' : 'no';
};

/** A timekeeper behind a counter of 4 or 8 bytes: its clock has a name. */
export const timekeeper: Check = (finding, address) => {
  const { kernel } = finding;
  const offset = hasStruct(kernel, 'tk_data') ? struct(kernel, 'tk_data').offset('timekeeper') : 8;
  const keeper = address + BigInt(offset);
  const clock = finding.member('timekeeper', 'tkr_mono.clock', keeper);
  return finding.name(finding.member('clocksource', 'name', clock)) === null ? 'no' : 'sure';
};

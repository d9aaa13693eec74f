// Which CPU brought the kernel down. Source: kernel/panic.c (panic_cpu, 4.5 and later; -1 while there is none), arch/{x86,powerpc}/kernel (crashing_cpu), and the log.
import { Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { kernelLog } from '../log/kernel-log.js';
import { panicOf } from '../machine/panic.js';

export interface CrashedCpu {
  readonly cpu: number;
  /** What tells it. */
  readonly from: 'panic_cpu' | 'crashing_cpu' | 'log';
}

const VARIABLES = ['panic_cpu', 'crashing_cpu'] as const;
/** CONFIG_NR_CPUS is 8192 at most. */
const MOST_CPUS = 8192;

/** Null if none did, or nothing tells. */
export function crashedCpu(kernel: Kernel, issues: Issues): CrashedCpu | null {
  kernel.expect(VARIABLES);
  for (const from of VARIABLES) {
    const cpu = variable(kernel, from, issues);
    if (cpu !== null && cpu >= 0 && cpu < MOST_CPUS) return { cpu, from };
  }
  // What the log lacks is told by `log`.
  const cpu = panicOf(kernelLog(kernel, new Issues()))?.cpu ?? null;
  return cpu === null ? null : { cpu, from: 'log' };
}

function variable(kernel: Kernel, name: string, issues: Issues): number | null {
  const symbol = kernel.symbol(name);
  if (symbol === null) return null;
  try {
    return kernel.memory.i32(symbol.address);
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-memory', `${name} cannot be read: ${error.message}`, symbol.address);
    return null;
  }
}

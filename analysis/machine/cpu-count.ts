// How many CPUs a cpumask variable has: a variable of its own since 4.5 (commit 5aec01b834fd). Source: kernel/cpu.c.
import type { VirtualMemory } from 'kdumpling/reader';
import type { KernelSymbol } from 'kdumpling/reader/debuginfo';

/** CONFIG_NR_CPUS is 8192 at most. */
const MOST_CPUS = 8192;

/** @throws MemoryFault */
export function countCpus(memory: VirtualMemory, { address, size }: KernelSymbol): number {
  const bytes = size === 0 ? memory.pointerSize : Math.min(size, MOST_CPUS / 8);
  let count = 0;
  for (const byte of memory.bytes(address, bytes)) for (let bits = byte; bits !== 0; bits &= bits - 1) count++;
  return count;
}

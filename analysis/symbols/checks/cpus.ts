// CPU masks, per-CPU offsets and run queues. Source: kernel/cpu.c, mm/percpu.c (setup_per_cpu_areas), kernel/sched/sched.h (6.1 to 7.3).
import { struct } from '../../object/index.js';
import type { Finding } from '../finding.js';
import type { Check } from './check.js';

/** CPUs beyond these are not asked. */
const MOST_CPUS = 64;
const PAGE = 4096n;

/** Bits of the first word of __cpu_possible_mask. @throws Missing, MemoryFault */
function possibleCpus(finding: Finding): number[] {
  const mask = finding.word(finding.address('__cpu_possible_mask'));
  const cpus: number[] = [];
  for (let cpu = 0; cpu < MOST_CPUS; cpu++) if ((mask >> BigInt(cpu)) & 1n) cpus.push(cpu);
  return cpus;
}

/** CPUs are numbered from 0 without gaps. */
export const possibleMask: Check = (finding, address) => {
  const mask = finding.word(address);
  return mask !== 0n && (mask & (mask + 1n)) === 0n ? 'likely' : 'no';
};

/** Of the possible CPUs, at least one. */
export const someCpus: Check = (finding, address) => {
  const mask = finding.word(address);
  const possible = finding.word(finding.address('__cpu_possible_mask'));
  return mask !== 0n && (mask & ~possible) === 0n ? 'likely' : 'no';
};

/** The same, where the mask of another name is not what is looked for. */
export const someCpusBut =
  (name: string): Check =>
  (finding, address) =>
    finding.find(name) === address ? 'no' : someCpus(finding, address);

/** One more than the highest possible CPU. */
export const cpuIds: Check = (finding, address) => {
  const highest = possibleCpus(finding).at(-1) ?? -1;
  const value = finding.kernel.memory.u32(address);
  return highest < MOST_CPUS - 1 && value === highest + 1 ? 'likely' : 'no';
};

/** The distance to each possible CPU's area: whole pages, each another. */
export const perCpuOffsets: Check = (finding, address) => {
  const { pointerSize } = finding.kernel.memory;
  const offsets = possibleCpus(finding).map(cpu => finding.word(address + BigInt(cpu * pointerSize)));
  const distinct = new Set(offsets);
  if (distinct.size < offsets.length || distinct.has(0n) || offsets.some(offset => offset % PAGE !== 0n)) return 'no';
  return offsets.length > 1 ? 'sure' : 'likely';
};

/** Each run queue knows its CPU and has that CPU's idle task. */
export const runQueues: Check = (finding, address) => {
  const { kernel } = finding;
  const { memory, arch } = kernel;
  const rq = struct(kernel, 'rq');
  const table = finding.address('__per_cpu_offset');
  const idleName = struct(kernel, 'task_struct').text('comm');
  const cpus = possibleCpus(finding);
  const right = cpus.every(cpu => {
    const offset = finding.word(table + BigInt(cpu * memory.pointerSize));
    const own = BigInt.asUintN(arch.bits, address + offset);
    return rq.number('cpu')(own) === cpu && idleName(rq.word('idle')(own)) === `swapper/${cpu}`;
  });
  return right && cpus.length > 0 ? 'sure' : 'no';
};

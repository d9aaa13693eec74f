// Which CPUs there are: the masks of kernel/cpu.c, __cpu_possible_mask and its like as struct cpumask since 4.5, before that pointers cpu_possible_mask to cpu_possible_bits.
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, struct } from '../object/index.js';
import { Bitmap } from './bitmap.js';

export type CpuMaskName = 'possible' | 'present' | 'online' | 'active';

/** The largest CONFIG_NR_CPUS is 8192. */
const MOST_CPUS = 65536;

/**
 * How many bits of a cpumask count: nr_cpu_ids, which is a variable unless the kernel is built for one CPU or with FORCE_NR_CPUS (6.1 and later). Where it is in no region of a
 * region core, all bits of the mask: those behind it are never set.
 */
export function cpuIds(kernel: Kernel): number {
  const size = hasStruct(kernel, 'cpumask') ? struct(kernel, 'cpumask').size * 8 : MOST_CPUS;
  const ids = kernel.symbol('nr_cpu_ids');
  const { memory } = kernel;
  const at = ids === null ? -1 : memory.locate(ids.address, 4);
  if (ids !== null && at < 0 && memory.fault.reason !== 'unregistered') throw memory.fault.toError();
  const count = at < 0 ? size : Math.min(memory.view.getUint32(at, memory.littleEndian), size);
  if (at < 0 && size === MOST_CPUS) throw new Missing('symbol', 'nr_cpu_ids', 'types of this kernel would tell too');
  return Math.min(count, MOST_CPUS);
}

/** A struct cpumask at an address, for instance `task_struct.cpus_mask`. @throws Missing, MemoryFault */
export function cpuMask(kernel: Kernel, address: bigint): Bitmap {
  return new Bitmap(kernel.memory, address, kernel.once(cpuIds));
}

/** CPU numbers in ascending order. Walk the possible CPUs, not the online ones: a panic takes the others offline, with what they hold. @throws Missing, MemoryFault */
export function cpus(kernel: Kernel, mask: CpuMaskName): number[] {
  const name = `__cpu_${mask}_mask`;
  kernel.expect([name, `cpu_${mask}_mask`, 'nr_cpu_ids']);
  const direct = kernel.symbol(name);
  if (direct !== null) return [...cpuMask(kernel, direct.address)];
  const pointer = kernel.symbol(`cpu_${mask}_mask`);
  if (pointer !== null) return [...cpuMask(kernel, kernel.memory.pointer(pointer.address))];
  return [...cpuMask(kernel, kernel.address(name))];
}

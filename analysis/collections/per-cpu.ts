// Per-CPU variables: a CPU's copy lies at its template's address + __per_cpu_offset[cpu], modulo the word size (include/linux/percpu-defs.h, mm/percpu.c; the array is on every
// architecture, also where the CPU itself takes the offset from a register, s390x's lowcore or ppc64's paca).
// x86_64 up to 6.14 links the templates at 0, from 6.15 on inside the image: a pointer that was not offset then reads static data and does not fault.
import { globalType } from '../globals.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { KernelObject } from '../object/index.js';
import { cpus } from './cpu-masks.js';

export class PerCpu {
  readonly kernel: Kernel;
  /** The CPUs that have copies, in ascending order. */
  readonly possible: readonly number[];
  readonly #offsets: ReadonlyMap<number, bigint>;

  constructor(kernel: Kernel, offsets: ReadonlyMap<number, bigint>) {
    this.kernel = kernel;
    this.possible = [...offsets.keys()];
    this.#offsets = offsets;
  }

  /** per_cpu_offset(): @throws RangeError for a CPU that is not possible */
  offset(cpu: number): bigint {
    const offset = this.#offsets.get(cpu);
    if (offset === undefined) throw new RangeError(`CPU ${cpu} is not possible`);
    return offset;
  }

  /** per_cpu_ptr(): where a CPU's copy lies. `pointer` is a template's address, or what alloc_percpu() returned. */
  address(pointer: bigint, cpu: number): bigint {
    return BigInt.asUintN(this.kernel.arch.bits, pointer + this.offset(cpu));
  }

  /** per_cpu(): a CPU's copy of a variable. @throws Missing */
  variable(name: string, cpu: number): bigint {
    return this.address(this.kernel.address(name), cpu);
  }
}

/** A CPU's copy of a per-CPU variable as an object: `perCpuGlobal(kernel, 'runqueues', 0).member('curr.comm').text()`. @throws Missing, MemoryFault, RangeError */
export function perCpuGlobal(kernel: Kernel, name: string, cpu: number): KernelObject {
  return new KernelObject(kernel, globalType(kernel, name), perCpu(kernel).variable(name, cpu));
}

/** Known once for a kernel. @throws Missing, MemoryFault */
export const perCpu = (kernel: Kernel): PerCpu => kernel.once(makePerCpu);

function makePerCpu(kernel: Kernel): PerCpu {
  kernel.expect(['__per_cpu_offset', 'smp_call_function_many', 'schedule', '__cpu_possible_mask', 'nr_cpu_ids']);
  const array = kernel.symbol('__per_cpu_offset');
  if (array === null) return withoutOffsets(kernel);
  const { memory } = kernel;
  const word = BigInt(memory.pointerSize);
  const offsets = cpus(kernel, 'possible').map(
    cpu => [cpu, memory.pointer(array.address + BigInt(cpu) * word)] as const,
  );
  return new PerCpu(kernel, new Map(offsets));
}

/** Kernels built for one CPU have neither offsets nor copies; they are told by a function that only the others have (kernel/smp.c). */
function withoutOffsets(kernel: Kernel): PerCpu {
  if (kernel.symbol('smp_call_function_many') === null && kernel.symbol('schedule') !== null) {
    return new PerCpu(kernel, new Map([[0, 0n]]));
  }
  throw new Missing('symbol', '__per_cpu_offset', 'give the vmlinux of this kernel with --vmlinux');
}

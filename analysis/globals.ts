// What types the kernel's global variables have, for kernels whose types tell functions and structs only (BTF): the newest first where it changed.
// Source: the definitions named beside each, Linux 6.1 to 7.3; the tests compare all of them with DWARF.

import type { Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from './kernel.js';
import { Missing } from './missing.js';
import { KernelObject, typeNamed } from './object/index.js';

interface GlobalFact {
  readonly name: string;
  /** As in a C cast; the first whose types the kernel has is taken. */
  readonly types: readonly string[];
}

const fact = (name: string, ...types: string[]): GlobalFact => ({ name, types });

export const GLOBALS: readonly GlobalFact[] = [
  fact('init_task', 'struct task_struct'), // init/init_task.c
  fact('init_mm', 'struct mm_struct'), // mm/init-mm.c
  fact('modules', 'struct list_head'), // kernel/module/main.c
  fact('slab_caches', 'struct list_head'), // mm/slab_common.c
  fact('prb', 'struct printk_ringbuffer *'), // kernel/printk/printk.c
  fact('mem_section', 'struct mem_section **'), // mm/sparse.c, with SPARSEMEM_EXTREME
  fact('init_uts_ns', 'struct uts_namespace'), // init/version.c
  fact('init_pid_ns', 'struct pid_namespace'), // kernel/pid.c
  fact('init_nsproxy', 'struct nsproxy'), // kernel/nsproxy.c
  fact('super_blocks', 'struct list_head'), // fs/super.c
  fact('saved_command_line', 'char *'), // init/main.c
  fact('tainted_mask', 'unsigned long'), // kernel/panic.c
  fact('jiffies_64', 'u64'), // kernel/time/timer.c
];

const byName = new Map(GLOBALS.map(one => [one.name, one]));

/** A global variable as an object; its type from DWARF where it is to be had, else from the table. @throws Missing */
export function global(kernel: Kernel, name: string): KernelObject {
  const address = kernel.address(name);
  return new KernelObject(kernel, globalType(kernel, name), address);
}

/** The type of a global variable. @throws Missing */
export function globalType(kernel: Kernel, name: string): Type {
  return kernel.types?.variable(name) ?? typeFromTable(kernel, name);
}

function typeFromTable(kernel: Kernel, name: string) {
  const known = byName.get(name);
  if (known === undefined) {
    throw new Missing('type', `of the variable ${name}`, 'a vmlinux with DWARF tells it (--vmlinux), or a cast');
  }
  for (const text of known.types.slice(0, -1)) {
    try {
      return typeNamed(kernel, text);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
    }
  }
  return typeNamed(kernel, known.types[known.types.length - 1]);
}

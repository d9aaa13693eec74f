// A process's page tables and memory, from its mm_struct.
import type { AddressMap } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { kernelTranslator, type PageTable, userMemory, userPageTable, userTablesMember } from '../vtop/index.js';

/** Null where the page tables of this architecture or kernel are not to be had. @throws Missing, MemoryFault */
export function pageTableOf(kernel: Kernel, mm: bigint): PageTable | null {
  const { arch, memory, physical } = kernel;
  const member = userTablesMember(arch);
  const map = kernelTranslator(memory)?.map ?? null;
  if (member === null || map === null) return null;
  const value = struct(kernel, 'mm_struct').word(member)(mm);
  return userPageTable(arch, map, physical, value, vaddr => memory.translate(vaddr));
}

/** A process's memory by its own addresses; null likewise. @throws Missing, MemoryFault */
export function memoryOf(kernel: Kernel, mm: bigint): AddressMap | null {
  const table = pageTableOf(kernel, mm);
  return table === null ? null : userMemory(kernel.physical, table);
}

/**
 * One past a process's own addresses: on some architectures (x86, arm, riscv) its page tables map the kernel behind them. Null where the kernel does not tell.
 * Source: TASK_SIZE, which setup_new_exec() of fs/exec.c leaves in mm_struct. @throws Missing, MemoryFault
 */
export function addressLimit(kernel: Kernel, mm: bigint): bigint | null {
  const layout = struct(kernel, 'mm_struct');
  const size = layout.has('task_size') ? layout.word('task_size')(mm) : 0n;
  return size === 0n ? null : size;
}

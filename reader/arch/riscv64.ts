// riscv64. Source: arch/riscv/kernel/vmcore_info.c, arch/riscv/include/asm/{page,pgtable}.h (6.x), struct user_regs_struct of arch/riscv/include/uapi/asm/ptrace.h.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange } from './arch.js';
import { PRPSINFO_SIZE, prstatus } from './prstatus.js';
import { riscv64Paging } from './riscv64-paging.js';

/** Modules may lie from 2 GiB below the image's end up to its start, so MODULES_VADDR + 2 GiB is that end. */
const MODULE_REACH = 2n << 30n;

function imageRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const offset = vmcoreinfo.number('va_kernel_pa_offset');
  const modulesStart = vmcoreinfo.number('MODULES_VADDR');
  const first = vmcoreinfo.number('MODULES_END') ?? vmcoreinfo.number('KERNEL_LINK_ADDR');
  if (offset === undefined || first === undefined || modulesStart === undefined) return [];
  const last = modulesStart + MODULE_REACH - 1n;
  return last > first ? [{ name: 'image', first, last, offset: BigInt.asUintN(64, offset) }] : [];
}

function linearRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const first = vmcoreinfo.number('PAGE_OFFSET');
  const physBase = vmcoreinfo.number('phys_ram_base');
  const bits = vmcoreinfo.number('VA_BITS');
  if (first === undefined || physBase === undefined || bits === undefined || bits < 32n || bits > 57n) return [];
  // A quarter of all kernel addresses: the linear map has half of them, and starts somewhere in the lower half of those.
  const last = first + (1n << (bits - 2n)) - 1n;
  return [{ name: 'linear', first, last, offset: BigInt.asUintN(64, first - physBase) }];
}

const REGISTERS = 'pc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6';

export const riscv64: Architecture = {
  name: 'riscv64',
  elfMachine: 243,
  bits: 64,
  littleEndian: true,
  pageSizes: [4096],
  prstatus: prstatus(64, REGISTERS.split(' '), 'pc', 'sp'),
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['riscv64'],
  imageRanges,
  linearRanges,
  imageDistance: { name: 'va_kernel_pa_offset', of: (vaddr, paddr) => vaddr - paddr },
  memoryBase: 'phys_ram_base',
  paging: riscv64Paging,
};

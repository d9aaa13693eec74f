// The architectures, and the only place that compares their names and numbers.
import type { Architecture } from './arch.js';
import { arm } from './arm.js';
import { arm64 } from './arm64.js';
import { i386 } from './i386.js';
import { loongarch64 } from './loongarch64.js';
import { mips64 } from './mips64.js';
import { ppc64 } from './ppc64.js';
import { riscv64 } from './riscv64.js';
import { s390x } from './s390x.js';
import { x86_64 } from './x86_64.js';

export * from './arch.js';
export { highestImageSymbol } from './image-end.js';
export * from './paging.js';
export { x86_64Mode } from './x86-paging.js';

export const ARCHITECTURES: readonly Architecture[] = [
  x86_64,
  arm64,
  i386,
  arm,
  riscv64,
  ppc64,
  s390x,
  loongarch64,
  mips64,
];

/** By e_machine; null if unknown. A container's word size says little: QEMU writes ELF64 for i386; but no ELF32 is of 64-bit MIPS, which shares its number. */
export function architectureByElfMachine(machine: number, bits: 32 | 64 = 64): Architecture | null {
  return ARCHITECTURES.find(arch => arch.elfMachine === machine && (bits === 64 || arch.elf64Only !== true)) ?? null;
}

/** By the kernel's word or by what utsname.machine says; null if unknown (QEMU writes `Unknown`). */
export function architectureByName(name: string): Architecture | null {
  return ARCHITECTURES.find(arch => arch.name === name || arch.machineNames.includes(name)) ?? null;
}

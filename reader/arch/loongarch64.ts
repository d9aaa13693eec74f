// loongarch64. Source: arch/loongarch/include/asm/addrspace.h, struct user_pt_regs of arch/loongarch/include/uapi/asm/ptrace.h (6.x).
import type { Architecture, LinearRange } from './arch.js';
import { numbered, PRPSINFO_SIZE, prstatus } from './prstatus.js';

/** The direct mapping windows: bits 47:0 are the physical address. The kernel and all memory are in the cached one. */
const CACHE_BASE = 0x9000_0000_0000_0000n;
const WINDOW = 1n << 48n;

const RANGES: readonly LinearRange[] = [
  { name: 'linear', first: CACHE_BASE, last: CACHE_BASE + WINDOW - 1n, offset: CACHE_BASE },
];

export const loongarch64: Architecture = {
  name: 'loongarch64',
  elfMachine: 258,
  bits: 64,
  littleEndian: true,
  pageSizes: [16384, 4096, 65536],
  // ELF_NGREG is 45: the last ten places are reserved.
  prstatus: prstatus(
    64,
    [...numbered('r', 0, 31), 'orig_a0', 'pc', 'badv', ...Array.from({ length: 10 }, () => '')],
    'pc',
    'r3',
  ),
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['loongarch64'],
  imageRanges: () => [],
  linearRanges: () => RANGES,
};

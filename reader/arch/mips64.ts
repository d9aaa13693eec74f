// 64-bit MIPS, both byte orders. Source: arch/mips/include/asm/{addrspace,mach-generic/spaces}.h, MIPS64_EF_* of arch/mips/include/asm/reg.h (6.x).
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange } from './arch.js';
import { numbered, PRPSINFO_SIZE, prstatus } from './prstatus.js';

/** XKPHYS, cached coherent exclusive on write (0xa8…) and noncoherent (0x98…): CAC_BASE of most machines. */
const XKPHYS = [0x9800_0000_0000_0000n, 0xa800_0000_0000_0000n];
const XKPHYS_SIZE = 1n << 48n;
/** CKSEG0: the first 512 MiB, where images of kernels built with BUILD_ELF64 off are linked. */
const CKSEG0 = 0xffff_ffff_8000_0000n;
const CKSEG0_SIZE = 0x2000_0000n;

function imageRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const stext = vmcoreinfo.symbol('_stext');
  if (stext === undefined || stext < CKSEG0) return [];
  return [{ name: 'image', first: CKSEG0, last: CKSEG0 + CKSEG0_SIZE - 1n, offset: CKSEG0 }];
}

const linearRanges = (): LinearRange[] =>
  XKPHYS.map(base => ({ name: 'linear', first: base, last: base + XKPHYS_SIZE - 1n, offset: base }));

const SPECIAL = 'lo hi pc badvaddr status cause';
/** ELF_NGREG is 45: 38 places are named. */
const UNUSED = Array.from({ length: 7 }, () => '');

export const mips64: Architecture = {
  name: 'mips64',
  elfMachine: 8,
  elf64Only: true,
  bits: 64,
  littleEndian: null,
  pageSizes: [4096, 16384, 65536],
  prstatus: prstatus(64, [...numbered('r', 0, 31), ...SPECIAL.split(' '), ...UNUSED], 'pc', 'r29'),
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['mips64'],
  imageRanges,
  linearRanges,
};

// arm64. Source: arch/arm64/include/asm/memory.h, arch/arm64/kernel/vmcore_info.c (6.x; crash_core.c before), struct user_pt_regs of
// arch/arm64/include/uapi/asm/ptrace.h.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import { U64_MAX } from '../u64.js';
import type { Architecture, LinearRange } from './arch.js';
import { arm64Paging } from './arm64-paging.js';
import { highestImageSymbol } from './image-end.js';
import { numbered, PRPSINFO_SIZE, prstatus, registersAt } from './prstatus.js';

const SPACE = 1n << 64n;
/** The image is mapped in 64 KiB segments and never larger than this. */
const MOST_IMAGE = 512n << 20n;
const SEGMENT = 0x10000n;

/** The image lies among vmalloc areas, and VMCOREINFO does not say where it ends: the range goes as far as its symbols prove. */
function imageRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const offset = vmcoreinfo.number('kimage_voffset');
  const stext = vmcoreinfo.symbol('_stext');
  const page = vmcoreinfo.pageSize;
  if (offset === undefined || stext === undefined || page === undefined || page === 0) return [];
  const last = highestImageSymbol(vmcoreinfo, stext, MOST_IMAGE) | BigInt(page - 1);
  return [{ name: 'image', first: stext - (stext % SEGMENT), last, offset, partial: true }];
}

function linearRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const bits = vmcoreinfo.number('VA_BITS');
  const physOffset = vmcoreinfo.number('PHYS_OFFSET');
  if (bits === undefined || physOffset === undefined || bits < 36n || bits > 52n) return [];
  // From 5.4 on (commit 14c127c957c1) the linear map is the lower half of kernel addresses and ends where modules begin. PHYS_OFFSET is biased so that this start
  // holds whatever width is in use, hence modulo 2^64.
  const start = SPACE - (1n << bits);
  const narrow = bits > 48n ? 48n : bits;
  const end = vmcoreinfo.number('MODULES_VADDR') ?? SPACE - (1n << (narrow - 1n));
  const flipped = BigInt.asUintN(64, start - physOffset);
  // Before, it was the upper half.
  const upper = SPACE - (1n << (bits - 1n));
  return [
    { name: 'linear', first: start, last: end - 1n, offset: flipped },
    { name: 'linear', first: upper, last: U64_MAX, offset: BigInt.asUintN(64, upper - physOffset) },
  ];
}

export const arm64: Architecture = {
  name: 'arm64',
  elfMachine: 183,
  bits: 64,
  littleEndian: null,
  pageSizes: [4096, 65536, 16384],
  prstatus: prstatus(64, [...numbered('x', 0, 30), 'sp', 'pc', 'cpsr'], 'pc', 'sp'),
  registerNotes: [
    {
      label: 'NT_FPREGSET',
      name: 'CORE',
      type: 2,
      registers: [...registersAt(numbered('v', 0, 31), 0, 16), ...registersAt(['fpsr', 'fpcr'], 512, 4)],
    },
    { label: 'NT_ARM_TLS', name: 'LINUX', type: 0x401, registers: registersAt(['tpidr'], 0, 8) },
    {
      label: 'NT_ARM_PAC_MASK',
      name: 'LINUX',
      type: 0x406,
      registers: registersAt(['pauth_dmask', 'pauth_cmask'], 0, 8),
    },
  ],
  // PSR_MODE_MASK without the bit for 32-bit code: EL0.
  userMode: { register: 'cpsr', mask: 0xfn, value: 0n },
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['aarch64', 'aarch64_be', 'arm64'],
  imageRanges,
  linearRanges,
  imageDistance: { name: 'kimage_voffset', of: (vaddr, paddr) => vaddr - paddr },
  // crash 9.0 arm64.c: arm64_parse_machdep_args().
  crash: {
    bases: [],
    machdep: {
      options: 'phys_offset=ADDRESS,vabits_actual=BITS',
      values: 'the start of memory and the width of kernel addresses',
    },
  },
  memoryBase: 'PHYS_OFFSET',
  paging: arm64Paging,
};

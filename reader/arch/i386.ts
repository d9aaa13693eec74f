// 32-bit x86. Source: arch/x86/include/asm/{page_32_types,pgtable_32_areas}.h, arch/x86/Kconfig (VMSPLIT), struct user_regs_struct of arch/x86/include/asm/user_32.h (6.x).
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange, MapProbe } from './arch.js';
import { PRPSINFO_SIZE, prstatus } from './prstatus.js';
import { i386Paging } from './x86-paging.js';

/** CONFIG_PAGE_OFFSET of each VMSPLIT choice, the usual one first. */
const PAGE_OFFSETS = [0xc000_0000n, 0xb000_0000n, 0x8000_0000n, 0x7800_0000n, 0x4000_0000n];
/** VMALLOC_RESERVE: addresses from here to the end are never lowmem. */
const LOWMEM_END = 0x1_0000_0000n - (128n << 20n);

/**
 * Lowmem, the image in it; VMCOREINFO does not tell PAGE_OFFSET, so each one below the image is a candidate. Behind the end of memory vmalloc's area begins, if memory is less than lowmem may
 * be.
 */
function linearRanges(vmcoreinfo: Vmcoreinfo, { memoryEnd }: MapProbe): LinearRange[] {
  const stext = vmcoreinfo.symbol('_stext');
  if (stext === undefined) return [];
  return PAGE_OFFSETS.filter(base => base <= stext).map(base => ({
    name: 'linear',
    first: base,
    last: lower(LOWMEM_END, base + BigInt(memoryEnd)) - 1n,
    offset: base,
  }));
}

const lower = (a: bigint, b: bigint): bigint => (a < b ? a : b);

const REGISTERS = 'ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss';

export const i386: Architecture = {
  name: 'i386',
  elfMachine: 3,
  bits: 32,
  littleEndian: true,
  pageSizes: [4096],
  prstatus: prstatus(32, REGISTERS.split(' '), 'eip', 'esp'),
  userMode: { register: 'cs', mask: 3n, value: 3n },
  prpsinfoSize: PRPSINFO_SIZE[32],
  machineNames: ['i386', 'i486', 'i586', 'i686'],
  imageRanges: () => [],
  linearRanges,
  paging: i386Paging,
};

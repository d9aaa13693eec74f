// 32-bit ARM. Source: arch/arm/include/asm/memory.h, arch/arm/Kconfig (VMSPLIT), struct pt_regs of arch/arm/include/uapi/asm/ptrace.h (6.x).
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange, MapProbe } from './arch.js';
import { armPaging } from './arm-paging.js';
import { numbered, PRPSINFO_SIZE, prstatus, registersAt } from './prstatus.js';

/** CONFIG_PAGE_OFFSET of each VMSPLIT choice, the highest first. */
const PAGE_OFFSETS = [0xc000_0000n, 0xb000_0000n, 0x8000_0000n, 0x4000_0000n];
/** VMALLOC_END less the 240 MiB that are vmalloc's unless `vmalloc=` says otherwise, less VMALLOC_OFFSET (arch/arm/mm/mmu.c, adjust_lowmem_bounds): lowmem ends before it. */
const LOWMEM_END = 0xf000_0000n;
/** PHYS_OFFSET is a multiple of this (of 16 MiB before 5.11). */
const PHYS_ALIGNMENT = 0x20_0000;

/** VMCOREINFO tells neither PAGE_OFFSET nor PHYS_OFFSET; memory begins at the latter. Behind the end of memory vmalloc's area begins, if memory is less than lowmem may be. */
function linearRanges(vmcoreinfo: Vmcoreinfo, probe: MapProbe): LinearRange[] {
  const stext = vmcoreinfo.symbol('_stext');
  if (stext === undefined) return [];
  const physOffset = BigInt(probe.memoryStart - (probe.memoryStart % PHYS_ALIGNMENT));
  return PAGE_OFFSETS.filter(base => base <= stext).map(base => ({
    name: 'linear',
    first: base,
    last: lower(LOWMEM_END, base - physOffset + BigInt(probe.memoryEnd)) - 1n,
    offset: BigInt.asUintN(64, base - physOffset),
  }));
}

const lower = (a: bigint, b: bigint): bigint => (a < b ? a : b);

export const arm: Architecture = {
  name: 'arm',
  elfMachine: 40,
  bits: 32,
  alignsU64: true,
  physBaseIsMemoryStart: true,
  littleEndian: null,
  pageSizes: [4096],
  prstatus: prstatus(32, [...numbered('r', 0, 12), 'sp', 'lr', 'pc', 'cpsr', 'orig_r0'], 'pc', 'sp'),
  registerNotes: [
    {
      label: 'NT_ARM_VFP',
      name: 'LINUX',
      type: 0x400,
      registers: [...registersAt(numbered('d', 0, 31), 0, 8), ...registersAt(['fpscr'], 256, 4)],
    },
  ],
  // MODE_MASK: USR_MODE.
  userMode: { register: 'cpsr', mask: 0x1fn, value: 0x10n },
  prpsinfoSize: PRPSINFO_SIZE[32],
  machineNames: ['arm', 'armv4l', 'armv4tl', 'armv5tel', 'armv5tejl', 'armv6l', 'armv7l', 'armv7b', 'armv8l', 'armv8b'],
  imageRanges: () => [],
  linearRanges,
  paging: armPaging,
};

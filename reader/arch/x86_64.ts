// x86-64. Source: arch/x86/include/asm/{page_64_types,pgtable_64_types}.h, arch/x86/kernel/vmcore_info_64.c (6.x), struct user_regs_struct of arch/x86/include/asm/user_64.h.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import { U64_MAX } from '../u64.js';
import type { Architecture, LinearRange, MapProbe } from './arch.js';
import { PRPSINFO_SIZE, prstatus } from './prstatus.js';
import { x86_64Paging } from './x86-paging.js';

const START_KERNEL_MAP = 0xffff_ffff_8000_0000n;
/** CONFIG_RANDOMIZE_BASE gives the image 1 GiB; without it 512 MiB. NUMBER(KERNEL_IMAGE_SIZE) tells. */
const IMAGE_SIZE_WITHOUT_KASLR = 0x2000_0000n;
/** __PAGE_OFFSET_BASE_L4 and _L5: where the linear map lies unless CONFIG_RANDOMIZE_MEMORY moved it. */
const PAGE_OFFSET_L4 = 0xffff_8880_0000_0000n;
const PAGE_OFFSET_L5 = 0xff11_0000_0000_0000n;
/** The linear map spans at most 64 TiB with four levels, 32 PiB with five. */
const LINEAR_SIZE_L4 = 1n << 46n;
const LINEAR_SIZE_L5 = 1n << 55n;
/**
 * kernel_randomize_memory() gives the linear map as many whole TiB as memory needs, and some more; what follows (vmalloc space) may begin right behind (arch/x86/mm/kaslr.c; since 6.15 it takes all,
 * commit 7ffb791423c7).
 */
const TIB = 1n << 40n;
/** kernel_randomize_memory() moves the linear map by multiples of a PUD. */
const ALIGNMENT = 1n << 30n;
/** The most candidates made from one pointer: a machine of 64 TiB. */
const MOST_CANDIDATES = 65536;

function imageRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const physBase = vmcoreinfo.number('phys_base');
  if (physBase === undefined) return [];
  const size = vmcoreinfo.number('KERNEL_IMAGE_SIZE') ?? IMAGE_SIZE_WITHOUT_KASLR;
  if (size <= 0n || size > 1n << 31n) return [];
  const last = START_KERNEL_MAP + size - 1n;
  return [{ name: 'image', first: START_KERNEL_MAP, last, offset: START_KERNEL_MAP - physBase }];
}

function* linearRanges(vmcoreinfo: Vmcoreinfo, probe: MapProbe): Iterable<LinearRange> {
  const most = vmcoreinfo.number('pgtable_l5_enabled') === 1n ? LINEAR_SIZE_L5 : LINEAR_SIZE_L4;
  const needed = BigInt(Math.ceil(probe.memoryEnd / Number(TIB))) * TIB;
  const size = needed > 0n && needed < most ? needed : most;
  const range = (base: bigint): LinearRange => {
    const last = base + size - 1n;
    return { name: 'linear', first: base, last: last > U64_MAX ? U64_MAX : last, offset: base };
  };
  // The root of the memory sections lies in the linear map, so its address is some base + a physical address of this dump.
  const pointer = vmcoreinfo.symbol('mem_section');
  if (pointer !== undefined && pointer >= 1n << 63n) {
    const highest = pointer - (pointer % ALIGNMENT);
    const candidates = Math.min(MOST_CANDIDATES, Math.ceil(probe.memoryEnd / Number(ALIGNMENT)) + 1);
    for (let i = 0n; i < candidates; i++) yield range(highest - i * ALIGNMENT);
  }
  const base = probe.variable('page_offset_base');
  if (base !== null && base % ALIGNMENT === 0n && base >= 1n << 63n) yield range(base);
  yield range(vmcoreinfo.number('pgtable_l5_enabled') === 1n ? PAGE_OFFSET_L5 : PAGE_OFFSET_L4);
}

const REGISTERS =
  'r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs';

export const x86_64: Architecture = {
  name: 'x86_64',
  elfMachine: 62,
  bits: 64,
  littleEndian: true,
  pageSizes: [4096],
  prstatus: prstatus(64, REGISTERS.split(' '), 'rip', 'rsp'),
  userMode: { register: 'cs', mask: 3n, value: 3n },
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['x86_64', 'amd64'],
  imageRanges,
  linearRanges,
  imageDistance: { name: 'phys_base', of: (vaddr, paddr) => paddr - (vaddr - START_KERNEL_MAP) },
  // crash 9.0 x86_64.c: x86_64_post_relocs(), KASLR bases since 4.8.
  crash: { bases: ['page_offset_base', 'vmalloc_base', 'vmemmap_base'], machdep: null },
  paging: x86_64Paging,
};

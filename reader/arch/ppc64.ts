// 64-bit PowerPC, both byte orders. Source: arch/powerpc/include/asm/book3s/64/{radix,hash-4k,hash-64k}.h, struct user_pt_regs of arch/powerpc/include/uapi/asm/ptrace.h (6.x).
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange } from './arch.js';
import { ppc64Paging } from './ppc64-paging.js';
import { numbered, PRPSINFO_SIZE, prstatus, registersAt } from './prstatus.js';

const PAGE_OFFSET = 0xc000_0000_0000_0000n;
/** Where the kernel's own mappings begin: H_KERN_VIRT_START with 4K pages and the hash MMU, else RADIX_KERN_VIRT_START and its like. */
const LINEAR_END: ReadonlyMap<number, bigint> = new Map([
  [4096, 0xc000_3d00_0000_0000n],
  [65536, 0xc008_0000_0000_0000n],
]);

function linearRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const end = LINEAR_END.get(vmcoreinfo.pageSize ?? 65536) ?? 0xc000_3d00_0000_0000n;
  return [{ name: 'linear', first: PAGE_OFFSET, last: end - 1n, offset: PAGE_OFFSET }];
}

const SPECIAL = 'pc msr orig_r3 ctr lr xer cr softe trap dar dsisr result dscr';

export const ppc64: Architecture = {
  name: 'ppc64',
  elfMachine: 21,
  bits: 64,
  littleEndian: null,
  pageSizes: [65536, 4096],
  // ELF_NGREG is 48; the last three places are unused.
  prstatus: prstatus(64, [...numbered('r', 0, 31), ...SPECIAL.split(' '), '', '', ''], 'pc', 'r1'),
  registerNotes: [
    { label: 'NT_FPREGSET', name: 'CORE', type: 2, registers: registersAt([...numbered('f', 0, 31), 'fpscr'], 0, 8) },
    {
      label: 'NT_PPC_VMX',
      name: 'LINUX',
      type: 0x100,
      registers: registersAt([...numbered('vr', 0, 31), 'vscr'], 0, 16),
    },
    // The second halves of vs0 to vs31, whose first are f0 to f31.
    { label: 'NT_PPC_VSX', name: 'LINUX', type: 0x102, registers: registersAt(numbered('vs', 0, 31, 'h'), 0, 8) },
  ],
  // MSR_PR.
  userMode: { register: 'msr', mask: 0x4000n, value: 0x4000n },
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['ppc64', 'ppc64le'],
  imageRanges: () => [],
  linearRanges,
  paging: ppc64Paging,
};

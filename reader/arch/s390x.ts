// s390x. Source: arch/s390/kernel/{vmcore_info,machine_kexec}.c, arch/s390/include/asm/page.h (6.x), s390_regs of arch/s390/include/uapi/asm/ptrace.h.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange, RegisterNote, RegisterPlace } from './arch.js';
import { highestImageSymbol } from './image-end.js';
import { numbered, PRPSINFO_SIZE, prstatusOf, registersAt } from './prstatus.js';
import { s390xPaging } from './s390x-paging.js';

/** The most that an identity map spans (ident_map_size is below it). */
const MOST_MEMORY = 1n << 46n;
const MOST_IMAGE = 512n << 20n;

function line(vmcoreinfo: Vmcoreinfo, key: string): bigint | undefined {
  const text = vmcoreinfo.lines.get(key);
  return text !== undefined && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}

/**
 * From 6.10 on (commit c98d2ecae08f) the image is apart from the identity map: physical = virtual - KERNELOFFSET + KERNELOFFPHYS. It goes as far as
 * its symbols prove.
 */
function imageRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const virtual = vmcoreinfo.kernelOffset;
  const physical = line(vmcoreinfo, 'KERNELOFFPHYS');
  if (virtual === undefined || physical === undefined || line(vmcoreinfo, 'IDENTITYBASE') === undefined) return [];
  const last = highestImageSymbol(vmcoreinfo, virtual, MOST_IMAGE) | 0xfffn;
  return [{ name: 'image', first: virtual, last, offset: BigInt.asUintN(64, virtual - physical), partial: true }];
}

/** Identity up to 6.9, then from IDENTITYBASE. */
function linearRanges(vmcoreinfo: Vmcoreinfo): LinearRange[] {
  const base = line(vmcoreinfo, 'IDENTITYBASE') ?? 0n;
  return [{ name: 'linear', first: base, last: base + MOST_MEMORY - 1n, offset: base, endVariable: 'high_memory' }];
}

const words = (names: readonly string[], offset: number, size: 4 | 8): RegisterPlace[] =>
  names.map((name, i) => ({ name, offset: offset + i * size, size }));

const REGISTERS: readonly RegisterPlace[] = [
  ...words(['pswm', 'pswa'], 112, 8),
  ...words(numbered('r', 0, 15), 128, 8),
  ...words(numbered('acr', 0, 15), 256, 4),
  ...words(['orig_r2'], 320, 8),
];

const linux = (label: string, type: number, registers: RegisterNote['registers']): RegisterNote => ({
  label,
  name: 'LINUX',
  type,
  registers,
});

/** Source: arch/s390/kernel/{crash_dump,ptrace}.c (6.x). */
const REGISTER_NOTES: readonly RegisterNote[] = [
  {
    label: 'NT_FPREGSET',
    name: 'CORE',
    type: 2,
    registers: [...registersAt(['fpc'], 0, 4), ...registersAt(numbered('f', 0, 15), 8, 8)],
  },
  linux('NT_S390_TIMER', 0x301, registersAt(['timer'], 0, 8)),
  linux('NT_S390_TODCMP', 0x302, registersAt(['todcmp'], 0, 8)),
  linux('NT_S390_TODPREG', 0x303, registersAt(['todpreg'], 0, 4)),
  linux('NT_S390_CTRS', 0x304, registersAt(numbered('cr', 0, 15), 0, 8)),
  linux('NT_S390_PREFIX', 0x305, registersAt(['prefix'], 0, 4)),
  linux('NT_S390_LAST_BREAK', 0x306, registersAt(['last_break'], 0, 8)),
  linux('NT_S390_SYSTEM_CALL', 0x307, registersAt(['system_call'], 0, 4)),
  // The second halves of v0 to v15, whose first are f0 to f15.
  linux('NT_S390_VXRS_LOW', 0x309, registersAt(numbered('v', 0, 15, 'l'), 0, 8)),
  linux('NT_S390_VXRS_HIGH', 0x30a, registersAt(numbered('v', 16, 31), 0, 16)),
  linux('NT_S390_GS_CB', 0x30b, registersAt(['gs_reserved', 'gsd', 'gssm', 'gsepla'], 0, 8)),
];

export const s390x: Architecture = {
  name: 's390x',
  elfMachine: 22,
  bits: 64,
  littleEndian: false,
  pageSizes: [4096],
  prstatus: prstatusOf(64, REGISTERS, 216, 'pswa', 'r15'),
  registerNotes: REGISTER_NOTES,
  // PSW_MASK_PSTATE.
  userMode: { register: 'pswm', mask: 0x0001_0000_0000_0000n, value: 0x0001_0000_0000_0000n },
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['s390x'],
  /** struct lowcore, vmcore_info (arch/s390/include/asm/lowcore.h). */
  vmcoreinfoPointer: 0xe0c,
  imageRanges,
  linearRanges,
  paging: s390xPaging,
};

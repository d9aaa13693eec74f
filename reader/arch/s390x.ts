// s390x. Source: arch/s390/kernel/{vmcore_info,machine_kexec}.c, arch/s390/include/asm/page.h (6.x), s390_regs of arch/s390/include/uapi/asm/ptrace.h.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { Architecture, LinearRange, RegisterPlace } from './arch.js';
import { highestImageSymbol } from './image-end.js';
import { numbered, PRPSINFO_SIZE, prstatusOf } from './prstatus.js';
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

export const s390x: Architecture = {
  name: 's390x',
  elfMachine: 22,
  bits: 64,
  littleEndian: false,
  pageSizes: [4096],
  prstatus: prstatusOf(64, REGISTERS, 216, 'pswa', 'r15'),
  prpsinfoSize: PRPSINFO_SIZE[64],
  machineNames: ['s390x'],
  /** struct lowcore, vmcore_info (arch/s390/include/asm/lowcore.h). */
  vmcoreinfoPointer: 0xe0c,
  imageRanges,
  linearRanges,
  paging: s390xPaging,
};

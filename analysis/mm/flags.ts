// Flags of a memory area as /proc shows them. Source: include/linux/mm.h, fs/proc/task_mmu.c (show_vma_header_prefix, show_smap_vma_flags, 6.1 to 7.3).

const VM_READ = 0x1;
const VM_WRITE = 0x2;
const VM_EXEC = 0x4;
const VM_MAYSHARE = 0x80;

/** `r-xp` as in /proc/PID/maps. @param flags the low 32 bits of vm_flags */
export function permissions(flags: number): string {
  const letter = (bit: number, name: string): string => ((flags & bit) === 0 ? '-' : name);
  const shared = (flags & VM_MAYSHARE) === 0 ? 'p' : 's';
  return `${letter(VM_READ, 'r')}${letter(VM_WRITE, 'w')}${letter(VM_EXEC, 'x')}${shared}`;
}

/** The words of VmFlags in /proc/PID/smaps, in the order of bits: those that mean the same on all architectures and in all releases. */
const WORDS: readonly (readonly [bit: number, word: string])[] = [
  [0x0000_0001, 'rd'],
  [0x0000_0002, 'wr'],
  [0x0000_0004, 'ex'],
  [0x0000_0008, 'sh'],
  [0x0000_0010, 'mr'],
  [0x0000_0020, 'mw'],
  [0x0000_0040, 'me'],
  [0x0000_0080, 'ms'],
  [0x0000_0100, 'gd'],
  [0x0000_0400, 'pf'],
  [0x0000_2000, 'lo'],
  [0x0000_4000, 'io'],
  [0x0000_8000, 'sr'],
  [0x0001_0000, 'rr'],
  [0x0002_0000, 'dc'],
  [0x0004_0000, 'de'],
  [0x0010_0000, 'ac'],
  [0x0020_0000, 'nr'],
  [0x0040_0000, 'ht'],
  [0x0080_0000, 'sf'],
  [0x0200_0000, 'wf'],
  [0x0400_0000, 'dd'],
  [0x0800_0000, 'sd'],
  [0x1000_0000, 'mm'],
  [0x2000_0000, 'hg'],
  [0x4000_0000, 'nh'],
  [0x8000_0000, 'mg'],
];

/** @param flags the low 32 bits of vm_flags */
export function flagWords(flags: number): string[] {
  return WORDS.filter(([bit]) => (flags & bit) !== 0).map(([, word]) => word);
}

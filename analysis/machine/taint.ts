// Why a kernel is tainted: bits of tainted_mask. Source: kernel/panic.c (taint_flags), Documentation/admin-guide/tainted-kernels.rst (6.1 to 7.3).

export interface Taint {
  readonly bit: number;
  readonly letter: string;
  readonly reason: string;
}

const TABLE: readonly (readonly [letter: string, reason: string])[] = [
  ['P', 'a proprietary module was loaded'],
  ['F', 'a module was loaded by force'],
  ['S', 'the processor or system is out of specification'],
  ['R', 'a module was unloaded by force'],
  ['M', 'a machine check occurred'],
  ['B', 'a bad page was found'],
  ['U', 'user space asked for it'],
  ['D', 'the kernel died before: an oops or BUG'],
  ['A', 'an ACPI table was overridden'],
  ['W', 'a warning was issued'],
  ['C', 'a staging driver was loaded'],
  ['I', 'a firmware bug was worked around'],
  ['O', 'a module from outside the tree was loaded'],
  ['E', 'an unsigned module was loaded'],
  ['L', 'a soft lockup occurred'],
  ['K', 'the kernel was live patched'],
  ['X', 'auxiliary taint of the distribution'],
  ['T', 'built with randomised struct layouts'],
  ['N', 'an in-kernel test was run'],
  ['J', 'firmware was changed through fwctl'],
];

export function taintsOf(mask: bigint): Taint[] {
  const taints: Taint[] = [];
  for (let bit = 0; bit < 64; bit++) {
    if (((mask >> BigInt(bit)) & 1n) === 0n) continue;
    const [letter, reason] = TABLE[bit] ?? ['?', `bit ${bit}, which is newer than this program`];
    taints.push({ bit, letter, reason });
  }
  return taints;
}

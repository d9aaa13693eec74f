// Page flags by name: enum pageflags (include/linux/page-flags.h, 2.6.26 and later). Behind __NR_PAGEFLAGS stand second names of flags that mean something else in some pages.
import type { Kernel } from '../kernel.js';

/** The name of each bit without PG_; '' where it has none. The bits above are the zone, the node and the like. */
export const pageFlagNames = (kernel: Kernel): readonly string[] => kernel.once(findNames);

/** All 64-bit kernels have fewer. */
const MOST_FLAGS = 64;

function findNames(kernel: Kernel): readonly string[] {
  const names: string[] = [];
  for (const { name, value } of kernel.types?.find('enum', 'pageflags')?.enumerators ?? []) {
    if (name === '__NR_PAGEFLAGS') break;
    const bit = Number(value);
    if (!name.startsWith('PG_') || bit < 0 || bit >= MOST_FLAGS) continue;
    while (names.length < bit) names.push('');
    names[bit] ??= '';
    if (names[bit] === '') names[bit] = name.slice('PG_'.length);
  }
  return names;
}

/** The names of the flags that are set, in the order of their bits. */
export function flagNames(kernel: Kernel, flags: bigint): string[] {
  return pageFlagNames(kernel).filter((name, bit) => name !== '' && ((flags >> BigInt(bit)) & 1n) === 1n);
}

// Bits of kmem_cache.flags: fixed numbers of include/linux/slab.h to 6.8, numbers that the configuration gives since 6.9 (enum _slab_flag_bits, commit cc61eb851af0).
import type { Kernel } from '../kernel.js';

export const SLAB_FLAGS = [
  'CONSISTENCY_CHECKS',
  'RED_ZONE',
  'POISON',
  'STORE_USER',
  'OBJECT_POISON',
  'KMALLOC',
  'OBJ_EXT_IN_OBJ',
] as const;
export type SlabFlag = (typeof SLAB_FLAGS)[number];

/** To 6.8. CONSISTENCY_CHECKS was DEBUG_FREE before 4.6, OBJECT_POISON is SLUB's own. */
const FIXED: Readonly<Record<SlabFlag, bigint>> = {
  CONSISTENCY_CHECKS: 0x100n,
  RED_ZONE: 0x400n,
  POISON: 0x800n,
  KMALLOC: 0x1000n,
  STORE_USER: 0x1_0000n,
  OBJECT_POISON: 0x8000_0000n,
  OBJ_EXT_IN_OBJ: 0n,
};

/** The mask of each flag in this kernel; 0 for one that its configuration has not. */
export function slabFlags(kernel: Kernel): Readonly<Record<SlabFlag, bigint>> {
  const { types } = kernel;
  if (types === null || types.enumerator('_SLAB_FLAGS_LAST_BIT') === null) return FIXED;
  const mask = (name: SlabFlag): bigint => {
    const bit = types.enumerator(`_SLAB_${name}`);
    return bit === null || bit < 0n || bit > 63n ? 0n : 1n << bit;
  };
  return Object.fromEntries(SLAB_FLAGS.map(name => [name, mask(name)])) as Record<SlabFlag, bigint>;
}

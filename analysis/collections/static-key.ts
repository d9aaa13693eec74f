// Static keys: struct static_key {enabled, …}, alone or in a static_key_true or static_key_false (include/linux/jump_label.h, 3.3 and later).
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';

/** static_key_count(): while a key is first enabled its count is -1, and it counts as enabled. @throws Missing, MemoryFault */
export function staticKeyCount(kernel: Kernel, address: bigint): number {
  const count = struct(kernel, 'static_key').number('enabled')(address);
  return count >= 0 ? count : 1;
}

/** Whether a static key of that name is enabled. @throws Missing, MemoryFault */
export function staticKeyEnabled(kernel: Kernel, name: string): boolean {
  return staticKeyCount(kernel, kernel.address(name)) > 0;
}

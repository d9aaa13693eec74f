// What the last column of /proc/PID/maps says of an area. Source: fs/proc/task_mmu.c (get_vma_name), mm/mmap.c (special_mapping_name), include/linux/mm.h (vma_is_initial_heap,
// vma_is_initial_stack, 6.1 to 7.3).
import { MemoryFault } from 'kdumpling/reader';
import type { Paths } from '../fs/paths.js';
import type { Kernel } from '../kernel.js';
import { type Get, hasStruct, struct } from '../object/index.js';

/** Where the heap and the stack of a process began. */
export interface ProcessBounds {
  readonly startBrk: bigint;
  readonly brk: bigint;
  readonly startStack: bigint;
}

export interface NamedArea {
  readonly address: bigint;
  readonly start: bigint;
  readonly end: bigint;
  /** Address of its struct file, or 0. */
  readonly file: bigint;
}

const MOST_NAME = 256;
/** What names of the kernel's own mappings look like: [vdso], [vvar], [sigpage]. */
const SPECIAL = /^\[[\w.:-]{1,32}\]$/;

/** @throws Missing */
export function areaNamer(kernel: Kernel, paths: Paths, bounds: ProcessBounds): (area: NamedArea) => string | null {
  const path = struct(kernel, 'file').address('f_path');
  const given = givenName(kernel);
  const special = specialName(kernel);
  return area => {
    if (area.file !== 0n) {
      const named = given(area.address);
      return named === null ? paths.text(path(area.file)) : `[anon_shmem:${named}]`;
    }
    const own = special(area.address);
    if (own !== null) return own;
    if (area.start < bounds.brk && area.end > bounds.startBrk) return '[heap]';
    if (area.start <= bounds.startStack && area.end >= bounds.startStack) return '[stack]';
    const named = given(area.address);
    return named === null ? null : `[anon:${named}]`;
  };
}

/** Names by prctl(PR_SET_VMA): 5.17 and later, with CONFIG_ANON_VMA_NAME. Up to 6.1 the pointer shares its place with the tree of a file's areas, and is of areas without file only. */
function givenName(kernel: Kernel): Get<string | null> {
  const layout = struct(kernel, 'vm_area_struct');
  if (!layout.has('anon_name') || !hasStruct(kernel, 'anon_vma_name')) return () => null;
  const pointer = layout.word('anon_name');
  const name = struct(kernel, 'anon_vma_name').address('name');
  const file = layout.word('vm_file');
  const shares = layout.has('shared') && layout.offset('shared') === layout.offset('anon_name');
  return area => {
    if (shares && file(area) !== 0n) return null;
    const at = pointer(area);
    return at === 0n ? null : kernel.memory.text(name(at), MOST_NAME);
  };
}

/**
 * The kernel's own mappings (vdso, vvar) have no file, but operations, and as their data a struct vm_special_mapping whose name is told from other data by its look: the
 * operations' symbol is static, and not in all kernels' tables.
 */
function specialName(kernel: Kernel): Get<string | null> {
  if (!hasStruct(kernel, 'vm_special_mapping')) return () => null;
  const layout = struct(kernel, 'vm_area_struct');
  const operations = layout.word('vm_ops');
  const data = layout.word('vm_private_data');
  const name = struct(kernel, 'vm_special_mapping').word('name');
  return area => {
    const at = operations(area) === 0n ? 0n : data(area);
    if (at === 0n) return null;
    try {
      const text = kernel.memory.text(name(at), MOST_NAME);
      return SPECIAL.test(text) ? text : null;
    } catch (error) {
      // Other data than that.
      if (error instanceof MemoryFault) return null;
      throw error;
    }
  };
}

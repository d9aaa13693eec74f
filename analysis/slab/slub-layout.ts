// Members of SLUB's structures, resolved once. Source: include/linux/slub_def.h, mm/slab.h, mm/slub.c (2.6.33 to 7.3).
import type { Kernel } from '../kernel.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { accountingOf } from './ownership.js';

export interface SlubLayout {
  readonly cache: Struct;
  /** struct slab, or before 5.17 (commit d122019bf061) the struct page that it lies over. */
  readonly slab: Struct;
  readonly node: Struct;
  readonly objects: Get<number>;
  readonly inuse: Get<number>;
  readonly freelist: Get<bigint>;
  readonly slabCache: Get<bigint>;
  /** Whether a CPU, or nobody, may take objects from it; null where the kernel does not mark it. */
  readonly frozen: Get<number> | null;
  /** Where accounting's words of a slab's objects lie (memcg_data, obj_exts), or 0. */
  readonly accounting: Get<bigint>;
  readonly nodes: NodesLayout;
  /** The list_head by which a node has a slab on a list. */
  readonly link: string;
  /** A CPU's active slab and list of slabs; null for kernels that have sheaves instead (7.0, commit 32c894c7274b). */
  readonly cpu: CpuLayout | null;
}

/** Where a cache's pointers to its nodes are. */
export interface NodesLayout {
  /** Of the pointers of node 0. */
  readonly address: Get<bigint>;
  /** Bytes from one node's pointers to the next's. */
  readonly stride: number;
  /** Offsets in them; there is no barn beside the node where the node itself points to it. */
  readonly node: number;
  readonly barn: number | null;
}

export interface CpuLayout {
  readonly pointer: Get<bigint>;
  readonly slab: Get<bigint>;
  readonly freelist: Get<bigint>;
  /** The first of the slabs that a CPU keeps beside (CONFIG_SLUB_CPU_PARTIAL, 3.2 and later). */
  readonly partial: Get<bigint> | null;
  /** From a slab on that list to the next. */
  readonly next: Get<bigint> | null;
}

export const slubLayout = (kernel: Kernel): SlubLayout => kernel.once(makeLayout);

function makeLayout(kernel: Kernel): SlubLayout {
  const cache = struct(kernel, 'kmem_cache');
  const slab = slabStruct(kernel);
  return {
    cache,
    slab,
    node: struct(kernel, 'kmem_cache_node'),
    objects: slab.number('objects'),
    inuse: slab.number('inuse'),
    freelist: slab.word('freelist'),
    slabCache: slab.word(slab.which('slab_cache', 'slab')),
    frozen: slab.has('frozen') ? slab.number('frozen') : null,
    accounting: accountingOf(slab),
    nodes: nodesLayout(kernel, cache),
    link: slab.which('slab_list', 'lru'),
    cpu: cache.has('cpu_slab') ? cpuLayout(kernel, cache, slab) : null,
  };
}

function slabStruct(kernel: Kernel): Struct {
  if (hasStruct(kernel, 'slab')) {
    const slab = struct(kernel, 'slab');
    if (slab.has('slab_cache')) return slab;
  }
  return struct(kernel, 'page');
}

function cpuLayout(kernel: Kernel, cache: Struct, slab: Struct): CpuLayout {
  const cpu = struct(kernel, 'kmem_cache_cpu');
  const partial = cpu.has('partial') && slab.has('next');
  return {
    pointer: cache.word('cpu_slab'),
    slab: cpu.word(cpu.which('slab', 'page')),
    freelist: cpu.word('freelist'),
    partial: partial ? cpu.word('partial') : null,
    next: partial ? slab.word('next') : null,
  };
}

/** One array of pointers, or since 7.1 (commit 5ba6bc27b1f9) an array of pointers to barn and node. */
function nodesLayout(kernel: Kernel, cache: Struct): NodesLayout {
  if (!cache.has('per_node')) {
    return { address: cache.address('node'), stride: kernel.memory.pointerSize, node: 0, barn: null };
  }
  const pointers = cache.inner('per_node');
  return {
    address: cache.address('per_node'),
    stride: pointers.size,
    node: pointers.offset('node'),
    barn: pointers.offset('barn'),
  };
}

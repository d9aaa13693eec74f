// What memory is used for in all, as /proc/meminfo and crash's `kmem -i` say. Source: fs/proc/meminfo.c, mm/show_mem.c, mm/util.c, mm/swapfile.c, mm/hugetlb.c (4.8 to 7.3; where the counters
// of older kernels have other names, those that they have are used).
import type { Issues } from 'kdumpling/reader';
import { asking } from '../asking.js';
import { perCpu } from '../collections/per-cpu.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { blockDevicePages } from './buffers.js';
import { type HugePool, hugePools } from './hugetlb.js';
import { globalCounters } from './vm-counters.js';

/** Pages, all of them; what cannot be told is null, with an issue. */
export interface MemoryTotals {
  /** Given to the buddy allocator: MemTotal. */
  readonly total: number | null;
  /** On the free lists: MemFree. */
  readonly free: number | null;
  readonly used: number | null;
  /** Of tmpfs, shared memory and the like: Shmem. */
  readonly shared: number | null;
  /** Page cache of block devices: Buffers. */
  readonly buffers: number | null;
  /** All other page cache without the swap cache: Cached. */
  readonly cached: number | null;
  readonly slab: { readonly reclaimable: number; readonly unreclaimable: number } | null;
  readonly swap: { readonly total: number; readonly free: number } | null;
  readonly hugePools: readonly HugePool[] | null;
  readonly commit: { readonly limit: number; readonly committed: number } | null;
}

const NAMES = [
  '_totalram_pages',
  'totalram_pages',
  'vm_zone_stat',
  'vm_node_stat',
  'vm_stat',
  'si_swapinfo',
  'schedule',
  'super_blocks',
  'total_swap_pages',
  'nr_swap_pages',
  'hstates',
  'hugetlb_max_hstate',
  'sysctl_overcommit_ratio',
  'sysctl_overcommit_kbytes',
  'vm_committed_as',
  'blockdev_superblock',
  'all_bdevs',
];

export function memoryTotals(kernel: Kernel, issues: Issues): MemoryTotals {
  kernel.expect(NAMES);
  const ask = asking(issues);
  const total = ask('how much memory there is', () => totalPages(kernel));
  const counters = ask('the counters of memory', () => globalCounters(kernel, issues));
  const free = counter(counters, 'NR_FREE_PAGES');
  const buffers = ask('the page cache of block devices', () => blockDevicePages(kernel, issues));
  const swap = ask('swap', () => swapPages(kernel));
  const pools = ask('hugetlbfs', () => hugePools(kernel, issues));
  return {
    total,
    free,
    used: total === null || free === null ? null : total - free,
    shared: counter(counters, 'NR_SHMEM'),
    buffers,
    cached: cachedPages(counters, buffers),
    slab: slabPages(counters),
    swap,
    hugePools: pools,
    commit: ask('the commit limit', () => commitOf(kernel, total, swap?.total ?? null, pools)),
  };
}

type Counters = ReadonlyMap<string, number> | null;

/** The first of several names that the kernel has; counters may be below zero for a moment. */
function counter(counters: Counters, ...names: readonly string[]): number | null {
  const value = names.map(name => counters?.get(name)).find(one => one !== undefined);
  return value === undefined ? null : Math.max(0, value);
}

/** An atomic_long_t since 5.0 (commit ca79b0c211af), before that an unsigned long of another name. */
function totalPages(kernel: Kernel): number {
  const name = kernel.symbol('_totalram_pages') === null ? 'totalram_pages' : '_totalram_pages';
  return Number(kernel.memory.pointer(kernel.address(name)));
}

/** NR_SWAPCACHE since 5.11 (commit b6038942480e); in older kernels the swap cache is in the number. */
function cachedPages(counters: Counters, buffers: number | null): number | null {
  const file = counter(counters, 'NR_FILE_PAGES');
  if (file === null || buffers === null) return null;
  return Math.max(0, file - (counter(counters, 'NR_SWAPCACHE') ?? 0) - buffers);
}

/** In pages even where the name says bytes. */
function slabPages(counters: Counters): MemoryTotals['slab'] {
  const reclaimable = counter(counters, 'NR_SLAB_RECLAIMABLE_B', 'NR_SLAB_RECLAIMABLE');
  const unreclaimable = counter(counters, 'NR_SLAB_UNRECLAIMABLE_B', 'NR_SLAB_UNRECLAIMABLE');
  return reclaimable === null || unreclaimable === null ? null : { reclaimable, unreclaimable };
}

/** Kernels without CONFIG_SWAP are told by a function that all others have: their data symbols may not be known. */
function swapPages(kernel: Kernel): { total: number; free: number } {
  if (kernel.symbol('si_swapinfo') === null && kernel.symbol('schedule') !== null) return { total: 0, free: 0 };
  const { memory } = kernel;
  return {
    total: Number(memory.pointer(kernel.address('total_swap_pages'))),
    free: Number(memory.pointer(kernel.address('nr_swap_pages'))),
  };
}

/** vm_commit_limit() and vm_memory_committed(). */
function commitOf(
  kernel: Kernel,
  total: number | null,
  swap: number | null,
  pools: readonly HugePool[] | null,
): { limit: number; committed: number } {
  const { memory, pageSize } = kernel;
  const kbytes = Number(memory.pointer(kernel.address('sysctl_overcommit_kbytes')));
  const ratio = memory.i32(kernel.address('sysctl_overcommit_ratio'));
  if (total === null || swap === null) throw new Missing('symbol', 'total_swap_pages');
  const huge = (pools ?? []).reduce((sum, { pages, pageSize: size }) => sum + pages * (size / pageSize), 0);
  const allowed = kbytes > 0 ? Math.floor((kbytes * 1024) / pageSize) : Math.floor(((total - huge) * ratio) / 100);
  return { limit: allowed + swap, committed: committedPages(kernel) };
}

/** A percpu_counter: what each CPU has not given up is a part of it. */
function committedPages(kernel: Kernel): number {
  const address = kernel.address('vm_committed_as');
  const layout = struct(kernel, 'percpu_counter');
  const count = layout.number('count')(address);
  if (!layout.has('counters')) return Math.max(0, count);
  const template = layout.word('counters')(address);
  const copies = perCpu(kernel);
  return Math.max(
    0,
    copies.possible.reduce((sum, cpu) => sum + kernel.memory.i32(copies.address(template, cpu)), count),
  );
}

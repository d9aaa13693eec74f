// How many pages of a process are present, by the kernel's own counters. Source: include/linux/mm.h (get_mm_counter), lib/percpu_counter.c (6.1 to 7.3).
import type { Issues } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, struct } from '../object/index.js';
import { threadsByList } from '../tasks/threads.js';

/** Pages, by what they hold; `total` is what /proc calls VmRSS. */
export interface Rss {
  readonly file: number;
  readonly anonymous: number;
  readonly shared: number;
  /** Pages that lie in swap: not present. */
  readonly swapped: number;
  readonly total: number;
}

/** MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES. */
const COUNTERS = 4;

/** Null, with an issue, if it cannot be told. */
export function rssOf(kernel: Kernel, mm: bigint, issues: Issues): Rss | null {
  const columns = new Columns('mm', issues);
  const rss = columns.add('rss', () => {
    const counts = Array.from({ length: COUNTERS }, (_, i) => counter(kernel, i, issues));
    return address => {
      const [file, anonymous, swapped, shared] = counts.map(count => Math.max(0, count(address)));
      return { file, anonymous, shared, swapped, total: file + anonymous + shared };
    };
  })(mm);
  columns.tell(mm);
  return rss;
}

function counter(kernel: Kernel, index: number, issues: Issues): Get<number> {
  const mm = struct(kernel, 'mm_struct');
  // percpu_counters since 6.2 (commit f1a7941243c1).
  if (mm.has(`rss_stat[${index}].count`)) return perCpuCounter(kernel, index);
  const count = mm.number(`rss_stat.count[${index}]`);
  const task = struct(kernel, 'task_struct');
  if (!task.has(`rss_stat.count[${index}]`)) return count;
  // Before, each thread might keep some of the count to itself: a vfork's parent and child are two processes with one mm.
  const kept = task.number(`rss_stat.count[${index}]`);
  return address => sharers(kernel, address, issues).reduce((sum, thread) => sum + kept(thread), count(address));
}

function sharers(kernel: Kernel, mm: bigint, issues: Issues): bigint[] {
  const own = struct(kernel, 'task_struct').word('mm');
  return [...threadsByList(kernel, issues)].filter(task => own(task) === mm);
}

/** percpu_counter_sum(): what each CPU has not yet given up belongs to it. Without SMP there are no such remains. */
function perCpuCounter(kernel: Kernel, index: number): Get<number> {
  const mm = struct(kernel, 'mm_struct');
  const count = mm.number(`rss_stat[${index}].count`);
  const remains = `rss_stat[${index}].counters`;
  if (!mm.has(remains)) return count;
  const pointer = mm.word(remains);
  const copies = perCpu(kernel);
  return address => {
    const template = pointer(address);
    // What is just being made, or gone, has none.
    const kept = template === 0n ? [] : copies.possible;
    return kept.reduce((sum, cpu) => sum + kernel.memory.i32(copies.address(template, cpu)), count(address));
  };
}

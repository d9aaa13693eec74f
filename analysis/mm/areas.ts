// The memory areas of a process. Source: include/linux/mm_types.h, fs/proc/task_mmu.c (6.1 to 7.3).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { chainNodes, mapleEntries } from '../collections/index.js';
import { Paths } from '../fs/paths.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Struct, struct } from '../object/index.js';
import { areaNamer } from './area-name.js';
import { flagWords, permissions } from './flags.js';
import { presentBytes } from './present.js';
import { type Rss, rssOf } from './rss.js';

/** An area. What is unknown is null. */
export interface Area {
  readonly start: bigint;
  /** The first address behind it. */
  readonly end: bigint;
  /** As in /proc/PID/maps: `r-xp`. */
  readonly flags: string | null;
  /** The path of its file, or a name in brackets as /proc/PID/maps has it; null for what has none. */
  readonly file: string | null;
  /** Of its start in the file, in bytes; 0 without a file. */
  readonly offset: number | null;
  /** Bytes of it that page tables map to memory; null where they cannot be read. */
  readonly rss: number | null;
}

/** An area with what /proc/PID/smaps adds, and where it is. */
export interface AreaDetail extends Area {
  /** Of its vm_area_struct. */
  readonly address: bigint;
  readonly flagWords: readonly string[] | null;
}

export interface ProcessMemory {
  /** Addresses of the mm_struct and of the top page table. */
  readonly mm: bigint;
  readonly pgd: bigint | null;
  /** Pages of all areas. */
  readonly totalPages: number | null;
  /** Pages by the kernel's counters. */
  readonly rss: Rss | null;
  readonly areas: readonly AreaDetail[];
}

/**
 * Null for kernel threads and processes that have exited: they have no memory of their own.
 * @param task address of a task_struct
 * @throws Missing, MemoryFault if the task itself cannot be read
 */
export function processMemory(kernel: Kernel, task: bigint, issues: Issues): ProcessMemory | null {
  const mm = struct(kernel, 'task_struct').word('mm')(task);
  if (mm === 0n) return null;
  const layout = struct(kernel, 'mm_struct');
  const columns = new Columns('mm', issues);
  const pgd = columns.add('pgd', () => layout.word('pgd'))(mm);
  const totalPages = columns.add('total_vm', () => layout.number('total_vm'))(mm);
  columns.tell(mm);
  return { mm, pgd, totalPages, rss: rssOf(kernel, mm, issues), areas: areasOf(kernel, mm, layout, issues) };
}

function areasOf(kernel: Kernel, mm: bigint, layout: Struct, issues: Issues): AreaDetail[] {
  const read = areaReader(kernel, mm, layout, issues);
  const found: Omit<AreaDetail, 'rss'>[] = [];
  let before = 0n;
  for (const address of areaAddresses(kernel, mm, layout, issues)) {
    const area = read(address);
    if (area === null) continue;
    if (area.start < before || area.end <= area.start) {
      const message = `the area at ${hex(address)} is from ${hex(area.start)} to ${hex(area.end)}, behind one that ends at ${hex(before)}: it is left out`;
      issues.add('damaged-area', message, address);
      continue;
    }
    before = area.end;
    found.push(area);
  }
  const present = presentBytes(kernel, mm, found, issues);
  return found.map((area, i) => ({ ...area, rss: present?.[i] ?? null }));
}

/** Addresses of vm_area_structs, by rising start. */
export function areaAddresses(kernel: Kernel, mm: bigint, layout: Struct, issues: Issues): Iterable<bigint> {
  // A maple tree since 6.1 (commit 524e00b36e8c); before that a list beside an rbtree (the list went with commit 763ecb035029).
  if (layout.has('mm_mt'))
    return mapleEntries(kernel, layout.address('mm_mt')(mm), issues, { name: 'mm_struct.mm_mt' });
  const offset = struct(kernel, 'vm_area_struct').offset('vm_next');
  return chainNodes(kernel, layout.word('mmap')(mm), issues, { offset, name: 'mm_struct.mmap' });
}

function areaReader(
  kernel: Kernel,
  mm: bigint,
  layout: Struct,
  issues: Issues,
): (address: bigint) => Omit<AreaDetail, 'rss'> | null {
  const vma = struct(kernel, 'vm_area_struct');
  const start = vma.word('vm_start');
  const end = vma.word('vm_end');
  const columns = new Columns('area', issues);
  const flags = columns.add('flags', () => vma.word('vm_flags'));
  const page = vma.word('vm_pgoff');
  const fileOf = columns.add('file', () => vma.word('vm_file'));
  const offset = columns.add('offset', () => address => Number(page(address)) * kernel.pageSize);
  const bounds = columns.add('heap and stack', () => {
    const [startBrk, brk, startStack] = ['start_brk', 'brk', 'start_stack'].map(name => layout.word(name));
    return at => ({ startBrk: startBrk(at), brk: brk(at), startStack: startStack(at) });
  })(mm) ?? { startBrk: 0n, brk: 0n, startStack: 0n };
  columns.tell(mm);
  const name = columns.add('name', () => {
    const namer = areaNamer(kernel, new Paths(kernel, issues), bounds);
    return address => namer({ address, start: start(address), end: end(address), file: vma.word('vm_file')(address) });
  });
  return address => {
    try {
      const bits = flags(address);
      const file = fileOf(address);
      const low = bits === null ? null : Number(bits & 0xffff_ffffn);
      const area = {
        address,
        start: start(address),
        end: end(address),
        flags: low === null ? null : permissions(low),
        flagWords: low === null ? null : flagWords(low),
        file: name(address),
        offset: file === 0n ? 0 : offset(address),
      };
      columns.tell(address);
      return area;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      columns.tell(address);
      issues.add('unreadable-memory', `where an area lies cannot be told: ${error.message}`, address);
      return null;
    }
  };
}

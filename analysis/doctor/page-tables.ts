// Page tables of all processes and of the kernel: entries that lead to tables where no memory is, and entries of processes that map what is no memory, or memory that nobody has.
// Source: mm/memory.c (vm_normal_page, print_bad_pte; 2.6.24 to 7.3), the architectures' own tables.
import { hex, Issues, MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { areaAddresses, pageTableOf } from '../mm/index.js';
import { struct } from '../object/index.js';
import { Pages } from '../pages/index.js';
import { kernelTranslator, type Mapping, mappings, type PageTable, type PhysicalRange } from '../vtop/index.js';
import { addressSpaces } from './processes.js';

/** VM_PFNMAP, VM_IO and VM_MIXEDMAP (include/linux/mm.h): areas of devices, whose pages need no struct page. */
const OF_DEVICES = 0x400n | 0x4000n | 0x1000_0000n;

/** @throws Missing */
export function checkPageTables(kernel: Kernel, issues: Issues): void {
  const pages = new Pages(kernel);
  const own = kernelTranslator(kernel.memory)?.map?.table ?? null;
  // The kernel maps devices wherever it likes: of its tables only those that they lead to are looked at.
  const seen = new Set<number>();
  if (own !== null) goThrough(pages, own, { owner: 'the kernel', wanted: NOTHING, seen }, () => {}, issues);
  const top = topReader(kernel);
  for (const { mm, owner } of addressSpaces(kernel, new Issues())) {
    try {
      const table = pageTableOf(kernel, mm);
      if (table === null) continue;
      const process = { owner, table, top: top(mm), devices: deviceAreas(kernel, mm) };
      goThrough(
        pages,
        table,
        { owner, wanted: EVERYTHING, seen },
        one => checkEntry(pages, one, process, issues),
        issues,
      );
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `the page tables of ${owner}: ${error.message}`, error.address);
    }
  }
}

const NOTHING = { from: -1, to: -1 };
const EVERYTHING = { from: 0, to: Number.POSITIVE_INFINITY };

interface Walk {
  readonly owner: string;
  readonly wanted: PhysicalRange;
  /** Tables of all walks: processes share some, and all have the kernel's. */
  readonly seen: Set<number>;
}

function goThrough(
  pages: Pages,
  table: PageTable,
  { owner, wanted, seen }: Walk,
  visit: (mapping: Mapping) => void,
  issues: Issues,
): void {
  const found = new Issues();
  for (const mapping of mappings(table, wanted, found, seen)) visit(mapping);
  for (const { code, message, address } of found) {
    // A table that has a struct page is memory, and only left out of the dump.
    const frame = typeof address === 'number' ? Math.floor(address / pages.kernel.pageSize) : -1;
    if (frame >= 0 && pages.has(frame)) continue;
    issues.add(code === 'page-table-unreadable' ? 'page-table-nowhere' : code, `${owner}: ${message}`, address);
  }
}

type Stretch = readonly [start: bigint, end: bigint];

interface Process {
  readonly owner: string;
  readonly table: PageTable;
  /** What lies above is the kernel's: on some architectures the process's own tables have it too. */
  readonly top: bigint;
  readonly devices: readonly Stretch[];
}

/** mm_struct.task_size, which a process that is starting another program has not for a while; else the half of all addresses. */
function topReader(kernel: Kernel): (mm: bigint) => bigint {
  const layout = struct(kernel, 'mm_struct');
  const half = 1n << BigInt(kernel.arch.bits - 1);
  if (!layout.has('task_size')) return () => half;
  const size = layout.word('task_size');
  return mm => size(mm) || half;
}

function checkEntry(pages: Pages, mapping: Mapping, { owner, table, top, devices }: Process, issues: Issues): void {
  const { vaddr, physical, level } = mapping;
  if (vaddr >= top) return;
  const pfn = Math.floor(physical / pages.kernel.pageSize);
  const wrong = wrongWith(pages, pfn);
  if (wrong === null || devices.some(([start, end]) => vaddr >= start && vaddr < end)) return;
  const [code, what] = wrong;
  const step = table.walk(vaddr).steps.at(-1);
  const entry = step === undefined ? '' : `, ${hex(step.entry)} at physical ${hex(step.entryAddress)},`;
  const message = `the ${level} entry of ${owner} for ${hex(vaddr)}${entry} leads to physical ${hex(physical)}, ${what}`;
  issues.add(code, message, vaddr);
}

function wrongWith(pages: Pages, pfn: number): readonly [code: string, what: string] | null {
  if (pages.address(pfn) === null) return ['page-table-nowhere', 'where no memory is'];
  if (!pages.has(pfn)) return null;
  const head = pages.head(pfn);
  if (head < 0 || !pages.has(head)) return null;
  if (pages.isSlab(head)) return ['page-table-unowned', 'a page of the slab allocator'];
  if (pages.isBuddy(head) || pages.refcount(head) === 0) return ['page-table-unowned', 'a page that is free'];
  return null;
}

function deviceAreas(kernel: Kernel, mm: bigint): Stretch[] {
  const area = struct(kernel, 'vm_area_struct');
  const [start, end, flags] = [area.word('vm_start'), area.word('vm_end'), area.word('vm_flags')];
  const found: Stretch[] = [];
  for (const address of areaAddresses(kernel, mm, struct(kernel, 'mm_struct'), new Issues())) {
    try {
      if ((flags(address) & OF_DEVICES) !== 0n) found.push([start(address), end(address)]);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
    }
  }
  return found;
}

// Memory areas of processes: in order, apart from each other, at the place that the tree has them at, pointing back to their mm_struct, as many as it counts.
// Source: mm/mmap.c (validate_mm), include/linux/mm_types.h (2.6.24 to 7.3).
import { hex, Issues, MemoryFault } from 'kdumpling/reader';
import { MapleWalk } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { areaAddresses } from '../mm/index.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { type AddressSpace, addressSpaces } from './processes.js';

interface AreaMembers {
  readonly start: Get<bigint>;
  readonly end: Get<bigint>;
  readonly owner: Get<bigint>;
}

/** @throws Missing */
export function checkAreas(kernel: Kernel, issues: Issues): void {
  const mm = struct(kernel, 'mm_struct');
  const area = struct(kernel, 'vm_area_struct');
  const members = { start: area.word('vm_start'), end: area.word('vm_end'), owner: area.word('vm_mm') };
  // What is wrong with tasks is another check's.
  for (const space of addressSpaces(kernel, new Issues())) {
    try {
      const found = new Issues();
      checkSpace(kernel, mm, members, space, found);
      if (found.count > 0) tell(isLocked(kernel, mm, space.mm), found, issues);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `the areas of ${space.owner}: ${error.message}`, error.address);
    }
  }
}

/** A task that waits in the middle of a change, on no CPU, has the lock. */
function tell(locked: boolean, found: Issues, issues: Issues): void {
  for (const { code, message, address } of found) {
    if (locked && IN_BETWEEN.includes(code)) {
      issues.add('changing-areas', `${message}; its mmap_lock is held: its areas were being changed`, address);
    } else issues.add(code, message, address);
  }
}

const IN_BETWEEN = ['damaged-area', 'area-count', 'damaged-maple-tree', 'damaged-chain'];
/** RWSEM_WRITER_LOCKED of rw_semaphore.count (5.3 and later, commit 94a9717b3c40). */
const WRITER_LOCKED = 1n;

function isLocked(kernel: Kernel, layout: Struct, mm: bigint): boolean {
  const lock = ['mmap_lock.count', 'mmap_sem.count'].find(path => layout.has(path));
  if (lock === undefined || !hasStruct(kernel, 'rw_semaphore')) return false;
  return (layout.word(lock)(mm) & WRITER_LOCKED) !== 0n;
}

function checkSpace(kernel: Kernel, layout: Struct, members: AreaMembers, space: AddressSpace, issues: Issues): void {
  const { mm, owner } = space;
  const count = layout.number('map_count')(mm);
  const size = layout.has('task_size') ? layout.word('task_size')(mm) : 0n;
  // A process that is starting another program has none for a while.
  const top = size === 0n ? null : size;
  const walk = areaAddresses(kernel, mm, layout, issues);
  const before = issues.count;
  let found = 0;
  let end = 0n;
  for (const address of walk) {
    found++;
    try {
      const place = walk instanceof MapleWalk ? { first: walk.first, last: walk.last } : null;
      const area = { start: members.start(address), end: members.end(address), mm: members.owner(address) };
      const wrong = wrongWith(kernel, area, { mm, behind: end, top, place });
      if (wrong !== null) issues.add('damaged-area', `the area at ${hex(address)} of ${owner} ${wrong}`, address);
      if (area.end > end) end = area.end;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-area', `an area of ${owner}: ${error.message}`, address);
    }
  }
  if (found === count || issues.count > before) return;
  const message = `the mm_struct at ${hex(mm)} of ${owner} counts ${count} areas, ${found} were found`;
  issues.add('area-count', message, mm + BigInt(layout.offset('map_count')));
}

interface Expected {
  readonly mm: bigint;
  /** Where the area before it ends. */
  readonly behind: bigint;
  readonly top: bigint | null;
  /** The indexes that the tree has it at. */
  readonly place: { readonly first: bigint; readonly last: bigint } | null;
}

function wrongWith(
  { pageSize }: Kernel,
  { start, end, mm }: { start: bigint; end: bigint; mm: bigint },
  { mm: own, behind, top, place }: Expected,
): string | null {
  const stretch = `from ${hex(start)} to ${hex(end)}`;
  const page = BigInt(pageSize);
  if (end <= start) return `is ${stretch}: it ends before it begins`;
  if (start % page !== 0n || end % page !== 0n) return `is ${stretch}, which are not whole pages`;
  if (mm !== own) return `says that it is of the mm_struct at ${hex(mm)}, not ${hex(own)}`;
  if (place !== null && (place.first !== start || place.last !== end - 1n))
    return `is ${stretch}, but the tree has it from ${hex(place.first)} to ${hex(place.last + 1n)}`;
  if (start < behind) return `is ${stretch}, and overlaps the one before it, which ends at ${hex(behind)}`;
  if (top !== null && end > top) return `is ${stretch}, beyond the end of the address space (${hex(top)})`;
  return null;
}

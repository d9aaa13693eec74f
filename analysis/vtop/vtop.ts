// The answer of vtop: where an address lies in physical memory, with every entry that leads there.
import {
  type AddressMap,
  FAULT_SENTENCES,
  hex,
  type Issue,
  Issues,
  type MemoryFault,
  type PhysicalMemory,
} from 'kdumpling/reader';
import { type KernelMap, withoutTables } from './kernel-map.js';
import type { PageTable, Walk, WalkStep } from './page-table.js';

export interface VtopRow {
  readonly address: bigint;
  /** null where the address has no translation. */
  readonly physical: number | null;
  /** Bytes of the page; null where no page tables were walked to it. */
  readonly pageSize: number | null;
  /** Every entry that was read, the one that ended the walk included; [] where page tables were not needed or not to be had. */
  readonly steps: readonly WalkStep[];
  readonly issues: readonly Issue[];
}

/**
 * A kernel address. Page tables are walked where they are known; segments and confirmed maps answer where they are not, and are compared where they are.
 * @param map null where the kernel's tables are not to be had
 */
export function vtopKernel(virtual: AddressMap, map: KernelMap | null, address: bigint): VtopRow {
  const issues = new Issues();
  const byRange = withoutTables(virtual, () => virtual.translate(address));
  const why = virtual.fault.toError();
  const walk = map === null ? null : map.table.walk(address);
  if (map === null || walk === null) {
    if (byRange < 0) issues.add('not-translated', why.message, address);
    return rowOf(virtual.physical, address, byRange < 0 ? null : byRange, null, [], issues);
  }
  tellTags(walk, issues);
  if (walk.physical !== null && byRange >= 0 && byRange !== walk.physical) {
    const message = `the page tables lead to physical ${hex(walk.physical)}, the map of segments and linear ranges to ${hex(byRange)}`;
    issues.add('translations-differ', message, address);
  }
  if (walk.physical === null && byRange >= 0) {
    const denied = deniedBy(map, walk);
    const range = `the ${rangeName(virtual, address)} it ${denied ? 'would be' : 'is'} physical ${hex(byRange)}`;
    const message = denied
      ? `page tables do not map it (${whyNot(walk)}); by ${range}`
      : `page tables do not tell of it (${whyNot(walk)}): by ${range}`;
    issues.add(denied ? 'not-mapped' : 'not-in-page-tables', message, address);
    return rowOf(virtual.physical, address, denied ? null : byRange, null, walk.steps, issues);
  }
  return walkedRow(virtual.physical, walk, issues);
}

/**
 * Whether the kernel's page tables say of an address that nothing is mapped there, whatever segments and linear maps claim: its entry is there, and is of no page. Where the entry cannot be read,
 * or is of memory that these tables do not tell of (the linear map of the hash MMU), they say nothing.
 */
export const tablesDeny = (map: KernelMap, address: bigint): boolean => deniedBy(map, map.table.walk(address));

/** What the range is that holds an address: a segment, the linear map, the image. */
function rangeName({ ranges }: AddressMap, address: bigint): string {
  const range = ranges.find(({ first, last }) => address >= first && address <= last);
  return range === undefined ? 'address map' : `${range.name} at ${hex(range.first)}`;
}

function deniedBy(map: KernelMap | null, { address, fault }: Walk): boolean {
  if (map === null || fault === null || fault.level === '') return false;
  if (map.beside.some(({ first, last }) => address >= first && address <= last)) return false;
  return fault.reason === 'not-present' || fault.reason === 'corrupt';
}

/** An address of a process. */
export function vtopUser(table: PageTable, address: bigint): VtopRow {
  const issues = new Issues();
  const walk = table.walk(address);
  tellTags(walk, issues);
  return walkedRow(table.physical, walk, issues);
}

function walkedRow(physical: PhysicalMemory, walk: Walk, issues: Issues): VtopRow {
  if (walk.physical === null) issues.add('not-translated', whyNot(walk), walk.address);
  return rowOf(physical, walk.address, walk.physical, walk.pageSize, walk.steps, issues);
}

function whyNot({ fault }: Walk): string {
  if (fault === null) return '';
  return `${fault.detail}${fault.reason === 'not-present' ? '' : `: ${FAULT_SENTENCES[fault.reason]}`}`;
}

function tellTags({ address, walked }: Walk, issues: Issues): void {
  if (walked === address) return;
  issues.add('tag-ignored', `taken as ${hex(walked)}: the rest is a tag or a signature`, address);
}

function rowOf(
  memory: PhysicalMemory,
  address: bigint,
  physical: number | null,
  pageSize: number | null,
  steps: readonly WalkStep[],
  issues: Issues,
): VtopRow {
  if (physical !== null && memory.locate(physical, 1) < 0) {
    const fault: MemoryFault = memory.fault.toError();
    issues.add('page-not-in-dump', `${fault.message}`, physical);
  }
  return { address, physical, pageSize, steps, issues: issues.list() };
}

// A process's address space: its page tables, and its memory as its own addresses have it.
import { AddressMap, type PhysicalMemory } from 'kdumpling/reader';
import type { Architecture } from 'kdumpling/reader/arch';
import type { KernelMap } from './kernel-map.js';
import { PageTable } from './page-table.js';

/** What of a process's struct mm_struct tells its tables: the member's name, for instance `pgd` or `context.asce`; null where page tables are not known. */
export const userTablesMember = (arch: Architecture): 'pgd' | 'context.asce' | null => arch.paging?.mmMember ?? null;

/**
 * The page tables of a process; null where `value` leads nowhere.
 * @param value of the member that `userTablesMember` names
 * @param toPhysical translates a kernel address by any means; -1 if it has no translation
 */
export function userPageTable(
  arch: Architecture,
  kernel: KernelMap,
  physical: PhysicalMemory,
  value: bigint,
  toPhysical: (vaddr: bigint) => number,
): PageTable | null {
  const tables = arch.paging?.userTables(kernel.tables, value, toPhysical) ?? null;
  return tables === null ? null : new PageTable(physical, tables, 'user');
}

/** Memory by a process's addresses. */
export function userMemory(physical: PhysicalMemory, table: PageTable): AddressMap {
  const map = new AddressMap(physical, []);
  map.translator = table;
  return map;
}

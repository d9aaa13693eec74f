// Finds SMEM item 602, the global minidump table, in memory: through the partition table `$TOC`, which lies on a page 4 KiB before the end of SMEM.
// Where one record of the way there is damaged, what it leads to is searched for. Source: drivers/soc/qcom/smem.c (6.x).
import { InputError } from '../../fault.js';
import { MINIDUMP_SMEM_ITEM } from '../../formats/qcom-minidump.js';
import {
  checkSmemHeader,
  decodeSmemPartition,
  decodeSmemTable,
  globalPartition,
  isSmemTable,
  SMEM_GLOBAL_HOST,
  SMEM_HEADER_SIZE,
  SMEM_TABLE_SIZE,
  type SmemPartition,
  type SmemTable,
  type SmemTableEntry,
} from '../../formats/smem.js';
import { Issues } from '../../issue.js';
import type { PhysicalMemory } from '../../memory.js';
import { beginsWith } from './blob.js';
import type { Faults } from './faults.js';

const PAGE = 4096;
/** SMEM is 1, 2 or 4 MiB on known systems; none is larger than this. */
const MOST_SMEM = 64 << 20;
const USUAL_SIZES = [2 << 20, 1 << 20, 4 << 20, 8 << 20, 16 << 20, 32 << 20, MOST_SMEM];
/** How many pages that look like a partition table are followed. */
const MOST_CANDIDATES = 256;
/** The global table with all the subsystems that are read. */
const MOST_ITEM = 16 + 32 * 128;

/** The global table with one subsystem. */
const LEAST_ITEM = 16 + 32;

export interface SmemItemPlace {
  readonly paddr: number;
  readonly bytes: Uint8Array;
  /** Physical address of SMEM. */
  readonly base: number;
}

/** Bytes of memory, or null where some of them are missing. */
export function bytesAt(memory: PhysicalMemory, paddr: number, length: number): Uint8Array<ArrayBuffer> | null {
  if (paddr < 0 || length < 0 || paddr + length > memory.bounds.end) return null;
  for (const { state } of memory.runs(paddr, paddr + length)) if (state !== 'data' && state !== 'zero') return null;
  return memory.bytes(paddr, length);
}

/** As many bytes as follow without a gap, at most `length`. */
export function bytesUpTo(memory: PhysicalMemory, paddr: number, length: number): Uint8Array<ArrayBuffer> {
  const to = Math.min(paddr + length, memory.bounds.end);
  if (paddr < 0 || to <= paddr) return new Uint8Array(0);
  let end = paddr;
  for (const run of memory.runs(paddr, to)) {
    if (run.state !== 'data' && run.state !== 'zero') break;
    end = run.end;
  }
  return memory.bytes(paddr, end - paddr);
}

/** Calls `visit` with each page-aligned address whose first bytes are one of `marks` (four letters each), until it returns false. */
export function scanPages(
  memory: PhysicalMemory,
  marks: readonly string[],
  visit: (paddr: number, mark: string) => boolean | undefined,
): void {
  const first = marks.map(mark => mark.charCodeAt(0));
  memory.scan(memory.bounds.start, memory.bounds.end, (paddr, bytes) => {
    const skew = paddr % PAGE;
    for (let at = skew === 0 ? 0 : PAGE - skew; at + 4 <= bytes.length; at += PAGE) {
      for (let i = 0; i < marks.length; i++) {
        if (bytes[at] !== first[i] || !beginsWith(bytes.subarray(at, at + 4), marks[i])) continue;
        if (visit(paddr + at, marks[i]) === false) return false;
      }
    }
    return undefined;
  });
}

/**
 * The item, or null where no SMEM leads to it.
 * @param named physical address of SMEM that the user gave, or null to search
 */
export function findMinidumpItem(memory: PhysicalMemory, named: number | null, faults: Faults): SmemItemPlace | null {
  if (named === null) {
    let found: SmemItemPlace | null = null;
    const partitions: number[] = [];
    let tried = 0;
    scanPages(memory, ['$TOC', '$PRT'], (paddr, mark) => {
      if (mark === '$PRT') partitions.push(paddr);
      else found = followTable(memory, paddr, null, faults);
      return found === null && ++tried < MOST_CANDIDATES;
    });
    for (const partition of found === null ? partitions : []) found ??= loosePartition(memory, partition, faults);
    return found;
  }
  for (let paddr = named; paddr < named + MOST_SMEM; paddr += PAGE) {
    const bytes = bytesAt(memory, paddr, 4);
    if (bytes === null || !isSmemTable(bytes)) continue;
    const found = followTable(memory, paddr, named, faults);
    if (found !== null) return found;
  }
  return null;
}

/** From a partition table to the item; null where this is none. */
function followTable(
  memory: PhysicalMemory,
  tableAt: number,
  named: number | null,
  faults: Faults,
): SmemItemPlace | null {
  const bytes = bytesAt(memory, tableAt, SMEM_TABLE_SIZE);
  if (bytes === null) return null;
  const issues = new Issues();
  const table = decodeSmemTable(bytes, { source: 'memory', record: 'SMEM partition table', base: tableAt }, issues);
  const end = tableAt + SMEM_TABLE_SIZE;
  const sizes =
    named === null ? (table.info === null ? USUAL_SIZES : [table.info.size, ...USUAL_SIZES]) : [end - named];
  for (const size of sizes) {
    const base = end - size;
    if (base < 0 || size > MOST_SMEM) continue;
    const wrong = headerFault(memory, base);
    const found = followPartition(memory, base, tableAt, table, issues, wrong === null);
    if (found === null) continue;
    // A damaged header is believed only where the rest of the way is whole.
    if (wrong !== null) faults.add('smem-header', wrong, base);
    if (table.info !== null && table.info.size !== size) {
      faults.table(
        'SMEM partition table',
        'size of SIII',
        tableAt,
        table.info.size,
        `SMEM has 0x${size.toString(16)} bytes`,
      );
    }
    for (const issue of issues) faults.add(issue.code, issue.message, issue.address);
    return found;
  }
  return null;
}

/** What is wrong with the SMEM header at `base`, or null. */
function headerFault(memory: PhysicalMemory, base: number): string | null {
  const bytes = bytesAt(memory, base, SMEM_HEADER_SIZE);
  if (bytes === null) return `there is no memory at 0x${base.toString(16)}, where SMEM begins`;
  try {
    checkSmemHeader(bytes, { source: 'memory', record: 'SMEM header', base });
    return null;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

function followPartition(
  memory: PhysicalMemory,
  base: number,
  tableAt: number,
  table: SmemTable,
  issues: Issues,
  headerIsGood: boolean,
): SmemItemPlace | null {
  const entry = globalPartition(table);
  if (entry !== undefined) {
    const found = partitionItem(memory, base + entry.offset, tableAt, entry, base, issues);
    if (found !== null || !headerIsGood) return found;
  } else if (!headerIsGood) {
    return null;
  }
  // The entry is damaged: the partition is still in SMEM, and says itself that it is the global one.
  for (let paddr = base + PAGE; paddr < tableAt; paddr += PAGE) {
    const bytes = bytesAt(memory, paddr, 8);
    if (bytes === null || !isGlobalPartition(bytes)) continue;
    const found = partitionItem(memory, paddr, tableAt, null, base, new Issues());
    if (found === null) continue;
    issues.add(
      'smem-partition-entry',
      `the SMEM partition table has no entry that leads to the global partition, which lies at offset 0x${(paddr - base).toString(16)}`,
      tableAt,
    );
    return found;
  }
  return null;
}

function isGlobalPartition(bytes: Uint8Array): boolean {
  const host = (at: number) => bytes[at] | (bytes[at + 1] << 8);
  return beginsWith(bytes, '$PRT') && host(4) === SMEM_GLOBAL_HOST && host(6) === SMEM_GLOBAL_HOST;
}

/** Item 602 of the partition at `paddr`. */
function partitionItem(
  memory: PhysicalMemory,
  paddr: number,
  end: number,
  entry: SmemTableEntry | null,
  base: number,
  issues: Issues,
): SmemItemPlace | null {
  const bytes = bytesUpTo(memory, paddr, Math.min(MOST_SMEM, end - paddr));
  if (!beginsWith(bytes, '$PRT') || bytes.length < 32) return null;
  const own = new Issues();
  const place = { source: 'memory', record: 'SMEM partition', base: paddr };
  const partition = decodeSmemPartition(bytes, entry?.cacheline ?? 0, place, own);
  if (entry !== null) compareWithEntry(partition, entry, paddr, own);
  const item = partition.items.find(({ item: number }) => number === MINIDUMP_SMEM_ITEM);
  if (item !== undefined && item.offset + 16 <= bytes.length) {
    issues.addAll(own);
    let { size } = item;
    if (size < LEAST_ITEM) {
      issues.add(
        'smem-item',
        `SMEM item 602 has ${size} bytes: a minidump table with 10 subsystems is read`,
        paddr + item.offset,
      );
      size = LEAST_ITEM + 32 * 9;
    }
    const data = bytes.subarray(item.offset, item.offset + Math.min(size, MOST_ITEM));
    return { paddr: paddr + item.offset, bytes: data, base };
  }
  const at = searchItem(bytes);
  if (at < 0) return null;
  issues.addAll(own);
  issues.add(
    'smem-item',
    `the walk over SMEM's items does not reach item 602, which lies at 0x${(paddr + at).toString(16)}`,
    paddr + at,
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, 16);
  const from = at + 16 + view.getUint16(10, true);
  const said = view.getUint32(4, true) - view.getUint16(8, true);
  const size = said < LEAST_ITEM ? LEAST_ITEM + 32 * 9 : said;
  return { paddr: paddr + from, bytes: bytes.subarray(from, from + Math.min(size, MOST_ITEM)), base };
}

/** A partition repeats what its table entry says. */
function compareWithEntry(partition: SmemPartition, entry: SmemTableEntry, paddr: number, issues: Issues): void {
  for (const field of ['size', 'host0', 'host1'] as const) {
    if (partition[field] === entry[field]) continue;
    issues.add(
      'smem-partition',
      `${field} is ${partition[field]} in the SMEM partition and ${entry[field]} in its table entry`,
      paddr,
    );
  }
}

/** Where in a partition the item's header lies: canary 0xa5a5, then 602. */
function searchItem(bytes: Uint8Array): number {
  for (let at = 32; at + 32 <= bytes.length; at += 4) {
    if (bytes[at] === 0xa5 && bytes[at + 1] === 0xa5 && bytes[at + 2] === 0x5a && bytes[at + 3] === 0x02) return at;
  }
  return -1;
}

/** A global partition that no partition table leads to. */
function loosePartition(memory: PhysicalMemory, paddr: number, faults: Faults): SmemItemPlace | null {
  const start = bytesAt(memory, paddr, 8);
  if (start === null || !isGlobalPartition(start)) return null;
  const issues = new Issues();
  const found = partitionItem(memory, paddr, paddr + MOST_SMEM, null, paddr, issues);
  if (found === null || found.bytes.length < 48) return null;
  faults.add(
    'smem-table',
    `there is no SMEM partition table; the global partition was found at 0x${paddr.toString(16)}`,
    paddr,
  );
  for (const issue of issues) faults.add(issue.code, issue.message, issue.address);
  return found;
}

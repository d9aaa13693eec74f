// The minidump tables in memory: global table of contents -> subsystems -> region records -> what firmware would have dumped. Counts and addresses
// may be lies. Source: drivers/soc/qcom/minidump_private.h (msm-5.15), include/linux/soc/qcom/minidump.h (meminspect v3).
import { hex } from '../../fault.js';
import {
  blobFileName,
  decodeGlobalToc,
  decodeRegionRecords,
  MINIDUMP_MAGIC,
  MOST_APSS_REGIONS,
  MOST_READ_REGIONS,
  magicName,
  REGION_RECORD_SIZE,
  type RegionRecord,
  SUBSYSTEM,
  type SubsystemToc,
} from '../../formats/qcom-minidump.js';
import { Issues } from '../../issue.js';
import type { PhysicalMemory } from '../../memory.js';
import { type Blob, MemoryRegionSource } from './blob.js';
import type { Faults } from './faults.js';
import { bytesAt, bytesUpTo, findMinidumpItem, scanPages } from './smem.js';

const { VALI, INVA, INIT, ENBL, DONE, YES } = MINIDUMP_MAGIC;

export interface Tables {
  readonly blobs: Blob[];
  /** The table says that blobs are encrypted by firmware. */
  readonly encryption: string | null;
  /** False where no table leads to a region: the blobs are what a search of memory for headers found. */
  readonly found: boolean;
}

/** A region of memory as a blob. */
export function memoryBlob(
  memory: PhysicalMemory,
  paddr: number,
  size: number,
  name: string,
  more: Partial<Blob>,
): Blob {
  const source = new MemoryRegionSource(memory, paddr, size, name);
  return {
    name,
    source,
    size,
    listedSize: size,
    sizeIsMeasured: false,
    paddr,
    from: 'region table',
    otherPaddr: null,
    valid: true,
    loose: false,
    certain: true,
    spans: length => source.spans(length),
    ...more,
  };
}

/** @param smem physical address of SMEM that the user gave, or null to search for it */
export function readTables(memory: PhysicalMemory, smem: number | null, faults: Faults): Tables {
  const item = findMinidumpItem(memory, smem, faults);
  if (item === null) {
    faults.add(
      'no-smem',
      smem === null
        ? 'no SMEM with a minidump table (item 602) was found in memory'
        : `no SMEM with a minidump table (item 602) lies at ${hex(smem)}`,
      smem,
    );
    return { blobs: searchHeaders(memory), encryption: null, found: false };
  }
  const issues = new Issues();
  const toc = decodeGlobalToc(
    item.bytes,
    { source: 'memory', record: 'global minidump table', base: item.paddr },
    issues,
  );
  for (const issue of issues) faults.add(issue.code, issue.message, issue.address);
  const blobs: Blob[] = [];
  let encryption: string | null = null;
  toc.subsystems.forEach((subsystem, index) => {
    const own = index === SUBSYSTEM.apss;
    if (!own && (subsystem.status !== 1 || subsystem.enabled !== ENBL || subsystem.encryptionStatus !== DONE)) return;
    if (own) checkSubsystem(subsystem, item.paddr + 16, faults);
    if (own && subsystem.encryptionRequired === YES) encryption = 'the subsystem table requires encryption';
    for (const blob of readRegions(memory, subsystem, index, faults)) blobs.push(blob);
  });
  if (!blobs.some(({ certain }) => certain)) {
    faults.add('no-regions', 'the minidump tables lead to no region: headers are searched for in memory', item.paddr);
    return { blobs: [...blobs, ...searchHeaders(memory)], encryption, found: false };
  }
  return { blobs, encryption, found: true };
}

function checkSubsystem(subsystem: SubsystemToc, at: number, faults: Faults): void {
  const list = 'subsystem table 0';
  const { status, enabled, encryptionStatus, encryptionRequired } = subsystem;
  if (status !== 1) faults.table(list, 'status', at, status, 'expected 1: it was not initialised');
  if (enabled !== ENBL)
    faults.table(list, 'enabled', at + 4, magicName(enabled), 'expected ENBL: firmware dumps nothing of it');
  const known: readonly number[] = [DONE, MINIDUMP_MAGIC.NONE, MINIDUMP_MAGIC.STRT];
  if (!known.includes(encryptionStatus)) {
    faults.table(list, 'encryption_status', at + 8, magicName(encryptionStatus), 'expected DONE, NONE or STRT');
  }
  if (encryptionRequired !== YES && encryptionRequired !== MINIDUMP_MAGIC.NR) {
    faults.table(list, 'encryption_required', at + 12, magicName(encryptionRequired), 'expected YES or NR');
  }
}

const isEmpty = ({ name, address, size, valid }: RegionRecord): boolean =>
  name === '' && address === 0 && size === 0 && valid === 0;
const isMark = (valid: number): boolean => valid === VALI || valid === INVA || valid === INIT;

/** The region records of a subsystem, and those behind its count that look like more of them (not certain). */
function readRegions(memory: PhysicalMemory, subsystem: SubsystemToc, index: number, faults: Faults): Blob[] {
  const { regionsBase, regionCount } = subsystem;
  if (regionsBase === 0) return [];
  const list = `region table of subsystem ${index}`;
  const count = Math.min(regionCount, MOST_READ_REGIONS);
  const length = Math.max(count, MOST_APSS_REGIONS) * REGION_RECORD_SIZE;
  const bytes = bytesUpTo(memory, regionsBase, length);
  const records = decodeRegionRecords(bytes, { source: 'memory', record: list, base: regionsBase });
  if (records.every(record => !isMark(record.valid))) {
    faults.table(`subsystem table ${index}`, 'regions_baseptr', null, regionsBase, 'there are no region records');
    return [];
  }
  let filled = 0;
  records.forEach(({ valid }, i) => {
    if (i < count && isMark(valid)) filled = i + 1;
  });
  if (regionCount > filled) {
    const what = `${filled} region records are filled in`;
    faults.table(`subsystem table ${index}`, 'region_count', null, regionCount, what);
  }
  const blobs: Blob[] = [];
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    const certain = i < filled;
    if (!certain && (i < regionCount || record.valid !== VALI)) break;
    if (isEmpty(record)) continue;
    if (!isMark(record.valid)) {
      const at = regionsBase + i * REGION_RECORD_SIZE + 20;
      faults.table(
        list,
        `valid of ${record.name}`,
        at,
        record.valid,
        'expected VALI or INVA: firmware does not dump it',
      );
    }
    const name = blobFileName(record.name, record.seqNum);
    blobs.push(memoryBlob(memory, record.address, record.size, name, { valid: record.valid === VALI, certain }));
  }
  return blobs;
}

/** How many ELF headers a search looks at. */
const MOST_HEADERS = 64;

/** ELF headers on page boundaries, for memory whose tables are damaged: the header region is allocated in pages. */
export function searchHeaders(memory: PhysicalMemory): Blob[] {
  const found: Blob[] = [];
  scanPages(memory, ['\x7fELF'], paddr => {
    const start = bytesAt(memory, paddr, 64);
    // ET_CORE, in either byte order.
    const type = start === null ? 0 : start[16] | start[17];
    if (type === 4) {
      const { end } = memory.bounds;
      found.push(
        memoryBlob(memory, paddr, Math.min(end - paddr, 1 << 20), 'header found in memory', {
          listedSize: null,
          certain: false,
        }),
      );
    }
    return found.length < MOST_HEADERS;
  });
  return found;
}

// What boot firmware does after the warm reset: from SMEM to the tables of contents to the region records, all of it in memory and nowhere else.
import { type Issues, MemoryFault, type PhysicalMemory } from 'kdumpling/reader';
import {
  decodeGlobalToc,
  decodeRegionRecords,
  MINIDUMP_MAGIC,
  MINIDUMP_SMEM_ITEM,
  MOST_READ_REGIONS,
  magicName,
  REGION_RECORD_SIZE,
  type SubsystemToc,
} from 'kdumpling/reader/formats/qcom-minidump';
import {
  checkSmemHeader,
  decodeSmemPartition,
  decodeSmemTable,
  globalPartition,
  SMEM_HEADER_SIZE,
  SMEM_TABLE_SIZE,
} from 'kdumpling/reader/formats/smem';

/** Where SMEM lies: firmware knows it by heart. */
export interface SmemPlace {
  readonly base: number;
  readonly size: number;
}

export interface FirmwareRegion {
  readonly name: string;
  readonly seqNum: number;
  readonly paddr: number;
  readonly size: number;
  /** Index of the subsystem that registered it. */
  readonly subsystem: number;
  /** The subsystem asks for encryption. */
  readonly encrypted: boolean;
}

/** The most of a partition that is read. */
const MOST_PARTITION = 16 << 20;
/** The most of SMEM item 602 that is read. */
const MOST_TOC = 8192;

/**
 * All valid regions of all enabled subsystems, in table order. Tables that are not there end the walk with an issue.
 * @throws InputError where SMEM itself is not there, MemoryFault where its memory or that of the minidump table is not
 */
export function walkTables(memory: PhysicalMemory, smem: SmemPlace, issues: Issues): FirmwareRegion[] {
  const toc = readGlobalToc(memory, smem, issues);
  if (toc === null) return [];
  if (toc.status === 0) return [];
  const regions: FirmwareRegion[] = [];
  toc.subsystems.forEach((subsystem, index) => {
    if (isEnabled(subsystem)) regions.push(...subsystemRegions(memory, subsystem, index, issues));
  });
  return regions;
}

function isEnabled({ status, enabled, regionsBase }: SubsystemToc): boolean {
  return status === 1 && enabled === MINIDUMP_MAGIC.ENBL && regionsBase !== 0;
}

function readGlobalToc(memory: PhysicalMemory, smem: SmemPlace, issues: Issues) {
  const source = 'memory';
  checkSmemHeader(memory.bytes(smem.base, SMEM_HEADER_SIZE), { source, record: 'SMEM header', base: smem.base });
  const tableAt = smem.base + smem.size - SMEM_TABLE_SIZE;
  const table = decodeSmemTable(
    memory.bytes(tableAt, SMEM_TABLE_SIZE),
    { source, record: 'SMEM partition table', base: tableAt },
    issues,
  );
  const entry = globalPartition(table);
  if (entry === undefined) {
    issues.add('smem-global-partition', 'the SMEM partition table has no global partition', tableAt);
    return null;
  }
  const partitionAt = smem.base + entry.offset;
  const partition = decodeSmemPartition(
    memory.bytes(partitionAt, Math.min(entry.size, MOST_PARTITION)),
    entry.cacheline,
    { source, record: 'SMEM global partition', base: partitionAt },
    issues,
  );
  const item = partition.items.find(each => each.item === MINIDUMP_SMEM_ITEM);
  if (item === undefined) {
    issues.add('smem-item', `SMEM has no item ${MINIDUMP_SMEM_ITEM}: no minidump table`, partitionAt);
    return null;
  }
  const tocAt = partitionAt + item.offset;
  return decodeGlobalToc(
    memory.bytes(tocAt, Math.min(item.size, MOST_TOC)),
    { source, record: 'minidump table', base: tocAt },
    issues,
  );
}

/** The first `count` region records; fewer, with an issue, where memory ends before: what other subsystems have is dumped all the same. */
function recordBytes(
  memory: PhysicalMemory,
  paddr: number,
  count: number,
  subsystem: number,
  issues: Issues,
): Uint8Array {
  const bytes = new Uint8Array(count * REGION_RECORD_SIZE);
  for (let i = 0; i < count; i++) {
    const at = paddr + i * REGION_RECORD_SIZE;
    const record = bytes.subarray(i * REGION_RECORD_SIZE, (i + 1) * REGION_RECORD_SIZE);
    try {
      memory.read(at, record);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add(
        'region-table-missing',
        `the region table of subsystem ${subsystem} has ${count} records, of which ${i} can be read: ${error.message}`,
        at,
      );
      return bytes.subarray(0, i * REGION_RECORD_SIZE);
    }
  }
  return bytes;
}

function subsystemRegions(
  memory: PhysicalMemory,
  subsystem: SubsystemToc,
  index: number,
  issues: Issues,
): FirmwareRegion[] {
  const count = Math.min(subsystem.regionCount, MOST_READ_REGIONS);
  const records = decodeRegionRecords(recordBytes(memory, subsystem.regionsBase, count, index, issues), {
    source: 'memory',
    record: 'region table',
    base: subsystem.regionsBase,
  });
  const encrypted =
    subsystem.encryptionRequired === MINIDUMP_MAGIC.YES && subsystem.encryptionStatus !== MINIDUMP_MAGIC.DONE;
  const regions: FirmwareRegion[] = [];
  for (const record of records) {
    if (record.valid !== MINIDUMP_MAGIC.VALI) {
      issues.add(
        'region-not-valid',
        `region ${JSON.stringify(record.name)} is marked ${magicName(record.valid)}, not VALI: it is not dumped`,
        record.address,
      );
      continue;
    }
    regions.push({
      name: record.name,
      seqNum: record.seqNum,
      paddr: record.address,
      size: record.size,
      subsystem: index,
      encrypted,
    });
  }
  return regions;
}

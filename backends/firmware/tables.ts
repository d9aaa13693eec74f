// The tables as firmware and driver leave them in memory: SMEM with the global table of contents, and the region array that it leads to.
import type { OverlayMemory } from 'kdumpling/producer';
import {
  encodeGlobalToc,
  encodeRegionRecords,
  MINIDUMP_MAGIC,
  MINIDUMP_REVISION,
  MINIDUMP_SMEM_ITEM,
  MOST_APSS_REGIONS,
  REGION_RECORD_SIZE,
  type RegionRecord,
  SUBSYSTEM,
  type SubsystemToc,
  USUAL_SUBSYSTEMS,
} from 'kdumpling/reader/formats/qcom-minidump';
import { layoutSmem } from 'kdumpling/reader/formats/smem';
import type { SmemPlace } from './walk.js';

/** A usual size of the whole region. */
const SMEM_SIZE = 2 << 20;

const NO_SUBSYSTEM: SubsystemToc = {
  status: 0,
  enabled: 0,
  encryptionStatus: 0,
  encryptionRequired: 0,
  regionCount: 0,
  regionsBase: 0,
};

export interface TableOptions {
  /** As msm-4.19 asks it: status NONE, required YES. Else DONE and NR. */
  readonly encrypted: boolean;
}

/** Puts SMEM, tables and region array into memory beside the kernel's; returns where SMEM is. */
export function placeTables(
  memory: OverlayMemory,
  records: readonly RegionRecord[],
  { encrypted }: TableOptions,
): SmemPlace {
  const arrayAt = memory.allocate(MOST_APSS_REGIONS * REGION_RECORD_SIZE);
  memory.write(arrayAt, encodeRegionRecords(records));
  const apss: SubsystemToc = {
    status: 1,
    enabled: MINIDUMP_MAGIC.ENBL,
    encryptionStatus: encrypted ? MINIDUMP_MAGIC.NONE : MINIDUMP_MAGIC.DONE,
    encryptionRequired: encrypted ? MINIDUMP_MAGIC.YES : MINIDUMP_MAGIC.NR,
    regionCount: records.length,
    regionsBase: arrayAt,
  };
  const subsystems = Array.from({ length: USUAL_SUBSYSTEMS }, (_, i) => (i === SUBSYSTEM.apss ? apss : NO_SUBSYSTEM));
  const toc = encodeGlobalToc({
    status: 1,
    revision: MINIDUMP_REVISION,
    enabled: MINIDUMP_MAGIC.ENBL,
    subsystems,
  });
  const base = memory.allocate(SMEM_SIZE);
  for (const { offset, bytes } of layoutSmem(base, SMEM_SIZE, [{ item: MINIDUMP_SMEM_ITEM, bytes: toc }]).pieces) {
    memory.write(base + offset, bytes);
  }
  return { base, size: SMEM_SIZE };
}

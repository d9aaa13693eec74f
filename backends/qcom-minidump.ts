// The upstream series' driver for Qualcomm's minidump: one region record per registered region in the table that boot firmware reads. Sources: drivers/soc/qcom/minidump.c
// (meminspect v1 to v3), mm/kmemdump/qcom_minidump.c (RFC v3), drivers/debug/qcom_md.c (RFC v1).
import { OverlayMemory, type Refusal, type Region, type TargetKernel } from 'kdumpling/producer';
import { alignUp, type FolderSink, type Issues } from 'kdumpling/reader';
import { MINIDUMP_MAGIC, MOST_APSS_REGIONS, type RegionRecord } from 'kdumpling/reader/formats/qcom-minidump';
import type { Backend, WrittenFile } from './backend.js';
import { type Media, writeFolder, writeRam, writeRawdump } from './firmware/media.js';
import { placeTables } from './firmware/tables.js';
import { walkTables } from './firmware/walk.js';

export interface QualcommOptions {
  readonly media: Media;
  readonly bare: boolean;
  readonly encrypted: boolean;
  /** False: firmware has not made its table ready, so no driver comes up. */
  readonly firmwareReady: boolean;
}

/** The record of a region: the series' own name and number where it has them, else `K%.8s` and the ID. */
function recordOf(region: Region): RegionRecord {
  const { name, sequence } = region.minidump ?? {
    name: `K${(region.name === '' ? 'unknown' : region.name).slice(0, 8)}`,
    sequence: region.id,
  };
  return {
    name,
    seqNum: sequence,
    valid: MINIDUMP_MAGIC.VALI,
    address: region.paddr,
    size: alignUp(region.size, 4),
  };
}

class QcomMinidump implements Backend {
  readonly name = 'qcom-minidump';
  readonly #options: QualcommOptions;
  readonly #records: RegionRecord[] = [];

  constructor(options: QualcommOptions) {
    this.#options = options;
  }

  /** Later series know a region by its number; RFC v1, whose records have none, by name. */
  #indexOf(record: RegionRecord): number {
    return this.#records.findIndex(each =>
      record.seqNum === 0 ? each.name === record.name : each.seqNum === record.seqNum,
    );
  }

  register(region: Region): Refusal | null {
    if (!this.#options.firmwareReady) {
      return { errno: 'ENAVAIL', message: 'the minidump table is not initialised by firmware' };
    }
    if ((region.vaddr === 0n && region.paddr === 0) || region.size <= 0) {
      return { errno: 'EINVAL', message: `region ${region.name} (ID ${region.id}) has no address or no size` };
    }
    const record = recordOf(region);
    if (this.#indexOf(record) >= 0) {
      return { errno: 'EEXIST', message: `region ${record.name} (ID ${region.id}) is already in the minidump table` };
    }
    if (this.#records.length >= MOST_APSS_REGIONS) {
      return { errno: 'ENOSPC', message: `the minidump table is full: it has room for ${MOST_APSS_REGIONS} regions` };
    }
    this.#records.push(record);
    return null;
  }

  unregister(region: Region): Refusal | null {
    const record = recordOf(region);
    const at = this.#indexOf(record);
    if (at < 0) {
      return { errno: 'ENOENT', message: `region ${record.name} (ID ${region.id}) is not in the minidump table` };
    }
    this.#records.splice(at, 1);
    return null;
  }

  dump(kernel: TargetKernel, out: FolderSink, issues: Issues): WrittenFile[] {
    if (!this.#options.firmwareReady) {
      issues.add('minidump-not-ready', 'the minidump table is not initialised by firmware: nothing is dumped');
      return [];
    }
    const memory = new OverlayMemory(kernel.memory, kernel.pageSize);
    return runFirmware(memory, this.#records, this.#options, out, issues);
  }
}

/** Puts the tables into memory, then lets firmware find them there and write the medium. */
export function runFirmware(
  memory: OverlayMemory,
  records: readonly RegionRecord[],
  { media, bare, encrypted }: QualcommOptions,
  out: FolderSink,
  issues: Issues,
): WrittenFile[] {
  const smem = placeTables(memory, records, { encrypted });
  // Memory that stays in the machine is read by whoever takes the image: no firmware writes blobs.
  if (media === 'ram') return writeRam(memory, out, issues);
  const regions = walkTables(memory, smem, issues);
  if (media === 'rawdump') return writeRawdump(memory, regions, out, issues);
  return writeFolder(memory, regions, out, { bare }, issues);
}

export const openQcomMinidump = (options: QualcommOptions): Backend => new QcomMinidump(options);

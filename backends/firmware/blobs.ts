// What firmware hands out: one blob per region of the tables, under a file name of its own, its bytes read from memory by physical address.
import type { Issues } from 'kdumpling/reader';
import { blobFileName, FIRMWARE_NAME_SIZE, safeFileName } from 'kdumpling/reader/formats/qcom-minidump';
import type { FirmwareRegion } from './walk.js';

export interface Blob extends FirmwareRegion {
  /** Sanitised and unique among the blobs. */
  readonly file: string;
}

/** Gives each region its file: firmware's rule, cut to firmware's room, made safe, and told apart where two regions would share one. */
export function nameBlobs(regions: readonly FirmwareRegion[], issues: Issues): Blob[] {
  const taken = new Set<string>();
  return regions.map(region => {
    const wanted = fitName(safeFileName(blobFileName(region.name, region.seqNum)));
    let file = wanted;
    for (let i = 2; taken.has(file.toLowerCase()); i++) file = fitName(wanted, `-${i}`);
    taken.add(file.toLowerCase());
    if (file !== wanted) {
      issues.add(
        'file-name-taken',
        `two regions are called ${wanted}: the one at physical address 0x${region.paddr.toString(16)} is written to ${file}`,
        region.paddr,
      );
    }
    return { ...region, file };
  });
}

/** Cuts the stem so that `.BIN` stays within firmware's 19 characters and a NUL. */
function fitName(name: string, suffix = ''): string {
  const stem = name.replace(/\.BIN$/, '');
  return `${stem.slice(0, FIRMWARE_NAME_SIZE - 1 - '.BIN'.length - suffix.length)}${suffix}.BIN`;
}

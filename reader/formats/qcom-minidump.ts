// The tables that Qualcomm boot firmware reads when a kernel died: global table of contents (SMEM item 602), one subsystem's table, its
// region records. Source: drivers/soc/qcom/minidump_private.h (msm-5.15), include/linux/soc/qcom/minidump.h (meminspect v3). Little-endian.
import { Cursor, type CursorPlace } from '../cursor.js';
import type { Issues } from '../issue.js';
import { setU64 } from '../u64.js';

export const MINIDUMP_SMEM_ITEM = 602;
export const MINIDUMP_REVISION = 1;

export const GLOBAL_TOC_HEADER_SIZE = 16;
export const SUBSYSTEM_TOC_SIZE = 32;
export const REGION_RECORD_SIZE = 40;
export const REGION_NAME_SIZE = 16;
/** Subsystems in the global table of kernels whose table is an array of fixed length. */
export const USUAL_SUBSYSTEMS = 10;
/** The most subsystems that are read; a table of SMEM's own limits never has more. */
export const MOST_SUBSYSTEMS = 128;
/** Room of the kernel's region array: the header and 200 regions. */
export const MOST_APSS_REGIONS = 201;
/** The most region records that are read of one subsystem, whatever it claims: far above what any firmware accepts (300). */
export const MOST_READ_REGIONS = 4096;

/** Index of the subsystem that runs Linux, and of those that have a fixed one. */
export const SUBSYSTEM = { apss: 0, modem: 3, adsp: 5, cdsp: 7 } as const;

/** Four letters, the first in the highest byte. */
export const MINIDUMP_MAGIC = {
  VALI: 0x56414c49,
  INVA: 0x494e5641,
  INIT: 0x494e4954,
  ENBL: 0x454e424c,
  DSBL: 0x4453424c,
  DONE: 0x444f4e45,
  STRT: 0x53545254,
  NONE: 0x4e4f4e45,
  YES: 0x00594553,
  NR: 0x00004e52,
} as const;

const MAGIC_NAMES = new Map<number, string>(Object.entries(MINIDUMP_MAGIC).map(([name, value]) => [value, name]));

/** A magic by its letters, any other value in hexadecimal. */
export function magicName(value: number): string {
  return MAGIC_NAMES.get(value) ?? `0x${value.toString(16)}`;
}

export interface SubsystemToc {
  /** 1: initialised. */
  readonly status: number;
  readonly enabled: number;
  readonly encryptionStatus: number;
  readonly encryptionRequired: number;
  readonly regionCount: number;
  /** Physical address of the region array. */
  readonly regionsBase: number;
}

export interface GlobalToc {
  /** Not 0 when firmware made it ready. */
  readonly status: number;
  readonly revision: number;
  readonly enabled: number;
  readonly subsystems: readonly SubsystemToc[];
}

/** Decodes as many subsystems as `bytes` (the SMEM item) hold, at most MOST_SUBSYSTEMS. Throws InputError where not even the header is there. */
export function decodeGlobalToc(bytes: Uint8Array, place: CursorPlace, issues: Issues): GlobalToc {
  const cursor = new Cursor(bytes, true, place);
  const status = cursor.u32('status');
  const revision = cursor.u32('revision');
  const enabled = cursor.u32('enabled');
  cursor.skip(4);
  const base = place.base ?? 0;
  if (status === 0) issues.add('minidump-not-ready', 'the global minidump table has status 0: not initialised', base);
  if (revision !== MINIDUMP_REVISION) {
    issues.add('minidump-revision', `the global minidump table has revision ${revision}, expected 1`, base + 4);
  }
  const subsystems: SubsystemToc[] = [];
  while (cursor.left >= SUBSYSTEM_TOC_SIZE && subsystems.length < MOST_SUBSYSTEMS) {
    subsystems.push(decodeSubsystemToc(cursor));
  }
  return { status, revision, enabled, subsystems };
}

/** `position` of `cursor` moves past one subsystem's table. */
export function decodeSubsystemToc(cursor: Cursor): SubsystemToc {
  const status = cursor.u32('status');
  const enabled = cursor.u32('enabled');
  const encryptionStatus = cursor.u32('encryption_status');
  const encryptionRequired = cursor.u32('encryption_required');
  const regionCount = cursor.u32('region_count');
  cursor.skip(4);
  const regionsBase = cursor.u64n('regions_baseptr');
  return { status, enabled, encryptionStatus, encryptionRequired, regionCount, regionsBase };
}

export function encodeGlobalToc(toc: GlobalToc): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(GLOBAL_TOC_HEADER_SIZE + SUBSYSTEM_TOC_SIZE * toc.subsystems.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, toc.status, true);
  view.setUint32(4, toc.revision, true);
  view.setUint32(8, toc.enabled, true);
  let at = GLOBAL_TOC_HEADER_SIZE;
  for (const subsystem of toc.subsystems) {
    view.setUint32(at, subsystem.status, true);
    view.setUint32(at + 4, subsystem.enabled, true);
    view.setUint32(at + 8, subsystem.encryptionStatus, true);
    view.setUint32(at + 12, subsystem.encryptionRequired, true);
    view.setUint32(at + 16, subsystem.regionCount, true);
    setU64(view, at + 24, subsystem.regionsBase, true);
    at += SUBSYSTEM_TOC_SIZE;
  }
  return bytes;
}

export interface RegionRecord {
  /** Up to 16 bytes; it need not have ended in NUL. */
  readonly name: string;
  readonly seqNum: number;
  /** VALI where the region is to be dumped. */
  readonly valid: number;
  /** Physical; past 2^53 only the nearest number, which no memory has. */
  readonly address: number;
  readonly size: number;
}

/** Decodes the records that are whole in `bytes`, at most MOST_READ_REGIONS. */
export function decodeRegionRecords(bytes: Uint8Array, place: CursorPlace): RegionRecord[] {
  const cursor = new Cursor(bytes, true, place);
  const records: RegionRecord[] = [];
  while (cursor.left >= REGION_RECORD_SIZE && records.length < MOST_READ_REGIONS) {
    records.push({
      name: cursor.text(REGION_NAME_SIZE, 'name'),
      seqNum: cursor.u32('seq_num'),
      valid: cursor.u32('valid'),
      address: cursor.u64n('address'),
      size: cursor.u64n('size'),
    });
  }
  return records;
}

export function encodeRegionRecords(records: readonly RegionRecord[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(REGION_RECORD_SIZE * records.length);
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  records.forEach((record, i) => {
    const at = REGION_RECORD_SIZE * i;
    bytes.set(encoder.encode(record.name).subarray(0, REGION_NAME_SIZE), at);
    view.setUint32(at + 16, record.seqNum, true);
    view.setUint32(at + 20, record.valid, true);
    setU64(view, at + 24, record.address, true);
    setU64(view, at + 32, record.size, true);
  });
  return bytes;
}

/** Room for a file name in firmware's own tables (Sahara, rawdump). */
export const FIRMWARE_NAME_SIZE = 20;

/** `md_` + name + sequence number unless it is 0 + `.BIN`, as firmware names the blob of a region. Not sanitised. */
export function blobFileName(name: string, seqNum: number): string {
  return `md_${name}${seqNum === 0 ? '' : seqNum}.BIN`;
}

/** A name for a file: only letters, digits, `_`, `-`, `.` and `+` stay, and it neither is empty nor begins with a dot. */
export function safeFileName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9_.+-]/g, '_').slice(0, 200);
  return safe === '' || safe.startsWith('.') ? `_${safe}` : safe;
}

export interface BlobFileName {
  /** Virtual machine's prefix in lower-case hexadecimal, or null. */
  readonly vmid: string | null;
  /** Region name with the sequence number behind it, if there is one: only a table can tell them apart. */
  readonly stem: string;
}

/** Parses `md_[VMID_]STEM.BIN`, the extension in either case; null for another name. A vmid is taken only from `md_HH_`, two hexadecimal digits at most. */
export function parseBlobFileName(file: string): BlobFileName | null {
  const match = /^md_(?:([0-9a-f]{1,2})_)?(.+)\.bin$/i.exec(file);
  if (match === null) return null;
  return { vmid: match[1]?.toLowerCase() ?? null, stem: match[2] };
}

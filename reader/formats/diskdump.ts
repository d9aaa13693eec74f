// The kdump-compressed format (signature `KDUMP   `), header versions 1 to 6: header, sub header and page descriptors as bytes and records, no I/O.
// Source: makedumpfile 1.7 diskdump_mod.h and IMPLEMENTATION; QEMU include/sysemu/dump.h.
//
// In blocks of block_size: block 0 the header; sub_hdr_size blocks of sub header, VMCOREINFO, notes and eraseinfo; bitmap_blocks of bitmaps (first half: the
// frame exists, second half: the frame was dumped); then one page descriptor per dumped frame, in pfn order; then page data.
import { Cursor, type CursorPlace, fixedText } from '../cursor.js';
import { getU64, setU64 } from '../u64.js';

export const KDUMP_SIGNATURE = 'KDUMP   ';
export const NEWEST_HEADER_VERSION = 6;

/** Flags of a page descriptor; in `status` of the header they say what the writer was asked for. */
export const DUMP_DH_COMPRESSED_ZLIB = 0x1;
export const DUMP_DH_COMPRESSED_LZO = 0x2;
export const DUMP_DH_COMPRESSED_SNAPPY = 0x4;
/** Header only: the writer ran out of space. */
export const DUMP_DH_COMPRESSED_INCOMPLETE = 0x8;
/** Header only: pages of vmemmap that describe excluded pages were left out. */
export const DUMP_DH_EXCLUDED_VMEMMAP = 0x10;
export const DUMP_DH_COMPRESSED_ZSTD = 0x20;

/** The writer's word size and byte order; memory may have others. */
export interface DiskdumpKind {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  /** 32-bit writers only: u64 fields are aligned to 8 bytes (arm, ppc, mips) and not to 4 (i386, and QEMU everywhere). */
  readonly padded?: boolean;
}

export interface Utsname {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
  readonly domainname: string;
}

export const UTSNAME_FIELDS = ['sysname', 'nodename', 'release', 'version', 'machine', 'domainname'] as const;
/** __NEW_UTS_LEN + 1. */
export const UTSNAME_FIELD_SIZE = 65;

/** struct disk_dump_header. */
export interface DiskdumpHeader {
  readonly version: number;
  readonly utsname: Utsname;
  /** Seconds and microseconds of the dump's time. */
  readonly seconds: bigint;
  readonly microseconds: bigint;
  readonly status: number;
  readonly blockSize: number;
  /** In blocks. */
  readonly subHeaderSize: number;
  readonly bitmapBlocks: number;
  /** The low 32 bits; from version 6 on the sub header has all of it. */
  readonly maxMapnr: number;
  readonly totalRamBlocks: number;
  readonly deviceBlocks: number;
  readonly writtenBlocks: number;
  readonly currentCpu: number;
  readonly nrCpus: number;
}

/** struct kdump_sub_header; what a version lacks is 0. */
export interface DiskdumpSubHeader {
  /** Signed: phys_base of x86_64 may be negative. */
  readonly physBase: bigint;
  /** -d of makedumpfile. */
  readonly dumpLevel: number;
  /** 1 for a part of a split set, which holds the frames from startPfn up to, not including, endPfn. */
  readonly split: number;
  readonly startPfn: number;
  readonly endPfn: number;
  readonly offsetVmcoreinfo: number;
  readonly sizeVmcoreinfo: number;
  readonly offsetNote: number;
  readonly sizeNote: number;
  readonly offsetEraseinfo: number;
  readonly sizeEraseinfo: number;
  /** 0 before version 6. */
  readonly maxMapnr: number;
}

/** Where the fields behind the timestamp begin; the header ends 40 bytes later. */
const statusAt = (bits: 32 | 64): number => (bits === 64 ? 424 : 412);
export const diskdumpHeaderSize = (bits: 32 | 64): number => statusAt(bits) + 40;

/** True for the signature of the kdump-compressed format. */
export function isDiskdump(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && fixedText(bytes.subarray(0, 8)) === KDUMP_SIGNATURE;
}

/** Reads the header as a writer of `kind` laid it out; values are not judged. */
export function decodeDiskdumpHeader(bytes: Uint8Array, kind: DiskdumpKind, place: CursorPlace): DiskdumpHeader {
  const cursor = new Cursor(bytes, kind.littleEndian, place);
  cursor.skip(8, 'signature');
  const version = cursor.i32('header_version');
  const text = (field: string) => cursor.text(UTSNAME_FIELD_SIZE, `utsname.${field}`);
  const utsname = {
    sysname: text('sysname'),
    nodename: text('nodename'),
    release: text('release'),
    version: text('version'),
    machine: text('machine'),
    domainname: text('domainname'),
  };
  const long = (field: string) => (kind.bits === 64 ? BigInt.asIntN(64, cursor.u64(field)) : BigInt(cursor.i32(field)));
  cursor.position = statusAt(kind.bits) - kind.bits / 4;
  return {
    version,
    utsname,
    seconds: long('timestamp.tv_sec'),
    microseconds: long('timestamp.tv_usec'),
    status: cursor.u32('status'),
    blockSize: cursor.i32('block_size'),
    subHeaderSize: cursor.i32('sub_hdr_size'),
    bitmapBlocks: cursor.u32('bitmap_blocks'),
    maxMapnr: cursor.u32('max_mapnr'),
    totalRamBlocks: cursor.u32('total_ram_blocks'),
    deviceBlocks: cursor.u32('device_blocks'),
    writtenBlocks: cursor.u32('written_blocks'),
    currentCpu: cursor.u32('current_cpu'),
    nrCpus: cursor.i32('nr_cpus'),
  };
}

export function encodeDiskdumpHeader(header: DiskdumpHeader, kind: DiskdumpKind): Uint8Array<ArrayBuffer> {
  const le = kind.littleEndian;
  const bytes = new Uint8Array(diskdumpHeaderSize(kind.bits));
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  bytes.set(encoder.encode(KDUMP_SIGNATURE));
  view.setInt32(8, header.version, le);
  UTSNAME_FIELDS.forEach((field, i) => {
    bytes.set(encoder.encode(header.utsname[field]).subarray(0, UTSNAME_FIELD_SIZE - 1), 12 + i * UTSNAME_FIELD_SIZE);
  });
  let at = statusAt(kind.bits) - kind.bits / 4;
  for (const value of [header.seconds, header.microseconds]) {
    if (kind.bits === 64) view.setBigInt64(at, value, le);
    else view.setInt32(at, Number(BigInt.asIntN(32, value)), le);
    at += kind.bits / 8;
  }
  const words = [
    header.status,
    header.blockSize,
    header.subHeaderSize,
    header.bitmapBlocks,
    header.maxMapnr,
    header.totalRamBlocks,
    header.deviceBlocks,
    header.writtenBlocks,
    header.currentCpu,
    header.nrCpus,
  ];
  for (const word of words) {
    view.setUint32(at, word, le);
    at += 4;
  }
  return bytes;
}

/** Offsets of struct kdump_sub_header. `since` is the header version that brought the field. */
interface SubHeaderField {
  readonly since: number;
  readonly at: number;
  readonly size: 4 | 8;
}

type SubHeaderName = keyof DiskdumpSubHeader | 'startPfn64' | 'endPfn64';

/** Field sizes as C has them: `long` is the writer's word. */
const SUB_HEADER: readonly (readonly [SubHeaderName, number, 'long' | 'int' | 'u64'])[] = [
  ['physBase', 1, 'long'],
  ['dumpLevel', 1, 'int'],
  ['split', 2, 'int'],
  ['startPfn', 2, 'long'],
  ['endPfn', 2, 'long'],
  ['offsetVmcoreinfo', 3, 'u64'],
  ['sizeVmcoreinfo', 3, 'long'],
  ['offsetNote', 4, 'u64'],
  ['sizeNote', 4, 'long'],
  ['offsetEraseinfo', 5, 'u64'],
  ['sizeEraseinfo', 5, 'long'],
  ['startPfn64', 6, 'u64'],
  ['endPfn64', 6, 'u64'],
  ['maxMapnr', 6, 'u64'],
];

/** The C field names, for messages. */
export const SUB_HEADER_C_NAMES: Readonly<Record<keyof DiskdumpSubHeader, string>> = {
  physBase: 'phys_base',
  dumpLevel: 'dump_level',
  split: 'split',
  startPfn: 'start_pfn',
  endPfn: 'end_pfn',
  offsetVmcoreinfo: 'offset_vmcoreinfo',
  sizeVmcoreinfo: 'size_vmcoreinfo',
  offsetNote: 'offset_note',
  sizeNote: 'size_note',
  offsetEraseinfo: 'offset_eraseinfo',
  sizeEraseinfo: 'size_eraseinfo',
  maxMapnr: 'max_mapnr_64',
};

function layoutSubHeader(kind: DiskdumpKind): Map<SubHeaderName, SubHeaderField> {
  const layout = new Map<SubHeaderName, SubHeaderField>();
  let at = 0;
  for (const [name, since, type] of SUB_HEADER) {
    const size = type === 'int' ? 4 : type === 'u64' || kind.bits === 64 ? 8 : 4;
    const align = kind.bits === 32 && kind.padded !== true ? 4 : size;
    at = Math.ceil(at / align) * align;
    layout.set(name, { since, at, size });
    at += size;
  }
  return layout;
}

/** Length of the newest sub header. */
export function diskdumpSubHeaderSize(kind: DiskdumpKind): number {
  const last = layoutSubHeader(kind).get('maxMapnr');
  return last === undefined ? 0 : last.at + last.size;
}

/** Reads the sub header of a version; `bytes` may be longer. Values are not judged. */
export function decodeDiskdumpSubHeader(
  bytes: Uint8Array,
  version: number,
  kind: DiskdumpKind,
  place: CursorPlace,
): DiskdumpSubHeader {
  const cursor = new Cursor(bytes, kind.littleEndian, place);
  const layout = layoutSubHeader(kind);
  const field = (name: SubHeaderName): number => {
    const where = layout.get(name);
    if (where === undefined || version < where.since) return 0;
    cursor.position = where.at;
    return where.size === 8 ? cursor.u64n(name) : cursor.u32(name);
  };
  let physBase = 0n;
  if (version >= 1)
    physBase = kind.bits === 64 ? BigInt.asIntN(64, cursor.u64('phys_base')) : BigInt(cursor.u32('phys_base'));
  return {
    physBase,
    dumpLevel: field('dumpLevel') | 0,
    split: field('split') | 0,
    startPfn: field(version >= 6 ? 'startPfn64' : 'startPfn'),
    endPfn: field(version >= 6 ? 'endPfn64' : 'endPfn'),
    offsetVmcoreinfo: field('offsetVmcoreinfo'),
    sizeVmcoreinfo: field('sizeVmcoreinfo'),
    offsetNote: field('offsetNote'),
    sizeNote: field('sizeNote'),
    offsetEraseinfo: field('offsetEraseinfo'),
    sizeEraseinfo: field('sizeEraseinfo'),
    maxMapnr: field('maxMapnr'),
  };
}

/** The sub header of a version: its own fields and no others. */
export function encodeDiskdumpSubHeader(
  sub: DiskdumpSubHeader,
  version: number,
  kind: DiskdumpKind,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(diskdumpSubHeaderSize(kind));
  const view = new DataView(bytes.buffer);
  const le = kind.littleEndian;
  let end = 0;
  for (const [name, where] of layoutSubHeader(kind)) {
    if (version < where.since) continue;
    end = where.at + where.size;
    if (name === 'physBase') {
      if (where.size === 8) view.setBigInt64(where.at, sub.physBase, le);
      else view.setUint32(where.at, Number(BigInt.asUintN(32, sub.physBase)), le);
      continue;
    }
    const value = name === 'startPfn64' ? sub.startPfn : name === 'endPfn64' ? sub.endPfn : sub[name];
    if (where.size === 8) setU64(view, where.at, value, le);
    else view.setUint32(where.at, value, le);
  }
  return bytes.slice(0, end);
}

/** sizeof(struct page_desc): u64 offset, u32 size, u32 flags, u64 page_flags. */
export const PAGE_DESCRIPTOR_SIZE = 24;

/** Field accessors of a page descriptor at `at`: no object per page. */
export const pageDescriptorOffset = (view: DataView, at: number, littleEndian: boolean): number =>
  getU64(view, at, littleEndian);
export const pageDescriptorSize = (view: DataView, at: number, littleEndian: boolean): number =>
  view.getUint32(at + 8, littleEndian);
export const pageDescriptorFlags = (view: DataView, at: number, littleEndian: boolean): number =>
  view.getUint32(at + 12, littleEndian);

/** Writes a page descriptor; page_flags is 0, as makedumpfile writes it. */
export function encodePageDescriptor(
  view: DataView,
  at: number,
  littleEndian: boolean,
  offset: number,
  size: number,
  flags: number,
): void {
  setU64(view, at, offset, littleEndian);
  view.setUint32(at + 8, size, littleEndian);
  view.setUint32(at + 12, flags, littleEndian);
  setU64(view, at + 16, 0, littleEndian);
}

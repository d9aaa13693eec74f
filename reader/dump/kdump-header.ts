// The header and sub header of a kdump file, found in whichever word size and byte order they were written, and checked. Source of the layout:
// reader/formats/diskdump.ts.
import { hex, InputError } from '../fault.js';
import {
  type DiskdumpHeader,
  type DiskdumpKind,
  type DiskdumpSubHeader,
  decodeDiskdumpHeader,
  decodeDiskdumpSubHeader,
  diskdumpHeaderSize,
  diskdumpSubHeaderSize,
  NEWEST_HEADER_VERSION,
} from '../formats/diskdump.js';
import type { Issues } from '../issue.js';
import { type ByteSource, readExactly } from '../source.js';
import { isPowerOfTwo } from '../u64.js';

const RECORD = 'kdump header';
const SUB_RECORD = 'kdump sub header';
const SMALLEST_BLOCK = 512;
const LARGEST_BLOCK = 1 << 20;
/** Versions that no writer has reached: such a number is the other byte order, or damage. */
const IMPLAUSIBLE_VERSION = 256;

export interface KdumpHeader {
  readonly kind: DiskdumpKind;
  readonly header: DiskdumpHeader;
  readonly sub: DiskdumpSubHeader;
  /** Frames that the bitmaps cover. */
  readonly frames: number;
  /** Where the bitmap of existing frames begins, and that of dumped ones (the same where there is only one). */
  readonly existsAt: number;
  readonly dumpedAt: number;
  readonly descriptorsAt: number;
}

/** Offset, field and what is wrong, for what a header cannot be read with. */
interface Fault {
  readonly at: number;
  readonly field: string;
  readonly value: number;
  readonly why: string;
}

/** Throws InputError where pages could not be found; lesser damage goes into `issues`. */
export function readKdumpHeader(source: ByteSource, issues: Issues): KdumpHeader {
  const place = { source: source.name, record: RECORD, base: 0 };
  const bytes = readExactly(source, 0, Math.min(source.size, diskdumpHeaderSize(64)), RECORD);
  const littleEndian = byteOrder(source, bytes);
  let first: { fault: Fault; kind: DiskdumpKind } | null = null;
  for (const bits of [64, 32] as const) {
    if (bytes.length < diskdumpHeaderSize(bits)) continue;
    const kind = { bits, littleEndian };
    const header = decodeDiskdumpHeader(bytes, kind, place);
    const fault = judge(header, source.size, bits);
    if (fault === null) return finish(source, kind, header, issues);
    first ??= { fault, kind };
  }
  if (first === null) decodeDiskdumpHeader(bytes, { bits: 64, littleEndian }, place);
  const { at, field, value, why } = first?.fault ?? {
    at: 0,
    field: 'signature',
    value: 0,
    why: 'the header is cut short',
  };
  throw new InputError(
    { source: source.name, record: RECORD, offset: at, field, value },
    why,
    'neither the 64-bit nor the 32-bit layout of the header makes sense',
  );
}

function byteOrder(source: ByteSource, bytes: Uint8Array): boolean {
  if (bytes.length < 12)
    throw new InputError(
      { source: source.name, record: RECORD, offset: bytes.length, field: 'content' },
      'the file ends inside the header',
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = view.getUint32(8, true);
  const big = view.getUint32(8, false);
  if (little >= 1 && little < IMPLAUSIBLE_VERSION) return true;
  if (big >= 1 && big < IMPLAUSIBLE_VERSION) return false;
  throw new InputError(
    { source: source.name, record: RECORD, offset: 8, field: 'header_version', value: little },
    `versions 1 to ${NEWEST_HEADER_VERSION} are known, in either byte order`,
  );
}

/** What makes a header unusable in this layout, or null. */
function judge(header: DiskdumpHeader, fileSize: number, bits: 32 | 64): Fault | null {
  const { blockSize, subHeaderSize, bitmapBlocks } = header;
  const base = diskdumpHeaderSize(bits) - 36;
  const fault = (index: number, field: string, value: number, why: string) => ({
    at: base + 4 * index,
    field,
    value,
    why,
  });
  if (!isPowerOfTwo(blockSize) || blockSize < SMALLEST_BLOCK || blockSize > LARGEST_BLOCK) {
    return fault(0, 'block_size', blockSize, `expected a power of two from ${SMALLEST_BLOCK} to ${LARGEST_BLOCK}`);
  }
  if (subHeaderSize < 1 || (1 + subHeaderSize) * blockSize > fileSize) {
    return fault(
      1,
      'sub_hdr_size',
      subHeaderSize,
      `so many blocks of ${blockSize} bytes do not lie inside the file of ${fileSize} bytes`,
    );
  }
  if (bitmapBlocks < 1 || (1 + subHeaderSize + bitmapBlocks) * blockSize > fileSize) {
    return fault(
      2,
      'bitmap_blocks',
      bitmapBlocks,
      `so many blocks of ${blockSize} bytes do not lie inside the file of ${fileSize} bytes`,
    );
  }
  return null;
}

function finish(source: ByteSource, kind: DiskdumpKind, header: DiskdumpHeader, issues: Issues): KdumpHeader {
  const { blockSize, version } = header;
  if (version > NEWEST_HEADER_VERSION) {
    issues.add(
      'kdump-version',
      `the kdump header has version ${version}; it is read as version ${NEWEST_HEADER_VERSION}`,
    );
  }
  const { kind: fullKind, sub } = readSubHeader(source, kind, header, issues);
  const bitmaps = header.bitmapBlocks * blockSize;
  const frames = countFrames(source, kind, header, sub, issues);
  const existsAt = (1 + header.subHeaderSize) * blockSize;
  const both = header.bitmapBlocks >= 2 * Math.ceil(frames / 8 / blockSize);
  return {
    kind: fullKind,
    header,
    sub,
    frames,
    existsAt,
    dumpedAt: both ? existsAt + bitmaps / 2 : existsAt,
    descriptorsAt: existsAt + bitmaps,
  };
}

/** max_mapnr, from the field that the bitmaps are long enough for. */
function countFrames(
  source: ByteSource,
  kind: DiskdumpKind,
  header: DiskdumpHeader,
  sub: DiskdumpSubHeader,
  issues: Issues,
): number {
  const most = header.bitmapBlocks * header.blockSize * 8;
  const { maxMapnr: low } = header;
  const whole = header.version >= 6 && sub.maxMapnr > 0 ? sub.maxMapnr : low;
  if (whole !== low && (whole <= 0xffff_ffff || whole > most)) {
    issues.add('kdump-max-mapnr', `max_mapnr is ${hex(low)} in the header, but ${hex(whole)} in the sub header`);
  }
  if (whole > 0 && whole <= most) return whole;
  if (low > 0 && low <= most) return low;
  throw new InputError(
    { source: source.name, record: RECORD, offset: diskdumpHeaderSize(kind.bits) - 24, field: 'max_mapnr', value: low },
    `the bitmaps of ${header.bitmapBlocks} blocks have room for 1 to ${most} frames`,
  );
}

function readSubHeader(
  source: ByteSource,
  kind: DiskdumpKind,
  header: DiskdumpHeader,
  issues: Issues,
): { kind: DiskdumpKind; sub: DiskdumpSubHeader } {
  const base = header.blockSize;
  const version = Math.min(header.version, NEWEST_HEADER_VERSION);
  const place = { source: source.name, record: SUB_RECORD, base };
  const room = Math.min(header.subHeaderSize * header.blockSize, diskdumpSubHeaderSize({ ...kind, padded: true }));
  const bytes = readExactly(source, base, room, SUB_RECORD);
  const decode = (padded: boolean) => decodeDiskdumpSubHeader(bytes, version, { ...kind, padded }, place);
  const sub = decode(false);
  if (kind.bits === 32) {
    const padded = decode(true);
    if (wrongPlaces(sub, base, source.size).length > wrongPlaces(padded, base, source.size).length) {
      return { kind: { ...kind, padded: true }, sub: checked(padded, base, source, issues) };
    }
  }
  return { kind, sub: checked(sub, base, source, issues) };
}

const PLACES = [
  ['VMCOREINFO', 'offsetVmcoreinfo', 'sizeVmcoreinfo'],
  ['notes', 'offsetNote', 'sizeNote'],
  ['eraseinfo', 'offsetEraseinfo', 'sizeEraseinfo'],
] as const;

/** The pieces that do not lie between the header's block and the end of the file. */
function wrongPlaces(sub: DiskdumpSubHeader, first: number, end: number): (typeof PLACES)[number][] {
  return PLACES.filter(([, offset, size]) =>
    sub[size] === 0 ? sub[offset] > end : sub[offset] < first || sub[offset] + sub[size] > end,
  );
}

/** A piece that cannot be where the sub header says is taken as not there. */
function checked(sub: DiskdumpSubHeader, first: number, source: ByteSource, issues: Issues): DiskdumpSubHeader {
  const good = { ...sub };
  for (const [what, offset, size] of wrongPlaces(sub, first, source.size)) {
    issues.add(
      'kdump-sub-header',
      `${what} of ${sub[size]} bytes at file offset ${hex(sub[offset])} do not lie behind the header in the file of ${source.size} bytes`,
      sub[offset],
    );
    good[offset] = 0;
    good[size] = 0;
  }
  return good;
}

// The rawdump partition: Microsoft's "offline dump" container (header, section table, sections) as Qualcomm firmware writes it, and the load.cmm script that
// may lie in it. Source: Project Mu's offline dump header, Qualcomm's minidump.py. Packed, little-endian.
import { Cursor, type CursorPlace } from '../cursor.js';
import { InputError } from '../fault.js';
import type { Issues } from '../issue.js';
import { setU64 } from '../u64.js';

export const RAWDUMP_HEADER_SIZE = 56;
export const RAWDUMP_SECTION_SIZE = 64;
export const RAWDUMP_NAME_SIZE = 20;
const SIGNATURE = 'Raw_Dmp!';
/** The most sections that are read, whatever the header claims. */
export const MOST_RAWDUMP_SECTIONS = 8192;

/** Bits of the header's flags. */
export const RAWDUMP_FLAG = { valid: 1, insufficientStorage: 2, protected: 4, cacheFlushed: 8 } as const;
/** Section types; Qualcomm's tools write 3 where they re-pack, so both 1 and 3 are blobs. */
export const RAWDUMP_SECTION_TYPE = {
  ddrRange: 1,
  cpuContext: 2,
  svSpecific: 3,
  dumpReason: 4,
  systemInfo: 5,
} as const;

export interface RawdumpHeader {
  readonly major: number;
  readonly minor: number;
  readonly flags: number;
  readonly osData: bigint;
  readonly cpuContext: bigint;
  readonly resetTrigger: number;
  readonly dumpSize: number;
  readonly totalRequired: number;
  readonly sectionCount: number;
}

export interface RawdumpSection {
  readonly flags: number;
  readonly major: number;
  readonly minor: number;
  readonly type: number;
  /** From the header's start. */
  readonly offset: number;
  readonly size: number;
  /** Physical address of a range of memory; 0 where it is not told. */
  readonly address: number;
  readonly info: bigint;
  /** Up to 20 bytes; it need not have ended in NUL. */
  readonly name: string;
}

export function isRawdump(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && Array.from(SIGNATURE).every((letter, i) => bytes[i] === letter.charCodeAt(0));
}

/** Throws InputError where the signature is missing or the header is short; flags that forbid reading are told by `rawdumpRefusal`. */
export function decodeRawdumpHeader(bytes: Uint8Array, place: CursorPlace): RawdumpHeader {
  if (!isRawdump(bytes)) {
    throw new InputError({ ...place, offset: place.base ?? 0, field: 'signature' }, 'there is no signature "Raw_Dmp!"');
  }
  const cursor = new Cursor(bytes, true, place);
  cursor.skip(8);
  return {
    major: cursor.u16('version major'),
    minor: cursor.u16('version minor'),
    flags: cursor.u32('flags'),
    osData: cursor.u64('os_data'),
    cpuContext: cursor.u64('cpu_context'),
    resetTrigger: cursor.u32('reset_trigger'),
    dumpSize: cursor.u64n('dump_size'),
    totalRequired: cursor.u64n('total_required'),
    sectionCount: cursor.u32('sections_count'),
  };
}

/** Why the flags say that the partition has no usable dump, as a sentence; null where they say it has. */
export function rawdumpRefusal(header: RawdumpHeader): string | null {
  const { flags } = header;
  if ((flags & RAWDUMP_FLAG.insufficientStorage) !== 0) {
    return `flags are 0x${flags.toString(16)}: the partition was too small for the dump (${header.totalRequired} bytes were needed), as happens when a full dump is written`;
  }
  if ((flags & RAWDUMP_FLAG.protected) !== 0) return `flags are 0x${flags.toString(16)}: the dump is protected`;
  if ((flags & RAWDUMP_FLAG.valid) === 0) return `flags are 0x${flags.toString(16)}: the dump is not marked valid`;
  return null;
}

/** Decodes the section records that are whole in `bytes` (which begin at the table), at most `count` and MOST_RAWDUMP_SECTIONS. */
export function decodeRawdumpSections(
  bytes: Uint8Array,
  count: number,
  place: CursorPlace,
  issues: Issues,
): RawdumpSection[] {
  const cursor = new Cursor(bytes, true, place);
  const most = Math.min(count, MOST_RAWDUMP_SECTIONS, Math.floor(bytes.length / RAWDUMP_SECTION_SIZE));
  if (most < count) {
    issues.add(
      'rawdump-sections',
      `the header claims ${count} sections, but only ${most} are there or can be read`,
      place.base ?? 0,
    );
  }
  const sections: RawdumpSection[] = [];
  for (let i = 0; i < most; i++) {
    sections.push({
      flags: cursor.u32('flags'),
      major: cursor.u16('version major'),
      minor: cursor.u16('version minor'),
      type: cursor.u32('type'),
      offset: cursor.u64n('offset'),
      size: cursor.u64n('size'),
      address: cursor.u64n('address'),
      info: cursor.u64('info'),
      name: cursor.text(RAWDUMP_NAME_SIZE, 'name'),
    });
  }
  return sections;
}

/** Header and section table; `sectionCount` is that of `sections`. */
export function encodeRawdump(
  header: Omit<RawdumpHeader, 'sectionCount'>,
  sections: readonly RawdumpSection[],
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(RAWDUMP_HEADER_SIZE + RAWDUMP_SECTION_SIZE * sections.length);
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  bytes.set(encoder.encode(SIGNATURE));
  view.setUint16(8, header.major, true);
  view.setUint16(10, header.minor, true);
  view.setUint32(12, header.flags, true);
  view.setBigUint64(16, header.osData, true);
  view.setBigUint64(24, header.cpuContext, true);
  view.setUint32(32, header.resetTrigger, true);
  setU64(view, 36, header.dumpSize, true);
  setU64(view, 44, header.totalRequired, true);
  view.setUint32(52, sections.length, true);
  sections.forEach((section, i) => {
    const at = RAWDUMP_HEADER_SIZE + RAWDUMP_SECTION_SIZE * i;
    view.setUint32(at, section.flags, true);
    view.setUint16(at + 4, section.major, true);
    view.setUint16(at + 6, section.minor, true);
    view.setUint32(at + 8, section.type, true);
    setU64(view, at + 12, section.offset, true);
    setU64(view, at + 20, section.size, true);
    setU64(view, at + 28, section.address, true);
    view.setBigUint64(at + 36, section.info, true);
    bytes.set(encoder.encode(section.name).subarray(0, RAWDUMP_NAME_SIZE), at + 44);
  });
  return bytes;
}

export interface LoadLine {
  readonly file: string;
  readonly address: number;
}

/** The most lines of a script that are read. */
export const MOST_LOAD_LINES = 65536;

/** The `d.load.binary FILE ADDRESS` lines of a load.cmm; everything else in a script is passed over. */
export function parseLoadScript(text: string): LoadLine[] {
  const lines: LoadLine[] = [];
  for (const line of text.split('\n', MOST_LOAD_LINES)) {
    const match =
      /^\s*d(?:ata)?\.load\.b(?:inary)?\s+("[^"]+"|\S+)\s+(?:[a-z]+:)?(?:0x)?([0-9a-f]{1,16})(?=\s|$)/i.exec(line);
    if (match === null) continue;
    const address = Number.parseInt(match[2], 16);
    if (Number.isSafeInteger(address)) lines.push({ file: match[1].replaceAll('"', ''), address });
  }
  return lines;
}

export function formatLoadScript(lines: readonly LoadLine[]): string {
  return lines.map(({ file, address }) => `d.load.binary ${file} 0x${address.toString(16)} /noclear\n`).join('');
}

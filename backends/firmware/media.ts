// The media that firmware or a download tool leaves a minidump on: a folder of blobs, a rawdump partition, or nothing but memory with the tables in it.
import type { ByteSink, FolderSink, Issues, MemoryRun, PhysicalMemory } from 'kdumpling/reader';
import { formatDumpInfo } from 'kdumpling/reader/formats/dump-info';
import {
  encodeRawdump,
  formatLoadScript,
  RAWDUMP_FLAG,
  RAWDUMP_HEADER_SIZE,
  RAWDUMP_SECTION_SIZE,
  RAWDUMP_SECTION_TYPE,
  type RawdumpSection,
} from 'kdumpling/reader/formats/rawdump';
import type { WrittenFile } from '../backend.js';
import { copyUntilMissing, copyWithHoles } from '../copy.js';
import { type Blob, nameBlobs } from './blobs.js';
import { CoveringSink, KEY_FILES, Noise } from './encryption.js';
import type { FirmwareRegion } from './walk.js';

export type Media = 'folder' | 'rawdump' | 'ram';
export const MEDIA: readonly Media[] = ['folder', 'rawdump', 'ram'];

export interface MediaOptions {
  /** A folder without dump_info.txt and load.cmm. */
  readonly bare: boolean;
}

const LOAD_SCRIPT = 'load.cmm';
const DUMP_INFO = 'dump_info.txt';

/** A blob's bytes, up to the first that memory lacks: firmware would hang there or read noise, so the blob ends. Returns its length. */
function writeBlob(memory: PhysicalMemory, blob: Blob, sink: ByteSink, issues: Issues): number {
  const into = blob.encrypted ? new CoveringSink(sink, blob.paddr) : sink;
  const size = copyUntilMissing(memory, blob.paddr, blob.size, into);
  if (size < blob.size) {
    issues.add(
      'missing-memory',
      `region ${blob.name}: of ${blob.size} bytes at physical address 0x${blob.paddr.toString(16)} memory has ${size}: its blob ends there`,
      blob.paddr + size,
    );
  }
  return size;
}

function writeText(out: FolderSink, name: string, text: string): WrittenFile {
  return writeBytes(out, name, new TextEncoder().encode(text));
}

function writeBytes(out: FolderSink, name: string, bytes: Uint8Array): WrittenFile {
  const sink = out.file(name);
  sink.write(bytes);
  sink.finish();
  return { name, size: bytes.length };
}

const anyEncrypted = (blobs: readonly Blob[]): boolean => blobs.some(({ encrypted }) => encrypted);

/** A folder of `md_*.BIN`, and what download tools write beside them. */
export function writeFolder(
  memory: PhysicalMemory,
  regions: readonly FirmwareRegion[],
  out: FolderSink,
  { bare }: MediaOptions,
  issues: Issues,
): WrittenFile[] {
  const files: WrittenFile[] = [];
  const blobs = nameBlobs(regions, issues);
  for (const blob of blobs) {
    const sink = out.file(blob.file);
    files.push({ name: blob.file, size: writeBlob(memory, blob, sink, issues) });
    sink.finish();
  }
  if (anyEncrypted(blobs)) {
    for (const { name, size } of KEY_FILES) files.push(writeBytes(out, name, new Noise(size).bytes(size)));
  }
  if (bare) return files;
  const entries = blobs.map(blob => ({
    preference: '1',
    address: blob.paddr,
    size: blob.size,
    description: blob.name,
    file: blob.file,
  }));
  files.push(writeText(out, DUMP_INFO, formatDumpInfo(entries)));
  files.push(writeText(out, LOAD_SCRIPT, loadScript(blobs)));
  return files;
}

function loadScript(blobs: readonly Blob[]): string {
  return formatLoadScript(blobs.map(({ file, paddr }) => ({ file, address: paddr })));
}

/** Version of header and sections as Qualcomm firmware writes it. */
const RAWDUMP_VERSION = 0x1000;

function section(type: number, address: number, size: number, name: string): RawdumpSection {
  return { flags: 1, major: RAWDUMP_VERSION, minor: 0, type, offset: 0, size, address, info: 0n, name };
}

/** One rawdump partition image: header, section table, blobs one after the other, load.cmm. */
export function writeRawdump(
  memory: PhysicalMemory,
  regions: readonly FirmwareRegion[],
  out: FolderSink,
  issues: Issues,
): WrittenFile[] {
  const name = 'rawdump.img';
  const blobs = nameBlobs(regions, issues);
  const keys = anyEncrypted(blobs) ? KEY_FILES : [];
  const count = blobs.length + keys.length + 1;
  const sink = out.file(name);
  const tableSize = RAWDUMP_HEADER_SIZE + RAWDUMP_SECTION_SIZE * count;
  sink.write(new Uint8Array(tableSize));
  const sections: RawdumpSection[] = [];
  const add = (described: RawdumpSection, write: () => number) => {
    const offset = sink.position;
    sections.push({ ...described, offset, size: write() });
  };
  for (const blob of blobs) {
    add(section(RAWDUMP_SECTION_TYPE.ddrRange, blob.paddr, blob.size, blob.file), () =>
      writeBlob(memory, blob, sink, issues),
    );
  }
  const append = (bytes: Uint8Array) => {
    sink.write(bytes);
    return bytes.length;
  };
  for (const { name: key, size } of keys) {
    add(section(RAWDUMP_SECTION_TYPE.svSpecific, 0, size, key), () => append(new Noise(size).bytes(size)));
  }
  const script = new TextEncoder().encode(loadScript(blobs));
  add(section(RAWDUMP_SECTION_TYPE.svSpecific, 0, script.length, LOAD_SCRIPT), () => append(script));
  const header = {
    major: RAWDUMP_VERSION,
    minor: 0,
    flags: RAWDUMP_FLAG.valid,
    osData: 0n,
    cpuContext: 0n,
    resetTrigger: 0,
    dumpSize: sink.position,
    totalRequired: sink.position,
  };
  sink.patch(0, encodeRawdump(header, sections));
  const size = sink.position;
  sink.finish();
  return [{ name, size }];
}

/** Gaps from this size on part an image in two: nothing reads them, and nobody has to go over them. */
const PARTING_GAP = 64 << 20;
/** The most images of one memory: machines have a handful of gaps. */
const MOST_IMAGES = 64;

/** Stretches of memory with what lies between them too small to part them. */
function stretches(memory: PhysicalMemory): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (const { start, end, state } of memory.runs(memory.extents.starts[0], memory.extents.end)) {
    if (state !== 'data' && state !== 'zero') continue;
    const last = found[found.length - 1];
    if (last !== undefined && (start - last.end < PARTING_GAP || found.length === MOST_IMAGES)) last.end = end;
    else found.push({ start, end });
  }
  return found;
}

/**
 * All memory as an image from its first byte on, or several where large gaps part it. Where there is no memory, a file has a hole, as such images have; memory
 * that was lost is told in one issue.
 */
export function writeRam(memory: PhysicalMemory, out: FolderSink, issues: Issues): WrittenFile[] {
  const { extents } = memory;
  const images = extents.length === 0 ? [] : stretches(memory);
  if (images.length === 0) {
    issues.add('missing-memory', 'there is no memory: no image is written');
    return [];
  }
  let missing = 0;
  const miss = ({ start, end, state }: MemoryRun) => {
    if (state !== 'hole') missing += end - start;
  };
  let at = extents.starts[0];
  const outside = (to: number) => {
    if (to > at) for (const run of memory.runs(at, to)) miss(run);
  };
  const files = images.map(({ start, end }): WrittenFile => {
    outside(start);
    const name = `ram-0x${start.toString(16)}.img`;
    const sink = out.file(name);
    copyWithHoles(memory, start, end - start, sink, miss);
    sink.finish();
    at = end;
    return { name, size: end - start, paddr: start };
  });
  outside(extents.end);
  if (missing > 0) {
    issues.add(
      'image-holes',
      `${missing} bytes between physical addresses 0x${extents.starts[0].toString(16)} and 0x${extents.end.toString(16)} were lost: an image reads as zeros there, or has no such place`,
      extents.starts[0],
    );
  }
  return files;
}

// Opens kdump-compressed dumps: one file, or all parts of a split set. Source: makedumpfile 1.7 diskdump_mod.h, IMPLEMENTATION and `--split` in makedumpfile.8;
// crash diskdump.c.
import type { CodecName, PageCodec } from '../codecs/codec.js';
import { loadCodec } from '../codecs/index.js';
import { hex, InputError } from '../fault.js';
import {
  DUMP_DH_COMPRESSED_INCOMPLETE,
  diskdumpHeaderSize,
  PAGE_DESCRIPTOR_SIZE,
  pageDescriptorFlags,
  UTSNAME_FIELD_SIZE,
  UTSNAME_FIELDS,
} from '../formats/diskdump.js';
import { decodeNotes, type Note } from '../formats/notes.js';
import type { Issues } from '../issue.js';
import { BlockCache } from '../page-cache.js';
import { type ByteSource, readExactly } from '../source.js';
import type { AttributeValue } from './attributes.js';
import type { DumpInput, OpenedContainer } from './container.js';
import { FrameBitmap } from './frame-bitmap.js';
import { type KdumpHeader, readKdumpHeader } from './kdump-header.js';
import { KdumpMemory } from './kdump-memory.js';
import { codecsOf, type KdumpPart } from './kdump-part.js';

/** How many page descriptors tell which codecs a file uses, and the longest piece of the sub header's area that is taken. */
const SAMPLED_DESCRIPTORS = 16384;
const MOST_NOTES = 1 << 26;
/** Frames whose bits are counted when a file is opened; of more (2 TiB of 4 KiB pages) only as far as pages are read. */
const MOST_COUNTED = 2 ** 29;

interface OpenedPart {
  readonly source: ByteSource;
  readonly opened: KdumpHeader;
  readonly memory: KdumpPart;
}

export async function openKdump(input: DumpInput): Promise<OpenedContainer> {
  const { issues } = input;
  const parts = input.sources.map(source => openPart(source, issues));
  const [first] = parts;
  for (const part of parts) mustBelong(first, part);
  parts.sort((a, b) => a.memory.startPfn - b.memory.startPfn || a.memory.endPfn - b.memory.endPfn);
  tellMissingParts(parts, issues);
  const used = new Set<CodecName>();
  const announced = new Set<CodecName>();
  for (const { memory, opened } of parts) {
    for (const name of codecsOf(opened.header.status)) announced.add(name);
    for (const name of sampleCodecs(memory)) used.add(name);
  }
  const codecs = new Map<CodecName, PageCodec>();
  for (const name of new Set([...announced, ...used])) codecs.set(name, await loadCodec(name, input.engines));
  const { header, sub, kind } = first.opened;
  const cache = new BlockCache(
    header.blockSize,
    new Uint8Array(BlockCache.bufferSize(header.blockSize, input.cacheBytes)),
  );
  const memory = new KdumpMemory(
    parts.map(part => part.memory),
    codecs,
    cache,
  );
  tellCutShort(parts, memory, issues);
  return {
    container: {
      format: 'kdump',
      flattened: input.flattened,
      compression: [...used].sort(),
      littleEndian: kind.littleEndian,
      bits: kind.bits,
      files: parts.length,
    },
    physical: memory,
    file: null,
    missing: 'not-present',
    machine: null,
    utsname: header.utsname,
    segments: [],
    notes: readNotes(first, issues),
    vmcoreinfo: piece(first.source, sub.offsetVmcoreinfo, sub.sizeVmcoreinfo, 'VMCOREINFO', issues),
    eraseinfo: piece(first.source, sub.offsetEraseinfo, sub.sizeEraseinfo, 'eraseinfo', issues),
    facts: facts(first.opened),
  };
}

function openPart(source: ByteSource, issues: Issues): OpenedPart {
  const opened = readKdumpHeader(source, issues);
  const { header, sub, frames, existsAt, dumpedAt, descriptorsAt, kind } = opened;
  const incomplete = (header.status & DUMP_DH_COMPRESSED_INCOMPLETE) !== 0;
  if (incomplete)
    issues.add(
      'incomplete',
      `${source.name} was marked incomplete by its writer, which ran out of space: pages are missing`,
    );
  const split = sub.split !== 0;
  if (split && (sub.startPfn > sub.endPfn || sub.endPfn > frames)) {
    issues.add(
      'split-range',
      `${source.name} claims frames ${hex(sub.startPfn)} to ${hex(sub.endPfn)} of ${hex(frames)}`,
    );
  }
  const memory: KdumpPart = {
    source,
    littleEndian: kind.littleEndian,
    exists: new FrameBitmap(source, existsAt, frames),
    dumped: new FrameBitmap(source, dumpedAt, frames),
    startPfn: split ? Math.min(sub.startPfn, frames) : 0,
    endPfn: split ? Math.max(Math.min(sub.startPfn, frames), Math.min(sub.endPfn, frames)) : frames,
    descriptorsAt,
    incomplete,
  };
  return { source, opened, memory };
}

/** Parts of one set have the same frames, blocks and writer. */
function mustBelong(first: OpenedPart, part: OpenedPart): void {
  const a = first.opened;
  const b = part.opened;
  const blocks = diskdumpHeaderSize(b.kind.bits) - 36;
  const same: readonly (readonly [string, number, number | string, number | string])[] = [
    ['header_version', 8, order(a.kind.littleEndian), order(b.kind.littleEndian)],
    ['block_size', blocks, a.header.blockSize, b.header.blockSize],
    ['max_mapnr', blocks + 12, a.frames, b.frames],
    ['bitmap_blocks', blocks + 8, a.header.bitmapBlocks, b.header.bitmapBlocks],
    ['utsname.release', 12 + 2 * UTSNAME_FIELD_SIZE, a.header.utsname.release, b.header.utsname.release],
    ['utsname.nodename', 12 + UTSNAME_FIELD_SIZE, a.header.utsname.nodename, b.header.utsname.nodename],
  ];
  for (const [field, offset, expected, value] of same) {
    if (expected === value) continue;
    throw new InputError(
      { source: part.source.name, record: 'kdump header', offset, field, value },
      `it is ${typeof expected === 'number' ? hex(expected) : JSON.stringify(expected)} in ${first.source.name}`,
      'these are not parts of one split set',
    );
  }
}

const order = (littleEndian: boolean): string => (littleEndian ? 'little-endian' : 'big-endian');

function tellMissingParts(parts: readonly OpenedPart[], issues: Issues): void {
  const { frames } = parts[0].opened;
  let pfn = 0;
  const missing = (from: number, to: number) =>
    issues.add(
      'split-part-missing',
      `the part of the split set that holds frames ${hex(from)} to ${hex(to)} was not given: their pages cannot be read`,
    );
  for (const { memory, source } of parts) {
    if (memory.startPfn > pfn) missing(pfn, memory.startPfn);
    if (memory.startPfn < pfn && memory.startPfn < memory.endPfn) {
      issues.add(
        'split-part-doubled',
        `${source.name} holds frames from ${hex(memory.startPfn)} on that an earlier part holds too; the earlier one is used`,
      );
    }
    pfn = Math.max(pfn, memory.endPfn);
  }
  if (pfn < frames) missing(pfn, frames);
}

/** Which codecs the page descriptors name, from the first of them: a writer uses one. */
function sampleCodecs(part: KdumpPart): CodecName[] {
  const room = Math.max(0, part.source.size - part.descriptorsAt);
  const count = Math.min(
    SAMPLED_DESCRIPTORS,
    Math.floor(room / PAGE_DESCRIPTOR_SIZE),
    Math.max(0, part.endPfn - part.startPfn),
  );
  const bytes = new Uint8Array(count * PAGE_DESCRIPTOR_SIZE);
  const got = part.source.read(part.descriptorsAt, bytes);
  const view = new DataView(bytes.buffer);
  const pages = Math.min(
    Math.floor(got / PAGE_DESCRIPTOR_SIZE),
    part.dumped.rank(part.endPfn) - part.dumped.rank(part.startPfn),
  );
  let flags = 0;
  for (let i = 0; i < pages; i++) flags |= pageDescriptorFlags(view, i * PAGE_DESCRIPTOR_SIZE, part.littleEndian);
  return codecsOf(flags);
}

/** The last page that a part should hold tells whether the file ends early. */
function tellCutShort(parts: readonly OpenedPart[], memory: KdumpMemory, issues: Issues): void {
  for (const { source, opened, memory: part } of parts) {
    if (part.endPfn > MOST_COUNTED) continue;
    const missing = memory.cutShort(source);
    if (missing === null) continue;
    issues.add('truncated', `${source.name} was cut short at ${source.size} bytes: ${missing}`, opened.descriptorsAt);
  }
}

function piece(source: ByteSource, offset: number, size: number, what: string, issues: Issues): Uint8Array | null {
  if (size === 0) return null;
  if (size > MOST_NOTES) {
    issues.add(
      'kdump-sub-header',
      `${what} is said to have ${size} bytes: more than ${MOST_NOTES} are not taken`,
      offset,
    );
    return null;
  }
  return readExactly(source, offset, size, what);
}

function readNotes({ source, opened }: OpenedPart, issues: Issues): Note[] {
  const { offsetNote, sizeNote } = opened.sub;
  const bytes = piece(source, offsetNote, sizeNote, 'notes', issues);
  return bytes === null ? [] : decodeNotes(bytes, opened.kind.littleEndian, issues, offsetNote);
}

function facts({ header, sub, frames }: KdumpHeader): (readonly [string, AttributeValue, string])[] {
  const from = 'kdump header';
  const subFrom = 'kdump sub header';
  return [
    ['kdump.version', header.version, from],
    ['kdump.status', header.status, from],
    ['kdump.block_size', header.blockSize, from],
    ['kdump.max_mapnr', frames, from],
    ['kdump.nr_cpus', header.nrCpus, from],
    ['kdump.current_cpu', header.currentCpu, from],
    ['kdump.timestamp.seconds', header.seconds, from],
    ['kdump.timestamp.microseconds', header.microseconds, from],
    ['kdump.phys_base', sub.physBase, subFrom],
    ['kdump.dump_level', sub.dumpLevel, subFrom],
    ['kdump.split', sub.split, subFrom],
    ...UTSNAME_FIELDS.map(field => [`kdump.utsname.${field}`, header.utsname[field], from] as const),
  ];
}

// The header blob: the ELF core header that the kernel kept up to date, of the kmemdump and meminspect series (PT_NOTE, PT_LOADs, no sections) or of Qualcomm's
// downstream driver (named sections, PT_LOADs, no PT_NOTE). Every field may be damaged: what several fields say is held against each other.
// Source: kernel/meminspect (v3), mm/kmemdump (RFC v3), drivers/soc/qcom/msm_minidump.c (msm-4.19 to 5.15).

import { hex } from '../../fault.js';
import {
  ET_CORE,
  elfHeaderSize,
  exactly,
  type ProgramHeader,
  PT_LOAD,
  PT_NOTE,
  PT_NULL,
  programHeaderSize,
  sectionHeaderSize,
} from '../../formats/elf.js';
import type { Note } from '../../formats/notes.js';
import { MSM_USUAL_SLOTS } from '../../formats/qcom-msm.js';
import { getU64 } from '../../u64.js';
import { type Blob, isBanner, sameSize } from './blob.js';
import type { Faults } from './faults.js';
import { decodeAt, type HeaderBytes, headerBytes, MOST_HEADER } from './header-bytes.js';
import { readHeaderNotes } from './header-notes.js';
import { readSections, type Sections } from './header-sections.js';

/** Program headers that are read: the kernels have room for 201, or 513 at most. */
const MOST_SEGMENTS = 8192;

export interface HeaderSegment extends ProgramHeader {
  /** Index among the program headers. */
  readonly index: number;
  /** p_offset of the next PT_LOAD less this one's, where that is a size; null for the last one. */
  readonly gap: number | null;
  /** That p_offset as it stands in the blob. */
  readonly nextOffset: number | bigint | null;
  /** Downstream: the name, address, offset and size in the section that belongs to it. */
  readonly name: string | null;
  readonly sectionAddr: bigint | null;
  readonly sectionOffset: number | null;
  readonly sectionSize: number | null;
  /** Downstream: its payload lies in the header blob (linux_banner). */
  readonly inside: boolean;
  /** False behind e_phnum: to be used only where a table names it too. */
  readonly certain: boolean;
}

export interface MinidumpHeader {
  readonly blob: Blob;
  readonly style: 'upstream' | 'downstream';
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly machine: number;
  readonly osabi: number;
  readonly entry: bigint;
  readonly flags: number;
  readonly segments: readonly HeaderSegment[];
  /** Notes of the blob without VMCOREINFO, whose text is another blob. */
  readonly notes: readonly Note[];
  /** What the VMCOREINFO note says of its descriptor's size, or null. */
  readonly vmcoreinfoSize: number | null;
  /** How long the blob has to be by what it holds, or null. */
  readonly size: number | null;
  /** Where the registered layout has notes and first payload; null where it cannot be told. */
  readonly notesOffset: number | null;
  readonly payloadOffset: number | null;
}

/** Null where the blob is no header. What is wrong in it goes to `faults`. */
export function readHeader(blob: Blob, faults: Faults): MinidumpHeader | null {
  const header = headerBytes(blob);
  if (header === null) return null;
  const { bytes, bits, littleEndian } = header;
  identify(header, blob, faults);
  const programHeaders = readProgramHeaders(header, faults);
  const { segments: plain, note } = classify(programHeaders, faults);
  const sections = readSections(header, plain, faults);
  const banners = findBanners(plain, sections, header, faults);
  const payloads = plain.filter(({ index }) => !banners.has(index));
  const gaps = gapsBetween(payloads);
  const segments = plain.map((segment): HeaderSegment => {
    const { index } = segment;
    const section = sections?.of.get(index);
    return {
      ...segment,
      offset: banners.get(index) ?? segment.offset,
      gap: gaps.get(index)?.gap ?? null,
      nextOffset: gaps.get(index)?.next ?? null,
      name: section?.text ?? null,
      sectionAddr: section?.addr ?? null,
      sectionOffset: section?.offset ?? null,
      sectionSize: section?.size ?? null,
      inside: banners.has(index),
    };
  });
  const notes = readHeaderNotes(header, note, payloads[0]?.offset ?? null, faults);
  const style = note === null && sections !== null ? 'downstream' : 'upstream';
  const payloadOffset = firstPayload(payloads, bytes.length);
  return {
    blob,
    style,
    ...machineFields(header),
    bits,
    littleEndian,
    segments,
    notes: notes.notes,
    vmcoreinfoSize: notes.vmcoreinfoSize,
    size: style === 'downstream' ? payloadOffset : notes.end,
    notesOffset: notes.at,
    payloadOffset,
  };
}

/** Tells what of the identification is not as it has to be. */
function identify({ bytes, view, bits, littleEndian }: HeaderBytes, blob: Blob, faults: Faults): void {
  const sizesAt = bits === 64 ? 52 : 40;
  const checks: [string, number, number | string, number | string, boolean][] = [
    ['EI_MAG', 0, view.getUint32(0, false), 0x7f454c46, true],
    ['EI_CLASS', 4, bytes[4], bits === 64 ? 2 : 1, true],
    ['EI_DATA', 5, bytes[5], littleEndian ? 1 : 2, true],
    ['EI_VERSION', 6, bytes[6], 1, true],
    ['e_type', 16, view.getUint16(16, littleEndian), ET_CORE, true],
    ['e_version', 20, view.getUint32(20, littleEndian), 1, true],
    ['e_ehsize', sizesAt, view.getUint16(sizesAt, littleEndian), elfHeaderSize(bits), true],
    ['e_phentsize', sizesAt + 2, view.getUint16(sizesAt + 2, littleEndian), programHeaderSize(bits), true],
  ];
  for (const [field, at, value, expected] of checks) {
    if (value !== expected) faults.header(field, at, value, `expected ${expected}; taken as such`, blob.name);
  }
}

function machineFields({ bytes, view, bits, littleEndian }: HeaderBytes) {
  return {
    osabi: bytes[7],
    machine: view.getUint16(18, littleEndian),
    entry: bits === 64 ? view.getBigUint64(24, littleEndian) : BigInt(view.getUint32(24, littleEndian)),
    flags: view.getUint32(bits === 64 ? 48 : 36, littleEndian),
  };
}

interface PlainSegment extends ProgramHeader {
  readonly index: number;
  readonly certain: boolean;
}

/** A PT_LOAD as these kernels write it: both sizes equal, nothing absurd. */
const isUsualLoad = ({ type, filesz, memsz }: ProgramHeader): boolean =>
  type === PT_LOAD && filesz === memsz && filesz > 0 && filesz < 2 ** 52;

/** Whether program headers lie at `offset`: one of the first two is a usual PT_LOAD. */
function tableAt(header: HeaderBytes, offset: number): boolean {
  const size = programHeaderSize(header.bits);
  return [offset, offset + size].some(at => {
    const segment = decodeAt(header, at);
    return segment !== null && isUsualLoad(segment);
  });
}

/** Where the program headers are: e_phoff, or the places where these kernels have them. */
function tableOffset(header: HeaderBytes, faults: Faults): number {
  const { bits, view, littleEndian } = header;
  const ehsize = elfHeaderSize(bits);
  const claimed = bits === 64 ? getU64(view, 32, littleEndian) : view.getUint32(28, littleEndian);
  if (claimed === ehsize || tableAt(header, claimed)) return claimed;
  const shsize = sectionHeaderSize(bits);
  for (const candidate of [ehsize, ehsize + shsize * MSM_USUAL_SLOTS, ...otherSlots(header, ehsize, shsize)]) {
    if (!tableAt(header, candidate)) continue;
    const exact = bits === 64 ? view.getBigUint64(32, littleEndian) : claimed;
    faults.header('e_phoff', bits === 64 ? 32 : 28, exact, `the program headers lie at ${candidate}`);
    return candidate;
  }
  return claimed;
}

function* otherSlots({ bytes, bits }: HeaderBytes, ehsize: number, shsize: number): Iterable<number> {
  const most = Math.floor((bytes.length - ehsize) / (shsize + programHeaderSize(bits)));
  for (let slots = 3; slots <= most; slots++) yield ehsize + shsize * slots;
}

/** All that e_phnum counts, and behind it those that carry on in the same manner (uncertain). */
function readProgramHeaders(header: HeaderBytes, faults: Faults): (PlainSegment & { raw: boolean })[] {
  const size = programHeaderSize(header.bits);
  const phnumAt = header.bits === 64 ? 56 : 44;
  const claimed = header.view.getUint16(phnumAt, header.littleEndian);
  const first = tableOffset(header, faults);
  const found: (PlainSegment & { raw: boolean })[] = [];
  let filled = 0;
  for (let index = 0; index < MOST_SEGMENTS; index++) {
    const segment = decodeAt(header, first + index * size);
    if (segment === null) break;
    if (index >= claimed && !carriesOn(segment, found[found.length - 1], header)) break;
    const empty = segment.type === PT_NULL && segment.filesz === 0 && segment.offset === 0;
    if (!empty && index < claimed) filled = index + 1;
    found.push({ ...segment, index, certain: index < claimed, raw: !empty });
  }
  if (claimed > MOST_SEGMENTS && filled === MOST_SEGMENTS) {
    faults.header('e_phnum', phnumAt, claimed, `only the first ${MOST_SEGMENTS} program headers are used`);
  } else if (claimed > filled) {
    faults.header('e_phnum', phnumAt, claimed, `only ${filled} program headers are filled in`);
  }
  return found.filter(({ raw }) => raw);
}

/** Whether a program header behind e_phnum goes on where `last` ended. */
function carriesOn(segment: ProgramHeader, last: ProgramHeader | undefined, { bytes }: HeaderBytes): boolean {
  if (last === undefined) return segment.type === PT_NOTE || isUsualLoad(segment);
  return isUsualLoad(segment) && (segment.offset === last.offset + last.filesz || last.offset < bytes.length);
}

/** PT_NOTE and PT_LOADs, by what their other fields say where p_type is neither. */
function classify(
  headers: readonly (PlainSegment & { raw: boolean })[],
  faults: Faults,
): { segments: PlainSegment[]; note: ProgramHeader | null } {
  const segments: PlainSegment[] = [];
  let note: ProgramHeader | null = null;
  const told = (segment: PlainSegment, as: string) =>
    faults.header(
      `p_type of program header ${segment.index}`,
      null,
      segment.type,
      `its other fields are those of ${as}`,
    );
  for (const segment of headers) {
    const noteLike =
      segment.index === 0 && segment.memsz === 0 && segment.vaddr === 0n && segment.paddr === 0 && segment.filesz > 0;
    if (segment.type === PT_NOTE && (noteLike || segment.filesz !== segment.memsz || segment.paddr === 0)) {
      note ??= segment;
    } else if (noteLike) {
      told(segment, 'a PT_NOTE');
      note ??= segment;
    } else {
      if (segment.type !== PT_LOAD) told(segment, 'a PT_LOAD');
      segments.push(segment);
    }
  }
  if (note !== null) checkNoteFields(note, faults);
  return { segments, note };
}

/** These kernels leave all of PT_NOTE zero but its place and length. */
function checkNoteFields(note: ProgramHeader, faults: Faults): void {
  const { vaddr, flags } = note;
  for (const [field, value] of Object.entries({
    p_vaddr: vaddr,
    p_paddr: exactly(note, 'paddr'),
    p_memsz: exactly(note, 'memsz'),
    p_flags: flags,
    p_align: exactly(note, 'align'),
  })) {
    if (BigInt(value) !== 0n) faults.header(`${field} of PT_NOTE`, null, value, 'expected 0');
  }
}

/** Downstream's banner, whose text lies in the blob: where, by the index of its program header. */
function findBanners(
  segments: readonly PlainSegment[],
  sections: Sections | null,
  header: HeaderBytes,
  faults: Faults,
): Map<number, number> {
  const banners = new Map<number, number>();
  const offsets = new Set(segments.map(({ offset }) => offset));
  for (const segment of segments) {
    const { index, offset, filesz } = segment;
    const section = sections?.of.get(index);
    // An offset that the section does not have is another's, if another section has it, or another segment.
    if (bannerAt(offset, filesz, header) && (section?.offset === offset || sections?.offsets.has(offset) !== true)) {
      banners.set(index, offset);
      if (section !== undefined && section.offset !== offset) {
        const why = `by p_offset and its text the banner lies at ${hex(offset)}`;
        faults.header(`sh_offset for program header ${index}`, null, section.offset, why);
      }
    } else if (section !== undefined && !offsets.has(section.offset) && bannerAt(section.offset, filesz, header)) {
      banners.set(index, section.offset);
      const why = `by its section the banner lies at ${hex(section.offset)}`;
      faults.header(`p_offset of program header ${index}`, null, exactly(segment, 'offset'), why);
    }
  }
  return banners;
}

const bannerAt = (offset: number, length: number, { bytes }: HeaderBytes): boolean =>
  length > 0 && offset + length <= bytes.length && isBanner(bytes.subarray(offset, offset + length));

interface Gap {
  readonly gap: number;
  readonly next: number | bigint;
}

function gapsBetween(payloads: readonly PlainSegment[]): Map<number, Gap> {
  const gaps = new Map<number, Gap>();
  for (let i = 0; i + 1 < payloads.length; i++) {
    const gap = payloads[i + 1].offset - payloads[i].offset;
    if (gap > 0) gaps.set(payloads[i].index, { gap, next: exactly(payloads[i + 1], 'offset') });
  }
  return gaps;
}

/** The registered file offset of the first payload, where two neighbours agree on it. */
function firstPayload(payloads: readonly PlainSegment[], size: number): number | null {
  const [first, second] = payloads;
  if (first === undefined) return null;
  if (second === undefined || sameSize(second.offset - first.offset, first.filesz)) {
    return first.offset >= 0 && first.offset < size + MOST_HEADER ? first.offset : null;
  }
  const from = second.offset - first.filesz;
  return from > 0 && from < size + MOST_HEADER ? from : null;
}

// Lays out an ELF core: segments and notes -> header bytes and where each payload goes. The only place that does.
// Order in the file: ELF header, program headers (PT_NOTE first), section 0 if there are 65,535 or more headers (PN_XNUM), notes, payloads.
import { InputError } from '../fault.js';
import { alignUp } from '../u64.js';
import {
  type ElfKind,
  ET_CORE,
  elfHeaderSize,
  encodeElfHeader,
  encodeProgramHeader,
  encodeSectionHeader,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  programHeaderSize,
  SHT_NULL,
  sectionHeaderSize,
} from './elf.js';

export interface CoreSegment {
  readonly vaddr: bigint;
  /** NO_PADDR for none. */
  readonly paddr: number;
  /** Bytes of payload in the file. */
  readonly filesz: number;
  readonly memsz: number;
  readonly flags: number;
  readonly align: number;
  /** Index of an earlier segment whose payload this one shares (the same bytes under another virtual address). */
  readonly sharesPayloadOf?: number;
  /** Where its payload begins, counted from `payloadOffset`, for a caller that lays out the payload area itself (segments may then share parts of it). */
  readonly payloadAt?: number;
}

export interface CoreDescription extends ElfKind {
  readonly machine: number;
  readonly osabi?: number;
  /** e_flags. */
  readonly flags?: number;
  readonly entry?: bigint;
  /** Length of the note segment in the file; 0 for no PT_NOTE. */
  readonly notesSize: number;
  /** p_memsz of the PT_NOTE (default 0). */
  readonly notesMemsz?: number;
  readonly segments: readonly CoreSegment[];
  /** Payloads begin at multiples of this (default 1: packed). */
  readonly payloadAlign?: number;
  /** Fixed places, for layouts that leave room to grow; both must lie behind what precedes them. */
  readonly notesOffset?: number;
  readonly payloadOffset?: number;
}

export interface CoreLayout {
  /** ELF header, program headers and, for PN_XNUM, section 0: the file's first bytes. */
  readonly header: Uint8Array<ArrayBuffer>;
  readonly notesOffset: number;
  /** Where the payload area begins. */
  readonly payloadOffset: number;
  /** p_offset of each segment. */
  readonly offsets: Float64Array;
  /** Length of the whole file. */
  readonly size: number;
}

export function layoutCore(core: CoreDescription): CoreLayout {
  const { bits, segments } = core;
  const ehsize = elfHeaderSize(bits);
  const phentsize = programHeaderSize(bits);
  const notePhdrs = core.notesSize > 0 ? 1 : 0;
  const phnum = segments.length + notePhdrs;
  const extended = phnum >= PN_XNUM;
  const shoff = extended ? ehsize + phnum * phentsize : 0;
  const headerSize = ehsize + phnum * phentsize + (extended ? sectionHeaderSize(bits) : 0);
  const notesOffset = core.notesOffset ?? alignUp(headerSize, 4);
  const align = core.payloadAlign ?? 1;
  const payloadOffset = core.payloadOffset ?? alignUp(notesOffset + core.notesSize, align);
  if (notesOffset < headerSize || payloadOffset < notesOffset + core.notesSize) {
    throw new RangeError('the fixed places given for notes or payloads overlap what precedes them');
  }

  const header = new Uint8Array(headerSize);
  const view = new DataView(header.buffer);
  header.set(
    encodeElfHeader({
      bits,
      littleEndian: core.littleEndian,
      osabi: core.osabi ?? 0,
      abiVersion: 0,
      type: ET_CORE,
      machine: core.machine,
      entry: core.entry ?? 0n,
      phoff: ehsize,
      shoff,
      flags: core.flags ?? 0,
      ehsize,
      phentsize,
      phnum: extended ? PN_XNUM : phnum,
      shentsize: extended ? sectionHeaderSize(bits) : 0,
      shnum: extended ? 1 : 0,
      shstrndx: 0,
    }),
  );
  let at = ehsize;
  if (notePhdrs > 0) {
    const note = {
      type: PT_NOTE,
      flags: 0,
      offset: notesOffset,
      vaddr: 0n,
      paddr: 0,
      filesz: core.notesSize,
      memsz: core.notesMemsz ?? 0,
      align: 0,
    };
    encodeProgramHeader(note, core, view, at);
    at += phentsize;
  }
  const offsets = new Float64Array(segments.length);
  let end = payloadOffset;
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i];
    if (segment.payloadAt !== undefined) {
      offsets[i] = payloadOffset + segment.payloadAt;
      end = Math.max(end, offsets[i] + segment.filesz);
    } else if (segment.sharesPayloadOf === undefined) {
      offsets[i] = alignUp(end, align);
      end = offsets[i] + segment.filesz;
    } else {
      offsets[i] = offsets[segment.sharesPayloadOf];
    }
    const { flags, vaddr, paddr, filesz, memsz, align: alignment } = segment;
    const load = { type: PT_LOAD, flags, offset: offsets[i], vaddr, paddr, filesz, memsz, align: alignment };
    encodeProgramHeader(load, core, view, at);
    at += phentsize;
  }
  if (bits === 32 && end > 0xffff_ffff) {
    throw new InputError(
      { source: 'ELF32 core', nowhere: 'output', record: 'program header', field: 'p_offset', value: end },
      'a 32-bit core cannot be longer than 4 GiB',
      'write the kdump format instead',
    );
  }
  if (extended) {
    const section = {
      name: 0,
      type: SHT_NULL,
      flags: 0,
      addr: 0n,
      offset: 0,
      size: 0,
      link: 0,
      info: phnum,
      addralign: 0,
      entsize: 0,
    };
    encodeSectionHeader(section, core, view, shoff);
  }
  return { header, notesOffset, payloadOffset, offsets, size: end };
}

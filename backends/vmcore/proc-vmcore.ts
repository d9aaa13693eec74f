// What the crash kernel's /proc/vmcore shows, from nothing but the elfcorehdr in old memory: all PT_NOTEs merged into one, every PT_LOAD in whole pages, read from where its p_offset
// says (which is not its p_paddr for memory that was copied aside). Source: fs/proc/vmcore.c (6.x).
import { alignDown, alignUp, Cursor, InputError, type Issues, type PhysicalMemory } from 'kdumpling/reader';
import {
  decodeElfHeader,
  decodeProgramHeader,
  type ElfHeader,
  ET_CORE,
  elfHeaderSize,
  type ProgramHeader,
  PT_LOAD,
  PT_NOTE,
  programHeaderSize,
} from 'kdumpling/reader/formats/elf';
import { type CoreLayout, layoutCore } from 'kdumpling/reader/formats/elf-core';

/** Whole pages of old memory. */
export interface VmcoreChunk {
  /** Where in old memory they are. */
  readonly start: number;
  readonly end: number;
  /** Which of them the segment claims. */
  readonly claimedStart: number;
  readonly claimedEnd: number;
  /** The segment's own address for `start`. */
  readonly paddr: number;
}

export interface ProcVmcore {
  readonly layout: CoreLayout;
  readonly notes: Uint8Array<ArrayBuffer>;
  /** In file order, from `layout.payloadOffset` on, one after the other. */
  readonly chunks: readonly VmcoreChunk[];
  readonly size: number;
}

/** The most bytes of notes that one PT_NOTE may claim. */
const MOST_NOTES = 1 << 20;

/**
 * @param elfcorehdr physical address of the ELF header
 * @throws InputError where the header is not sane, MemoryFault where it cannot be read
 */
export function planVmcore(memory: PhysicalMemory, elfcorehdr: number, pageSize: number, issues: Issues): ProcVmcore {
  const { elf, headers } = readHeaders(memory, elfcorehdr);
  const notes = mergeNotes(memory, headers, elf.littleEndian, issues);
  const loads = headers.filter(({ type }) => type === PT_LOAD);
  const chunks: VmcoreChunk[] = [];
  let payload = 0;
  const segments = loads.map(({ vaddr, paddr, offset, memsz, flags, align }) => {
    const start = alignDown(offset, pageSize);
    const end = alignUp(offset + memsz, pageSize);
    const payloadAt = payload + (offset - start);
    chunks.push({ start, end, claimedStart: offset, claimedEnd: offset + memsz, paddr: paddr - (offset - start) });
    payload += end - start;
    return { vaddr, paddr, filesz: memsz, memsz, flags, align, payloadAt };
  });
  const tableSize = elfHeaderSize(elf.bits) + programHeaderSize(elf.bits) * (loads.length + 1);
  const notesOffset = alignUp(tableSize, pageSize);
  const payloadOffset = notesOffset + alignUp(notes.length, pageSize);
  const layout = layoutCore({
    bits: elf.bits,
    littleEndian: elf.littleEndian,
    machine: elf.machine,
    osabi: elf.osabi,
    flags: elf.flags,
    entry: elf.entry,
    notesSize: notes.length,
    notesMemsz: notes.length,
    notesOffset,
    payloadOffset,
    segments,
  });
  return { layout, notes, chunks, size: payloadOffset + payload };
}

function readHeaders(memory: PhysicalMemory, at: number): { elf: ElfHeader; headers: ProgramHeader[] } {
  const place = { source: 'memory', record: 'elfcorehdr', base: at };
  const elf = decodeElfHeader(memory.bytes(at, elfHeaderSize(64)), place);
  const size = programHeaderSize(elf.bits);
  if (elf.type !== ET_CORE || elf.phentsize !== size || elf.phnum === 0 || elf.phoff !== elfHeaderSize(elf.bits)) {
    throw new InputError(
      { ...place, offset: at, field: 'e_type' },
      `this is no elfcorehdr: e_type ${elf.type}, e_phoff ${elf.phoff}, e_phentsize ${elf.phentsize}, e_phnum ${elf.phnum}`,
    );
  }
  const cursor = new Cursor(memory.bytes(at + elf.phoff, elf.phnum * size), elf.littleEndian, place);
  const headers = Array.from({ length: elf.phnum }, () => decodeProgramHeader(cursor, elf.bits));
  return { elf, headers };
}

/** The notes of all PT_NOTEs, each up to its first empty note. */
function mergeNotes(
  memory: PhysicalMemory,
  headers: readonly ProgramHeader[],
  littleEndian: boolean,
  issues: Issues,
): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (const { type, offset, memsz } of headers) {
    if (type !== PT_NOTE) continue;
    if (memsz > MOST_NOTES) {
      issues.add('note-too-long', `a PT_NOTE of the elfcorehdr claims ${memsz} bytes: it is left out`, offset);
      continue;
    }
    const bytes = memory.bytes(offset, memsz);
    parts.push(bytes.subarray(0, lengthOfNotes(bytes, littleEndian, offset, issues)));
  }
  const merged = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    merged.set(part, at);
    at += part.length;
  }
  return merged;
}

function lengthOfNotes(bytes: Uint8Array, littleEndian: boolean, paddr: number, issues: Issues): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = view.getUint32(at, littleEndian);
    if (nameSize === 0) break;
    const size = 12 + alignUp(nameSize, 4) + alignUp(view.getUint32(at + 4, littleEndian), 4);
    if (at + size > bytes.length) {
      issues.add(
        'note-cut-short',
        `a note at physical address 0x${(paddr + at).toString(16)} exceeds its PT_NOTE`,
        paddr,
      );
      break;
    }
    at += size;
  }
  return at;
}

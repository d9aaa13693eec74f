// The sections of an ELF file with debug information (a vmlinux, a module), read in pieces. Source: System V gABI.
import { Cursor, fixedText } from '../cursor.js';
import { InputError } from '../fault.js';
import {
  decodeElfHeader,
  decodeSectionHeader,
  type ElfHeader,
  elfHeaderField,
  elfHeaderSize,
  type SectionHeader,
  SHT_NOBITS,
  SHT_NOTE,
  sectionHeaderSize,
} from '../formats/elf.js';
import { gnuBuildId } from '../formats/notes.js';
import { type ByteSource, readExactly } from '../source.js';

/** e_shnum of 0 and e_shstrndx of this: the real value is in section 0. */
const SHN_XINDEX = 0xffff;
/** No ELF file of a kernel has more (a module built with -ffunction-sections has some thousands). */
const MOST_SECTIONS = 1 << 18;
const MOST_NAMES = 1 << 24;
const MOST_NOTES = 1 << 20;

export interface Section extends SectionHeader {
  /** The text that `name` points at. */
  readonly label: string;
}

export interface ElfFile {
  readonly source: ByteSource;
  readonly header: ElfHeader;
  readonly sections: readonly Section[];
}

/** Throws InputError where this is no ELF file with a section table inside the file. */
export function openElfFile(source: ByteSource): ElfFile {
  const place = { source: source.name, record: 'ELF header' };
  const start = readExactly(source, 0, Math.min(source.size, elfHeaderSize(64)), 'ELF header');
  const header = decodeElfHeader(start, place);
  const size = sectionHeaderSize(header.bits);
  if (header.shoff === 0 || header.shentsize !== size) {
    throw new InputError(
      header.shoff === 0
        ? { ...place, ...elfHeaderField(header.bits, 'e_shoff'), value: 0 }
        : { ...place, ...elfHeaderField(header.bits, 'e_shentsize'), value: header.shentsize },
      'the file has no section table that can be read',
      'a vmlinux with symbols is needed; vmlinuz, a stripped file or a core will not do',
    );
  }
  const first = sectionTable(source, header, 1)[0];
  const count = header.shnum === 0 ? first.size : header.shnum;
  if (count > MOST_SECTIONS || header.shoff + count * size > source.size) {
    throw new InputError(
      { ...place, ...elfHeaderField(header.bits, 'e_shnum'), value: count },
      `the section table does not fit into the file of ${source.size} bytes`,
    );
  }
  const headers = sectionTable(source, header, count);
  const names = headers[header.shstrndx === SHN_XINDEX ? first.link : header.shstrndx];
  const text = names === undefined ? new Uint8Array(0) : sectionBytes(source, names, MOST_NAMES);
  const sections = headers.map(one => ({ ...one, label: fixedText(text.subarray(one.name, one.name + 256)) }));
  return { source, header, sections };
}

function sectionTable(source: ByteSource, header: ElfHeader, count: number): SectionHeader[] {
  const bytes = readExactly(source, header.shoff, count * header.shentsize, 'section table');
  const cursor = new Cursor(bytes, header.littleEndian, {
    source: source.name,
    record: 'section table',
    base: header.shoff,
  });
  return Array.from({ length: count }, () => decodeSectionHeader(cursor, header.bits));
}

/** A small section's bytes, as far as the file has them; none for SHT_NOBITS. */
export function sectionBytes(source: ByteSource, section: SectionHeader, most: number): Uint8Array<ArrayBuffer> {
  if (section.type === SHT_NOBITS || section.offset >= source.size) return new Uint8Array(0);
  const length = Math.min(section.size, most, source.size - section.offset);
  return readExactly(source, section.offset, length, 'section');
}

/** The build ID in lower-case hexadecimal, or null. */
export function elfBuildId(file: ElfFile): string | null {
  for (const section of file.sections) {
    if (section.type !== SHT_NOTE) continue;
    const bytes = sectionBytes(file.source, section, MOST_NOTES);
    const id = gnuBuildId(bytes, file.header.littleEndian);
    if (id !== null) return id;
  }
  return null;
}

/** Bytes at a link address from the sections that are in the file; null where they are not. */
export function bytesAtAddress(file: ElfFile, address: bigint, length: number): Uint8Array | null {
  for (const section of file.sections) {
    if (section.type === SHT_NOBITS || section.addr === 0n || address < section.addr) continue;
    const into = Number(address - section.addr);
    if (into + length > section.size || section.offset + into + length > file.source.size) continue;
    return readExactly(file.source, section.offset + into, length, section.label);
  }
  return null;
}

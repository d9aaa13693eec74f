// The program and section headers of an ELF file as they are found in it, within bounds. Source: System V gABI, include/uapi/linux/elf.h (PN_XNUM).
import { Cursor, fixedText } from '../cursor.js';
import { hex, InputError } from '../fault.js';
import {
  decodeElfHeader,
  decodeProgramHeader,
  decodeSectionHeader,
  type ElfHeader,
  type ElfHeaderField,
  elfHeaderField,
  elfHeaderSize,
  PN_XNUM,
  type ProgramHeader,
  programHeaderSize,
  type SectionHeader,
  sectionHeaderSize,
} from '../formats/elf.js';
import type { Issues } from '../issue.js';
import { type ByteSource, readExactly } from '../source.js';

/** More headers than any writer makes: a core has a segment for each stretch of memory. */
const MOST_HEADERS = 1 << 17;
const HEADERS_PER_READ = 4096;

export function readElfHeader(source: ByteSource): ElfHeader {
  const bytes = readExactly(source, 0, Math.min(source.size, elfHeaderSize(64)), 'ELF header');
  return decodeElfHeader(bytes, { source: source.name, record: 'ELF header' });
}

/** All program headers that lie in the file; fewer than claimed are told in `issues`. */
export function readProgramHeaders(source: ByteSource, header: ElfHeader, issues: Issues): ProgramHeader[] {
  const table: Table = {
    record: 'program header',
    strideField: 'e_phentsize',
    countField: 'e_phnum',
    count: programHeaderCount(source, header),
    offset: header.phoff,
    stride: header.phentsize,
    least: programHeaderSize(header.bits),
  };
  return readTable(source, header, table, issues, cursor => decodeProgramHeader(cursor, header.bits));
}

export function readSectionHeaders(source: ByteSource, header: ElfHeader, issues: Issues): SectionHeader[] {
  if (header.shoff === 0) return [];
  const table: Table = {
    record: 'section header',
    strideField: 'e_shentsize',
    countField: 'e_shnum',
    count: header.shnum === 0 ? (firstSection(source, header)?.size ?? 0) : header.shnum,
    offset: header.shoff,
    stride: header.shentsize,
    least: sectionHeaderSize(header.bits),
  };
  return readTable(source, header, table, issues, cursor => decodeSectionHeader(cursor, header.bits));
}

/** Section 0 holds what does not fit the ELF header. */
function firstSection(source: ByteSource, header: ElfHeader): SectionHeader | null {
  const size = sectionHeaderSize(header.bits);
  if (header.shoff === 0 || header.shoff + size > source.size) return null;
  const place = { source: source.name, record: 'section header', base: header.shoff };
  const bytes = readExactly(source, header.shoff, size, place.record);
  return decodeSectionHeader(new Cursor(bytes, header.littleEndian, place), header.bits);
}

function programHeaderCount(source: ByteSource, header: ElfHeader): number {
  if (header.phnum !== PN_XNUM) return header.phnum;
  const section = firstSection(source, header);
  if (section !== null) return section.info;
  throw new InputError(
    { source: source.name, record: 'ELF header', ...elfHeaderField(header.bits, 'e_shoff'), value: header.shoff },
    'e_phnum says that section 0 has the number of program headers, but there is no section 0 in the file',
  );
}

interface Table {
  readonly record: string;
  readonly strideField: ElfHeaderField;
  readonly countField: ElfHeaderField;
  readonly count: number;
  readonly offset: number;
  readonly stride: number;
  readonly least: number;
}

function readTable<T>(
  source: ByteSource,
  header: ElfHeader,
  { record, strideField, countField, count, offset, stride, least }: Table,
  issues: Issues,
  decode: (cursor: Cursor) => T,
): T[] {
  if (count === 0) return [];
  if (stride < least) {
    const place = { source: source.name, record: 'ELF header', ...elfHeaderField(header.bits, strideField) };
    throw new InputError({ ...place, value: stride }, `a ${record} has at least ${least} bytes`);
  }
  const fit = Math.max(0, Math.floor((source.size - offset - least) / stride) + 1);
  const most = Math.min(count, fit);
  if (most > MOST_HEADERS) {
    const why = `more than ${MOST_HEADERS} are not taken`;
    const place = { source: source.name, record: 'ELF header', ...elfHeaderField(header.bits, countField) };
    throw new InputError({ ...place, value: count }, why);
  }
  if (fit < count) {
    const claim = `${count} ${record}s at file offset ${hex(offset)} are claimed`;
    issues.add('truncated', `${claim}, but ${source.name} has room for ${fit}`, offset);
  }
  const items: T[] = [];
  while (items.length < most) {
    const base = offset + items.length * stride;
    const some = Math.min(HEADERS_PER_READ, most - items.length);
    const bytes = readExactly(source, base, (some - 1) * stride + least, record);
    const cursor = new Cursor(bytes, header.littleEndian, { source: source.name, record, base });
    for (let i = 0; i < some; i++) {
      cursor.position = i * stride;
      items.push(decode(cursor));
    }
  }
  return items;
}

/** The names of sections, as far as there is a table of them. */
export function sectionNames(source: ByteSource, header: ElfHeader, sections: readonly SectionHeader[]): string[] {
  const table = sections[header.shstrndx];
  if (table === undefined || table.offset + table.size > source.size || table.size > 1 << 20)
    return sections.map(() => '');
  const bytes = readExactly(source, table.offset, table.size, 'section names');
  return sections.map(({ name }) => (name < bytes.length ? fixedText(bytes.subarray(name, name + 256)) : ''));
}

// Files with DWARF of several compilers, versions and machines, small: the fixtures. Broken are the section headers of what is read, the beginnings of sections, and bytes all over them.
import { readFileSync } from 'node:fs';
import { MemorySource } from 'kdumpling/reader';
import { openElfFile, type Section } from 'kdumpling/reader/debuginfo';
import { fixturePath } from '../../reader/debuginfo/dwarf/fixtures.js';
import type { Base, InputFile } from '../mutations.js';
import { type Field, shape } from '../recorder.js';

/** Of each section every byte of so many, and behind them one of so many. */
const HEAD = 12;
const STEP = 89;

const HEADER_64 = shape(
  'sh_name:4 sh_type:4 sh_flags:8 sh_addr:8 sh_offset:8 sh_size:8 sh_link:4 sh_info:4 sh_align:8 sh_entsize:8',
);
const HEADER_32 = shape(
  'sh_name:4 sh_type:4 sh_flags:4 sh_addr:4 sh_offset:4 sh_size:4 sh_link:4 sh_info:4 sh_align:4 sh_entsize:4',
);
const BROKEN = /^\.(debug_(info|abbrev|line|rnglists|ranges)|eh_frame)$/;
const READ = /^\.(rela?\.)?(debug_(info|abbrev|line|rnglists|ranges|aranges|str_offsets|addr|types|str)|eh_frame)$/;

function fileOf(name: string, step: number): InputFile {
  const bytes = new Uint8Array(readFileSync(fixturePath(name)));
  const { header, sections } = openElfFile(new MemorySource(bytes, name));
  const { littleEndian } = header;
  const fields: Field[] = [];
  const edges = new Set<number>();
  const inSection = ({ label, offset, size }: Section) => {
    for (let at = 0; at < size; at += at < HEAD ? 1 : step) {
      fields.push({ record: label, name: `byte ${at}`, width: 1, offset: offset + at, littleEndian });
    }
    edges.add(offset);
    edges.add(offset + Math.floor(size / 2));
  };
  for (const [index, section] of sections.entries()) {
    if (!READ.test(section.label)) continue;
    let offset = header.shoff + index * header.shentsize;
    for (const field of header.bits === 64 ? HEADER_64 : HEADER_32) {
      const needed = section.label.startsWith('.rel') ? /link|info|size/ : /type|flags|offset|size/;
      if (needed.test(field.name))
        fields.push({ ...field, record: `header of ${section.label}`, offset, littleEndian });
      offset += field.width;
    }
    if (BROKEN.test(section.label)) inSection(section);
  }
  return { name, bytes, fields, edges };
}

export function dwarfBases(): Base[] {
  const base = (name: string, step: number): Base => ({
    name: `dwarf-${name}`,
    kind: 'dwarf',
    files: [fileOf(name, step)],
  });
  return [
    ...['x86_64-dwarf5.elf', 'x86_64-dwarf4.ko', 'clang-dwarf5.elf', 's390x-dwarf3.ko'].map(name => base(name, STEP)),
    ...['i386-dwarf5.ko', 'x86_64-zlib.elf', 'x86_64-zstd.elf'].map(name => base(name, 4 * STEP)),
  ];
}

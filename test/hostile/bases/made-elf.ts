// A 64-bit little-endian ELF file out of sections: what inputs of an absurd number of entries are made with.
import { Recorder, shape } from '../recorder.js';

export interface MadeSection {
  readonly label: string;
  readonly bytes: Uint8Array;
  readonly type?: number;
  readonly flags?: number;
  readonly addr?: bigint;
}

const EHDR = shape(
  'magic:4 class:1 data:1 version:1 abi:1 pad:8 e_type:2 e_machine:2 e_version:4 e_entry:8 e_phoff:8 e_shoff:8 e_flags:4 e_ehsize:2 e_phentsize:2 e_phnum:2 e_shentsize:2 e_shnum:2 e_shstrndx:2',
);
const SHDR = shape(
  'sh_name:4 sh_type:4 sh_flags:8 sh_addr:8 sh_offset:8 sh_size:8 sh_link:4 sh_info:4 sh_align:8 sh_entsize:8',
);
const EHDR_SIZE = 64;
const SHDR_SIZE = 64;
const SHT_PROGBITS = 1;
const SHT_STRTAB = 3;
const ET_EXEC = 2;
const EM_X86_64 = 62;

export function makeElf(sections: readonly MadeSection[]): Uint8Array {
  const labels = `\0${[...sections.map(({ label }) => label), '.shstrtab'].join('\0')}\0`;
  const names = new TextEncoder().encode(labels);
  const all: MadeSection[] = [...sections, { label: '.shstrtab', bytes: names, type: SHT_STRTAB }];
  const content = all.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const shoff = EHDR_SIZE + content;
  const recorder = new Recorder(shoff + (all.length + 1) * SHDR_SIZE, true, false);
  recorder.record('header', 0, EHDR, {
    magic: 0x464c_457f,
    class: 2,
    data: 1,
    version: 1,
    e_type: ET_EXEC,
    e_machine: EM_X86_64,
    e_version: 1,
    e_shoff: shoff,
    e_ehsize: EHDR_SIZE,
    e_shentsize: SHDR_SIZE,
    e_shnum: all.length + 1,
    e_shstrndx: all.length,
  });
  let offset = EHDR_SIZE;
  for (const [index, { label, bytes, type = SHT_PROGBITS, flags = 0, addr = 0n }] of all.entries()) {
    recorder.bytes.set(bytes, offset);
    recorder.record(label, shoff + (index + 1) * SHDR_SIZE, SHDR, {
      sh_name: labels.indexOf(`\0${label}\0`) + 1,
      sh_type: type,
      sh_flags: flags,
      sh_addr: addr,
      sh_offset: offset,
      sh_size: bytes.length,
    });
    offset += bytes.length;
  }
  return recorder.bytes;
}

// ELF headers, 32 and 64 bit, both byte orders: pure functions between bytes and records. Source: System V gABI (ELF header, program
// header, PN_XNUM), include/uapi/linux/elf.h.
import { Cursor, type CursorPlace } from '../cursor.js';
import { InputError } from '../fault.js';
import { setU64 } from '../u64.js';

export const ET_REL = 1;
export const ET_CORE = 4;
export const PT_NULL = 0;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;
/** e_phnum when the real count is in sh_info of section 0. */
export const PN_XNUM = 0xffff;
export const SHT_NULL = 0;
export const SHT_PROGBITS = 1;
export const SHT_SYMTAB = 2;
export const SHT_STRTAB = 3;
export const SHT_RELA = 4;
export const SHT_NOTE = 7;
export const SHT_NOBITS = 8;
export const SHT_REL = 9;
export const SHF_WRITE = 1;
export const SHF_MERGE = 0x10;
export const SHF_STRINGS = 0x20;
export const SHF_COMPRESSED = 0x800;
export const ELFCOMPRESS_ZLIB = 1;
export const ELFCOMPRESS_ZSTD = 2;
/** p_paddr of all ones: the segment has no physical address. */
export const NO_PADDR = -1;

export interface ElfKind {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
}

export interface ElfHeader extends ElfKind {
  readonly osabi: number;
  readonly abiVersion: number;
  readonly type: number;
  readonly machine: number;
  readonly entry: bigint;
  readonly phoff: number;
  readonly shoff: number;
  readonly flags: number;
  readonly ehsize: number;
  readonly phentsize: number;
  readonly phnum: number;
  readonly shentsize: number;
  readonly shnum: number;
  readonly shstrndx: number;
}

export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: bigint;
  /** NO_PADDR (-1) for all ones. */
  readonly paddr: number;
  readonly filesz: number;
  /** A claim: real dumps have 2^64 less a little. */
  readonly memsz: number;
  readonly align: number;
  /** Those that are no exact numbers, as they stand in the file; absent where all are. */
  readonly exact?: Partial<Record<WideField, bigint>>;
}

type WideField = 'offset' | 'paddr' | 'filesz' | 'memsz' | 'align';
/** Where these are in a 64-bit program header; others have none that are not exact. */
const WIDE_FIELDS: readonly (readonly [WideField, number])[] = [
  ['offset', 8],
  ['paddr', 24],
  ['filesz', 32],
  ['memsz', 40],
  ['align', 48],
];

/** A field as it stands in the file, for messages. */
export const exactly = (header: ProgramHeader, field: WideField): number | bigint =>
  header.exact?.[field] ?? header[field];

export interface SectionHeader {
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly addr: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly addralign: number;
  readonly entsize: number;
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

export const elfHeaderSize = (bits: 32 | 64): number => (bits === 64 ? 64 : 52);
/** Where the fields of the ELF header lie, in ELF32 and in ELF64. */
const HEADER_FIELDS = {
  e_type: [16, 16],
  e_phoff: [28, 32],
  e_shoff: [32, 40],
  e_phentsize: [42, 54],
  e_phnum: [44, 56],
  e_shentsize: [46, 58],
  e_shnum: [48, 60],
} as const;

export type ElfHeaderField = keyof typeof HEADER_FIELDS;

/** The place of a field, for an error's sentence. */
export function elfHeaderField(bits: 32 | 64, field: ElfHeaderField, base = 0): { offset: number; field: string } {
  return { offset: base + HEADER_FIELDS[field][bits === 64 ? 1 : 0], field };
}

export const programHeaderSize = (bits: 32 | 64): number => (bits === 64 ? 56 : 32);
export const sectionHeaderSize = (bits: 32 | 64): number => (bits === 64 ? 64 : 40);

/** Throws InputError where the identification is not that of an ELF file or the header is short. Values are not judged. */
export function decodeElfHeader(bytes: Uint8Array, place: CursorPlace): ElfHeader {
  const wrong = (offset: number, field: string, why: string) =>
    new InputError({ ...place, offset: (place.base ?? 0) + offset, field, value: bytes[offset] }, why);
  if (!isElf(bytes))
    throw new InputError(
      { ...place, offset: place.base ?? 0, field: 'EI_MAG0' },
      'there is no ELF magic (7f 45 4c 46)',
    );
  if (bytes.length < 16)
    throw new InputError(
      { ...place, offset: (place.base ?? 0) + bytes.length, field: 'e_ident' },
      'the ELF identification is cut short',
    );
  if (bytes[4] !== 1 && bytes[4] !== 2) throw wrong(4, 'EI_CLASS', 'expected 1 (32-bit) or 2 (64-bit)');
  if (bytes[5] !== 1 && bytes[5] !== 2) throw wrong(5, 'EI_DATA', 'expected 1 (little-endian) or 2 (big-endian)');
  const bits = bytes[4] === 2 ? 64 : 32;
  const littleEndian = bytes[5] === 1;
  const cursor = new Cursor(bytes, littleEndian, place);
  cursor.position = 7;
  const osabi = cursor.u8('EI_OSABI');
  const abiVersion = cursor.u8('EI_ABIVERSION');
  cursor.position = 16;
  const type = cursor.u16('e_type');
  const machine = cursor.u16('e_machine');
  cursor.u32('e_version');
  const entry = bits === 64 ? cursor.u64('e_entry') : BigInt(cursor.u32('e_entry'));
  return {
    bits,
    littleEndian,
    osabi,
    abiVersion,
    type,
    machine,
    entry,
    phoff: cursor.word(bits, 'e_phoff'),
    shoff: cursor.word(bits, 'e_shoff'),
    flags: cursor.u32('e_flags'),
    ehsize: cursor.u16('e_ehsize'),
    phentsize: cursor.u16('e_phentsize'),
    phnum: cursor.u16('e_phnum'),
    shentsize: cursor.u16('e_shentsize'),
    shnum: cursor.u16('e_shnum'),
    shstrndx: cursor.u16('e_shstrndx'),
  };
}

export function encodeElfHeader(header: ElfHeader): Uint8Array<ArrayBuffer> {
  const { bits, littleEndian: le } = header;
  const bytes = new Uint8Array(elfHeaderSize(bits));
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, le ? 1 : 2, 1, header.osabi, header.abiVersion]);
  view.setUint16(16, header.type, le);
  view.setUint16(18, header.machine, le);
  view.setUint32(20, 1, le);
  let at = 24;
  const word = (value: number) => {
    if (bits === 64) setU64(view, at, value, le);
    else view.setUint32(at, value, le);
    at += bits / 8;
  };
  if (bits === 64) view.setBigUint64(at, header.entry, le);
  else view.setUint32(at, Number(header.entry & 0xffff_ffffn), le);
  at += bits / 8;
  word(header.phoff);
  word(header.shoff);
  view.setUint32(at, header.flags, le);
  at += 4;
  for (const half of [header.ehsize, header.phentsize, header.phnum, header.shentsize, header.shnum, header.shstrndx]) {
    view.setUint16(at, half, le);
    at += 2;
  }
  return bytes;
}

/** `position` of `cursor` moves past one program header. */
export function decodeProgramHeader(cursor: Cursor, bits: 32 | 64): ProgramHeader {
  if (bits === 64) {
    const at = cursor.position;
    const type = cursor.u32('p_type');
    const flags = cursor.u32('p_flags');
    const offset = cursor.u64n('p_offset');
    const vaddr = cursor.u64('p_vaddr');
    const paddr = cursor.u64('p_paddr');
    const header = {
      type,
      flags,
      offset,
      vaddr,
      paddr: paddr === 0xffff_ffff_ffff_ffffn ? NO_PADDR : Number(paddr),
      filesz: cursor.u64n('p_filesz'),
      memsz: cursor.u64n('p_memsz'),
      align: cursor.u64n('p_align'),
    };
    const exact: ProgramHeader['exact'] = {};
    let wide = false;
    for (const [field, from] of WIDE_FIELDS) {
      const value = header[field];
      if (value >= 0 && value <= Number.MAX_SAFE_INTEGER) continue;
      exact[field] = cursor.view.getBigUint64(at + from, cursor.littleEndian);
      wide = true;
    }
    return wide ? { ...header, exact } : header;
  }
  const type = cursor.u32('p_type');
  const offset = cursor.u32('p_offset');
  const vaddr = BigInt(cursor.u32('p_vaddr'));
  const paddr = cursor.u32('p_paddr');
  const filesz = cursor.u32('p_filesz');
  const memsz = cursor.u32('p_memsz');
  const flags = cursor.u32('p_flags');
  return {
    type,
    flags,
    offset,
    vaddr,
    paddr: paddr === 0xffff_ffff ? NO_PADDR : paddr,
    filesz,
    memsz,
    align: cursor.u32('p_align'),
  };
}

export function encodeProgramHeader(header: ProgramHeader, kind: ElfKind, view: DataView, at: number): void {
  const le = kind.littleEndian;
  view.setUint32(at, header.type, le);
  if (kind.bits === 64) {
    view.setUint32(at + 4, header.flags, le);
    setU64(view, at + 8, header.offset, le);
    view.setBigUint64(at + 16, header.vaddr, le);
    if (header.paddr === NO_PADDR) view.setBigUint64(at + 24, 0xffff_ffff_ffff_ffffn, le);
    else setU64(view, at + 24, header.paddr, le);
    setU64(view, at + 32, header.filesz, le);
    setU64(view, at + 40, header.memsz, le);
    setU64(view, at + 48, header.align, le);
    return;
  }
  const words = [
    header.offset,
    Number(BigInt.asUintN(32, header.vaddr)),
    header.paddr === NO_PADDR ? 0xffff_ffff : header.paddr,
    header.filesz,
    header.memsz,
    header.flags,
    header.align,
  ];
  for (let i = 0; i < words.length; i++) view.setUint32(at + 4 + 4 * i, words[i], le);
}

export function decodeSectionHeader(cursor: Cursor, bits: 32 | 64): SectionHeader {
  const name = cursor.u32('sh_name');
  const type = cursor.u32('sh_type');
  const flags = cursor.word(bits, 'sh_flags');
  const addr = bits === 64 ? cursor.u64('sh_addr') : BigInt(cursor.u32('sh_addr'));
  return {
    name,
    type,
    flags,
    addr,
    offset: cursor.word(bits, 'sh_offset'),
    size: cursor.word(bits, 'sh_size'),
    link: cursor.u32('sh_link'),
    info: cursor.u32('sh_info'),
    addralign: cursor.word(bits, 'sh_addralign'),
    entsize: cursor.word(bits, 'sh_entsize'),
  };
}

export function encodeSectionHeader(header: SectionHeader, kind: ElfKind, view: DataView, at: number): void {
  const le = kind.littleEndian;
  let position = at;
  const half = (value: number) => {
    view.setUint32(position, value, le);
    position += 4;
  };
  const word = (value: number | bigint) => {
    if (kind.bits === 32) return half(Number(BigInt.asUintN(32, BigInt(value))));
    view.setBigUint64(position, BigInt(value), le);
    position += 8;
  };
  half(header.name);
  half(header.type);
  word(header.flags);
  word(header.addr);
  word(header.offset);
  word(header.size);
  half(header.link);
  half(header.info);
  word(header.addralign);
  word(header.entsize);
}

/** What stands before the data of a section with SHF_COMPRESSED. */
export interface CompressionHeader {
  /** ELFCOMPRESS_… */
  readonly type: number;
  /** Of the data, decompressed. */
  readonly size: number;
  readonly addralign: number;
}

export const compressionHeaderSize = (bits: 32 | 64): number => (bits === 64 ? 24 : 12);

/** `position` of `cursor` moves past the header. */
export function decodeCompressionHeader(cursor: Cursor, bits: 32 | 64): CompressionHeader {
  const type = cursor.u32('ch_type');
  if (bits === 64) cursor.skip(4, 'ch_reserved');
  return { type, size: cursor.word(bits, 'ch_size'), addralign: cursor.word(bits, 'ch_addralign') };
}

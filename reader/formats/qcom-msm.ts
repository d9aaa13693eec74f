// The ELF header blob of Qualcomm's downstream driver (`KELF_HDR`): section headers and a string table "STR_TBL" that name the regions, program headers
// behind them, the banner's text, no notes. Source: drivers/soc/qcom/msm_minidump.c (msm-4.19 to 5.15 and later).
import { Cursor, type CursorPlace, fixedText } from '../cursor.js';
import { InputError } from '../fault.js';
import type { Issues } from '../issue.js';
import { alignUp } from '../u64.js';
import {
  decodeElfHeader,
  decodeProgramHeader,
  decodeSectionHeader,
  type ElfHeader,
  type ElfKind,
  ET_CORE,
  elfHeaderField,
  elfHeaderSize,
  encodeElfHeader,
  encodeProgramHeader,
  encodeSectionHeader,
  isElf,
  PF_R,
  PF_W,
  type ProgramHeader,
  PT_LOAD,
  programHeaderSize,
  type SectionHeader,
  SHF_WRITE,
  SHT_NULL,
  SHT_PROGBITS,
  SHT_STRTAB,
  sectionHeaderSize,
} from './elf.js';

export const MSM_STRING_TABLE = 'STR_TBL';
export const MSM_TABLE = 'minidump_table';
export const MSM_BANNER = 'linux_banner';
/** CONFIG_MINIDUMP_MAX_ENTRIES + 1 of usual kernels: entries that each table has room for. */
export const MSM_USUAL_SLOTS = 201;
/** Bytes of the string table per entry. */
const NAME_SIZE = 16;
/** Entries that the buffer is longer by than its tables. */
const SPARE_SLOTS = 4;

/**
 * What lies before the regions' sections: `table-banner` (4.x to 5.15: minidump_table, linux_banner), `banner` (resource manager, virtio, the 2024 upstream
 * series: linux_banner alone), `table-at-banner` (2024 with SMEM: minidump_table with the banner's place, then a section of zeros).
 */
export type MsmShape = 'table-banner' | 'banner' | 'table-at-banner';
export const MSM_SHAPES: readonly MsmShape[] = ['table-banner', 'banner', 'table-at-banner'];

export interface MsmSection extends SectionHeader {
  /** Its name in STR_TBL; '' where sh_name leads out of the table. */
  readonly text: string;
}

export interface MsmRegion {
  /** Index in `segments`. */
  readonly segment: number;
  /** Name of the section with the segment's offset and size, or null where there is none. */
  readonly name: string | null;
}

export interface MsmHeader {
  readonly elf: ElfHeader;
  readonly sections: readonly MsmSection[];
  readonly segments: readonly ProgramHeader[];
  /** The segment that lies inside the blob, and its text; null where there is none. */
  readonly banner: { readonly segment: number; readonly text: string } | null;
  /** The other PT_LOADs, in order. */
  readonly regions: readonly MsmRegion[];
}

/** True for an ELF core of which some section is a string table that calls itself STR_TBL. */
export function isMsmHeader(bytes: Uint8Array): boolean {
  if (!isElf(bytes)) return false;
  try {
    const place = { source: 'header', record: 'header blob' };
    const elf = decodeElfHeader(bytes, place);
    return elf.type === ET_CORE && findStringTable(decodeSections(bytes, elf, place), bytes) !== null;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}

/** Section headers that are whole in `bytes`. */
function decodeSections(bytes: Uint8Array, elf: ElfHeader, place: CursorPlace): SectionHeader[] {
  const size = sectionHeaderSize(elf.bits);
  const sections: SectionHeader[] = [];
  if (elf.shentsize !== size) return sections;
  const cursor = new Cursor(bytes, elf.littleEndian, place);
  for (let i = 0; i < elf.shnum && elf.shoff + (i + 1) * size <= bytes.length; i++) {
    cursor.position = elf.shoff + i * size;
    sections.push(decodeSectionHeader(cursor, elf.bits));
  }
  return sections;
}

function findStringTable(sections: readonly SectionHeader[], bytes: Uint8Array): Uint8Array | null {
  for (const { type, offset, size, name } of sections) {
    if (type !== SHT_STRTAB || offset + size > bytes.length || name >= size) continue;
    const table = bytes.subarray(offset, offset + size);
    if (fixedText(table.subarray(name, name + MSM_STRING_TABLE.length + 1)) === MSM_STRING_TABLE) return table;
  }
  return null;
}

/** Throws InputError where this is no such header; what is odd in it is told in `issues`. */
export function decodeMsmHeader(bytes: Uint8Array, place: CursorPlace, issues: Issues): MsmHeader {
  const elf = decodeElfHeader(bytes, place);
  const base = place.base ?? 0;
  const plain = decodeSections(bytes, elf, place);
  const table = findStringTable(plain, bytes);
  if (elf.type !== ET_CORE || table === null) {
    const wrong = elf.type === ET_CORE ? 'e_shoff' : 'e_type';
    throw new InputError(
      { ...place, ...elfHeaderField(elf.bits, wrong, base) },
      'this is no ELF core with a section STR_TBL',
    );
  }
  if (plain.length < elf.shnum) {
    issues.add(
      'header-sections',
      `e_shnum is ${elf.shnum}, but only ${plain.length} section headers lie in the blob`,
      base + elf.shoff,
    );
  }
  const sections = plain.map(section => ({
    ...section,
    text: section.name < table.length ? fixedText(table.subarray(section.name)) : '',
  }));
  const segments = decodeSegments(bytes, elf, place, issues);
  const banner = findBanner(bytes, segments);
  const names = new Map<string, string>();
  for (const { offset, size, text, type } of sections) {
    const key = `${offset}:${size}`;
    if (type === SHT_PROGBITS && !names.has(key)) names.set(key, text);
  }
  const regions: MsmRegion[] = [];
  segments.forEach(({ type, offset, filesz }, segment) => {
    if (type !== PT_LOAD || segment === banner?.segment) return;
    regions.push({ segment, name: names.get(`${offset}:${filesz}`) ?? null });
  });
  return { elf, sections, segments, banner, regions };
}

function decodeSegments(bytes: Uint8Array, elf: ElfHeader, place: CursorPlace, issues: Issues): ProgramHeader[] {
  const size = programHeaderSize(elf.bits);
  const base = place.base ?? 0;
  const room = elf.phoff <= bytes.length ? Math.floor((bytes.length - elf.phoff) / size) : 0;
  if (elf.phentsize !== size) {
    throw new InputError(
      { ...place, ...elfHeaderField(elf.bits, 'e_phentsize', base), value: elf.phentsize },
      `expected ${size} for a ${elf.bits}-bit header`,
    );
  }
  if (elf.phnum > room) {
    issues.add(
      'header-segments',
      `e_phnum is ${elf.phnum}, but only ${room} program headers lie in the blob`,
      base + elf.phoff,
    );
  }
  const cursor = new Cursor(bytes, elf.littleEndian, place);
  cursor.position = elf.phoff;
  const segments: ProgramHeader[] = [];
  for (let i = 0; i < Math.min(elf.phnum, room); i++) segments.push(decodeProgramHeader(cursor, elf.bits));
  return segments;
}

function findBanner(bytes: Uint8Array, segments: readonly ProgramHeader[]): MsmHeader['banner'] {
  for (let segment = 0; segment < segments.length; segment++) {
    const { type, offset, filesz } = segments[segment];
    if (type !== PT_LOAD || filesz === 0 || offset + filesz > bytes.length) continue;
    return { segment, text: fixedText(bytes.subarray(offset, offset + filesz)) };
  }
  return null;
}

export interface MsmRegionDescription {
  readonly name: string;
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly size: number;
}

export interface MsmDescription extends ElfKind {
  readonly machine: number;
  readonly osabi?: number;
  readonly shape: MsmShape;
  /** CONFIG_MINIDUMP_MAX_ENTRIES + 1. */
  readonly slots: number;
  /** Without the NUL that ends it. */
  readonly banner: { readonly text: Uint8Array; readonly vaddr: bigint; readonly paddr: number };
  /** Address of the driver's own table: of use to nobody outside that kernel. */
  readonly tableAddress: bigint;
  readonly regions: readonly MsmRegionDescription[];
}

/** Sections before the first region's. */
export const msmFixedSections = (shape: MsmShape): number => (shape === 'banner' ? 3 : 4);

/** Bytes of a header blob. */
export function msmHeaderSize(bits: 32 | 64, slots: number, bannerLength: number): number {
  const tables = (sectionHeaderSize(bits) + programHeaderSize(bits)) * (slots + SPARE_SLOTS);
  return alignUp(elfHeaderSize(bits) + NAME_SIZE * slots + bannerLength + 1 + tables, 4);
}

/** Names of the string table, in order, each with where it begins. */
class NameTable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #end = 1;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  add(name: string): number {
    const at = this.#end;
    const text = new TextEncoder().encode(name).subarray(0, NAME_SIZE - 1);
    if (at + text.length + 1 > this.bytes.length) throw new RangeError('the names do not fit the string table');
    this.bytes.set(text, at);
    this.#end = at + text.length + 1;
    return at;
  }
}

const ZERO_SECTION: SectionHeader = {
  name: 0,
  type: SHT_NULL,
  flags: 0,
  addr: 0n,
  offset: 0,
  size: 0,
  link: 0,
  info: 0,
  addralign: 0,
  entsize: 0,
};

/** Encodes a header blob; payloads of its regions begin at its length, one after the other. */
export function encodeMsmHeader(description: MsmDescription): Uint8Array<ArrayBuffer> {
  const { bits, littleEndian, slots, banner, regions } = description;
  const fixed = msmFixedSections(description.shape);
  if (fixed + regions.length > slots) throw new RangeError('the regions do not fit the section table');
  const ehsize = elfHeaderSize(bits);
  const shentsize = sectionHeaderSize(bits);
  const phentsize = programHeaderSize(bits);
  const phoff = ehsize + shentsize * slots;
  const stringsAt = phoff + phentsize * slots;
  const bannerAt = stringsAt + NAME_SIZE * slots;
  const bytes = new Uint8Array(msmHeaderSize(bits, slots, banner.text.length));
  const view = new DataView(bytes.buffer);
  bytes.set(
    encodeElfHeader({
      bits,
      littleEndian,
      osabi: description.osabi ?? 0,
      abiVersion: 0,
      type: ET_CORE,
      machine: description.machine,
      entry: 0n,
      phoff,
      shoff: ehsize,
      flags: 0,
      ehsize,
      phentsize,
      phnum: 1 + regions.length,
      shentsize,
      shnum: fixed + regions.length,
      shstrndx: 1,
    }),
  );
  const names = new NameTable(NAME_SIZE * slots);
  const bannerSize = banner.text.length + 1;
  const sections = fixedSections(description, names, stringsAt, bannerAt);
  const segments: ProgramHeader[] = [loadSegment(bannerAt, banner.vaddr, banner.paddr, bannerSize)];
  let offset = bytes.length;
  for (const region of regions) {
    sections.push({
      ...ZERO_SECTION,
      name: names.add(region.name),
      type: SHT_PROGBITS,
      flags: SHF_WRITE,
      addr: region.vaddr,
      offset,
      size: region.size,
    });
    segments.push(loadSegment(offset, region.vaddr, region.paddr, region.size));
    offset += region.size;
  }
  sections.forEach((section, i) => {
    encodeSectionHeader(section, description, view, ehsize + i * shentsize);
  });
  segments.forEach((segment, i) => {
    encodeProgramHeader(segment, description, view, phoff + i * phentsize);
  });
  bytes.set(names.bytes, stringsAt);
  bytes.set(banner.text, bannerAt);
  return bytes;
}

function loadSegment(offset: number, vaddr: bigint, paddr: number, size: number): ProgramHeader {
  return { type: PT_LOAD, flags: PF_R | PF_W, offset, vaddr, paddr, filesz: size, memsz: size, align: 0 };
}

/** The sections before the regions' of a shape. */
function fixedSections(
  { shape, slots, banner, tableAddress }: MsmDescription,
  names: NameTable,
  stringsAt: number,
  bannerAt: number,
): SectionHeader[] {
  const strings = {
    ...ZERO_SECTION,
    name: names.add(MSM_STRING_TABLE),
    type: SHT_STRTAB,
    offset: stringsAt,
    size: NAME_SIZE * slots,
  };
  const atBanner = {
    ...ZERO_SECTION,
    type: SHT_PROGBITS,
    flags: SHF_WRITE,
    addr: banner.vaddr,
    offset: bannerAt,
    size: banner.text.length + 1,
  };
  if (shape === 'banner') return [ZERO_SECTION, strings, { ...atBanner, name: names.add(MSM_BANNER) }];
  if (shape === 'table-at-banner') {
    // The driver writes the banner's section first, then its table's name, address and flags over it.
    names.add(MSM_BANNER);
    const over = { ...atBanner, name: names.add(MSM_TABLE), addr: tableAddress, flags: 0 };
    return [ZERO_SECTION, strings, over, ZERO_SECTION];
  }
  const tableName = names.add(MSM_TABLE);
  const table = { ...ZERO_SECTION, name: tableName, type: SHT_PROGBITS, addr: tableAddress };
  return [ZERO_SECTION, strings, table, { ...atBanner, name: names.add(MSM_BANNER) }];
}

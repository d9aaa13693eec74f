// A small region dump with known contents, written byte by byte from the layouts' descriptions, on each of its media; and where each field of each of its records lies, so that
// tests can damage one at a time. Layouts: kernel/meminspect (v3), drivers/soc/qcom/minidump.c, drivers/soc/qcom/smem.c, msm_minidump.c, Microsoft's offline dump header.
import { type ByteSource, MemorySource, type SourceFolder } from 'kdumpling/reader';
import { noise } from './made-dump.js';

export const RAM = 0x8000_0000;
export const RAM_SIZE = 0x10_0000;
export const LINEAR = 0xffff_0000_0000_0000n;
export const IMAGE = 0xffff_8000_0800_0000n;
const RELEASE = '6.18.0-made';
export const BANNER = `Linux version ${RELEASE} (nobody@nowhere) #1 SMP\n\0`;
export const HEADER_AT = RAM + 0x8_0000;
const INFO_AT = RAM + 0x9_0000;
const TABLE_AT = RAM + 0xa_0000;
const SMEM_AT = RAM + 0xc_0000;
const SMEM_SIZE = 0x2_0000;

export interface MadeRegion {
  /** As it stands in the table, with the sequence number behind it in files. */
  readonly name: string;
  readonly seq: number;
  readonly paddr: number;
  readonly vaddr: bigint;
  readonly bytes: Uint8Array;
}

/** One table entry, or the file of it. */
export interface Entry {
  name: string;
  seq: number;
  paddr: number;
  bytes: Uint8Array;
  valid: number;
}

/** A field of a record: where it lies and how long it is. */
export interface Field {
  readonly name: string;
  readonly at: number;
  readonly size: number;
}

export interface MadeMinidump {
  readonly regions: readonly MadeRegion[];
  /** In the order of the table: header, VMCOREINFO, regions. */
  readonly entries: Entry[];
  readonly vmcoreinfo: string;
  /** Of the header blob. */
  readonly headerFields: readonly Field[];
  /** What the core has of the header besides: the length of its notes without VMCOREINFO's descriptor. */
  readonly notesAt: number;
}

export const align4 = (n: number): number => (n + 3) & ~3;
export const ascii = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(text, letter => letter.charCodeAt(0));

/** name, seq, size or bytes, and whether it was registered at run time (linear address). */
const OBJECTS: readonly (readonly [string, number, number | string, boolean?])[] = [
  ['Kconfig', 3, 300, true],
  ['Kjiffies', 10, 8],
  ['Klinux_b', 11, BANNER],
  ['Knr_thre', 12, 4],
  ['Ktainted', 14, 8],
  ['Knode_st', 16, 48],
  ['Kinit_ut', 19, 432],
  ['Kprintk_', 20, 96],
  ['Kprintk_', 21, 96],
  ['Kprb', 22, 8],
  ['Kprb_des', 23, 1536],
  ['Kprb_inf', 24, 5632],
  ['Kprb_dat', 25, 4096],
  ['Kunknown', 44, 3392, true],
  ['Kunknown', 45, 3392, true],
  ['Kunknown', 46, 5000, true],
];

function makeRegions(): MadeRegion[] {
  let paddr = RAM + 0x1_0000;
  const regions = OBJECTS.map(([name, seq, content, runtime], i): MadeRegion => {
    const bytes = new Uint8Array(align4(typeof content === 'number' ? content : content.length));
    bytes.set(typeof content === 'number' ? noise(content, i + 1) : ascii(content));
    const at = paddr;
    paddr += (bytes.length + 127) & ~63;
    return { name, seq, paddr: at, vaddr: (runtime === true ? LINEAR : IMAGE) + BigInt(at - RAM), bytes };
  });
  const by = (seq: number): MadeRegion => regions.find(region => region.seq === seq) as MadeRegion;
  const uts = by(19).bytes;
  uts.fill(0);
  ['Linux', 'made', RELEASE, '#1 SMP', 'aarch64', ''].forEach((text, i) => {
    uts.set(ascii(text), 4 + 65 * i);
  });
  const pointer = (bytes: Uint8Array, at: number, value: bigint) =>
    new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, value, true);
  pointer(by(22).bytes, 0, by(20).vaddr);
  // The active ring points to its descriptors, the other one is empty.
  pointer(by(20).bytes, 8, by(23).vaddr);
  by(21).bytes.fill(0);
  return regions;
}

function vmcoreinfoText(regions: readonly MadeRegion[]): string {
  const vaddr = (seq: number) => regions.find(region => region.seq === seq)?.vaddr.toString(16);
  const lines = [
    `OSRELEASE=${RELEASE}`,
    'PAGESIZE=4096',
    `SYMBOL(init_uts_ns)=${vaddr(19)}`,
    `SYMBOL(prb)=${vaddr(22)}`,
    'NUMBER(VA_BITS)=48',
    `NUMBER(kimage_voffset)=0x${(IMAGE - BigInt(RAM)).toString(16)}`,
    `NUMBER(PHYS_OFFSET)=0x${RAM.toString(16)}`,
  ];
  // Of odd length, as real ones are.
  return `${lines.join('\n')}\nX=${'y'.repeat(1023 - lines.join('\n').length - 4)}\n`;
}

export const EHDR: readonly (readonly [string, number, number])[] = [
  ['EI_MAG', 0, 4],
  ['EI_CLASS', 4, 1],
  ['EI_DATA', 5, 1],
  ['EI_VERSION', 6, 1],
  ['EI_OSABI', 7, 1],
  ['e_type', 16, 2],
  ['e_machine', 18, 2],
  ['e_version', 20, 4],
  ['e_entry', 24, 8],
  ['e_phoff', 32, 8],
  ['e_shoff', 40, 8],
  ['e_flags', 48, 4],
  ['e_ehsize', 52, 2],
  ['e_phentsize', 54, 2],
  ['e_phnum', 56, 2],
  ['e_shentsize', 58, 2],
  ['e_shnum', 60, 2],
  ['e_shstrndx', 62, 2],
];
export const PHDR: readonly (readonly [string, number, number])[] = [
  ['p_type', 0, 4],
  ['p_flags', 4, 4],
  ['p_offset', 8, 8],
  ['p_vaddr', 16, 8],
  ['p_paddr', 24, 8],
  ['p_filesz', 32, 8],
  ['p_memsz', 40, 8],
  ['p_align', 48, 8],
];
export const SLOTS = 201;
const PRSTATUS = 392;
const PRPSINFO = 136;

export class Writer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  u16(at: number, ...values: number[]): void {
    values.forEach((value, i) => {
      this.view.setUint16(at + 2 * i, value, true);
    });
  }

  u32(at: number, ...values: number[]): void {
    values.forEach((value, i) => {
      this.view.setUint32(at + 4 * i, value, true);
    });
  }

  u64(at: number, ...values: (number | bigint)[]): void {
    values.forEach((value, i) => {
      this.view.setBigUint64(at + 8 * i, BigInt(value), true);
    });
  }

  text(at: number, text: string): void {
    this.bytes.set(ascii(text), at);
  }
}

export function elfHeader(writer: Writer, phoff: number, phnum: number, shoff: number, shnum: number): void {
  writer.bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  writer.u16(16, 4, 183);
  writer.u32(20, 1);
  writer.u64(32, phoff, shoff);
  writer.u16(52, 64, 56, phnum, shnum === 0 ? 0 : 64, shnum, shnum === 0 ? 0 : 1);
}

export function programHeader(
  writer: Writer,
  at: number,
  type: number,
  offset: number,
  region: MadeRegion | null,
  size: number,
): void {
  writer.u32(at, type, type === 1 ? 6 : 0);
  writer.u64(at + 8, offset, region?.vaddr ?? 0, region?.paddr ?? 0, size, type === 1 ? size : 0, 0);
}

/** @param listed the regions in the order of the header */
function upstreamHeader(listed: readonly MadeRegion[], infoLength: number) {
  const infoRoom = align4(infoLength);
  const notesAt = align4(64 + PRSTATUS + PRPSINFO + 11 + infoRoom + SLOTS * 56);
  const noteBytes = 20 + PRSTATUS + 20 + PRPSINFO + 24;
  const writer = new Writer(notesAt + noteBytes);
  elfHeader(writer, 64, listed.length + 1, 0, 0);
  programHeader(writer, 64, 4, notesAt, null, noteBytes + infoRoom);
  let offset = notesAt + noteBytes + infoRoom;
  listed.forEach((region, i) => {
    programHeader(writer, 64 + 56 * (i + 1), 1, offset, region, region.bytes.length);
    offset += region.bytes.length;
  });
  const notes: [string, number, number][] = [
    ['CORE', PRSTATUS, 1],
    ['CORE', PRPSINFO, 3],
    ['VMCOREINFO', infoRoom, 0],
  ];
  let at = notesAt;
  const fields: Field[] = [];
  for (const [name, size, type] of notes) {
    writer.u32(at, name.length + 1, size, type);
    writer.text(at + 12, name);
    for (const [i, field] of ['n_namesz', 'n_descsz', 'n_type'].entries()) {
      fields.push({ name: `${name} ${size} ${field}`, at: at + 4 * i, size: 4 });
    }
    at += 12 + align4(name.length + 1) + (name === 'CORE' ? size : 0);
  }
  for (const [name, offsetOf, size] of EHDR) fields.push({ name, at: offsetOf, size });
  for (const index of [0, 1, 2, Math.floor(listed.length / 2), listed.length]) {
    for (const [name, offsetOf, size] of PHDR) {
      fields.push({ name: `phdr ${index} ${name}`, at: 64 + 56 * index + offsetOf, size });
    }
  }
  return { bytes: writer.bytes, fields, notesAt };
}

export interface MadeOptions {
  /** The header's order of the regions (default: by ID), and which of them it lists. */
  readonly headerOrder?: (regions: readonly MadeRegion[]) => readonly MadeRegion[];
}

export function madeMinidump({ headerOrder = regions => regions }: MadeOptions = {}): MadeMinidump {
  const regions = makeRegions();
  const vmcoreinfo = vmcoreinfoText(regions);
  const header = upstreamHeader(headerOrder(regions), vmcoreinfo.length);
  const info = new Uint8Array(align4(vmcoreinfo.length));
  info.set(ascii(vmcoreinfo));
  const VALI = 0x56414c49;
  const entries: Entry[] = [
    { name: 'KELF', seq: 1, paddr: HEADER_AT, bytes: header.bytes, valid: VALI },
    { name: 'Kvmcorei', seq: 2, paddr: INFO_AT, bytes: info, valid: VALI },
    ...regions.map(({ name, seq, paddr, bytes }) => ({ name, seq, paddr, bytes: bytes.slice(), valid: VALI })),
  ];
  return { regions, entries, vmcoreinfo, headerFields: header.fields, notesAt: header.notesAt };
}

export const fileName = ({ name, seq }: { name: string; seq: number }): string =>
  `md_${name}${seq === 0 ? '' : seq}.BIN`;

const source = (name: string, bytes: Uint8Array): ByteSource => new MemorySource(bytes, name);

/** A folder of files, with dump_info.txt unless `info` is null. */
export function folderOf(files: ReadonlyMap<string, Uint8Array>, info: string | null): SourceFolder {
  const all = [...files].map(([name, bytes]) => source(name, bytes));
  if (info !== null) all.push(source('dump_info.txt', ascii(info)));
  return { name: 'made', files: all.sort((a, b) => (a.name < b.name ? -1 : 1)), close() {} };
}

export const filesOf = (entries: readonly Entry[]): Map<string, Uint8Array> =>
  new Map(entries.map(entry => [fileName(entry), entry.bytes]));

export const infoLine = (entry: Entry): string =>
  `1 0x${entry.paddr.toString(16).padStart(16, '0')}\t${String(entry.bytes.length).padStart(16)}\t${entry.name} region\t${fileName(entry)}\n`;

/** load.cmm as download tools write it. */
export const scriptOf = (entries: readonly Entry[]): Uint8Array<ArrayBuffer> =>
  ascii(entries.map(entry => `d.load.binary ${fileName(entry)} 0x${entry.paddr.toString(16)} /noclear\r\n`).join(''));

/** A rawdump image and where its fields lie; `script` is a section behind the blobs. */
export function rawdumpOf(
  entries: readonly Entry[],
  flags = 1,
  script: Uint8Array | null = null,
): { bytes: Uint8Array; fields: Field[]; payloads: number[] } {
  const all = entries.map(entry => ({ name: fileName(entry).slice(0, 20), paddr: entry.paddr, bytes: entry.bytes }));
  if (script !== null) all.push({ name: 'load.cmm', paddr: 0, bytes: script });
  const table = 56 + 64 * all.length;
  const writer = new Writer(table + all.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const fields: Field[] = [
    { name: 'signature', at: 0, size: 8 },
    { name: 'version', at: 8, size: 4 },
    { name: 'flags', at: 12, size: 4 },
    { name: 'dump_size', at: 36, size: 8 },
    { name: 'total_required', at: 44, size: 8 },
    { name: 'sections_count', at: 52, size: 4 },
  ];
  writer.text(0, 'Raw_Dmp!');
  writer.u16(8, 1, 0);
  writer.u32(12, flags);
  writer.u64(36, writer.bytes.length, writer.bytes.length);
  writer.u32(52, all.length);
  const payloads: number[] = [];
  let offset = table;
  all.forEach((entry, i) => {
    const at = 56 + 64 * i;
    writer.u32(at, 1);
    writer.u16(at + 4, 1, 0);
    writer.u32(at + 8, 1);
    writer.u64(at + 12, offset, entry.bytes.length, entry.paddr, 0);
    writer.text(at + 44, entry.name);
    for (const [name, from, size] of [
      ['flags', 0, 4],
      ['type', 8, 4],
      ['offset', 12, 8],
      ['size', 20, 8],
      ['address', 28, 8],
      ['info', 36, 8],
      ['name', 44, 4],
    ] as const) {
      fields.push({ name: `section ${i} ${name}`, at: at + from, size });
    }
    writer.bytes.set(entry.bytes, offset);
    payloads.push(offset);
    offset += entry.bytes.length;
  });
  return { bytes: writer.bytes, fields, payloads };
}

/** Memory with SMEM, the tables and everything at its place, and where the tables' fields lie (offsets in the image). */
export function ramOf(
  entries: readonly Entry[],
  memory: readonly Entry[] = entries,
): { bytes: Uint8Array; fields: Field[] } {
  const writer = new Writer(RAM_SIZE);
  const fields: Field[] = [];
  for (const { paddr, bytes } of memory) writer.bytes.set(bytes, paddr - RAM);
  entries.forEach((entry, i) => {
    const at = TABLE_AT - RAM + 40 * i;
    writer.text(at, entry.name.slice(0, 16));
    writer.u32(at + 16, entry.seq, entry.valid);
    writer.u64(at + 24, entry.paddr, entry.bytes.length);
    for (const [name, from, size] of [
      ['name', 0, 4],
      ['seq_num', 16, 4],
      ['valid', 20, 4],
      ['address', 24, 8],
      ['size', 32, 8],
    ] as const) {
      fields.push({ name: `region ${i} ${name}`, at: at + from, size });
    }
  });
  writeSmem(writer, SMEM_AT - RAM, entries.length, fields);
  return { bytes: writer.bytes, fields };
}

function writeSmem(writer: Writer, base: number, count: number, fields: Field[]): void {
  const field = (name: string, at: number, size: number) => void fields.push({ name, at, size });
  writer.u32(base + 0x5c, 12 << 16);
  writer.u32(base + 0xc0, 1);
  field('smem version', base + 0x5c, 4);
  field('smem initialized', base + 0xc0, 4);
  const toc = base + SMEM_SIZE - 4096;
  writer.text(toc, '$TOC');
  writer.u32(toc + 4, 1, 1);
  const partitionAt = 0x4000;
  writer.u32(toc + 32, partitionAt, 0x8000, 0);
  writer.u16(toc + 44, 0xfffe, 0xfffe);
  writer.text(toc + 80, 'SIII');
  writer.u32(toc + 84, SMEM_SIZE, SMEM_AT);
  writer.u16(toc + 96, 700);
  field('$TOC magic', toc, 4);
  field('$TOC version', toc + 4, 4);
  field('$TOC num_entries', toc + 8, 4);
  field('$TOC entry offset', toc + 32, 4);
  field('$TOC entry size', toc + 36, 4);
  field('$TOC entry host0', toc + 44, 2);
  field('$TOC entry host1', toc + 46, 2);
  field('SIII magic', toc + 80, 4);
  field('SIII size', toc + 84, 4);
  const partition = base + partitionAt;
  const itemSize = 16 + 32 * 10;
  writer.text(partition, '$PRT');
  writer.u16(partition + 4, 0xfffe, 0xfffe);
  writer.u32(partition + 8, 0x8000, 32 + 16 + 24 + 16 + itemSize, 0x8000);
  for (const [name, at, size] of [
    ['magic', 0, 4],
    ['host0', 4, 2],
    ['size', 8, 4],
    ['offset_free_uncached', 12, 4],
    ['offset_free_cached', 16, 4],
  ] as const) {
    field(`$PRT ${name}`, partition + at, size);
  }
  writer.u16(partition + 32, 0xa5a5, 9);
  writer.u32(partition + 36, 24);
  const item = partition + 32 + 16 + 24;
  writer.u16(item, 0xa5a5, 602);
  writer.u32(item + 4, itemSize);
  for (const [name, at, size] of [
    ['item 9 canary', -40, 2],
    ['item 9 size', -36, 4],
    ['item 602 canary', 0, 2],
    ['item 602 number', 2, 2],
    ['item 602 size', 4, 4],
    ['item 602 padding_data', 8, 2],
    ['item 602 padding_hdr', 10, 2],
  ] as const) {
    field(name, item + at, size);
  }
  const global = item + 16;
  writer.u32(global, 1, 1, 1);
  writer.u32(global + 16, 1, 0x454e424c, 0x444f4e45, 0x4e52, count);
  writer.u64(global + 40, TABLE_AT);
  for (const [name, at, size] of [
    ['global status', 0, 4],
    ['global revision', 4, 4],
    ['global enabled', 8, 4],
    ['subsystem status', 16, 4],
    ['subsystem enabled', 20, 4],
    ['subsystem encryption_status', 24, 4],
    ['subsystem encryption_required', 28, 4],
    ['subsystem region_count', 32, 4],
    ['subsystem regions_baseptr', 40, 8],
  ] as const) {
    field(name, global + at, size);
  }
}

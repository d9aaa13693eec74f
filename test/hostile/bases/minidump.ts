// Small Qualcomm minidumps: upstream and downstream header regions as a folder, a rawdump partition and memory with SMEM's tables in it; and debug-kinfo areas.
// Layouts: kernel/meminspect/meminspect.c (meminspect v3), drivers/soc/qcom/smem.c, msm-5.15 msm_minidump.c and minidump_private.h, Microsoft's offline
// dump header as Qualcomm's tools write it, kernel/meminspect/kinfo.c.
import type { Base, InputFile } from '../mutations.js';
import { Recorder, shape } from '../recorder.js';
import {
  EHDR_SIZE,
  type ElfShape,
  NHDR,
  noise,
  PHDR_SIZE,
  VMCOREINFO,
  writeEhdr,
  writeNote,
  writePhdr,
  writeShdr,
} from './elf.js';

/** Where memory begins in all of them. */
export const RAM_BASE = 0x80000000;
const LINEAR = 0xffff000000000000n;
const BANNER = 'Linux version 6.18.0-fixture (build@fixture)\n\0';
const align4 = (size: number): number => (size + 3) & ~3;

interface Blob {
  readonly name: string;
  readonly seq: number;
  readonly paddr: number;
  readonly file: InputFile;
}

const plain = (name: string, bytes: Uint8Array): InputFile => ({ name, bytes });
const recorded = (name: string, out: Recorder): InputFile => ({
  name,
  bytes: out.bytes,
  fields: out.fields,
  edges: out.edges,
});
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** name, size, ID and whether it repeats another's place. */
const REGIONS: readonly (readonly [id: number, name: string, bytes: Uint8Array])[] = [
  [4, '_totalra', noise(8, 20)],
  [11, 'linux_ba', text(BANNER)],
  [12, 'nr_threa', noise(4, 21)],
  [22, 'prb', noise(8, 22)],
  [25, 'prb_data', noise(512, 23)],
  [44, 'unknown', noise(300, 24)],
];
const paddrOf = (index: number): number => RAM_BASE + 0x2000 + index * 0x400;

/** The upstream header: notes whose last descriptor is another blob, room for a few program headers. */
function upstreamHeader(kind: ElfShape): Recorder {
  const [prstatus, prpsinfo, room] = kind.bits === 64 ? [392, 136, 9] : [148, 124, 9];
  const elfh = align4(
    EHDR_SIZE[kind.bits] + prstatus + prpsinfo + 11 + align4(VMCOREINFO.length) + room * PHDR_SIZE[kind.bits],
  );
  const out = new Recorder(elfh + 3 * 12 + 2 * 8 + 12 + prstatus + prpsinfo, kind.littleEndian);
  const phoff = EHDR_SIZE[kind.bits];
  writeEhdr(out, kind, {
    e_machine: kind.bits === 64 ? 183 : 40,
    e_phoff: phoff,
    e_phnum: REGIONS.length + 1,
    e_shentsize: 0,
  });
  let at = writeNote(out, elfh, 'CORE', 1, new Uint8Array(prstatus));
  at = writeNote(out, at, 'CORE', 3, new Uint8Array(prpsinfo));
  out.record('note VMCOREINFO 0', at, NHDR, { n_namesz: 11, n_descsz: align4(VMCOREINFO.length) });
  out.text(at + 12, 'VMCOREINFO');
  const notes = at + 24 - elfh + align4(VMCOREINFO.length);
  writePhdr(out, kind, phoff, 0, { p_type: 4, p_flags: 0, p_offset: elfh, p_filesz: notes });
  let offset = elfh + notes;
  REGIONS.forEach(([, , bytes], i) => {
    const size = align4(bytes.length);
    const p_vaddr = kind.bits === 64 ? LINEAR + BigInt(paddrOf(i) - RAM_BASE) : paddrOf(i) + 0x40000000;
    writePhdr(out, kind, phoff, i + 1, {
      p_type: 1,
      p_offset: offset,
      p_vaddr,
      p_paddr: paddrOf(i),
      p_filesz: size,
      p_memsz: size,
    });
    offset += size;
  });
  return out;
}

function padded(bytes: Uint8Array): Uint8Array {
  const room = new Uint8Array(align4(bytes.length));
  room.set(bytes);
  return room;
}

function upstreamBlobs(kind: ElfShape): Blob[] {
  return [
    { name: 'KELF', seq: 1, paddr: RAM_BASE + 0x4000, file: recorded('md_KELF1.BIN', upstreamHeader(kind)) },
    { name: 'Kvmcorein', seq: 2, paddr: RAM_BASE + 0x6000, file: plain('md_Kvmcorein2.BIN', padded(VMCOREINFO)) },
    ...REGIONS.map(([id, name, bytes], i) => ({
      name: `K${name}`,
      seq: id,
      paddr: paddrOf(i),
      file: plain(`md_K${name}${id}.BIN`, padded(bytes)),
    })),
  ];
}

const MSM_SLOTS = 8;

/** The downstream header in its 4.x to 5.15 shape: section table first, strings, banner. */
function downstreamHeader(): Recorder {
  const kind: ElfShape = { bits: 64, littleEndian: true };
  const [phoff, strings, banner] = [64 + 64 * (MSM_SLOTS + 4), 64 + 120 * (MSM_SLOTS + 4), 64 + 136 * (MSM_SLOTS + 4)];
  const total = align4(banner + BANNER.length);
  const out = new Recorder(total, true);
  const names = REGIONS.map(([, name]) => `K${name.toUpperCase()}`);
  const table = `\0STR_TBL\0minidump_table\0linux_banner\0${names.join('\0')}\0`;
  writeEhdr(out, kind, {
    e_machine: 183,
    e_shoff: 64,
    e_phoff: phoff,
    e_phnum: REGIONS.length + 1,
    e_shnum: REGIONS.length + 4,
    e_shstrndx: 1,
  });
  const name = (value: string): number => table.indexOf(value);
  writeShdr(out, kind, 64, 0, {});
  writeShdr(out, kind, 64, 1, { sh_name: 1, sh_type: 3, sh_offset: strings, sh_size: 16 * (MSM_SLOTS + 4) });
  writeShdr(out, kind, 64, 2, { sh_name: name('minidump_table'), sh_type: 1, sh_addr: LINEAR });
  const at = { sh_type: 1, sh_addr: LINEAR + 0x100n, sh_offset: banner, sh_size: BANNER.length };
  writeShdr(out, kind, 64, 3, { sh_name: name('linux_banner'), ...at });
  writePhdr(out, kind, phoff, 0, {
    p_type: 1,
    p_offset: banner,
    p_vaddr: LINEAR + 0x100n,
    p_paddr: RAM_BASE + 0x100,
    p_filesz: BANNER.length,
    p_memsz: BANNER.length,
  });
  let offset = total;
  REGIONS.forEach(([, , bytes], i) => {
    const size = align4(bytes.length);
    const vaddr = LINEAR + BigInt(paddrOf(i) - RAM_BASE);
    writeShdr(out, kind, 64, i + 4, {
      sh_name: name(names[i]),
      sh_type: 1,
      sh_flags: 1,
      sh_addr: vaddr,
      sh_offset: offset,
      sh_size: size,
    });
    writePhdr(out, kind, phoff, i + 1, {
      p_type: 1,
      p_offset: offset,
      p_vaddr: vaddr,
      p_paddr: paddrOf(i),
      p_filesz: size,
      p_memsz: size,
    });
    offset += size;
  });
  out.text(strings, table);
  out.text(banner, BANNER);
  return out;
}

function downstreamBlobs(): Blob[] {
  return [
    { name: 'KELF_HDR', seq: 0, paddr: RAM_BASE + 0x4000, file: recorded('md_KELF_HDR.BIN', downstreamHeader()) },
    ...REGIONS.map(([, name, bytes], i) => ({
      name: `K${name.toUpperCase()}`,
      seq: 0,
      paddr: paddrOf(i),
      file: plain(`md_K${name.toUpperCase()}.BIN`, padded(bytes)),
    })),
  ];
}

/** The lists of addresses that Qualcomm's tools put beside the blobs. */
function lists(blobs: readonly Blob[]): InputFile[] {
  const info = blobs.map(
    ({ name, paddr, file }) =>
      `1 0x${paddr.toString(16).padStart(16, '0')}\t${String(file.bytes.length).padStart(16)}\t${name} region\t${file.name}\n`,
  );
  const script = blobs.map(({ paddr, file }) => `d.load.binary ${file.name} 0x${paddr.toString(16)} /noclear\n`);
  return [
    { name: 'dump_info.txt', bytes: text(info.join('')), text: true },
    { name: 'load.cmm', bytes: text(script.join('')), text: true },
  ];
}

const RAW_HEADER = shape(
  'signature:8 major:2 minor:2 flags:4 os_data:8 cpu_context:8 reset_trigger:4 dump_size:8 total_required:8 sections_count:4',
);
const RAW_SECTION = shape('flags:4 major:2 minor:2 type:4 offset:8 size:8 paddr:8 info:8');

function rawdump(blobs: readonly Blob[]): InputFile {
  const sections = [
    ...blobs.map(blob => ({ paddr: blob.paddr, file: blob.file })),
    { paddr: 0, file: lists(blobs)[1] },
  ];
  let at = 56 + 64 * sections.length;
  const size = sections.reduce((sum, { file }) => sum + file.bytes.length, at);
  const out = new Recorder(size, true);
  out.record('rawdump header', 0, RAW_HEADER, {
    signature: 0x21706d445f776152n,
    major: 0x1000,
    flags: 1,
    dump_size: size,
    total_required: size,
    sections_count: sections.length,
  });
  sections.forEach(({ paddr, file }, i) => {
    const section = 56 + 64 * i;
    const values = { flags: 1, major: 0x1000, type: i % 2 === 0 ? 1 : 3, offset: at, size: file.bytes.length, paddr };
    out.text(out.record(`rawdump section ${i}`, section, RAW_SECTION, values), file.name.slice(0, 20));
    at = out.put(at, file.bytes);
  });
  return recorded('rawdump', out);
}

const TOC = shape('status:4 md_revision:4 enabled:4');
const SUBSYSTEM = shape(
  'status:4 enabled:4 encryption_status:4 encryption_required:4 region_count:4 pad:4 regions_baseptr:8',
);
const REGION = shape('name0:8 name1:8 seq_num:4 valid:4 address:8 size:8');
const SMEM_VERSION = shape('version7:4');
const SMEM_READY = shape('initialized:4');
const PARTITION_TABLE = shape('magic:4 version:4 num_entries:4');
const PARTITION_ENTRY = shape('offset:4 size:4 flags:4 host0:2 host1:2 cacheline:4');
const PARTITION_INFO = shape('magic:4 size:4 base:4 reserved:4 num_items:2');
const PARTITION = shape('magic:4 host0:2 host1:2 size:4 free_uncached:4 free_cached:4');
const ITEM = shape('canary:2 item:2 size:4 padding_data:2 padding_hdr:2 reserved:4');

/** 64 KiB of memory: blobs at their addresses, the region table at 0x1000, SMEM from 0x8000 to the end. */
function ram(blobs: readonly Blob[]): InputFile {
  const [smem, smemSize, tableAt, size] = [0x8000, 0x8000, 0x1000, 0x10000];
  const out = new Recorder(size, true);
  for (const { paddr, file } of blobs) out.put(paddr - RAM_BASE, file.bytes);
  blobs.forEach(({ name, seq, paddr, file }, i) => {
    const at = tableAt + 40 * i;
    out.record(`region ${i}`, at, REGION, { seq_num: seq, valid: 0x56414c49, address: paddr, size: file.bytes.length });
    out.text(at, name);
  });
  out.record('SMEM header', smem + 0x5c, SMEM_VERSION, { version7: 12 << 16 });
  out.record('SMEM header', smem + 0xc0, SMEM_READY, { initialized: 1 });
  const table = smem + smemSize - 4096;
  out.record('SMEM partition table', table, PARTITION_TABLE, { magic: 0x434f5424, version: 1, num_entries: 2 });
  const entry = (i: number) => table + 32 + 48 * i;
  out.record('SMEM partition 0', entry(0), PARTITION_ENTRY, {
    offset: 0x400,
    size: 0x400,
    host0: 0,
    host1: 1,
    cacheline: 64,
  });
  const hosts = { host0: 0xfffe, host1: 0xfffe };
  out.record('SMEM partition 1', entry(1), PARTITION_ENTRY, { offset: 0x1000, size: 0x2000, ...hosts, cacheline: 64 });
  out.record('SMEM info', entry(2), PARTITION_INFO, {
    magic: 0x49494953,
    size: smemSize,
    base: RAM_BASE + smem,
    num_items: 700,
  });
  const partition = smem + 0x1000;
  out.record('SMEM global partition', partition, PARTITION, {
    magic: 0x54525024,
    ...hosts,
    size: 0x2000,
    free_uncached: 32 + 48 + 16 + 336,
  });
  let at = out.record('SMEM item 520', partition + 32, ITEM, {
    canary: 0xa5a5,
    item: 520,
    size: 24,
    padding_data: 3,
    padding_hdr: 8,
  });
  at = out.record('SMEM item 602', at + 32, ITEM, { canary: 0xa5a5, item: 602, size: 336 });
  out.record('minidump global table', at, TOC, { status: 1, md_revision: 1, enabled: 1 });
  for (const index of [0, 3]) {
    const used = index === 0;
    out.record(`minidump subsystem ${index}`, at + 16 + 32 * index, SUBSYSTEM, {
      status: used ? 1 : 0,
      enabled: used ? 0x454e424c : 0x4453424c,
      encryption_status: 0x444f4e45,
      encryption_required: 0x4e52,
      region_count: used ? blobs.length : 0,
      regions_baseptr: used ? RAM_BASE + tableAt : 0,
    });
  }
  const header = blobs[0];
  const moved = (header.file.fields ?? []).map(field => ({ ...field, offset: field.offset + header.paddr - RAM_BASE }));
  return { name: 'ram', bytes: out.bytes, fields: [...out.fields, ...moved], edges: out.edges };
}

const KINFO_HEAD =
  'magic:4 checksum:4 enabled_all:1 enabled_base_relative:1 enabled_absolute_percpu:1 enabled_cfi_clang:1 num_syms:4 name_len:2 bit_per_long:2 module_name_len:2 symbol_len:2';
const KINFO_WORDS = Array.from({ length: 13 }, (_, i) => `pa${i}:8`).join(' ');
const KINFO_TAIL = 'thread_size:4 swapper_pg_dir_pa:8';

/** The area of meminspect v3 (216 bytes) and that of v1 and v2 (472 bytes, with build_info). */
function kinfo(size: 216 | 472): InputFile {
  const out = new Recorder(4096, true);
  const values: Record<string, number> = {
    magic: 0xccee_ddff,
    enabled_all: 1,
    enabled_base_relative: 1,
    num_syms: 4,
    name_len: 128,
    bit_per_long: 64,
  };
  for (let i = 0; i < 13; i++) values[`pa${i}`] = RAM_BASE + 0x100 * i;
  const end = out.record('kinfo', 0, shape(`${KINFO_HEAD} ${KINFO_WORDS} ${KINFO_TAIL}`), values);
  out.text(end, '6.18.0-fixture');
  out.record('kinfo', size - 12, shape('enabled_modules_tree_lookup:4 mod_mem_offset:4 mod_kallsyms_offset:4'), {
    mod_mem_offset: 8,
  });
  let checksum = 0;
  for (let at = 8; at < size; at += 4) checksum ^= out.view.getUint32(at, true);
  out.view.setUint32(4, checksum, true);
  out.edge(size);
  return recorded('area', out);
}

export function minidumpBases(): Base[] {
  const upstream = upstreamBlobs({ bits: 64, littleEndian: true });
  const upstream32 = upstreamBlobs({ bits: 32, littleEndian: false });
  const downstream = downstreamBlobs();
  const files = (blobs: readonly Blob[]) => blobs.map(({ file }) => file);
  return [
    { name: 'folder-upstream', kind: 'folder', files: [...files(upstream), ...lists(upstream)] },
    { name: 'folder-upstream-bare', kind: 'folder', files: files(upstream) },
    { name: 'folder-upstream32-be', kind: 'folder', files: [...files(upstream32), lists(upstream32)[0]] },
    { name: 'folder-downstream', kind: 'folder', files: [...files(downstream), lists(downstream)[0]] },
    { name: 'folder-downstream-bare', kind: 'folder', files: files(downstream) },
    { name: 'rawdump-upstream', kind: 'dump', files: [rawdump(upstream)] },
    { name: 'rawdump-downstream', kind: 'dump', files: [rawdump(downstream)] },
    { name: 'ram-upstream', kind: 'raw', files: [ram(upstream)] },
    { name: 'ram-downstream', kind: 'raw', files: [ram(downstream)] },
    { name: 'kinfo-216', kind: 'kinfo', files: [kinfo(216)] },
    { name: 'kinfo-472', kind: 'kinfo', files: [kinfo(472)] },
  ];
}

// Inputs that are valid in each record and absurd in their number: what takes time or memory by the square, or for each claim, shows here. Each is run as it is.
import type { Base, InputFile } from '../mutations.js';
import { Recorder, shape } from '../recorder.js';
import {
  EHDR_SIZE,
  type ElfShape,
  NHDR,
  noise,
  PHDR_SIZE,
  SHDR_SIZE,
  VMCOREINFO,
  vmlinux,
  writeEhdr,
  writeNote,
  writePhdr,
  writeShdr,
} from './elf.js';
import { RAM_BASE } from './minidump.js';

const KIND: ElfShape = { bits: 64, littleEndian: true };
const PAGE = 4096;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const once = (name: string, kind: Base['kind'], ...files: InputFile[]): Base => ({
  name: `many-${name}`,
  kind,
  files,
  once: true,
});
const file = (name: string, bytes: Uint8Array): InputFile => ({ name, bytes });

interface Load {
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz?: number;
}

/** An ELF core of many segments over the same payload: the count is in section 0. */
function segments(count: number, load: (i: number) => Load, payload = 4 * PAGE): InputFile {
  const table = EHDR_SIZE[64];
  const shoff = table + count * PHDR_SIZE[64];
  const data = shoff + SHDR_SIZE[64];
  const out = new Recorder(data + payload, true, false);
  writeEhdr(out, KIND, { e_machine: 62, e_phoff: table, e_phnum: 0xffff, e_shoff: shoff, e_shnum: 1 });
  writeShdr(out, KIND, shoff, 0, { sh_info: count });
  for (let i = 0; i < count; i++) {
    const { paddr, filesz, memsz = filesz } = load(i);
    writePhdr(out, KIND, table, i, {
      p_type: 1,
      p_offset: data,
      p_vaddr: BigInt(i) * 0x1000n,
      p_paddr: paddr,
      p_filesz: filesz,
      p_memsz: memsz,
    });
  }
  return file('vmcore', out.bytes);
}

/** A core whose note segment is `notes`. */
function withNotes(size: number, write: (out: Recorder, at: number) => number): InputFile {
  const at = EHDR_SIZE[64] + 2 * PHDR_SIZE[64];
  const out = new Recorder(at + size + PAGE, true, false);
  const end = write(out, at);
  writeEhdr(out, KIND, { e_machine: 62, e_phoff: EHDR_SIZE[64], e_phnum: 2 });
  writePhdr(out, KIND, EHDR_SIZE[64], 0, { p_type: 4, p_offset: at, p_filesz: end - at });
  writePhdr(out, KIND, EHDR_SIZE[64], 1, {
    p_type: 1,
    p_offset: at + size,
    p_paddr: PAGE,
    p_filesz: PAGE,
    p_memsz: PAGE,
  });
  return file('vmcore', out.bytes);
}

const KDUMP = shape(
  'status:4 block_size:4 sub_hdr_size:4 bitmap_blocks:4 max_mapnr:4 total:4 device:4 written:4 cpu:4 cpus:4',
);

/** Bitmaps of `blocks` blocks, each byte `bits`, and nothing behind them: every page is cut off. */
function bitmaps(blocks: number, bits: number): InputFile {
  const out = new Recorder((2 + 2 * blocks) * PAGE, true, false);
  out.text(0, 'KDUMP   ');
  out.view.setUint32(8, 6, true);
  out.record('kdump header', 424, KDUMP, {
    block_size: PAGE,
    sub_hdr_size: 1,
    bitmap_blocks: 2 * blocks,
    max_mapnr: 0xffffffff,
  });
  out.view.setBigUint64(PAGE + 96, BigInt(blocks * PAGE * 8), true);
  out.bytes.fill(0xff, 2 * PAGE, (2 + blocks) * PAGE);
  out.bytes.fill(bits, (2 + blocks) * PAGE);
  return file('dump', out.bytes);
}

/** A flattened stream of `count` records of `size` bytes. */
function records(count: number, size: number, offset: (i: number) => number): InputFile {
  const out = new Recorder(PAGE + (count + 1) * 16 + count * size, false, false);
  out.text(0, 'makedumpfile');
  out.view.setBigUint64(16, 1n);
  out.view.setBigUint64(24, 1n);
  for (let i = 0; i < count; i++) {
    const at = PAGE + i * (16 + size);
    out.view.setBigUint64(at, BigInt(offset(i)));
    out.view.setBigUint64(at + 8, BigInt(size));
  }
  const end = PAGE + count * (16 + size);
  out.view.setBigInt64(end, -1n);
  out.view.setBigInt64(end + 8, -1n);
  return file('dump.flat', out.bytes);
}

const RAW_SECTION = shape('flags:4 version:4 type:4 offset:8 size:8 paddr:8 info:8');

function sections(count: number, place: (i: number) => { offset: number; size: number; paddr: number }): InputFile {
  const out = new Recorder(56 + 64 * count + PAGE, true, false);
  out.text(0, 'Raw_Dmp!');
  out.view.setUint16(8, 0x1000, true);
  out.view.setUint32(12, 1, true);
  out.view.setUint32(52, count, true);
  for (let i = 0; i < count; i++) {
    out.text(out.record('section', 56 + 64 * i, RAW_SECTION, { flags: 1, type: 1, ...place(i) }), `md_K${i}.BIN`);
  }
  return file('rawdump', out.bytes);
}

/** Memory whose every page begins with `start`. */
function pagesOf(pages: number, start: Uint8Array): InputFile {
  const bytes = noise(PAGE, 50);
  bytes.set(start);
  const memory = new Uint8Array(pages * PAGE);
  for (let i = 0; i < pages; i++) memory.set(bytes, i * PAGE);
  return file('memory', memory);
}

/** SMEM's partition table as it is where it is true; here it is not. */
function falseTable(): Uint8Array {
  const out = new Recorder(256, true, false);
  out.record('table', 0, shape('magic:4 version:4 num_entries:4'), { magic: 0x434f5424, version: 1, num_entries: 2 });
  out.record('info', 32 + 96, shape('magic:4 size:4 base:4 reserved:4 num_items:2'), {
    magic: 0x49494953,
    size: 0x1000,
    base: RAM_BASE,
    num_items: 700,
  });
  return out.bytes;
}

function lines(count: number, line: (i: number) => string): Uint8Array {
  return text(Array.from({ length: count }, (_, i) => line(i)).join(''));
}

const infoLine = (i: number): string => `1 0x${(RAM_BASE + 64 * i).toString(16)}\t${64}\tregion ${i}\tmd_K${i}.BIN\n`;

const small = (): InputFile[] => [...Array(20_000).keys()].map(i => file(`md_K${i}.BIN`, noise(64, i)));

/** Each is made when it is asked for: together they are large. */
export function manyBases(): (() => Base)[] {
  return [
    () =>
      once(
        'segments-nested',
        'dump',
        segments(40_000, i => ({ paddr: i, filesz: 100_000 - 2 * i }), 100_000),
      ),
    () =>
      once(
        'segments-alike',
        'dump',
        segments(40_000, () => ({ paddr: PAGE, filesz: PAGE })),
      ),
    () =>
      once(
        'segments-apart',
        'dump',
        segments(40_000, i => ({ paddr: i * 3 * PAGE, filesz: 16, memsz: PAGE })),
      ),
    () =>
      once(
        'segments-more',
        'dump',
        segments(80_000, i => ({ paddr: i * 3 * PAGE, filesz: 16, memsz: PAGE })),
      ),
    () =>
      once(
        'segments-excluded',
        'dump',
        segments(40_000, i => ({ paddr: i * 2 ** 30, filesz: 16, memsz: 2 ** 29 })),
      ),
    () =>
      once(
        'notes',
        'dump',
        withNotes(200_000 * 20, (out, at) => {
          for (let i = 0; i < 200_000; i++) out.record('note', at + 20 * i, NHDR, { n_namesz: 5, n_type: 1 });
          return at + 200_000 * 20;
        }),
      ),
    () =>
      once(
        'vmcoreinfo-lines',
        'dump',
        withNotes(12 << 20, (out, at) =>
          writeNote(
            out,
            at,
            'VMCOREINFO',
            0,
            lines(300_000, i => `SYMBOL(name_${i})=ffffffff8${i}\n`),
          ),
        ),
      ),
    () => once('bitmap-all', 'dump', bitmaps(2048, 0xff)),
    () => once('bitmap-alternating', 'dump', bitmaps(96, 0xaa)),
    () =>
      once(
        'records-ascending',
        'dump',
        records(300_000, 1, i => i),
      ),
    () =>
      once(
        'records-descending',
        'dump',
        records(300_000, 1, i => 3 * (300_000 - i)),
      ),
    () =>
      once(
        'records-alike',
        'dump',
        records(300_000, 1, () => 0),
      ),
    () =>
      once(
        'records-empty',
        'dump',
        records(300_000, 0, i => i),
      ),
    () =>
      once(
        'sections',
        'dump',
        sections(65_536, i => ({ offset: 56 + 64 * 65_536 + (i % 64) * 64, size: 64, paddr: RAM_BASE + 64 * i })),
      ),
    () =>
      once(
        'sections-alike',
        'dump',
        sections(65_536, () => ({ offset: 56 + 64 * 65_536, size: 2 ** 20, paddr: RAM_BASE })),
      ),
    () => once('listed', 'folder', { name: 'dump_info.txt', bytes: lines(65_536, infoLine) }),
    () => once('blobs', 'folder', ...small()),
    () => once('blobs-listed', 'folder', ...small(), { name: 'dump_info.txt', bytes: lines(20_000, infoLine) }),
    () => once('elf-pages', 'raw', pagesOf(2048, vmlinux(KIND).bytes.subarray(0, 2048))),
    () => once('table-pages', 'raw', pagesOf(2048, falseTable())),
    () => once('vmcoreinfo-pages', 'raw', pagesOf(2048, VMCOREINFO)),
    () =>
      once(
        'System.map',
        'symbols',
        file(
          'System.map',
          lines(300_000, i => `${(0xffffffff81000000n + BigInt(i)).toString(16)} T name_${i}\n`),
        ),
      ),
    () =>
      once(
        'System.map-alike',
        'symbols',
        file(
          'System.map',
          lines(300_000, () => 'ffffffff81000000 T name\n'),
        ),
      ),
    () =>
      once(
        'regions',
        'region-set',
        file('set.json', text(`{"regionSet":1,"regions":[${'{"paddr":1,"length":1},'.repeat(65_535)}{"type":"x"}]}`)),
      ),
    () => once('brackets', 'region-set', file('set.json', text('['.repeat(1 << 20)))),
  ];
}

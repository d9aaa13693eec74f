// Small kdump-compressed files: every header version, word size and byte order, with a page of each codec, and the same in makedumpfile's flattened form.
// Layouts: makedumpfile 1.7 diskdump_mod.h, makedumpfile.h and IMPLEMENTATION.
import type { Base, InputFile } from '../mutations.js';
import { type FieldShape, Recorder, shape, type Values } from '../recorder.js';
import { type ElfShape, noise, VMCOREINFO, writeNote } from './elf.js';
import { CODEC_FLAG, COMPRESSED_PAGES } from './pages.js';

const BLOCK = 4096;
const TIME = { 32: 'tv_sec:4 tv_usec:4', 64: 'tv_sec:8 tv_usec:8' } as const;
const UTSNAME_SIZE = 6 * 65;
const TAIL =
  'status:4 block_size:4 sub_hdr_size:4 bitmap_blocks:4 max_mapnr:4 total_ram_blocks:4 device_blocks:4 written_blocks:4 current_cpu:4 nr_cpus:4';
const HEADER_START = shape('signature:8 header_version:4');
const HEADER_END: Record<32 | 64, readonly FieldShape[]> = {
  32: shape(`${TIME[32]} ${TAIL}`),
  64: shape(`${TIME[64]} ${TAIL}`),
};
/** Where the timestamp lies; i386 aligns it to 4, all 64-bit machines to 8. */
const TIME_AT = { 32: 404, 64: 408 } as const;
const DESCRIPTOR = shape('offset:8 size:4 flags:4 page_flags:8');
/** Fields of struct kdump_sub_header by the version that brought them; `long` is the writer's word. */
const SUB_HEADER: readonly (readonly [since: number, text: string])[] = [
  [1, 'phys_base:long dump_level:4'],
  [2, 'split:4 start_pfn:long end_pfn:long'],
  [3, 'offset_vmcoreinfo:8 size_vmcoreinfo:long'],
  [4, 'offset_note:8 size_note:long'],
  [5, 'offset_eraseinfo:8 size_eraseinfo:long'],
  [6, 'start_pfn_64:8 end_pfn_64:8 max_mapnr_64:8'],
];

function subHeaderShape(version: number, bits: 32 | 64): readonly FieldShape[] {
  const text = SUB_HEADER.filter(([since]) => since <= version).map(([, fields]) => fields);
  return shape(text.join(' ').replaceAll(':long', `:${bits / 8}`));
}

type Page = readonly [pfn: number, flags: number, data: Uint8Array];

/** Pages stored raw, zero and with each codec; frames 3 and 9 exist and were filtered, 5 never existed. */
function pages(only?: keyof typeof COMPRESSED_PAGES): Page[] {
  const codecs = only === undefined ? (['zlib', 'lzo', 'snappy', 'zstd'] as const) : ([only, only] as const);
  return [
    [0, 0, noise(BLOCK, 10)],
    [1, 0, new Uint8Array(BLOCK)],
    ...codecs.map((codec, i): Page => [i < 2 ? 2 + 2 * i : 4 + i, CODEC_FLAG[codec], COMPRESSED_PAGES[codec]]),
    [10, 0, noise(BLOCK, 11)],
  ];
}

interface KdumpShape extends ElfShape {
  readonly version: number;
  readonly only?: keyof typeof COMPRESSED_PAGES;
  readonly split?: readonly [number, number];
}

function kdump(kind: KdumpShape, name = 'dump'): InputFile {
  const { bits, version, split } = kind;
  const stored = pages(kind.only).filter(([pfn]) => split === undefined || (pfn >= split[0] && pfn < split[1]));
  const maxMapnr = 12;
  const descriptorsAt = BLOCK * 4;
  let dataAt = descriptorsAt + stored.length * 24;
  const size = dataAt + stored.reduce((sum, [, , data]) => sum + data.length, 0);
  const out = new Recorder(size, kind.littleEndian);
  out.record('kdump header', 0, HEADER_START, { header_version: version });
  out.text(0, 'KDUMP   ');
  ['Linux', 'fixture', '6.18.0-fixture', '#1', bits === 64 ? 'x86_64' : 'i686', ''].forEach((text, i) => {
    out.text(12 + 65 * i, text);
  });
  out.edge(12 + UTSNAME_SIZE);
  out.record('kdump header', TIME_AT[bits], HEADER_END[bits], {
    tv_sec: 1_700_000_000,
    status: 1,
    block_size: BLOCK,
    sub_hdr_size: 1,
    bitmap_blocks: 2,
    max_mapnr: maxMapnr,
    total_ram_blocks: maxMapnr,
    written_blocks: stored.length,
    nr_cpus: 1,
  });
  const noteAt = BLOCK + 512;
  const noteEnd = version >= 3 ? writeNote(out, noteAt, 'VMCOREINFO', 0, VMCOREINFO) : noteAt;
  const eraseEnd = version >= 5 ? out.text(noteEnd, 'erase vmcoreinfo 10\n') : noteEnd;
  const [start, end] = split ?? [0, 0];
  const sub: Values = {
    phys_base: 0,
    dump_level: 31,
    split: split === undefined ? 0 : 1,
    start_pfn: start,
    end_pfn: end,
    offset_vmcoreinfo: noteAt + 24,
    size_vmcoreinfo: VMCOREINFO.length,
    offset_note: noteAt,
    size_note: noteEnd - noteAt,
    offset_eraseinfo: noteEnd,
    size_eraseinfo: eraseEnd - noteEnd,
    start_pfn_64: start,
    end_pfn_64: end,
    max_mapnr_64: maxMapnr,
  };
  out.record('kdump sub header', BLOCK, subHeaderShape(version, bits), sub);
  const bitmap = shape('bitmap:8');
  out.record('first bitmap', BLOCK * 2, bitmap, { bitmap: bitmapWord(0xfdf, kind.littleEndian) });
  const dumped = pages(kind.only).reduce((bits12, [pfn]) => bits12 | (1 << pfn), 0);
  out.record('second bitmap', BLOCK * 3, bitmap, { bitmap: bitmapWord(dumped, kind.littleEndian) });
  stored.forEach(([pfn, flags, data], i) => {
    out.record(`page descriptor of ${pfn}`, descriptorsAt + 24 * i, DESCRIPTOR, {
      offset: dataAt,
      size: data.length,
      flags,
    });
    dataAt = out.put(dataAt, data);
  });
  return { name, bytes: out.bytes, fields: out.fields, edges: out.edges };
}

/** Bit n of a bitmap is bit n % 8 of byte n / 8 on every machine. */
function bitmapWord(bits: number, littleEndian: boolean): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(bits), true);
  return view.getBigUint64(0, littleEndian);
}

const FLAT_HEADER = shape('signature:8 signature_end:8 type:8 version:8');
const FLAT_RECORD = shape('offset:8 buf_size:8');

/** A file as a flattened stream of few records, the first of them written twice. */
function flattened(file: InputFile): InputFile {
  const cuts = [0, 464, BLOCK + 104, BLOCK * 4 + 24, file.bytes.length - 100, file.bytes.length];
  const pieces = cuts.slice(1).map((end, i) => ({ at: cuts[i], bytes: file.bytes.subarray(cuts[i], end) }));
  const order = [...pieces.slice(1), pieces[0], pieces[0]];
  const out = new Recorder(BLOCK + order.reduce((sum, { bytes }) => sum + 16 + bytes.length, 16), false);
  out.record('flattened header', 0, FLAT_HEADER, { type: 1, version: 1 });
  out.text(0, 'makedumpfile');
  let at = out.edge(BLOCK);
  order.forEach(({ at: offset, bytes }, i) => {
    at = out.put(out.record(`flattened record ${i}`, at, FLAT_RECORD, { offset, buf_size: bytes.length }), bytes);
  });
  out.record('flattened end', at, FLAT_RECORD, { offset: -1, buf_size: -1 });
  return { name: `${file.name}.flat`, bytes: out.bytes, fields: out.fields, edges: out.edges };
}

/** Each version, word size and byte order at least once, the newest of all kinds. */
const KINDS: readonly (readonly [bits: 32 | 64, littleEndian: boolean, version: number])[] = [
  [64, true, 1],
  [32, false, 2],
  [64, false, 3],
  [32, true, 4],
  [64, true, 5],
  [64, true, 6],
  [64, false, 6],
  [32, true, 6],
  [32, false, 6],
];

export function kdumpBases(): Base[] {
  const bases: Base[] = [];
  const add = (name: string, ...files: InputFile[]) => bases.push({ name, kind: 'dump', files });
  for (const [bits, littleEndian, version] of KINDS) {
    add(`kdump${bits}-${littleEndian ? 'le' : 'be'}-v${version}`, kdump({ bits, littleEndian, version }));
  }
  const kind: KdumpShape = { bits: 64, littleEndian: true, version: 6 };
  for (const only of ['zlib', 'lzo', 'snappy', 'zstd'] as const) add(`kdump-${only}`, kdump({ ...kind, only }));
  add('kdump-split', kdump({ ...kind, split: [0, 6] }, 'part1'), kdump({ ...kind, split: [6, 12] }, 'part2'));
  add('flattened-kdump', flattened(kdump(kind)));
  add('flattened-kdump32-be', flattened(kdump({ bits: 32, littleEndian: false, version: 6 })));
  return bases;
}

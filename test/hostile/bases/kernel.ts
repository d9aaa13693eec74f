// A vmcore with a little kernel in it: banner, utsname, the symbol table of kallsyms and a printk ring buffer, all named by VMCOREINFO.
// Layouts: scripts/kallsyms.c (6.1, and 7.0 with offsets relative to their entries), kernel/printk/printk_ringbuffer.h, arch/x86/include/asm/page_64.h.
import type { Base, InputFile } from '../mutations.js';
import { Recorder, shape } from '../recorder.js';
import { EHDR_SIZE, type ElfShape, noise, PHDR_SIZE, writeEhdr, writeNote, writePhdr } from './elf.js';
import { BTF_SYMBOLS, writeKernelBtf } from './kernel-btf.js';

const KIND: ElfShape = { bits: 64, littleEndian: true };
const IMAGE = 0xffffffff81000000n;
const PADDR = 0x1000000;
const PAGES = 6;
/** Where the image's bytes begin in the file. */
const PAYLOAD = 8192;

const BANNER_AT = 0x800;
const UTS_AT = 0x900;
const KALLSYMS_AT = 0x1000;
const PRB_AT = 0x3000;
const DESCS_AT = 0x3100;
const INFOS_AT = 0x3200;
const DATA_AT = 0x4000;
const BTF_AT = 0x5000;

const SYMBOLS: readonly (readonly [type: string, name: string, at: number])[] = [
  ['T', '_stext', 0],
  ['D', 'linux_banner', BANNER_AT],
  ['D', 'init_uts_ns', UTS_AT],
  ['d', 'prb', PRB_AT],
  ...Object.entries(BTF_SYMBOLS).map(([name, at]) => ['D', name, BTF_AT + at] as const),
  ['B', '_end', PAGES * 4096],
];

const WORD = shape('value:8');
const HALF = shape('value:4');
const SHORT = shape('value:2');

interface Tables {
  readonly [symbol: string]: number;
}

/** Every token stands for one character, so that names lie uncompressed behind their lengths. */
function writeKallsyms(out: Recorder, relative: boolean): Tables {
  const at = PAYLOAD + KALLSYMS_AT;
  out.record('kallsyms_num_syms', at, HALF, { value: SYMBOLS.length });
  const names = at + (relative ? 4 : 8);
  let end = names;
  for (const [type, name] of SYMBOLS) {
    out.record(`kallsyms name ${name}`, end, shape('length:1'), { length: name.length + 1 });
    end = out.text(end + 1, type + name);
  }
  const tokenTable = at + 0x200;
  const markers = tokenTable - 4;
  out.record('kallsyms_markers', markers, HALF, { value: 0 });
  const starts: number[] = [];
  let token = tokenTable;
  for (let i = 0; i < 256; i++) {
    starts.push(token - tokenTable);
    if (i > 32 && i < 127) out.bytes[token++] = i;
    token++;
  }
  const tokenIndex = (token + 7) & ~7;
  starts.forEach((start, i) => {
    if (i % 32 === 0 || i > 250) out.record(`kallsyms_token_index ${i}`, tokenIndex + 2 * i, SHORT, { value: start });
    else out.view.setUint16(tokenIndex + 2 * i, start, true);
  });
  const offsets = tokenIndex + 512;
  SYMBOLS.forEach(([, , symbol], i) => {
    const own = offsets + 4 * i - PAYLOAD;
    out.record(`kallsyms_offsets ${i}`, offsets + 4 * i, HALF, { value: relative ? symbol - own : -1 - symbol });
  });
  const base = offsets + 4 * SYMBOLS.length + (SYMBOLS.length % 2) * 4;
  if (!relative) out.record('kallsyms_relative_base', base, WORD, { value: IMAGE });
  const seqs = relative ? base : base + 8;
  const byName = SYMBOLS.map((_, i) => i).sort((a, b) => (SYMBOLS[a][1] < SYMBOLS[b][1] ? -1 : 1));
  byName.forEach((symbol, i) => {
    out.record(`kallsyms_seqs_of_names ${i}`, seqs + 3 * i, shape('high:1 middle:1 low:1'), { low: symbol });
  });
  for (const edge of [names, markers, seqs, tokenTable, tokenIndex, offsets, base, base + 8]) out.edge(edge);
  const tables = {
    num_syms: at,
    names,
    markers,
    seqs_of_names: seqs,
    token_table: tokenTable,
    token_index: tokenIndex,
    offsets,
  };
  return relative ? tables : { ...tables, relative_base: base };
}

const RING = shape(
  'count_bits:4 pad:4 descs:8 infos:8 head_id:8 tail_id:8 last_finalized_seq:8 size_bits:4 pad2:4 data:8 head_lpos:8 tail_lpos:8 fail:8',
);
const DESC = shape('state_var:8 begin:8 next:8');
const INFO = shape('seq:8 ts_nsec:8 text_len:2 facility:1 flags_level:1 caller_id:4');
const INFO_SIZE = 88;
const LINES = ['Linux version 6.18.0-fixture', 'sysrq: Trigger a crash', 'Kernel panic - not syncing: fixture'];
const FINALIZED = 2n << 62n;

function writeLog(out: Recorder): void {
  const at = (offset: number) => PAYLOAD + offset;
  out.record('prb', at(PRB_AT), WORD, { value: IMAGE + BigInt(PRB_AT + 8) });
  let lpos = 0;
  LINES.forEach((line, i) => {
    const next = lpos + ((8 + line.length + 7) & ~7);
    out.record(`prb_desc ${i}`, at(DESCS_AT + 24 * i), DESC, { state_var: FINALIZED + BigInt(i), begin: lpos, next });
    const info = { seq: i, ts_nsec: 1_000_000 * i, text_len: line.length, flags_level: 6 << 5, caller_id: 1 };
    out.record(`printk_info ${i}`, at(INFOS_AT + INFO_SIZE * i), INFO, info);
    out.record(`data block ${i}`, at(DATA_AT + lpos), WORD, { value: i });
    out.text(at(DATA_AT + lpos + 8), line);
    lpos = next;
  });
  out.record('prb_desc 3', at(DESCS_AT + 24 * 3), DESC, {
    state_var: (3n << 62n) + 0x3ffffffffffffffbn,
    begin: 1,
    next: 1,
  });
  out.record('printk_ringbuffer', at(PRB_AT + 8), RING, {
    count_bits: 2,
    descs: IMAGE + BigInt(DESCS_AT),
    infos: IMAGE + BigInt(INFOS_AT),
    head_id: LINES.length - 1,
    tail_id: 0,
    size_bits: 9,
    data: IMAGE + BigInt(DATA_AT),
    head_lpos: lpos,
  });
}

const PRINTK_LINES = `SIZE(printk_ringbuffer)=88
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=48
OFFSET(printk_ringbuffer.fail)=80
SIZE(prb_desc_ring)=48
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=8
OFFSET(prb_desc_ring.infos)=16
OFFSET(prb_desc_ring.head_id)=24
OFFSET(prb_desc_ring.tail_id)=32
SIZE(prb_desc)=24
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=8
SIZE(prb_data_blk_lpos)=16
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=8
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(printk_info.dev_info)=24
SIZE(dev_printk_info)=64
SIZE(prb_data_ring)=32
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=8
OFFSET(prb_data_ring.head_lpos)=16
OFFSET(prb_data_ring.tail_lpos)=24
SIZE(atomic_long_t)=8
OFFSET(atomic_long_t.counter)=0
OFFSET(uts_namespace.name)=0`;

function vmcoreinfo(tables: Tables): string {
  const symbol = (name: string, offset: number) => `SYMBOL(${name})=${(IMAGE + BigInt(offset)).toString(16)}`;
  return [
    'OSRELEASE=6.18.0-fixture',
    'PAGESIZE=4096',
    'NUMBER(phys_base)=0',
    'KERNELOFFSET=0',
    symbol('_stext', 0),
    symbol('init_uts_ns', UTS_AT),
    symbol('prb', PRB_AT),
    ...Object.entries(tables).map(([name, at]) => symbol(`kallsyms_${name}`, at - PAYLOAD)),
    PRINTK_LINES,
    '',
  ].join('\n');
}

function kernel(relative: boolean): { dump: InputFile; vmcoreinfo: string } {
  const out = new Recorder(PAYLOAD + PAGES * 4096, true);
  const [phoff, notesAt] = [EHDR_SIZE[64], EHDR_SIZE[64] + 2 * PHDR_SIZE[64]];
  out.put(PAYLOAD, noise(0x800, 30));
  out.text(PAYLOAD + BANNER_AT, 'Linux version 6.18.0-fixture (build@fixture)\n\0');
  ['Linux', 'fixture', '6.18.0-fixture', '#1', 'x86_64', ''].forEach((name, i) => {
    out.text(PAYLOAD + UTS_AT + 65 * i, name);
  });
  const tables = writeKallsyms(out, relative);
  writeLog(out);
  writeKernelBtf(out, PAYLOAD + BTF_AT, IMAGE + BigInt(BTF_AT));
  const lines = vmcoreinfo(tables);
  writeEhdr(out, KIND, { e_machine: 62, e_phoff: phoff, e_phnum: 2 });
  const size = writeNote(out, notesAt, 'VMCOREINFO', 0, new TextEncoder().encode(lines)) - notesAt;
  writePhdr(out, KIND, phoff, 0, { p_type: 4, p_offset: notesAt, p_filesz: size, p_memsz: size });
  const length = PAGES * 4096;
  writePhdr(out, KIND, phoff, 1, {
    p_type: 1,
    p_offset: PAYLOAD,
    p_vaddr: IMAGE,
    p_paddr: PADDR,
    p_filesz: length,
    p_memsz: length,
  });
  return { dump: { name: 'vmcore', bytes: out.bytes, fields: out.fields, edges: out.edges }, vmcoreinfo: lines };
}

export function kernelBases(): Base[] {
  const old = kernel(false);
  const text: InputFile = { name: 'vmcoreinfo.txt', bytes: new TextEncoder().encode(old.vmcoreinfo), text: true };
  return [
    { name: 'kernel-6.1', kind: 'dump', files: [old.dump] },
    { name: 'kernel-7.0', kind: 'dump', files: [kernel(true).dump] },
    { name: 'vmcoreinfo', kind: 'vmcoreinfo', files: [text, { name: 'vmcore', bytes: old.dump.bytes }] },
  ];
}

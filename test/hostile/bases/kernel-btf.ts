// BTF as it lies in a kernel's memory: the kernel's own, and that of one module on the kernel's list. Layouts: kernel/bpf/btf.c (struct btf_module, struct btf; 5.11 to 7.3).
import { makeBtf } from '../../reader/debuginfo/made-btf.js';
import { type Recorder, shape } from '../recorder.js';

const PTR = 2;
const ARRAY = 3;
const STRUCT = 4;

/** Of the structs that the module's list is read by, and one more. */
const KERNEL = makeBtf([
  { name: 'unsigned int', kind: 1, third: 4, rest: [32] }, // 1
  { name: 'long unsigned int', kind: 1, third: 8, rest: [64] }, // 2
  { name: 'char', kind: 1, third: 1, rest: [0x0100_0008] }, // 3
  { name: 'list_head', kind: STRUCT, vlen: 2, third: 16, rest: ['next', 5, 0, 'prev', 5, 64] }, // 4
  { kind: PTR, third: 4 }, // 5
  { name: 'btf_module', kind: STRUCT, vlen: 2, third: 24, rest: ['list', 4, 0, 'btf', 7, 128] }, // 6
  { kind: PTR, third: 8 }, // 7
  {
    name: 'btf', // 8
    kind: STRUCT,
    vlen: 5,
    third: 80,
    rest: ['data', 2, 0, 'data_size', 1, 64, 'start_id', 1, 96, 'start_str_off', 1, 128, 'name', 9, 160],
  },
  { kind: ARRAY, rest: [3, 2, 56] }, // 9
  { name: 'node', kind: STRUCT, vlen: 2, third: 24, rest: ['next', 5, 0, 'high', 2, 128] }, // 10
]);
const WORD = shape('word:4');
const LINKS = shape('next:8 prev:8');
const BTF_MODULE = shape('list.next:8 list.prev:8 btf:8');
const BTF = shape('data:8 data_size:4 start_id:4 start_str_off:4');

const LIST_AT = 0;
const LINK_AT = 0x20;
const STRUCT_AT = 0x40;
const MODULE_AT = 0x100;
const KERNEL_AT = 0x200;

/** Where each symbol lies, from the start of what was written on. */
export const BTF_SYMBOLS = {
  btf_modules: LIST_AT,
  __start_BTF: KERNEL_AT,
  __stop_BTF: KERNEL_AT + KERNEL.length,
} as const;

function writeWords(out: Recorder, record: string, at: number, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  out.put(at, bytes);
  for (let i = 0; i + 4 <= bytes.length; i += 4) {
    out.record(`${record} ${i}`, at + i, WORD, { word: view.getUint32(i, true) });
  }
}

/** @param at in the file, and `address` in memory; takes less than a page */
export function writeKernelBtf(out: Recorder, at: number, address: bigint): void {
  const there = (offset: number): bigint => address + BigInt(offset);
  const header = new DataView(KERNEL.buffer);
  const stringsFrom = header.getUint32(20, true);
  const module = makeBtf([{ name: 'mine', kind: STRUCT, vlen: 1, third: 24, rest: ['base', 10, 0] }], { stringsFrom });
  out.record('btf_modules', at + LIST_AT, LINKS, { next: there(LINK_AT), prev: there(LINK_AT) });
  out.record('btf_module', at + LINK_AT, BTF_MODULE, {
    'list.next': there(LIST_AT),
    'list.prev': there(LIST_AT),
    btf: there(STRUCT_AT),
  });
  const name = out.record('btf', at + STRUCT_AT, BTF, {
    data: there(MODULE_AT),
    data_size: module.length,
    start_id: 11,
    start_str_off: stringsFrom,
  });
  out.text(name, 'made');
  writeWords(out, 'BTF of the module', at + MODULE_AT, module);
  writeWords(out, 'BTF', at + KERNEL_AT, KERNEL);
}

// BTF of every kind, alone and as a module's on top of it; every word of it is a field.
import { EVERY_KIND, type MadeType, makeBtf } from '../../reader/debuginfo/made-btf.js';
import type { Base, InputFile } from '../mutations.js';
import type { Field } from '../recorder.js';

const HEADER = ['hdr_len', 'type_off', 'type_len', 'str_off', 'str_len', 'layout_off', 'layout_len'];

function fileOf(name: string, bytes: Uint8Array, littleEndian: boolean): InputFile {
  const view = new DataView(bytes.buffer);
  const types = view.getUint32(12, littleEndian);
  const hdrLen = view.getUint32(4, littleEndian);
  const fields: Field[] = [
    { record: 'header', name: 'magic', width: 2, offset: 0, littleEndian },
    { record: 'header', name: 'version', width: 1, offset: 2, littleEndian },
  ];
  for (let at = 4; at < hdrLen + types; at += 4) {
    const inHeader = at < hdrLen;
    const label = inHeader ? HEADER[at / 4 - 1] : `word ${(at - hdrLen) / 4}`;
    fields.push({ record: inHeader ? 'header' : 'types', name: label, width: 4, offset: at, littleEndian });
  }
  const edges = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => i * 4);
  return { name, bytes, fields, edges };
}

export function btfBases(): Base[] {
  const layout = Array.from({ length: 20 }, (): [number, number] => [0, 0]);
  return [true, false].flatMap((littleEndian): Base[] => {
    const order = littleEndian ? 'little' : 'big';
    const kernel = makeBtf(EVERY_KIND, { littleEndian, hdrLen: littleEndian ? 24 : 32, layout });
    const stringsFrom = new DataView(kernel.buffer).getUint32(20, littleEndian);
    const own = { name: 'mine', kind: 4, vlen: 2, third: 40, rest: ['base', 7, 0, '', 33, 256] };
    const module = makeBtf([own, { kind: 2, third: 32 }], { littleEndian, stringsFrom });
    return [
      { name: `btf-${order}`, kind: 'btf', files: [fileOf('vmlinux', kernel, littleEndian)] },
      {
        name: `btf-split-${order}`,
        kind: 'btf',
        files: [{ name: 'vmlinux', bytes: kernel }, fileOf('module', module, littleEndian)],
      },
    ];
  });
}

const STRUCT = 4;
const TYPEDEF = 8;
const MOST_MEMBERS = 65_535;

/** Structs of as many members as there can be, each an anonymous struct: the next one; their names, where they have any, are long and overlap. */
function wide(structs: number, named: boolean): MadeType[] {
  const types: MadeType[] = [{ name: 'x'.repeat(1900), kind: 1, third: 4, rest: [32] }];
  for (let i = 0; i < structs; i++) {
    const rest = Array.from({ length: MOST_MEMBERS }, (_, n) => [named ? 900 + (n % 900) : 0, i + 3, 0]).flat();
    types.push({ name: 'node', kind: STRUCT, vlen: MOST_MEMBERS, third: 8, rest });
  }
  return types;
}

/** Valid in each record and absurd in their number. */
export function manyBtfBases(): (() => Base)[] {
  const once = (name: string, types: () => readonly MadeType[]) => (): Base => ({
    name: `many-btf-${name}`,
    kind: 'btf',
    files: [{ name: 'vmlinux', bytes: makeBtf(types()) }],
    once: true,
  });
  return [
    once('alike', () => Array.from({ length: 100_000 }, () => ({ name: 'node', kind: STRUCT, third: 8 }))),
    once('chain', () => Array.from({ length: 100_000 }, (_, i) => ({ name: 'node', kind: TYPEDEF, third: i + 2 }))),
    once('anonymous-members', () => wide(5, false)),
    once('long-names', () => wide(5, true)),
  ];
}

// BTF laid down word by word from Documentation/bpf/btf.rst and include/uapi/linux/btf.h.

/** A type as words behind its name: kind, vlen, kind_flag, size or type, and what follows. A name among the words is put into the string section. */
export interface MadeType {
  readonly name?: string;
  readonly kind: number;
  readonly vlen?: number;
  readonly flag?: boolean;
  readonly third?: number;
  readonly rest?: readonly (number | string)[];
}

export interface MadeBtfOptions {
  readonly littleEndian?: boolean;
  /** Length of the header: with 32 a layout section follows the strings. */
  readonly hdrLen?: number;
  /** info_sz and elem_sz of each kind from 0 on. */
  readonly layout?: readonly (readonly [number, number])[];
  /** Of split BTF: the length of the base's strings; then there is no empty string first. */
  readonly stringsFrom?: number;
}

const encoder = new TextEncoder();

export function makeBtf(types: readonly MadeType[], options: MadeBtfOptions = {}): Uint8Array<ArrayBuffer> {
  const { littleEndian = true, hdrLen = 24, layout = [], stringsFrom = 0 } = options;
  const strings: number[] = stringsFrom === 0 ? [0] : [];
  const places = new Map<string, number>();
  const place = (text: string): number => {
    if (text === '') return 0;
    let at = places.get(text);
    if (at === undefined) {
      at = stringsFrom + strings.length;
      strings.push(...encoder.encode(text), 0);
      places.set(text, at);
    }
    return at;
  };
  const words: number[] = [];
  for (const { name = '', kind, vlen = 0, flag = false, third = 0, rest = [] } of types) {
    words.push(place(name), kind * 2 ** 24 + vlen + (flag ? 2 ** 31 : 0), third);
    for (const word of rest) words.push(typeof word === 'string' ? place(word) : word);
  }
  const typeLen = words.length * 4;
  const layoutAt = Math.ceil((typeLen + strings.length) / 4) * 4;
  const bytes = new Uint8Array(hdrLen + layoutAt + layout.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, littleEndian);
  bytes[2] = 1;
  const header = [hdrLen, 0, typeLen, typeLen, strings.length, layoutAt, layout.length * 4];
  for (const [i, word] of header.slice(0, (hdrLen - 4) / 4).entries()) view.setUint32(4 + i * 4, word, littleEndian);
  for (const [i, word] of words.entries()) view.setUint32(hdrLen + i * 4, word, littleEndian);
  bytes.set(strings, hdrLen + typeLen);
  for (const [i, sizes] of layout.entries()) bytes.set(sizes, hdrLen + layoutAt + i * 4);
  return bytes;
}

/** A word of a bitfield member whose struct has kind_flag. */
export const bits = (offset: number, size: number): number => size * 2 ** 24 + offset;

export const SIGNED = 0x0100_0000;
const CHAR = 0x0200_0000;
const BOOL = 0x0400_0000;

/** Every kind there is; ids in their order, from 1 on. */
export const EVERY_KIND: readonly MadeType[] = [
  { name: 'int', kind: 1, third: 4, rest: [SIGNED | 32] }, // 1
  { name: 'long unsigned int', kind: 1, third: 8, rest: [64] }, // 2
  { name: 'char', kind: 1, third: 1, rest: [CHAR | SIGNED | 8] }, // 3
  { name: '_Bool', kind: 1, third: 1, rest: [BOOL | 8] }, // 4
  { name: 'double', kind: 16, third: 8 }, // 5
  { kind: 2, third: 7 }, // 6: struct node *
  {
    name: 'node', // 7
    kind: 4,
    vlen: 4,
    third: 32,
    rest: ['next', 6, 0, 'name', 8, 64, '', 9, 128, 'tail', 20, 256],
  },
  { kind: 3, rest: [3, 2, 8] }, // 8: char [8]
  { kind: 5, vlen: 2, third: 8, rest: ['whole', 2, 0, '', 10, 0] }, // 9: an anonymous union
  { kind: 4, flag: true, vlen: 3, third: 4, rest: ['low', 1, bits(0, 3), 'high', 11, bits(3, 7), 'rest', 1, 32] }, // 10
  { name: 'colour', kind: 6, flag: true, vlen: 2, third: 4, rest: ['RED', 0xffff_fffe, 'GREEN', 5] }, // 11
  { name: 'wide', kind: 19, vlen: 2, third: 8, rest: ['W_LOW', 1, 0, 'W_HIGH', 2, 0x8000_0000] }, // 12
  { name: 'wides', kind: 19, flag: true, vlen: 1, third: 8, rest: ['W_MINUS', 0xffff_ffff, 0xffff_ffff] }, // 13
  { name: 'plain', kind: 6, vlen: 1, third: 4, rest: ['P_TOP', 0x8000_0000] }, // 14
  { name: 'later', kind: 7 }, // 15: struct later;
  { name: 'either', kind: 7, flag: true }, // 16: union either;
  { name: 'node_t', kind: 8, third: 7 }, // 17
  { kind: 10, third: 19 }, // 18: const volatile
  { kind: 9, third: 17 }, // 19
  { kind: 3, rest: [2, 2, 0] }, // 20: long unsigned int []
  { name: 'user', kind: 18, third: 3 }, // 21: a type tag
  { kind: 2, third: 21 }, // 22: char __user *
  { kind: 11, third: 22 }, // 23: restrict
  { kind: 13, vlen: 3, third: 1, rest: ['fmt', 23, 'size', 2, 0, 0] }, // 24: int (char __user *restrict fmt, long unsigned int size, ...)
  { name: 'print', kind: 12, vlen: 1, third: 24 }, // 25
  { name: 'counter', kind: 14, third: 2, rest: [1] }, // 26
  { name: '.data..percpu', kind: 15, vlen: 1, third: 64, rest: [26, 16, 8] }, // 27
  { name: 'acquire', kind: 17, third: 25, rest: [0xffff_ffff] }, // 28
  { name: 'nullable', kind: 17, third: 25, rest: [1] }, // 29
  { kind: 2 }, // 30: void *
  { kind: 13, third: 0 }, // 31: void (void)
];

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

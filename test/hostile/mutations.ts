// From one valid input to many hostile ones: every field at the values that break readers, every cut at a structure's edge, random bytes and
// random pairs of fields (by a seed: the same ones in every run), and the same ideas for lines of text.
import { type Field, getField, setField } from './recorder.js';

/** A file of an input. */
export interface InputFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Fields and edges to break; none for files that are only there. */
  readonly fields?: readonly Field[];
  readonly edges?: Iterable<number>;
  /** The file is text: its words and lines are broken too. */
  readonly text?: boolean;
}

/** What an input is opened as. */
export type InputKind =
  | 'dump'
  | 'folder'
  | 'raw'
  | 'kinfo'
  | 'region-set'
  | 'symbols'
  | 'vmcoreinfo'
  | 'codec'
  | 'btf'
  | 'dwarf';

export interface Base {
  readonly name: string;
  readonly kind: InputKind;
  readonly files: readonly InputFile[];
  /** Run as it is and not changed. */
  readonly once?: true;
}

/** A generated input: `files` are fresh copies where they differ from the base's. */
export interface Hostile {
  readonly name: string;
  readonly base: Base;
  readonly files: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** xorshift32: small, seeded, the same everywhere. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  /** 0 to `below` - 1. */
  next(below: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % below;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.next(list.length)];
  }
}

/** What a field of `width` bytes is set to: 0, 1, small, huge, the sign bit, off by one, all ones, and the file's own size. */
export function hostileValues(width: 1 | 2 | 4 | 8, original: bigint, fileSize: number): bigint[] {
  const bits = BigInt(width * 8);
  const sign = 1n << (bits - 1n);
  const values = [
    0n,
    1n,
    3n,
    original - 1n,
    original + 1n,
    original * 2n,
    sign - 1n,
    sign,
    2n * sign - 1n,
    2n * sign - 16n,
  ];
  if (width >= 4) values.push(0x1000n, 0xfffn, 0x7fff_f000n, BigInt(fileSize), BigInt(fileSize) - 1n);
  if (width === 8) values.push(1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 40n, 2n * sign - 0x1000n);
  return [...new Set(values.map(value => BigInt.asUintN(width * 8, value)))].filter(value => value !== original);
}

function replaced(base: Base, index: number, bytes: Uint8Array): Hostile['files'] {
  return base.files.map((file, i) => (i === index ? { name: file.name, bytes } : file));
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Each field of each file at each hostile value. */
export function* brokenFields(base: Base): Generator<Hostile> {
  for (const [index, file] of base.files.entries()) {
    for (const field of file.fields ?? []) {
      const original = getField(viewOf(file.bytes), field);
      for (const value of hostileValues(field.width, original, file.bytes.length)) {
        const bytes = file.bytes.slice();
        setField(viewOf(bytes), field, value);
        yield {
          name: `${base.name}: ${file.name}: ${field.record}.${field.name} = ${hex(value)}`,
          base,
          files: replaced(base, index, bytes),
        };
      }
    }
  }
}

/** Each file cut at each edge of a structure, one byte before and one behind it; and gone. */
export function* truncations(base: Base): Generator<Hostile> {
  for (const [index, file] of base.files.entries()) {
    const cuts = new Set<number>();
    for (const edge of file.edges ?? []) for (const cut of [edge - 1, edge, edge + 1]) cuts.add(cut);
    for (const cut of [...cuts].sort((a, b) => a - b)) {
      if (cut < 0 || cut >= file.bytes.length) continue;
      yield {
        name: `${base.name}: ${file.name}: cut at ${cut}`,
        base,
        files: replaced(base, index, file.bytes.slice(0, cut)),
      };
    }
    if (base.files.length > 1) {
      yield { name: `${base.name}: ${file.name}: gone`, base, files: base.files.filter((_, i) => i !== index) };
    }
  }
}

/** `count` inputs with two to four random fields at random hostile values. */
export function* crossedFields(base: Base, count: number, seed: number): Generator<Hostile> {
  const random = new Random(seed);
  const all = base.files.flatMap((file, index) => (file.fields ?? []).map(field => ({ index, field })));
  if (all.length === 0) return;
  for (let i = 0; i < count; i++) {
    const files = base.files.map(file => ({ name: file.name, bytes: file.bytes }));
    const touched = new Set<number>();
    const names: string[] = [];
    for (let n = 2 + random.next(3); n > 0; n--) {
      const { index, field } = random.pick(all);
      if (!touched.has(index)) files[index] = { name: files[index].name, bytes: files[index].bytes.slice() };
      touched.add(index);
      const view = viewOf(files[index].bytes);
      const value = random.pick(hostileValues(field.width, getField(view, field), files[index].bytes.length));
      setField(view, field, value);
      names.push(`${field.record}.${field.name} = ${hex(value)}`);
    }
    yield { name: `${base.name}: ${names.join(', ')}`, base, files };
  }
}

/** `count` inputs with a few random bytes overwritten: half of them in the first 512 bytes, where headers are. */
export function* randomBytes(base: Base, count: number, seed: number): Generator<Hostile> {
  const random = new Random(seed);
  const candidates = [...base.files.keys()].filter(index => base.files[index].bytes.length > 0);
  for (let i = 0; i < count; i++) {
    const index = random.pick(candidates);
    const bytes = base.files[index].bytes.slice();
    const reach = i % 2 === 0 ? Math.min(512, bytes.length) : bytes.length;
    for (let n = 1 + random.next(16); n > 0; n--) bytes[random.next(reach)] = random.next(256);
    yield {
      name: `${base.name}: ${base.files[index].name}: random bytes, number ${i}`,
      base,
      files: replaced(base, index, bytes),
    };
  }
}

/** Words that a number or a name in a text is replaced by. */
const HOSTILE_WORDS = [
  '',
  '0',
  '-1',
  '1',
  '0x',
  '0xffffffffffffffff',
  '18446744073709551616',
  '9007199254740993',
  '1e400',
  'nan',
  '0x-1',
  'null',
  '"',
  '{',
  '../../x',
  '\u0000',
  '\u{10ffff}',
  'x'.repeat(70000),
];

/** Each word of each text replaced, each line gone, doubled or joined with the next. */
export function* brokenText(base: Base): Generator<Hostile> {
  const decoder = new TextDecoder('latin1');
  const encoder = new TextEncoder();
  for (const [index, file] of base.files.entries()) {
    if (file.text !== true) continue;
    const text = decoder.decode(file.bytes);
    const made = (what: string, changed: string): Hostile => ({
      name: `${base.name}: ${file.name}: ${what}`,
      base,
      files: replaced(base, index, encoder.encode(changed)),
    });
    const words = [...text.matchAll(/[^\s,:"()[\]{}=]+/g)];
    for (const match of words.length > 60 ? [...words.slice(0, 40), ...words.slice(-20)] : words) {
      for (const word of HOSTILE_WORDS) {
        const shown = word.length > 20 ? `${word.length} characters` : JSON.stringify(word);
        yield made(
          `word at ${match.index} = ${shown}`,
          text.slice(0, match.index) + word + text.slice(match.index + match[0].length),
        );
      }
    }
    const lines = text.split('\n');
    for (let i = 0; i < Math.min(lines.length, 60); i++) {
      yield made(`line ${i} gone`, lines.filter((_, n) => n !== i).join('\n'));
      yield made(`line ${i} twice`, [...lines.slice(0, i + 1), ...lines.slice(i)].join('\n'));
      yield made(
        `line ${i} joined`,
        [...lines.slice(0, i), `${lines[i]} ${lines[i + 1] ?? ''}`, ...lines.slice(i + 2)].join('\n'),
      );
    }
    yield made('CR LF', lines.join('\r\n'));
    yield made('UTF-16', text.split('').join('\0'));
    yield made('100,000 lines', `${text}\n${`${lines[0]}\n`.repeat(100_000)}`);
  }
}

/** Everything above for one base: the number of random ones is given. */
export function* hostileInputs(base: Base, random: number, seed: number): Generator<Hostile> {
  yield { name: `${base.name}: as it is`, base, files: base.files };
  if (base.once === true) return;
  yield* brokenFields(base);
  yield* truncations(base);
  yield* brokenText(base);
  yield* crossedFields(base, random, seed);
  yield* randomBytes(base, random, seed + 1);
}

// DWARF that is valid in each entry and absurd in how many there are, or in how often they refer to the same.
import { deflateSync } from 'node:zlib';
import type { Base } from '../mutations.js';
import { type MadeSection, makeElf } from './made-elf.js';

const text = (value: string): number[] => [...new TextEncoder().encode(value), 0];
const u16 = (value: number): number[] => [value & 0xff, value >> 8];
const u32 = (value: number): number[] => [...u16(value & 0xffff), ...u16(value >>> 16)];
const u64 = (value: bigint): number[] => [...u32(Number(value & 0xffff_ffffn)), ...u32(Number(value >> 32n))];
function uleb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...uleb(Math.floor(value / 128))];
}

/** Bytes out of pieces, some of them over and over. */
class Bytes {
  readonly #pieces: Uint8Array[] = [];
  length = 0;

  add(piece: ArrayLike<number>, times = 1): this {
    const bytes = Uint8Array.from(piece);
    for (let i = 0; i < times; i++) this.#pieces.push(bytes);
    this.length += bytes.length * times;
    return this;
  }

  each(count: number, piece: (index: number) => ArrayLike<number>): this {
    for (let i = 0; i < count; i++) this.add(piece(i));
    return this;
  }

  get whole(): Uint8Array {
    const whole = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }
}

const TEXT = 0x1000n;
const UNIT_HEADER = 12;

/** Codes 1 to n: [tag, has children, name and form of each attribute]. */
const abbreviations = (...codes: [number, number, ...number[]][]): number[] => [
  ...codes.flatMap(([tag, children, ...attributes], i) => [
    ...uleb(i + 1),
    ...uleb(tag),
    children,
    ...attributes.flatMap(uleb),
    0,
    0,
  ]),
  0,
];

/** A unit of version 5 with 8-byte addresses. */
const unit = (entries: Uint8Array, table = 0): Uint8Array =>
  new Bytes()
    .add(u32(entries.length + 8))
    .add([...u16(5), 1, 8, ...u32(table)])
    .add(entries).whole;

interface Parts {
  readonly info: Uint8Array;
  readonly abbrev: ArrayLike<number>;
  readonly more?: readonly MadeSection[];
}

function dwarf(name: string, parts: () => Parts): () => Base {
  return () => {
    const { info, abbrev, more = [] } = parts();
    const bytes = makeElf([
      { label: '.text', bytes: new Uint8Array(256), addr: TEXT, flags: 6 },
      { label: '.debug_info', bytes: info },
      { label: '.debug_abbrev', bytes: Uint8Array.from(abbrev) },
      ...more,
    ]);
    return { name: `many-dwarf-${name}`, kind: 'dwarf', files: [{ name: 'vmlinux', bytes }], once: true };
  };
}

// Tags, attributes and forms as DWARF 5 numbers them.
const [ARRAY, MEMBER, UNIT, STRUCT, TYPEDEF, INLINED, SUBRANGE, SUBPROGRAM, BLOCK, ENUM, ENUMERATOR] = [
  0x01, 0x0d, 0x11, 0x13, 0x16, 0x1d, 0x21, 0x2e, 0x0b, 0x04, 0x28,
];
const [NAME, SIZE, LOW, HIGH, TYPE, RANGES, LINES, VALUE] = [0x03, 0x0b, 0x11, 0x12, 0x49, 0x55, 0x10, 0x1c];
const [ADDR, DATA4, STRP, STRING, REF4, SEC_OFFSET, DATA1] = [0x01, 0x06, 0x0e, 0x08, 0x13, 0x17, 0x0b];
const ROOT: [number, number, ...number[]] = [UNIT, 1, LOW, ADDR, HIGH, DATA4];
const root = [1, ...u64(TEXT), ...u32(256)];
const covering = [...u64(TEXT), ...u32(256)];
const LONG_NAME: MadeSection = { label: '.debug_str', bytes: new Uint8Array(4000).fill(0x78, 0, 3999), flags: 0x30 };
const ARANGES = (): MadeSection => ({
  label: '.debug_aranges',
  bytes: Uint8Array.from([
    ...u32(44),
    ...u16(2),
    ...u32(0),
    8,
    0,
    ...u32(0),
    ...covering,
    0,
    0,
    0,
    0,
    ...u64(0n),
    ...u64(0n),
  ]),
});

export function manyDwarfBases(): (() => Base)[] {
  return [
    dwarf('units', () => {
      // Each has a table of its own, which begins anywhere in a long one.
      const table = abbreviations(...Array.from({ length: 12_000 }, (): [number, number, ...number[]] => [STRUCT, 0]));
      return { info: new Bytes().each(60_000, i => unit(Uint8Array.of(1), 5 * (i % 90))).whole, abbrev: table };
    }),
    dwarf('structs', () => ({
      info: unit(
        new Bytes()
          .add(root)
          .each(200_000, i => [2, ...text('shared'), ...u32(i)])
          .add([0]).whole,
      ),
      abbrev: abbreviations(ROOT, [STRUCT, 0, NAME, STRING, SIZE, DATA4]),
    })),
    dwarf('members', () => ({
      info: unit(
        new Bytes()
          .add(root)
          .add([2, ...text('shared'), ...u32(8)])
          .add([3, ...u32(0), ...u32(UNIT_HEADER + root.length)], 400_000)
          .add([0, 0]).whole,
      ),
      abbrev: abbreviations(ROOT, [STRUCT, 1, NAME, STRING, SIZE, DATA4], [MEMBER, 0, NAME, STRP, TYPE, REF4]),
      more: [LONG_NAME],
    })),
    dwarf('names', () => ({
      // Each name is the end of the one before it.
      info: unit(
        new Bytes()
          .add(root)
          .each(300_000, i => [2, ...u32(i % 3999), ...u32(i)])
          .add([0]).whole,
      ),
      abbrev: abbreviations(ROOT, [STRUCT, 0, NAME, STRP, SIZE, DATA4]),
      more: [{ label: '.debug_str', bytes: new Uint8Array(1_000_000).fill(0x78, 0, 999_999) }],
    })),
    dwarf('enumerators', () => ({
      info: unit(
        new Bytes()
          .add(root)
          .add([2, ...text('everything'), ...u32(4)])
          .add([3, ...u32(0), 1], 500_000)
          .add([0, 0]).whole,
      ),
      abbrev: abbreviations(ROOT, [ENUM, 1, NAME, STRING, SIZE, DATA4], [ENUMERATOR, 0, NAME, STRP, VALUE, DATA1]),
      more: [LONG_NAME],
    })),
    dwarf('typedefs', () => {
      const entry = 1 + 6 + 4;
      return {
        info: unit(
          new Bytes()
            .add(root)
            .each(200_000, i => [2, ...text('u32__'), ...u32(UNIT_HEADER + root.length + (i + 1) * entry)])
            .add([2, ...text('u32__'), ...u32(UNIT_HEADER + root.length), 0]).whole,
        ),
        abbrev: abbreviations(ROOT, [TYPEDEF, 0, NAME, STRING, TYPE, REF4]),
      };
    }),
    dwarf('dimensions', () => {
      const array = UNIT_HEADER + root.length;
      const struct = [...Array.from({ length: 9000 }, () => [3, 120, 0, ...u32(array)]).flat(), 0];
      return {
        info: unit(
          new Bytes()
            .add(root)
            .add([4, ...u32(array)])
            .add([5], 300_000)
            .add([0])
            .add([2, ...text('shared'), ...u32(8), ...struct], 20)
            .add([0]).whole,
        ),
        abbrev: abbreviations(
          ROOT,
          [STRUCT, 1, NAME, STRING, SIZE, DATA4],
          [MEMBER, 0, NAME, STRING, TYPE, REF4],
          [ARRAY, 1, TYPE, REF4],
          [SUBRANGE, 0],
        ),
      };
    }),
    dwarf('blocks', () => {
      // Nested, with much before each, and nothing that tells where a block ends.
      const bytes = new Bytes().add(root).add([2, ...text('compute'), ...covering]);
      for (let depth = 0; depth < 120; depth++) bytes.add([4, ...u64(0n), ...u32(0)], 2000).add([3, ...covering]);
      return {
        info: unit(bytes.add([0], 122).whole),
        abbrev: abbreviations(
          ROOT,
          [SUBPROGRAM, 1, NAME, STRING, LOW, ADDR, HIGH, DATA4],
          [BLOCK, 1, LOW, ADDR, HIGH, DATA4],
          [INLINED, 0, LOW, ADDR, HIGH, DATA4],
        ),
        more: [ARANGES()],
      };
    }),
    dwarf('ranges', () => ({
      // All of one long list.
      info: unit(
        new Bytes()
          .add(root)
          .add([2, ...text('compute'), ...covering])
          .add([3, ...u32(0)], 50_000)
          .add([0])
          .add([4, ...u32(0)], 50_000)
          .add([0]).whole,
      ),
      abbrev: abbreviations(
        ROOT,
        [SUBPROGRAM, 1, NAME, STRING, LOW, ADDR, HIGH, DATA4],
        [INLINED, 0, RANGES, SEC_OFFSET],
        [SUBPROGRAM, 0, RANGES, SEC_OFFSET],
      ),
      more: [{ label: '.debug_rnglists', bytes: new Bytes().add([4, 1, 2], 60_000).add([0]).whole }, ARANGES()],
    })),
    dwarf('lines', () => ({
      info: unit(Uint8Array.from([1, ...covering, ...u32(0)])),
      abbrev: abbreviations([UNIT, 0, LOW, ADDR, HIGH, DATA4, LINES, SEC_OFFSET]),
      more: [{ label: '.debug_line', bytes: lineProgram([], 400_000) }, ARANGES()],
    })),
    dwarf('files', () => ({
      info: unit(Uint8Array.from([1, ...covering, ...u32(0)])),
      abbrev: abbreviations([UNIT, 0, LOW, ADDR, HIGH, DATA4, LINES, SEC_OFFSET]),
      more: [
        { label: '.debug_line', bytes: lineProgram(new Bytes().add(u32(0), 120_000).whole, 10) },
        { label: '.debug_line_str', bytes: LONG_NAME.bytes },
        ARANGES(),
      ],
    })),
    dwarf('frames', () => {
      const cie = [...u32(0xffff_ffff), 4, 0, 8, 0, 1, 0x78, 16];
      // 1,000 registers, kept and taken back over and over.
      const rules = new Bytes().each(1000, i => [5, ...uleb(i), 1]).add([0x0a, 0x0b], 400_000).whole;
      const fde = new Bytes().add(u32(0)).add(u64(TEXT)).add(u64(256n)).add(rules).whole;
      const section = new Bytes().add(u32(cie.length)).add(cie).add(u32(fde.length)).add(fde);
      section
        .add([...u32(20), ...u32(0), ...u64(0x10_0000n), ...u64(16n)], 100_000)
        .add([...u32(4), ...u32(77)], 100_000);
      return {
        info: unit(Uint8Array.of(1)),
        abbrev: abbreviations([UNIT, 0]),
        more: [{ label: '.debug_frame', bytes: section.whole }],
      };
    }),
    dwarf('zeros', () => {
      const size = 20 << 20;
      const packed = deflateSync(new Uint8Array(size));
      const header = [...text('ZLIB').slice(0, 4), ...u64(BigInt(size)).reverse()];
      // As much as the limit of compression lets through.
      const bytes = new Bytes()
        .add(header)
        .add(packed)
        .add(new Uint8Array(size / 39)).whole;
      return {
        info: unit(Uint8Array.of(1)),
        abbrev: abbreviations([UNIT, 0]),
        more: ['.zdebug_str', '.zdebug_aranges', '.zdebug_line'].map(label => ({ label, bytes })),
      };
    }),
  ];
}

/** Version 5, one directory, files by offset into .debug_line_str; rows in the order of falling addresses. */
function lineProgram(files: ArrayLike<number>, rows: number): Uint8Array {
  const tables = new Bytes()
    .add([1, 1, 0x08, 1, ...text('/src')])
    .add([1, 1, 0x1f, ...uleb(files.length / 4)])
    .add(files).whole;
  const counts = [1, 1, 1, 0, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
  const program = new Bytes().each(rows, i => [0, 9, 2, ...u64(0x100_0000n - BigInt(i)), 1]).add([0, 1, 1]).whole;
  const rest = new Bytes()
    .add([...u16(5), 8, 0])
    .add(u32(counts.length + tables.length))
    .add(counts)
    .add(tables)
    .add(program).whole;
  return new Bytes().add(u32(rest.length)).add(rest).whole;
}

// LZO1X and Snappy streams put together by hand from their descriptions, one instruction after the other, with what must come of them.
import test from 'ava';
import { loadCodec, type PageCodec } from 'kdumpling/reader/codecs';
import { lzoDecompress } from 'kdumpling/reader/codecs/lzo';
import { snappyDecompress } from 'kdumpling/reader/codecs/snappy';

const bytes = (...parts: readonly (number | string | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap(part => (typeof part === 'string' ? [...Buffer.from(part, 'latin1')] : part)));
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0);
const LZO_END = [0x11, 0, 0];
/** 2100 = 3 + 15 + 8 * 255 + 42 different enough characters. */
const TEXT = Array.from({ length: 2100 }, (_, i) => String.fromCharCode(33 + ((i * i) % 89))).join('');

/** [what it shows, stream, text or null for a refusal] */
const LZO: readonly (readonly [string, Uint8Array, string | null])[] = [
  ['nothing but the end', bytes(LZO_END), ''],
  ['first byte: a run of literals', bytes(17 + 5, 'abcde', LZO_END), 'abcde'],
  // lzo.rst: 1 L L D D S S S, a length of 5 to 8 within 2 KiB: L + 5; distance H << 3 + D + 1.
  ['near match of 5', bytes(17 + 4, 'abcd', 0x80 | (3 << 2), 0, LZO_END), 'abcdabcda'],
  // 0 1 L D D D S S: length 3 + L.
  ['near match of 4', bytes(17 + 4, 'abcd', 0x60 | (3 << 2), 0, LZO_END), 'abcdabcd'],
  ['match that overlaps itself', bytes(17 + 4, 'abcz', 0xe0, 0, LZO_END), `abc${'z'.repeat(9)}`],
  ['literals announced by a match', bytes(17 + 4, 'abcd', 0x60 | (3 << 2) | 2, 0, 'xy', LZO_END), 'abcdabcdxy'],
  // 0 0 1 L L L L L: length 2 + L, distance in the next 14 bits + 1.
  ['middle match', bytes(17 + 4, 'abcd', 0x20 | 6, 3 << 2, 0, LZO_END), 'abcdabcdabcd'],
  ['middle match, long', bytes(17 + 4, 'abcd', 0x20, 0, 14, 0, 0, LZO_END), `abcd${'d'.repeat(2 + 31 + 255 + 14)}`],
  // 0 0 0 0 L L L L after nothing: a run of 3 + L literals.
  ['run of literals', bytes(1, 'abcd', LZO_END), 'abcd'],
  ['run of literals, long', bytes(0, 2, 'abcdefghijklmnopqrst', LZO_END), 'abcdefghijklmnopqrst'],
  // 0 0 0 0 D D S S after 1 to 3 literals: length 2, within 1 KiB.
  ['shortest match', bytes(17 + 3, 'abc', 2 << 2, 0, LZO_END), 'abcab'],
  // 0 0 0 0 D D S S after a run: length 3, distance 2049 to 3072.
  ['match of 3 after a run', bytes(0, zeros(8), 42, TEXT, 0, 0, LZO_END), TEXT + TEXT.slice(51, 54)],
  // 0 0 0 1 H L L L: length 2 + L, distance 16384 + H << 14 + D.
  ['far match', far(), `wxyz${'z'.repeat(16384)}wxy`],
  ['no end', bytes(17 + 5, 'abcde'), null],
  ['bytes after the end', bytes(17 + 5, 'abcde', LZO_END, 0), null],
  ['literals past the input', bytes(17 + 6, 'abcde'), null],
  ['a match before the start', bytes(17 + 4, 'abcd', 0x60 | (4 << 2), 0, LZO_END), null],
  ['a length without an end', bytes(17 + 4, 'abcd', 0x20, zeros(100)), null],
  ['an end of another length', bytes(17 + 4, 'abcd', 0x12, 0, 0), null],
  ['empty', bytes(), null],
];

/** 4 literals, a run that makes 16384 more, then a match of 3 from the very start: distance 16384 + 4. */
function far(): Uint8Array {
  const rest = 16384 - 2 - 31;
  const zerosBefore = Math.floor((rest - 1) / 255);
  return bytes(17 + 4, 'wxyz', 0x20, zeros(zerosBefore), rest - 255 * zerosBefore, 0, 0, 0x11, 4 << 2, 0, LZO_END);
}

const SNAPPY: readonly (readonly [string, Uint8Array, string | null])[] = [
  ['nothing', bytes(0), ''],
  ['literal', bytes(5, 4 << 2, 'abcde'), 'abcde'],
  ['literal with one byte of length', bytes(70, 60 << 2, 69, 'x'.repeat(70)), 'x'.repeat(70)],
  ['literal with two bytes of length', bytes([0xac, 2], 61 << 2, 0x2b, 1, 'y'.repeat(300)), 'y'.repeat(300)],
  ['literal with four bytes of length', bytes(3, 63 << 2, 2, 0, 0, 0, 'abc'), 'abc'],
  ['copy, one byte of distance', bytes(8, 3 << 2, 'abcd', 1, 4), 'abcdabcd'],
  ['copy, two bytes of distance', bytes(9, 3 << 2, 'abcd', (4 << 2) | 2, 4, 0), 'abcdabcda'],
  ['copy, four bytes of distance', bytes(9, 3 << 2, 'abcd', (4 << 2) | 3, 1, 0, 0, 0), 'abcdddddd'],
  [
    'copy from beyond 255',
    bytes([0xb0, 2], 61 << 2, 0x2b, 1, 'a', 'b'.repeat(299), 0x21, 0x2c),
    `a${'b'.repeat(299)}abbb`,
  ],
  ['too short for its length', bytes(6, 4 << 2, 'abcde'), null],
  ['too long for its length', bytes(4, 4 << 2, 'abcde'), null],
  ['a length of six bytes', bytes(0x80, 0x80, 0x80, 0x80, 0x80, 0), null],
  ['a length above 2^32', bytes(0xff, 0xff, 0xff, 0xff, 0x7f), null],
  ['distance 0', bytes(8, 3 << 2, 'abcd', 1, 0), null],
  ['distance before the start', bytes(8, 3 << 2, 'abcd', 1, 5), null],
  ['a huge distance', bytes(8, 3 << 2, 'abcd', (3 << 2) | 3, 0xff, 0xff, 0xff, 0xff), null],
  ['a huge literal', bytes(8, 63 << 2, 0xff, 0xff, 0xff, 0xff, 'abcdefgh'), null],
  ['a copy cut short', bytes(8, 3 << 2, 'abcd', 2, 4), null],
  ['empty', bytes(), null],
];

function check(twin: PageCodec, cases: typeof LZO): void {
  test(`${twin.name}: instruction by instruction, the twin and the module`, async t => {
    const module = await loadCodec(twin.name);
    for (const [what, stream, text] of cases) {
      for (const codec of [twin, module]) {
        const output = new Uint8Array(20_000);
        const written = codec.decompress(stream, 0, stream.length, output, 0, output.length);
        if (text === null) t.is(written, -1, what);
        else t.is(Buffer.from(output.subarray(0, Math.max(written, 0))).toString('latin1'), text, what);
        if (text !== null) t.is(written, text.length, what);
      }
    }
  });
}

check({ name: 'lzo', decompress: lzoDecompress }, LZO);
check({ name: 'snappy', decompress: snappyDecompress }, SNAPPY);

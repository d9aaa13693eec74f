// A zlib stream read here and there, against what was compressed; and damaged.
import { constants, deflateSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import { InputError, MemorySource } from 'kdumpling/reader';
import { InflatedSource } from 'kdumpling/reader/codecs/inflated-source';

/** Bytes that compress a little, in blocks of all kinds: text, noise that is stored, runs. */
function sample(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed | 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1103515245) + 12345) | 0;
    const kind = (i >> 17) % 4;
    const noise = (state >>> 16) & 0xff;
    bytes[i] = kind === 0 ? noise : kind === 1 ? 97 + (noise % 5) : kind === 2 ? i >> 12 : bytes[i - 1 - (noise % 64)];
  }
  return bytes;
}

const read = (source: InflatedSource, offset: number, length: number): Uint8Array => {
  const into = new Uint8Array(length);
  return into.subarray(0, source.read(offset, into));
};

const LONG = sample(21_000_000, 7);
const STRATEGIES = [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY];

for (const [name, options] of [
  ['level 6', { level: 6 }],
  ['level 1', { level: 1 }],
  ['stored', { level: 0 }],
  ['fixed codes', { level: 6, strategy: STRATEGIES[1] }],
  ['no matches, small blocks', { level: 6, strategy: STRATEGIES[2], memLevel: 1 }],
] as const) {
  test(`any place of a long stream can be read, in any order: ${name}`, t => {
    const packed = new Uint8Array(deflateSync(LONG, options));
    const source = new InflatedSource(new MemorySource(packed), LONG.length);
    // Backward first: nothing is known of what lies before.
    const places = [LONG.length - 100_000, 20_000_000, 5_000_000, 4_200_000, 0, 1, 262_100, 12_345_678, 300_000, 9e6];
    for (let i = 0; i < 40; i++) places.push((i * 7_919_993) % LONG.length);
    for (const at of places) {
      const got = read(source, at, 5000);
      if (Buffer.compare(got, LONG.subarray(at, at + 5000)) !== 0) t.fail(`${at} differs`);
    }
    t.is(read(source, LONG.length, 10).length, 0);
    t.is(read(source, LONG.length - 3, 10).length, 3);
  });
}

test('short streams too', t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), fc.nat(3000), (bytes, at, length) => {
      const source = new InflatedSource(new MemorySource(new Uint8Array(deflateSync(bytes))), bytes.length);
      return Buffer.compare(read(source, at, length), bytes.subarray(at, at + length)) === 0;
    }),
  );
  t.pass();
});

test('a damaged stream is refused where it is read, and never read past', t => {
  const bytes = LONG.subarray(0, 400_000);
  const packed = new Uint8Array(deflateSync(bytes));
  t.throws(() => new InflatedSource(new MemorySource(new Uint8Array([0x50, 0x4b])), 10), { instanceOf: InputError });
  const cut = new InflatedSource(new MemorySource(packed.subarray(0, packed.length - 50)), bytes.length);
  t.throws(() => read(cut, 399_000, 100), { instanceOf: InputError, message: /cut short/ });
  t.deepEqual(read(cut, 0, 100), bytes.slice(0, 100));
  const long = new InflatedSource(new MemorySource(packed), bytes.length + 10);
  t.throws(() => read(long, bytes.length - 10, 20), { instanceOf: InputError, message: /ends before/ });
  let refused = 0;
  for (let i = 0; i < 200; i++) {
    const damaged = packed.slice();
    damaged[2 + ((i * 6151) % (packed.length - 8))] ^= 1 << (i % 8);
    const source = new InflatedSource(new MemorySource(damaged), bytes.length);
    try {
      read(source, 0, bytes.length);
    } catch (error) {
      t.true(error instanceof InputError);
      refused++;
    }
  }
  // Most changes of one bit decode to other bytes: only the whole stream has a checksum.
  t.true(refused > 0, `${refused}`);
});

// What a compressor writes, every decompressor of its format reads: ours, node:zlib, and the twins in TypeScript.
import { deflateSync, inflateSync } from 'node:zlib';
import test from 'ava';
import fc from 'fast-check';
import {
  CODEC_NAMES,
  type CodecName,
  loadCodec,
  loadCompressor,
  type PageCodec,
  type PageCompressor,
  refusedLevel,
} from 'kdumpling/reader/codecs';
import { lzoDecompress } from 'kdumpling/reader/codecs/lzo';
import { snappyDecompress } from 'kdumpling/reader/codecs/snappy';
import { deflateByCall, inflateByCall, nodeEngines } from 'kdumpling/reader/node';
import { anyBytes, madePage, randomFrom } from './page-bytes.js';

async function decompressors(name: CodecName): Promise<PageCodec[]> {
  const list = [await loadCodec(name), await loadCodec(name, nodeEngines)];
  if (name === 'lzo') list.push({ name, decompress: lzoDecompress });
  if (name === 'snappy') list.push({ name, decompress: snappyDecompress });
  if (name === 'zlib') list.push(inflateByCall);
  return list;
}

async function compressors(name: CodecName): Promise<PageCompressor[]> {
  const levels = { zlib: [1, 6, 9], zstd: [1, 3, 19], lzo: [undefined], snappy: [undefined] }[name];
  const list: PageCompressor[] = [];
  for (const level of levels) {
    list.push(await loadCompressor(name, level), await loadCompressor(name, level, nodeEngines));
    if (name === 'zlib') list.push(deflateByCall(level ?? 1));
  }
  return list;
}

/** Compresses and reads back with all; returns what is wrong, or ''. */
function trip(page: Uint8Array, pack: PageCompressor, codecs: readonly PageCodec[]): string {
  const packed = new Uint8Array(page.length * 2 + 100);
  const length = pack.compress(page, packed);
  if (length <= 0) return `compress: ${length}`;
  if (pack.compress(page, new Uint8Array(length)) !== length) return 'an output of just the size must do';
  if (pack.compress(page, new Uint8Array(length - 1)) !== -1) return 'an output too small must be refused';
  for (const codec of codecs) {
    const output = new Uint8Array(page.length + 20).fill(0xa5);
    const input = new Uint8Array(length + 14).fill(0x5a);
    input.set(packed.subarray(0, length), 7);
    if (codec.decompress(input, 7, length, output, 10, page.length) !== page.length) return 'decompress: wrong length';
    if (Buffer.compare(output.subarray(10, 10 + page.length), page) !== 0) return 'decompress: wrong bytes';
    if ([...output.subarray(0, 10), ...output.subarray(-10)].some(byte => byte !== 0xa5)) return 'wrote outside';
    if (page.length > 1 && codec.decompress(input, 7, length, output, 10, page.length - 1) !== -1)
      return 'a page that does not fit must be refused';
    if (codec.decompress(input, 7, length - 1, output, 10, page.length) !== -1) return 'cut short, it must be refused';
  }
  return '';
}

for (const name of CODEC_NAMES) {
  test(`${name}: any bytes come back`, async t => {
    const codecs = await decompressors(name);
    const packs = await compressors(name);
    fc.assert(
      fc.property(anyBytes, fc.nat(packs.length - 1), (bytes, which) => {
        if (bytes.length === 0) return;
        const wrong = trip(bytes, packs[which], codecs);
        if (wrong !== '') throw new Error(wrong);
      }),
      { numRuns: name === 'zstd' ? 150 : 400, seed: 20251121 },
    );
    t.pass();
  });

  test(`${name}: pages of every size that Linux has come back`, async t => {
    const codecs = await decompressors(name);
    const packs = await compressors(name);
    const random = randomFrom(7);
    for (const size of [4096, 8192, 16384, 65536, 65535, 131072, 131073, 200_000]) {
      for (const page of [
        madePage(random, size),
        new Uint8Array(size),
        Uint8Array.from({ length: size }, () => random(256)),
      ])
        for (const pack of packs.slice(0, 2)) t.is(trip(page, pack, codecs), '', `${size}`);
    }
  });

  test(`${name}: same page, same bytes, whatever came before`, async t => {
    const pack = await loadCompressor(name, undefined, nodeEngines);
    const random = randomFrom(11);
    const [one, other] = [madePage(random, 4096), madePage(random, 4096)];
    const first = new Uint8Array(8192);
    const again = new Uint8Array(8192);
    const length = pack.compress(one, first);
    pack.compress(other, again);
    again.fill(0);
    t.is(pack.compress(one, again), length);
    t.deepEqual(again, first);
  });
}

test('zlib: node:zlib reads what pako wrote, and the other way', async t => {
  const [pack, codec] = [await loadCompressor('zlib', 6), await loadCodec('zlib')];
  const random = randomFrom(3);
  for (let i = 0; i < 100; i++) {
    const page = madePage(random, 4096);
    const packed = new Uint8Array(8192);
    const length = pack.compress(page, packed);
    t.deepEqual(new Uint8Array(inflateSync(packed.subarray(0, length))), page);
    const theirs = deflateSync(page, { level: 1 + (i % 9) });
    const output = new Uint8Array(4096);
    t.is(codec.decompress(theirs, 0, theirs.length, output, 0, 4096), 4096);
    t.deepEqual(output, page);
  }
});

test('levels: a higher one compresses more; what a codec has not is refused in a sentence', async t => {
  const random = randomFrom(5);
  const words = Array.from({ length: 400 }, () => Array.from({ length: 2 + random(9) }, () => 97 + random(26)));
  const page = Uint8Array.from(Array.from({ length: 9000 }, () => words[random(20 + random(380))]).flat());
  for (const name of ['zlib', 'zstd'] as const) {
    for (const engines of [{}, nodeEngines]) {
      const output = new Uint8Array(65536);
      const low = (await loadCompressor(name, 1, engines)).compress(page, output);
      const high = (await loadCompressor(name, name === 'zlib' ? 9 : 19, engines)).compress(page, output);
      t.true(high > 0 && high < low, `${name}: ${high} < ${low}`);
    }
  }
  t.is(refusedLevel('zlib', 9), null);
  t.is(refusedLevel('zstd', 22), null);
  await t.throwsAsync(loadCompressor('lzo', 1), {
    instanceOf: RangeError,
    message: 'lzo has no compression levels; leave the level out',
  });
  await t.throwsAsync(loadCompressor('snappy', 9, nodeEngines), { instanceOf: RangeError });
  await t.throwsAsync(loadCompressor('zlib', 10), {
    message: 'zlib has no level 10; its levels are the whole numbers 1 to 9',
  });
  for (const level of [0, -1, 1.5, Number.NaN, 23]) t.not(refusedLevel('zstd', level), null, `${level}`);
});

test('ranges that are not inside their arrays are refused', async t => {
  for (const name of CODEC_NAMES) {
    for (const codec of await decompressors(name)) {
      const page = new Uint8Array(16);
      for (const [at, length, outputAt, outputLength] of [
        [-1, 4, 0, 16],
        [0, 17, 0, 16],
        [16, 1, 0, 16],
        [0, -1, 0, 16],
        [0, 4, -1, 16],
        [0, 4, 1, 16],
        [0, 4, 0, -1],
      ])
        t.is(codec.decompress(page, at, length, page, outputAt, outputLength), -1, name);
    }
  }
});

// Damaged pages: 20,000 of each codec. Nothing throws, nothing is written outside the range, and all decompressors of a format say the same.
import test from 'ava';
import { CODEC_NAMES, type CodecName, loadCodec, loadCompressor, type PageCodec } from 'kdumpling/reader/codecs';
import { lzoDecompress } from 'kdumpling/reader/codecs/lzo';
import { snappyDecompress } from 'kdumpling/reader/codecs/snappy';
import { inflateByCall, nodeEngines } from 'kdumpling/reader/node';
import { damaged, madePage, randomFrom } from './page-bytes.js';

const CASES = 20_000;
const PAGE = 4096;
const CANARY = 0xa5;
const BEFORE = 512;

async function judges(name: CodecName): Promise<PageCodec[]> {
  const codec = await loadCodec(name, nodeEngines);
  switch (name) {
    case 'lzo':
      return [codec, { name, decompress: lzoDecompress }];
    case 'snappy':
      return [codec, { name, decompress: snappyDecompress }];
    case 'zlib':
      return [codec, await loadCodec(name), inflateByCall];
    case 'zstd':
      return [codec];
  }
}

for (const name of CODEC_NAMES) {
  test(`${name}: ${CASES} damaged pages`, async t => {
    const codecs = await judges(name);
    const pack = await loadCompressor(name);
    const random = randomFrom(name.length * 1000 + 1);
    const originals = Array.from({ length: 64 }, (_, i) => {
      const into = new Uint8Array(2 * PAGE);
      return into.slice(0, pack.compress(i === 0 ? new Uint8Array(PAGE) : madePage(random, PAGE), into));
    });
    const outputs = codecs.map(() => new Uint8Array(BEFORE + 2 * PAGE));
    const canaries = new Uint8Array(BEFORE + 2 * PAGE).fill(CANARY);
    let refused = 0;
    for (let i = 0; i < CASES; i++) {
      const input = damaged(random, originals[random(originals.length)]);
      const room = random(4) === 0 ? random(PAGE + 1) : PAGE;
      let first = -2;
      for (const [which, codec] of codecs.entries()) {
        const output = outputs[which].fill(CANARY);
        const written = codec.decompress(input, 0, input.length, output, BEFORE, room);
        if (which === 0) first = written;
        const same =
          written === first &&
          (written < 0 ||
            Buffer.compare(output.subarray(BEFORE, BEFORE + written), outputs[0].subarray(BEFORE, BEFORE + written)) ===
              0);
        if (!same) t.fail(`case ${i}: ${codecs[0].name} says ${first}, judge ${which} says ${written}`);
        if (written > room || written < -1) t.fail(`case ${i}: ${written} bytes in room for ${room}`);
        const whole =
          Buffer.compare(output.subarray(0, BEFORE), canaries.subarray(0, BEFORE)) === 0 &&
          Buffer.compare(output.subarray(BEFORE + room), canaries.subarray(BEFORE + room)) === 0;
        if (!whole) t.fail(`case ${i}: judge ${which} wrote outside its range`);
      }
      if (first < 0) refused++;
    }
    t.true(refused > CASES / 10 && refused < CASES, `${refused} refused`);
    // And after all that an undamaged page still comes out.
    const output = new Uint8Array(PAGE).fill(CANARY);
    t.is(codecs[0].decompress(originals[0], 0, originals[0].length, output, 0, PAGE), PAGE);
    t.deepEqual(output, new Uint8Array(PAGE));
  });
}

test('zstd: a frame that claims terabytes is refused without being given them', async t => {
  const codec = await loadCodec('zstd');
  const output = new Uint8Array(PAGE);
  // RFC 8878: magic; descriptor 0xe0 says one segment with a content size of 8 bytes; then one run-length block, the last one.
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x03, 0, 0x10, 0x41);
  t.is(codec.decompress(frame, 0, frame.length, output, 0, PAGE), -1);
  t.is(codec.decompress(frame, 0, frame.length, output, 0, 0), -1);
});

// A .config in a made image, compressed by zlib.
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { kernelConfig } from 'kdumpling/analysis/machine';
import { BASE, madeKernel } from '../made-kernel.js';

const text = `CONFIG_IKCONFIG=y\n${Array.from({ length: 30_000 }, (_, i) => `CONFIG_${(i * 2654435761) >>> 0}=m\n`).join('')}`;
const IMAGE = 0x10_0000;
/** Not at a page's start, and longer than what one look-up gives. */
const PLACE = 0x2_1238;

function image(config: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(0x8_0000);
  // Text that speaks of the mark.
  bytes.set(Buffer.from('IKCFG_ST is a mark'), 0x100);
  bytes.set(Buffer.concat([Buffer.from('IKCFG_ST'), config, Buffer.from('IKCFG_ED')]), PLACE);
  return bytes;
}

const compressed = gzipSync(text);
const symbols = { _stext: BASE + BigInt(IMAGE), kernel_config_data: BASE + BigInt(IMAGE + PLACE + 8) };
const kernelOf = (bytes: Uint8Array, named: Record<string, bigint>) =>
  madeKernel({ pieces: [{ paddr: IMAGE, bytes }], symbols: named });

test('by its symbol, and by its marks', t => {
  t.true(compressed.length > 65536);
  t.is(kernelConfig(kernelOf(image(compressed), symbols)), text);
  t.is(kernelConfig(kernelOf(image(compressed), { _stext: symbols._stext })), text);
});

test('none, a cut one, a damaged one', t => {
  t.is(kernelConfig(kernelOf(new Uint8Array(0x1000), symbols)), null);
  t.is(kernelConfig(kernelOf(image(compressed).subarray(0, PLACE + 4000), symbols)), null);
  const damaged = Uint8Array.from(compressed);
  damaged[300] ^= 0xff;
  t.is(kernelConfig(kernelOf(image(damaged), symbols)), null);
  t.is(kernelConfig(kernelOf(image(compressed), {})), null);
});

test('a small file that claims to be endless', t => {
  const bomb = gzipSync(new Uint8Array(64 << 20));
  t.is(kernelConfig(kernelOf(image(bomb), symbols)), null);
});

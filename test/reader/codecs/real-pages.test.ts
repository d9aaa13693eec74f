// Pages that makedumpfile compressed with the libraries everybody uses, against the ELF dump they were made from.
import type { ExecutionContext } from 'ava';
import { CODEC_NAMES, type CodecName, loadCodec, loadCompressor, type PageCodec } from 'kdumpling/reader/codecs';
import { lzoDecompress } from 'kdumpling/reader/codecs/lzo';
import { snappyDecompress } from 'kdumpling/reader/codecs/snappy';
import { inflateByCall, nodeEngines } from 'kdumpling/reader/node';
import { realDump, realTest } from '../../real.js';
import { elfPages, storedPages } from './kdump-pages.js';

const FLAGS: Record<CodecName, number> = { zlib: 1, lzo: 2, snappy: 4, zstd: 0x20 };
const ELF = realDump('x86_64-6.1.elf');
/** KDUMPLING_EXHAUSTIVE=1 takes every page; else some 2,000 of each dump. */
const STEP = process.env['KDUMPLING_EXHAUSTIVE'] === '1' ? 1 : 61;

async function readers(name: CodecName): Promise<PageCodec[]> {
  const list = [await loadCodec(name), await loadCodec(name, nodeEngines)];
  if (name === 'lzo') list.push({ name, decompress: lzoDecompress });
  if (name === 'snappy') list.push({ name, decompress: snappyDecompress });
  if (name === 'zlib') list.push(inflateByCall);
  return list;
}

async function check(t: ExecutionContext, name: CodecName): Promise<void> {
  const elf = elfPages(ELF);
  const codecs = await readers(name);
  const pack = await loadCompressor(name, undefined, nodeEngines);
  const output = new Uint8Array(4096);
  const again = new Uint8Array(8192);
  let compressed = 0;
  for (const { pfn, flags, stored } of storedPages(realDump(`x86_64-6.1.${name}-d0.kdump`), STEP)) {
    const page = elf.page(pfn);
    if (flags !== 0) {
      compressed++;
      if (flags !== FLAGS[name]) t.fail(`page ${pfn} has flags ${flags}`);
      for (const codec of codecs) {
        output.fill(0xa5);
        const written = codec.decompress(stored, 0, stored.length, output, 0, 4096);
        if (written !== 4096 || page.compare(output) !== 0) t.fail(`page ${pfn} is wrong`);
      }
    }
    const length = pack.compress(page, again);
    if (codecs[0].decompress(again, 0, length, output, 0, 4096) !== 4096 || page.compare(output) !== 0)
      t.fail(`page ${pfn} does not come back`);
  }
  elf.close();
  t.true(compressed > 131_072 / STEP / 2, `${compressed} pages are compressed`);
}

for (const name of CODEC_NAMES)
  realTest(`${name}: pages of a real dump`, [ELF, realDump(`x86_64-6.1.${name}-d0.kdump`)], t => check(t, name));

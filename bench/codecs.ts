// What one page costs each codec, in microseconds of CPU time: `node dist/bench/codecs.js FILE`. The pages are 2,000 of FILE's that are not all zeros, evenly
// spread; a dump in ELF is a good FILE.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CODEC_NAMES, type CodecEngines, loadCodec, loadCompressor, type PageCodec } from 'kdumpling/reader/codecs';
import { lzoDecompress } from 'kdumpling/reader/codecs/lzo';
import { snappyDecompress } from 'kdumpling/reader/codecs/snappy';
import { inflateByCall, nodeEngines } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';

const PAGE = 4096;
const PAGES = 2000;
const ROUNDS = 9;

function pagesOf(path: string): Uint8Array[] {
  const fd = openSync(path, 'r');
  const inFile = Math.floor(fstatSync(fd).size / PAGE);
  const pages: Uint8Array[] = [];
  for (let i = 0; i < inFile && pages.length < PAGES; i += Math.max(1, Math.floor(inFile / PAGES / 4))) {
    const page = new Uint8Array(PAGE);
    readSync(fd, page, 0, PAGE, i * PAGE);
    if (page.some(byte => byte !== 0)) pages.push(page);
  }
  closeSync(fd);
  return pages;
}

function perPage(pages: readonly unknown[], body: (i: number) => void): number {
  const round = (): number =>
    cpuMicroseconds(() => {
      for (let i = 0; i < pages.length; i++) body(i);
    });
  round();
  return +(median(Array.from({ length: ROUNDS }, round)) / pages.length).toFixed(2);
}

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('usage: codecs FILE');
const pages = pagesOf(path);
const rows: (string | number)[][] = [['codec', 'way', 'compress', 'decompress', 'ratio']];
for (const name of CODEC_NAMES) {
  const ways: [string, CodecEngines, PageCodec?][] = [
    ['Node', nodeEngines],
    ['anywhere', {}],
  ];
  if (name === 'zlib') ways.push(['Node, public call', nodeEngines, inflateByCall]);
  if (name === 'lzo') ways.push(['TypeScript', {}, { name, decompress: lzoDecompress }]);
  if (name === 'snappy') ways.push(['TypeScript', {}, { name, decompress: snappyDecompress }]);
  for (const [way, engines, other] of ways) {
    const pack = await loadCompressor(name, undefined, engines);
    const codec = other ?? (await loadCodec(name, engines));
    const room = new Uint8Array(2 * PAGE);
    const packed = pages.map(page => room.slice(0, pack.compress(page, room)));
    const output = new Uint8Array(PAGE);
    const decompress = perPage(pages, i => {
      if (codec.decompress(packed[i], 0, packed[i].length, output, 0, PAGE) !== PAGE) throw new Error('not a page');
    });
    const compress = other === undefined ? perPage(pages, i => void pack.compress(pages[i], room)) : '';
    const size = packed.reduce((sum, page) => sum + page.length, 0);
    rows.push([name, way, compress, decompress, +((pages.length * PAGE) / size).toFixed(2)]);
  }
}
console.log(`${pages.length} pages of ${PAGE} bytes, microseconds of CPU a page, Node ${process.version}`);
console.log(table(rows));

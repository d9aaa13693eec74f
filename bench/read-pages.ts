// Every page of a kdump file in pfn order, one thread, in microseconds of CPU time a page: ours by page and by `scan`, libkdumpfile by page (peers/kdumpfile-read.c, in
// the chroot that .ci/peers makes, or by a compiler and library found here). `node dist/bench/read-pages.js KDUMP…`. All must find the same pages and the
// same bytes; fails where ours, called a page at a time, is the slower.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { Dump } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';
import { compilePeer } from './peer-program.js';

const ROUNDS = 5;

interface Round {
  readonly pages: number;
  readonly perPage: number;
  /** Of one byte of each page. */
  readonly checksum: number;
}

type Pass = (dump: Dump, onPage: (pfn: number, bytes: Uint8Array, at: number) => void) => void;

/** One call a page, as kdump_read is called: the page is copied to the caller. */
const byRead: Pass = ({ physical, pageSize }, onPage) => {
  const page = new Uint8Array(pageSize);
  for (const { start, end, state } of physical.runs(0, physical.bounds.end)) {
    if (state !== 'data' && state !== 'zero') continue;
    for (let paddr = start; paddr < end; paddr += pageSize) {
      physical.read(paddr, page);
      onPage(paddr / pageSize, page, 0);
    }
  }
};

/** One call a page, borrowed from the cache. */
const byLocate: Pass = ({ physical, pageSize }, onPage) => {
  const frames = Math.ceil(physical.bounds.end / pageSize);
  for (let pfn = 0; pfn < frames; pfn++) {
    const at = physical.locate(pfn * pageSize, pageSize);
    if (at >= 0) onPage(pfn, physical.arena, at);
  }
};

const byScan: Pass = ({ physical, pageSize }, onPage) => {
  physical.scan(0, physical.bounds.end, (paddr, bytes) => {
    for (let at = 0; at < bytes.length; at += pageSize) onPage((paddr + at) / pageSize, bytes, at);
    return true;
  });
};

async function ours(path: string, pass: Pass): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const dump = await openFile(path);
    let pages = 0;
    let checksum = 0;
    const time = cpuMicroseconds(() =>
      pass(dump, (pfn, bytes, at) => {
        pages++;
        checksum += bytes[at + (pfn % dump.pageSize)];
      }),
    );
    dump.close();
    rounds.push({ pages, perPage: time / pages, checksum });
  }
  return rounds;
}

const roundsOf = (lines: readonly (readonly string[])[]): Round[] =>
  lines.map(line => line.map(Number)).map(([pages, perPage, checksum]) => ({ pages, perPage, checksum }));

const dumps = process.argv.slice(2);
if (dumps.length === 0) throw new Error('usage: read-pages KDUMP…');
const folder = mkdtempSync(join(tmpdir(), 'kdumpling-bench-'));
try {
  const peer = compilePeer('kdumpfile-read', ['-lkdumpfile'], folder);
  const rows: (string | number)[][] = [['dump', 'pages', 'way', 'median', 'first round']];
  for (const dump of dumps) {
    const ways: [string, Round[]][] = [
      [
        'libkdumpfile, kdump_read',
        peer === null ? [] : roundsOf(peer([resolve(dump), `${ROUNDS}`], [dirname(resolve(dump))])),
      ],
      ['read', await ours(dump, byRead)],
      ['locate', await ours(dump, byLocate)],
      ['scan', await ours(dump, byScan)],
    ];
    const { pages, checksum } = ways[1][1][0];
    const [theirs, our] = ways.map(([, rounds]) => median(rounds.map(round => round.perPage)));
    if (our > theirs) process.exitCode = 1;
    for (const [way, rounds] of ways) {
      if (rounds.length === 0) continue;
      if (rounds.some(round => round.pages !== pages || round.checksum !== checksum))
        throw new Error(`${basename(dump)}: ${way} finds other pages`);
      const times = rounds.map(round => round.perPage);
      rows.push([basename(dump), pages, way, +median(times).toFixed(2), +times[0].toFixed(2)]);
    }
  }
  console.log(`Microseconds of CPU a page, ${ROUNDS} rounds, Node ${process.version}`);
  console.log(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// Pages of real dumps, each against a second reader: which are there, and what is in them. The suite takes a sample of each dump; KDUMPLING_EVERY_PAGE=1 takes all.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { findVmcoreinfo, type MemoryRun, noteByteOrder, type OpenedDump, type PhysicalMemory } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { hasPeer, peer, peerTest } from '../../peer.js';
import { realDump, realTest, realTruth, work } from '../../real.js';

const scripts = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/peers');
/** Prime, so that no regular layout escapes it. */
const STEP = process.env['KDUMPLING_EVERY_PAGE'] === '1' ? 1 : 13;
const ZERO_PAGES = new Set([4096, 65536].map(size => crc32(new Uint8Array(size)).toString(16)));

interface PeerPages {
  readonly size: number;
  /** Checksums or "-" of pages 0, STEP, 2 * STEP and so on. */
  readonly sums: readonly string[];
}

function peerPages(t: ExecutionContext, script: string, args: readonly string[]): PeerPages {
  const result = peer('python3', [join(scripts, script), '--step', String(STEP), ...args], [work, scripts]);
  t.is(result.status, 0, result.stderr);
  const [first, ...sums] = result.stdout.trimEnd().split('\n');
  return { size: Number(first.split(' ')[0]), sums };
}

/** What we read, in the peer's words. */
function ourSum(physical: PhysicalMemory, page: number, size: number): string {
  const at = physical.locate(page * size, size);
  return at < 0 ? '-' : crc32(physical.arena.subarray(at, at + size)).toString(16);
}

/** Pages in which libkdumpfile fills zeros around memory that an ELF core has only in part, or that lie directly before a segment: by readelf. */
function filledPages(path: string, size: number): Set<number> {
  const { stdout } = peer('readelf', ['-lW', path], [work]);
  const filled = new Set<number>();
  for (const [, paddr, filesz] of stdout.matchAll(
    /^ +LOAD +0x[0-9a-f]+ +0x[0-9a-f]+ +(0x[0-9a-f]+) +(0x[0-9a-f]+) /gm,
  )) {
    const start = Number(paddr);
    const end = start + Number(filesz);
    filled.add(Math.ceil(start / size) - 1);
    if (end % size !== 0) filled.add(Math.floor(end / size));
  }
  return filled;
}

function compare(t: ExecutionContext, physical: PhysicalMemory, { size, sums }: PeerPages, filled: Set<number>): void {
  let present = 0;
  const different: string[] = [];
  sums.forEach((sum, i) => {
    const page = i * STEP;
    const ours = ourSum(physical, page, size);
    if (ours === sum) present += ours === '-' ? 0 : 1;
    else if (!(ours === '-' && ZERO_PAGES.has(sum) && filled.has(page)))
      different.push(`page ${page}: ${ours}, not ${sum}`);
  });
  t.deepEqual(different, []);
  t.true(present > 1000 / STEP, `${present} pages were there`);
}

const FORMS =
  'elf-d31 zlib-d0.kdump zlib-d31.kdump lzo-d0.kdump lzo-d31.kdump zstd-d0.kdump zstd-d31.kdump snappy-d0.kdump snappy-d31.kdump none-d31.kdump';
const NAMES = ['x86_64-6.1', 'x86_64-7.3', 'trace-6.1', 'trace-live-6.1'];
const SPLIT = [1, 2, 3].map(i => `split${i}.kdump`);

const dumps: (readonly string[])[] = [
  ...NAMES.flatMap(name => ['elf', 'flat', ...FORMS.split(' ')].map(form => [`${name}.${form}`])),
  ...NAMES.map(name => SPLIT.map(form => `${name}.${form}`)),
  ...['arm64-6.1', 'i386-6.1', 'ppc64le-6.1'].map(name => [`${name}.elf`]),
];

for (const names of dumps) {
  const paths = names.map(realDump);
  realPeerTest(`as libkdumpfile reads it: ${names.join(' ')}`, paths, async t => {
    const dump = await openFile(paths);
    const pages = peerPages(t, 'kdumpfile-pages.py', paths);
    compare(t, dump.physical, pages, dump.container.format === 'elf' ? filledPages(paths[0], pages.size) : new Set());
    t.deepEqual(dump.issues.list(), []);
    dump.close();
  });
}

// libkdumpfile takes the big-endian section table of this dump for a string table of exabytes.
realPeerTest('as drgn reads it: s390x-6.1.elf', [realDump('s390x-6.1.elf')], async t => {
  const path = realDump('s390x-6.1.elf');
  const dump = await openFile(path);
  const { end } = dump.physical.bounds;
  const pages = peerPages(t, 'drgn-pages.py', ['--virtual', '--size', '4096', '--end', String(end / 4096 + 8), path]);
  compare(t, dump.physical, pages, new Set());
  dump.close();
});

/** A test that needs both real dumps and peers. */
function realPeerTest(title: string, files: readonly string[], body: (t: ExecutionContext) => Promise<void>): void {
  if (hasPeer('python3')) realTest(title, files, body);
  else peerTest(title, ['python3'], body);
}

/** Totals of the states of memory, in bytes. */
function totals(runs: Iterable<MemoryRun>): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { start, end, state } of runs) sums[state] = (sums[state] ?? 0) + end - start;
  return sums;
}

realTest('one memory, whole or filtered, in every form', [realDump('trace-6.1.elf')], async t => {
  const whole = await openFile(realDump('trace-6.1.elf'));
  const filtered = await openFile(realDump('trace-6.1.zlib-d31.kdump'));
  const reference = totals(filtered.physical.runs(0, 2 ** 32));
  t.true(reference['zero'] > 0 && reference['excluded'] > 0 && reference['hole'] > 0);
  for (const names of [
    ['trace-6.1.flat'],
    ['trace-6.1.lzo-d31.kdump'],
    ['trace-6.1.none-d31.kdump'],
    SPLIT.map(form => `trace-6.1.${form}`),
  ]) {
    const dump = await openFile(names.map(realDump));
    t.deepEqual(totals(dump.physical.runs(0, 2 ** 32)), reference, names[0]);
    dump.close();
  }
  // What the filtered dump has is what the whole one has; a scan passes the same.
  let bytes = 0;
  let page = new Uint8Array(0);
  filtered.physical.scan(0, 2 ** 32, (paddr, piece) => {
    bytes += piece.length;
    if (page.length !== piece.length) page = new Uint8Array(piece.length);
    whole.physical.read(paddr, page);
    return Buffer.compare(page, piece) === 0;
  });
  t.is(bytes, reference['data'] + reference['zero']);
  whole.close();
  filtered.close();
});

/** Header and name of the note, which /sys/kernel/vmcoreinfo gives the address of. */
const NOTE_TEXT_AT = 24;

for (const name of ['s390x-6.1', 'ppc64le-6.1']) {
  realTest(`VMCOREINFO of ${name} is found in memory where the guest said it is`, [realDump(`${name}.elf`)], t => {
    const truth = readFileSync(realTruth(`${name}/truth.txt`), 'utf8');
    const place = /^SYSFS-VMCOREINFO paddr=(0x[0-9a-f]+)/m.exec(truth)?.[1];
    const release = /^OSRELEASE=(\S+)$/m.exec(truth)?.[1];
    return withDump(name, dump => {
      const found = findVmcoreinfo(dump.physical, dump.arch);
      t.is(found?.vmcoreinfo.release, release);
      if (name.startsWith('s390x')) t.is(found?.paddr, Number(place) + NOTE_TEXT_AT);
      t.is(noteByteOrder(dump.physical), name.startsWith('ppc64le'));
    });
  });
}

async function withDump(name: string, body: (dump: OpenedDump) => void): Promise<void> {
  const dump = await openFile(realDump(`${name}.elf`));
  body(dump);
  dump.close();
}

// CPU time of whole processes: a dump filtered at level 31, beside makedumpfile on the same ELF core; and one pass over all struct pages, beside drgn, which reads the memory map in pieces as
// large as ours and looks at the same words. `node dist/bench/pages.js DUMP VMLINUX [LARGE_DUMP]`: the vmlinux is drgn's. Fails where filtering to zlib pages takes twice makedumpfile's time
// (of the others Node's start-up is a large part), or the pass as long as drgn's.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from 'kdumpling/analysis';
import { Pages } from 'kdumpling/analysis/pages';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';

const ROUNDS = 5;
const MOST_OF_MAKEDUMPFILE = 2;
const MOST_OF_DRGN = 1;
const self = fileURLToPath(import.meta.url);
const command = join(dirname(self), '../bin/kdumpling.js');
const peers = join(dirname(self), '../../.ci/peers');
const root = process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers';

/** What a pass counts. drgn's is as fast as Python can: raw words, no objects. */
const DRGN = `
import sys, drgn
from drgn.helpers.linux.mm import pfn_to_page, for_each_page
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
size = prog.type("struct page").size
slab = 1 << prog.constant("PG_slab")
pages = slabs = tails = 0
vmemmap = prog["vmemmap_base"].value_()
for first, end in [tuple(map(int, one.split("-"))) for one in sys.argv[3].split(",")]:
    for pfn in range(first, end, 4096):
        count = min(4096, end - pfn)
        words = memoryview(prog.read(vmemmap + pfn * size, count * size)).cast("Q")
        pages += count
        for flags in words[:: size // 8].tolist():
            if flags & slab:
                slabs += 1
        for head in words[1 :: size // 8].tolist():
            if head & 1:
                tails += 1
print(pages, slabs, tails)
`;

interface Timed {
  readonly seconds: number;
  readonly output: string;
}

/** Seconds of user and system time of a command and what it started, the median; bash's `times` tells those of its children to the millisecond. */
function timed(words: readonly string[]): Timed {
  let output = '';
  const times = Array.from({ length: ROUNDS }, () => {
    const script = '"$@" 2>/dev/null; echo "status $?"; times';
    const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', ...words], {
      encoding: 'utf8',
      env: { ...process.env, KDUMPLING_PEERS: root, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
    });
    const lines = stdout.trim().split('\n').slice(-3);
    const found = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(lines[2] ?? '');
    if (lines[0] !== 'status 0' || found === null) throw new Error(`${words.join(' ')}: ${stdout}${stderr}`);
    output = stdout;
    const [, userMinutes, user, systemMinutes, system] = found.map(Number);
    return userMinutes * 60 + user + systemMinutes * 60 + system;
  });
  return { seconds: +median(times).toFixed(3), output };
}

const inPeers = (folders: readonly string[], ...words: readonly string[]): string[] => [
  peers,
  'run',
  folders.join(':'),
  '--',
  ...words,
];

/** A pass in this process. */
async function pass(path: string): Promise<void> {
  const kernel = await openKernel(await openFile({ kind: 'files', paths: [path] }));
  const pages = new Pages(kernel);
  const counts = { pages: 0, slabs: 0, tails: 0 };
  const microseconds = cpuMicroseconds(() => {
    for (const { startPfn, endPfn } of pages.map.pieces) {
      for (let pfn = startPfn; pfn < endPfn; pfn++) {
        if (!pages.has(pfn)) continue;
        counts.pages++;
        if (pages.isSlab(pfn)) counts.slabs++;
        if (pages.isTail(pfn)) counts.tails++;
      }
    }
  });
  const pieces = pages.map.pieces.map(({ startPfn, endPfn }) => `${startPfn}-${endPfn}`).join(',');
  console.log(
    `${counts.pages} ${counts.slabs} ${counts.tails} ${pieces} ${((microseconds * 1000) / counts.pages).toFixed(0)}`,
  );
}

function filtering(dump: string, folder: string): void {
  const core = join(folder, 'core');
  const out = join(folder, 'out');
  const made = spawnSync(process.execPath, [command, 'convert', dump, '-o', core, '--to', 'elf'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(made.stderr);
  const rows: (string | number)[][] = [['level 31', 'kdumpling s', 'makedumpfile s', 'ours / its']];
  const hasPeer = existsSync(join(root, 'usr/bin/makedumpfile'));
  // What entering the chroot costs is not the peer's.
  const entering = hasPeer ? timed(inPeers([folder], 'true')).seconds : 0;
  for (const [format, option] of [
    ['kdump-none', ''],
    ['kdump-zlib', '-c'],
    ['elf', '-E'],
  ]) {
    const ours = timed([process.execPath, command, 'convert', core, '-o', out, '--to', format, '--drop', '31']).seconds;
    if (!hasPeer) {
      rows.push([format, ours, 'not installed', '']);
      continue;
    }
    const theirs =
      timed(inPeers([folder], 'makedumpfile', '-f', ...(option === '' ? [] : [option]), '-d', '31', core, out))
        .seconds - entering;
    const share = +(ours / theirs).toFixed(2);
    if (format === 'kdump-zlib' && share >= MOST_OF_MAKEDUMPFILE) process.exitCode = 1;
    rows.push([format, ours, +theirs.toFixed(3), share]);
  }
  console.log(`${table(rows)}\n`);
}

function passing(dump: string, vmlinux: string): void {
  const ours = timed([process.execPath, self, '--pass', dump]);
  const [pages, slabs, tails, pieces, each] = ours.output.split(/\s/);
  const rows: (string | number)[][] = [
    ['pass', 'CPU s', 'pages', 'slabs', 'tails'],
    ['kdumpling', ours.seconds, pages, slabs, tails],
  ];
  if (existsSync(join(root, 'usr/bin/drgn'))) {
    const folders = [dirname(dump), dirname(vmlinux)];
    const theirs = timed(inPeers(folders, 'python3', '-c', DRGN, dump, vmlinux, pieces));
    const seconds = theirs.seconds - timed(inPeers(folders, 'true')).seconds;
    rows.push(['drgn', +seconds.toFixed(3), ...theirs.output.split(/\s/).slice(0, 3)]);
    if (ours.seconds >= seconds * MOST_OF_DRGN) process.exitCode = 1;
  }
  console.log(`${table(rows)}\nthe pass alone: ${each} ns a page`);
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--pass') await pass(rest[0]);
else {
  const [dump, vmlinux, large = dump] = [first, ...rest].map(path => resolve(path));
  if (first === undefined || rest.length === 0) throw new Error('usage: pages DUMP VMLINUX [LARGE_DUMP]');
  const folder = mkdtempSync(join(tmpdir(), 'kdumpling-bench-'));
  try {
    filtering(dump, folder);
    passing(large, vmlinux);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// CPU time of a whole `search` over a dump with nothing but the dump, beside crash with the kernel's vmlinux (without its own start-up), and beside the floor: reading the file, and grep's search for the text.
// `node dist/bench/search.js DUMP VMLINUX [ROUNDS]`. An ELF dump of x86_64, so that the file holds what memory does. Fails where crash is the faster, or finds another number in physical memory;
// by kernel addresses it finds more, since it takes all addresses near the image for mapped.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandSeconds, hasPeer, inPeers } from './command-seconds.js';
import { table } from './measure.js';

const TEXT = 'Kernel panic';
/** So many in one session of crash, whose start-up is as long as they are and never twice the same. */
const REPEATED = 5;
const command = join(dirname(fileURLToPath(import.meta.url)), '../bin/kdumpling.js');

const [dump, vmlinux] = process.argv.slice(2, 4).map(path => resolve(path));
const count = Number(process.argv[4] ?? 3);
if (dump === undefined || vmlinux === undefined) throw new Error('usage: search DUMP VMLINUX [ROUNDS]');
const folders = [dirname(dump), dirname(vmlinux)];
const ourWords = (...args: readonly string[]): string[] => [process.execPath, command, 'search', dump, ...args];
const crashWords = inPeers(folders, 'crash', '-s', vmlinux, dump);

/** Lines that look like findings. */
function found(words: readonly string[], line: RegExp, input = ''): number {
  const { stdout } = spawnSync(words[0], words.slice(1), {
    encoding: 'latin1',
    input,
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
  });
  return stdout.split('\n').filter(one => line.test(one)).length;
}

function symbolAddress(name: string): string {
  const { stdout } = spawnSync(process.execPath, [command, 'sym', dump, name, '--json'], { encoding: 'utf8' });
  const [row] = JSON.parse(stdout) as { address: string | null }[];
  if (row.address === null) throw new Error(`no symbol ${name}`);
  return row.address;
}

const word = symbolAddress('init_task');
const SEARCHES: readonly (readonly [what: string, ours: readonly string[], crash: string])[] = [
  ['a word of 8 bytes, physical', [word], `search -p ${word.slice(2)}`],
  ['the same by kernel addresses', [word, '--in', 'kernel'], `search -k ${word.slice(2)}`],
  [`a text of ${TEXT.length} bytes, physical`, ['-c', TEXT], `search -p -c "${TEXT}"`],
];

const crash = hasPeer('crash');
const started = crash ? commandSeconds(crashWords, count, 'quit\n') : 0;
const rows: (string | number)[][] = [['search', 'found', 'by crash', 'ours, CPU s', 'crash', 'ours / crash']];
for (const [what, args, input] of SEARCHES) {
  const ours = commandSeconds(ourWords(...args), count);
  const hits = found(ourWords(...args), /^(0x[0-9a-f]+|-)\s/);
  if (!crash) {
    rows.push([what, hits, 'not installed', ours, '', '']);
    continue;
  }
  const theirs = (commandSeconds(crashWords, count, `${`${input}\n`.repeat(REPEATED)}quit\n`) - started) / REPEATED;
  const theirHits = found(crashWords, /^[0-9a-f]+: /, `${input}\nquit\n`);
  const share = +(ours / theirs).toFixed(2);
  if (share >= 1 || hits > theirHits || (hits < theirHits && !args.includes('kernel'))) process.exitCode = 1;
  rows.push([what, hits, theirHits, ours, +theirs.toFixed(2), share]);
}
console.log(table(rows));
console.log(
  table([
    ['the floor', 'CPU s'],
    ['node -e 0', commandSeconds([process.execPath, '-e', '0'], count)],
    ['cat DUMP', commandSeconds(['bash', '-c', 'cat "$1" | cat >/dev/null', 'bash', dump], count)],
    [`grep -c "${TEXT}"`, commandSeconds(['bash', '-c', 'grep -acF "$1" "$2" || true', 'bash', TEXT, dump], count)],
  ]),
);

// CPU time of `slab` as a whole process: all caches with their counts, and all allocated objects of all caches, from a dump with nothing but the dump; beside it crash and drgn with the kernel's vmlinux, in
// the same run. `node dist/bench/slab.js DUMP VMLINUX [DUMP…]`; further dumps are ours alone, to show how the cost grows. Fails where ours is slower than drgn, all caches than crash, or the objects than a
// fifth of crash's time, or takes 300 MB. crash does not read kernels of 7.x.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, table } from './measure.js';

const ROUNDS = 3;
const MOST_MEMORY = 300;
const MOST_OF_OBJECTS = 0.2;
const here = dirname(fileURLToPath(import.meta.url));
const command = join(here, '../bin/kdumpling.js');
const peers = join(here, '../../.ci/peers');
const root = process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers';
const script = join(here, '../../bench/peers/drgn-slab.py');

interface Cost {
  readonly seconds: number;
  /** The most memory that it had at a time, MB; of programs in the chroot that of what enters it. */
  readonly memory: number;
  readonly lines: number;
}

/** Of user and system time, the median; bash's `times` tells those of a child to the millisecond. */
function cost(words: readonly string[], input = ''): Cost {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', 'set -o pipefail; "$@" 2>/dev/null | wc -l; echo "status $?"; times', 'bash', ...words],
      { encoding: 'utf8', input, env: { ...process.env, KDUMPLING_PEERS: root, LC_ALL: 'C', DEBUGINFOD_URLS: '' } },
    );
    const [lines, status, , children] = stdout.trim().split('\n');
    const found = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(children ?? '');
    if (status !== 'status 0' || found === null) throw new Error(`${words.join(' ')}: ${stdout}${stderr}`);
    const [, userMinutes, user, systemMinutes, system] = found.map(Number);
    return { seconds: userMinutes * 60 + user + systemMinutes * 60 + system, lines: Number(lines) };
  });
  return {
    seconds: +median(rounds.map(({ seconds }) => seconds)).toFixed(3),
    memory: memory(words, input),
    lines: rounds[0].lines,
  };
}

/** What GNU time says; 0 where it is not there. */
function memory(words: readonly string[], input: string): number {
  if (!existsSync('/usr/bin/time')) return 0;
  const { stderr } = spawnSync('/usr/bin/time', ['-f', 'MAX %M', ...words], {
    encoding: 'utf8',
    input,
    maxBuffer: 2 ** 30,
    env: { ...process.env, KDUMPLING_PEERS: root, DEBUGINFOD_URLS: '' },
  });
  const found = /MAX (\d+)/.exec(stderr);
  return found === null ? 0 : Math.round((Number(found[1]) * 1024) / 1e6);
}

const [dump, vmlinux, ...others] = process.argv.slice(2).map(path => resolve(path));
if (dump === undefined || vmlinux === undefined) throw new Error('usage: slab DUMP VMLINUX [DUMP…]');
const inPeers = (...words: readonly string[]): string[] => [
  peers,
  'run',
  [...new Set([dump, vmlinux, script].map(path => dirname(path)))].join(':'),
  '--',
  ...words,
];

const ours = (...words: readonly string[]): Cost => cost([process.execPath, command, 'slab', ...words]);
const rows: (string | number)[][] = [['command', 'CPU s', 'ours / it', 'MB', 'lines']];
const entering = existsSync(root) ? cost(inPeers('true')).seconds : 0;

function compare(what: string, words: readonly string[], theirs: readonly Theirs[]): void {
  const own = ours(...words);
  rows.push([`kdumpling slab: ${what}`, own.seconds, 1, own.memory, own.lines]);
  if (own.memory >= MOST_MEMORY) process.exitCode = 1;
  for (const { name, most, words: call, input } of theirs) {
    if (!existsSync(join(root, 'usr/bin', call[0]))) {
      rows.push([`${name}: not installed`, '', '', '', '']);
      continue;
    }
    const found = cost(inPeers(...call), input);
    // What entering the chroot costs is not the peer's.
    const seconds = +(found.seconds - entering).toFixed(3);
    const share = +(own.seconds / seconds).toFixed(3);
    if (share > most) process.exitCode = 1;
    rows.push([name, seconds, share, found.memory, found.lines]);
  }
}

interface Theirs {
  readonly name: string;
  readonly most: number;
  readonly words: readonly string[];
  readonly input?: string;
}

const isOld = /\/vmlinux-[0-6]\./.test(vmlinux);
const crash = (what: string, most: number): Theirs[] =>
  isOld ? [{ name: `crash ${what}`, most, words: ['crash', '-s', vmlinux, dump], input: `${what}\nquit\n` }] : [];
const drgn = (what: string): Theirs => ({
  name: `drgn: ${what}`,
  most: 1,
  words: ['python3', script, what, dump, vmlinux],
});

compare('all caches', [dump], [drgn('caches'), ...crash('kmem -s', 1)]);
compare(
  'all allocated objects',
  [dump, '--objects', '--state', 'allocated', 'rcu'],
  [drgn('objects'), ...crash('kmem -S', MOST_OF_OBJECTS)],
);
for (const other of others) {
  const own = ours(other, '--objects', '--state', 'allocated', 'rcu');
  rows.push([
    `kdumpling slab: all allocated objects, ${basename(dirname(other))}/${basename(other)}`,
    own.seconds,
    '',
    own.memory,
    own.lines,
  ]);
}
console.log(table(rows));

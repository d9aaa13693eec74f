// CPU time of whole commands, and how peers are run in the chroot that .ci/peers makes.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './measure.js';

const peers = join(dirname(fileURLToPath(import.meta.url)), '../../.ci/peers');
const root = process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers';

/** Seconds of user and system time of a command and what it started, the median; bash's `times` tells those of its children to the millisecond. */
export function commandSeconds(words: readonly string[], rounds: number, input = ''): number {
  const times = Array.from({ length: rounds }, () => {
    const { stdout, stderr } = spawnSync(
      'bash',
      ['-c', '"$@" >/dev/null 2>/dev/null; echo "status $?"; times', 'bash', ...words],
      {
        encoding: 'utf8',
        input,
        env: { ...process.env, KDUMPLING_PEERS: root, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
      },
    );
    const lines = stdout.trim().split('\n');
    const found = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(lines[2] ?? '');
    if (lines[0] !== 'status 0' || found === null) throw new Error(`${words.join(' ')}: ${stdout}${stderr}`);
    const [, userMinutes, user, systemMinutes, system] = found.map(Number);
    return userMinutes * 60 + user + systemMinutes * 60 + system;
  });
  return +median(times).toFixed(3);
}

/** The words that run a peer with folders visible to it. */
export const inPeers = (folders: readonly string[], ...words: readonly string[]): string[] => [
  peers,
  'run',
  folders.join(':'),
  '--',
  ...words,
];

export const hasPeer = (name: string): boolean => existsSync(join(root, 'usr/bin', name));

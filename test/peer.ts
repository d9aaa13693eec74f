// Other tools as judges of what we write. They run in a chroot named by KDUMPLING_PEERS (made by .ci/peers) where that exists, else from PATH. Where a
// peer is not installed its tests are skipped by name; under KDUMPLING_REQUIRE_PEERS=1 a missing peer fails.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const root = process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers';
const script = join(dirname(fileURLToPath(import.meta.url)), '../../.ci/peers');

export interface PeerResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a peer is looked for: `python3` means one with drgn and libkdumpfile; `arm64:` before the name, one that reads arm64 dumps. */
export type PeerName =
  | 'readelf'
  | 'gdb'
  | 'crash'
  | 'drgn'
  | 'makedumpfile'
  | 'python3'
  | 'gcc'
  | 'addr2line'
  | 'eu-addr2line'
  | 'bpftool'
  | 'arm64:crash'
  | 'arm64:makedumpfile';

function inChroot(name: PeerName): boolean {
  const [arch, program] = name.startsWith('arm64:') ? ['-arm64', name.slice(6)] : ['', name];
  return existsSync(join(`${root}${arch}`, 'usr/bin', program));
}

function onPath(name: PeerName): boolean {
  return !name.startsWith('arm64:') && spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

export const hasPeer = (name: PeerName): boolean => inChroot(name) || onPath(name);

/** Runs a peer; `folder` (and the current folder) are visible to it at their own paths. */
export function peer(
  name: PeerName,
  args: readonly string[],
  folders: readonly string[],
  input: string | Uint8Array = '',
): PeerResult {
  const command = name.startsWith('arm64:')
    ? [script, 'run-arm64', name.slice(6), ...args]
    : inChroot(name)
      ? [script, 'run', folders.join(':'), '--', name, ...args]
      : [name, ...args];
  const result = spawnSync(command[0], command.slice(1), {
    input,
    encoding: 'utf8',
    maxBuffer: 1 << 29,
    env: { ...process.env, KDUMPLING_PEERS: root, LC_ALL: 'C', DEBUGINFOD_URLS: '' },
  });
  return { status: result.status, stdout: result.stdout ?? '', stderr: result.stderr ?? '' };
}

/** A test that needs peers. Use inside it `peer`. */
export function peerTest(
  title: string,
  names: readonly PeerName[],
  body: (t: ExecutionContext) => void | Promise<void>,
): void {
  const missing = names.filter(name => !hasPeer(name));
  if (missing.length > 0 && process.env['KDUMPLING_REQUIRE_PEERS'] !== '1') {
    test.skip(`${title} (needs ${missing.join(', ')})`, body);
    return;
  }
  test(title, async t => {
    if (missing.length > 0) t.fail(`missing peers: ${missing.join(', ')}`);
    else await body(t);
  });
}

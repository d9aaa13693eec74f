// Programs of bench/peers: compiled and run in the chroot that .ci/peers makes, or by a compiler and libraries found here.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Runs the program; `folders` are visible to it besides its own. Returns the words of each line of its output. */
export type RunPeer = (words: readonly string[], folders: readonly string[]) => string[][];

/** Compiles bench/peers/NAME.c into `folder`; null where the compiler or a library is not to be had. */
export function compilePeer(name: string, libraries: readonly string[], folder: string): RunPeer | null {
  const inChroot = existsSync(join(process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers', 'usr/bin/gcc'));
  const run = (folders: readonly string[], command: readonly string[]): string | null => {
    const words = inChroot ? ['.ci/peers', 'run', folders.join(':'), '--', ...command] : command;
    const { status, stdout, stderr } = spawnSync(words[0], words.slice(1), { cwd: root, encoding: 'utf8' });
    if (status !== 0) process.stderr.write(stderr ?? '');
    return status === 0 ? stdout : null;
  };
  const program = join(folder, name);
  if (run([folder], ['gcc', '-O2', '-o', program, `bench/peers/${name}.c`, ...libraries]) === null) return null;
  return (words, folders) => {
    const output = run([folder, ...folders], [program, ...words]);
    if (output === null) throw new Error(`${name} fails`);
    return output
      .trim()
      .split('\n')
      .map(line => line.split(' '));
  };
}

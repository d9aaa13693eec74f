// Real dumps for tests. KDUMPLING_REAL names the folder that describes them, KDUMPLING_REAL_WORK the one where its script unpacked them. Where KDUMPLING_REAL is
// not set, tests that need them are skipped by name; where it is set, a missing file fails.
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

const folder = process.env['KDUMPLING_REAL'];
export const work = process.env['KDUMPLING_REAL_WORK'] ?? join(tmpdir(), 'kdumpling-real');

/** Path of an unpacked dump, for instance `x86_64-6.1.elf` or `x86_64-6.1.zstd-d31.kdump`. */
export const realDump = (name: string): string => join(work, 'dumps', name);

/** Path of a file under truth/, unpacked. */
export const realTruth = (name: string): string => join(work, 'truth', name);

/** The vmlinux with symbols and types that belongs to a dump: the full one, or the small ELF file of kernels that have one. */
export function realVmlinux(name: string): string {
  const full: Record<string, string> = {
    'x86_64-6.1': 'vmlinux-6.1.0-56-cloud-amd64',
    'x86_64-7.3': 'vmlinux-7.3.4+deb13-cloud-amd64',
    'arm64-6.1': 'vmlinux-6.1.0-50-arm64',
  };
  return name in full ? join(work, 'vmlinux', name, full[name]) : join(work, 'vmlinux-lite', `${name}.elf`);
}

/** A test that needs the given files (absolute paths). */
export function realTest(
  title: string,
  files: readonly string[],
  body: (t: ExecutionContext) => void | Promise<void>,
): void {
  if (folder === undefined || folder === '') {
    test.skip(`${title} (needs KDUMPLING_REAL)`, body);
    return;
  }
  test(title, async t => {
    const missing = files.filter(file => !existsSync(file));
    if (missing.length > 0) {
      t.fail(`missing: ${missing.join(', ')}`);
      return;
    }
    await body(t);
  });
}

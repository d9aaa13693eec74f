// CPU time of whole conversions, Node's start included, beside makedumpfile's on the same ELF core, one thread each. `node dist/bench/convert.js DUMP` (of
// the machine's own architecture, for makedumpfile; in the chroot that .ci/peers makes, or found here). Output goes to the system's folder for temporary files.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, table } from './measure.js';

const ROUNDS = 3;
const MIB = 1 << 20;
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const command = join(root, 'dist/bin/kdumpling.js');
const inChroot = existsSync(join(process.env['KDUMPLING_PEERS'] ?? '/var/tmp/kdumpling-peers', 'usr/bin/makedumpfile'));

/** format -> makedumpfile's option for it. Debian's is built without Snappy and would store pages as they are. */
const FORMATS = { 'kdump-none': '', 'kdump-lzo': '-l', 'kdump-snappy': null, 'kdump-zlib': '-c', 'kdump-zstd': '-z' };

/** Seconds of user and system time of a command and its children; NaN where it fails. */
function seconds(words: readonly string[], output: string): number {
  const times = Array.from({ length: ROUNDS }, () => {
    rmSync(output, { force: true });
    const { stdout } = spawnSync('sh', ['-c', '"$@" > /dev/null 2>&1 && times', 'sh', ...words], {
      cwd: root,
      encoding: 'utf8',
    });
    // The second line is of children: user and system time, minutes and seconds.
    const found = [...(stdout.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
    return found.length === 2
      ? found.reduce((sum, [, minutes, rest]) => sum + 60 * Number(minutes) + Number(rest), 0)
      : Number.NaN;
  });
  return +median(times).toFixed(2);
}

function makedumpfile(option: string, from: string, to: string, folder: string): number {
  const words = ['makedumpfile', ...(option === '' ? [] : [option]), from, to];
  return seconds(inChroot ? ['.ci/peers', 'run', folder, '--', ...words] : words, to);
}

const dump = process.argv[2];
if (dump === undefined) throw new Error('usage: convert DUMP');
const folder = mkdtempSync(join(tmpdir(), 'kdumpling-bench-'));
try {
  const core = join(folder, 'core');
  const out = join(folder, 'out');
  const toElf = seconds([process.execPath, command, 'convert', resolve(dump), '-o', core, '--to', 'elf'], core);
  console.log(`${(statSync(core).size / MIB).toFixed(0)} MiB of memory; to elf: ${toElf} s of CPU time\n`);
  const rows: (string | number)[][] = [['format', 'kdumpling s', 'MiB', 'makedumpfile s', 'MiB']];
  for (const [format, option] of Object.entries(FORMATS)) {
    const ours = seconds([process.execPath, command, 'convert', core, '-o', out, '--to', format], out);
    const size = +(statSync(out).size / MIB).toFixed(1);
    const theirs = option === null ? Number.NaN : makedumpfile(option, core, out, folder);
    const done = Number.isNaN(theirs) ? '-' : theirs;
    rows.push([format, ours, size, done, done === '-' ? '-' : +(statSync(out).size / MIB).toFixed(1)]);
  }
  console.log(table(rows));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

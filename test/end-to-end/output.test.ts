// What every command does with its output and its options, in a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { dirSync } from 'tmp-promise';
import { kdumpling } from '../kdumpling.js';

const bin = join(dirname(fileURLToPath(import.meta.url)), '../../cli/bin.js');
const folder = dirSync({ unsafeCleanup: true });
test.after.always(() => folder.removeCallback());

/** A sparse image of memory, one byte of which is set. */
function image(bytes: number): string {
  const path = join(folder.name, `image-${bytes}`);
  writeSync(openSync(path, 'w'), Uint8Array.of(0x5a), 0, 1, bytes - 1);
  return path;
}

/** Memory in MiB at its peak of a command whose output goes through a pipe that is read; and how much came. */
async function peakThroughPipe(...args: readonly string[]): Promise<{ peak: number; bytes: number; last: number }> {
  const print = "process.on('exit', () => process.stderr.write('peak ' + process.resourceUsage().maxRSS))";
  const child = spawn(process.execPath, [
    '--import',
    `data:text/javascript,${encodeURIComponent(print)}`,
    bin,
    ...args,
  ]);
  let bytes = 0;
  let last = 0;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  for await (const piece of child.stdout as AsyncIterable<Uint8Array>) {
    bytes += piece.length;
    last = piece[piece.length - 1];
  }
  return { peak: Number(/peak (\d+)/.exec(stderr)?.[1]) / 1024, bytes, last };
}

test('what a pipe takes slowly is not kept in memory', async t => {
  const size = 400 << 20;
  const found = await peakThroughPipe('read', `${image(size)}@0`, '0', `${size}`, '--physical', '--raw');
  t.deepEqual([found.bytes, found.last], [size, 0x5a]);
  t.true(found.peak > 20 && found.peak < 200, `${found.peak} MiB`);
});

test('a reader that goes away is no failure', t => {
  const command = `"${process.execPath}" "${bin}" read "${image(64 << 20)}@0" 0 64M --physical --raw; echo "status $?" >&2`;
  const { stdout, stderr } = spawnSync('sh', ['-c', `{ ${command}; } | head -c 4`]);
  t.is(stdout.length, 4);
  t.regex(stderr.toString(), /^status 0$/m);
  t.notRegex(stderr.toString(), /Error/);
});

test('settings that can have no effect are wrong usage, for every command', t => {
  const dump = `${image(1 << 20)}@0`;
  for (const args of [
    ['info', dump],
    ['read', dump, '0', '--physical'],
    ['convert', dump, '-o', join(folder.name, 'never'), '--to', 'elf'],
  ]) {
    for (const setting of ['file.format=elf', 'linux.phys_bass=0', 'linux.phys_base=zz']) {
      const { status, stdout, stderr } = kdumpling(...args, '--set', setting);
      t.is(status, 2);
      t.is(stdout, '');
      t.true(stderr.includes(setting.slice(0, setting.indexOf('='))), stderr);
    }
  }
});

test('a dump without a log is answered in part: nothing is known of a panic', t => {
  const { status, stdout } = kdumpling('info', `${image(1 << 20)}@0`);
  t.is(status, 1);
  t.regex(stdout, /^panic +unknown: the log cannot be read$/m);
});

test('help of a command by either name is the same', t => {
  const { stdout, status } = kdumpling('help', 'convert');
  t.is(status, 0);
  t.is(stdout, kdumpling('convert', '--help').stdout);
  t.regex(stdout, /--level <n>/);
});

test('no command replaces a file of its input, by whatever path', t => {
  const blobs = join(folder.name, 'blobs');
  mkdirSync(blobs);
  const blob = join(blobs, 'md_KELF1.BIN');
  writeFileSync(blob, 'evidence');
  const dump = image(4096);
  const linkedFolder = join(folder.name, 'linked');
  symlinkSync(folder.name, linkedFolder);
  const linkedDump = join(folder.name, 'linked-image');
  symlinkSync(dump, linkedDump);
  for (const args of [
    ['assemble', blobs, '-o', blob],
    ['assemble', blobs, '-o', join(linkedFolder, 'blobs/md_KELF1.BIN')],
    ['assemble', `${dump}@0`, '-o', dump],
    ['convert', `${dump}@0`, '--to', 'raw', '-o', join(linkedFolder, basename(dump))],
    ['convert', `${linkedDump}@0`, '--to', 'raw', '-o', dump],
  ]) {
    const { status, stderr } = kdumpling(...args);
    t.is(status, 2, args.join(' '));
    t.regex(stderr, /is the input/);
  }
  t.is(readFileSync(blob, 'utf8'), 'evidence');
  t.is(statSync(dump).size, 4096);
});

// Back-ends over real dumps, by the command: what comes out is held against what the real kernel wrote, libkdumpfile, the guest's own /proc/kallsyms, and scripts that know
// nothing but the formats.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { peer } from '../peer.js';
import { realDump, realTruth, realVmlinux, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, '../../cli/bin.js');
const scripts = join(here, '../../../test/backends');

function carve(t: ExecutionContext, dump: string, out: string, options: readonly string[]): void {
  const { stderr, status } = spawnSync(
    process.execPath,
    [cli, 'carve', realDump(`${dump}.elf`), '-o', out, ...options],
    {
      encoding: 'utf8',
    },
  );
  t.true(status === 0 || status === 1, stderr);
}

function samePages(t: ExecutionContext, dump: string, core: string): void {
  const { stdout, stderr } = peer(
    'python3',
    [join(scripts, 'same_pages.py'), dump, core],
    [work, dirname(core), scripts],
  );
  t.is(stderr, '');
  const answer = JSON.parse(stdout) as { compared: number; differ: string[]; absent: string[] };
  t.deepEqual([answer.differ, answer.absent], [[], []]);
  t.true(answer.compared > 100_000, `${answer.compared} pages`);
}

/** Where two files first differ, or -1. */
function firstDifference(one: string, two: string): number {
  const files = [openSync(one, 'r'), openSync(two, 'r')];
  const buffers = files.map(() => Buffer.alloc(1 << 22));
  try {
    for (let at = 0; ; at += buffers[0].length) {
      const [first, second] = files.map((file, i) => readSync(file, buffers[i], 0, buffers[i].length, at));
      if (first !== second || !buffers[0].subarray(0, first).equals(buffers[1].subarray(0, second))) return at;
      if (first === 0) return -1;
    }
  } finally {
    files.forEach(closeSync);
  }
}

for (const name of ['arm64-6.1', 'i386-6.1']) {
  const dump = realDump(`${name}.elf`);
  realPeerTest(
    `${name}: byte for byte the vmcore that its crash kernel wrote`,
    [dump, realVmlinux(name)],
    ['python3'],
    (t, folder) => {
      carve(t, name, join(folder, 'out'), ['--backend', 'vmcore', '--vmlinux', realVmlinux(name)]);
      const core = join(folder, 'out/vmcore');
      t.is(firstDifference(dump, core), -1);
      t.is(statSync(core).size, statSync(dump).size);
      samePages(t, dump, core);
    },
  );
}

{
  const name = 'x86_64-6.1';
  const dump = realDump(`${name}.elf`);
  realPeerTest(
    `${name}: a vmcore that readelf, gdb, drgn and libkdumpfile read`,
    [dump, realVmlinux(name)],
    ['python3', 'readelf', 'drgn', 'gdb'],
    (t, folder) => {
      carve(t, name, join(folder, 'out'), ['--backend', 'vmcore', '--vmlinux', realVmlinux(name)]);
      const core = join(folder, 'out/vmcore');
      samePages(t, dump, core);
      const { stdout, stderr } = peer('readelf', ['-hlnW', core], [folder]);
      t.is(stderr, '');
      // KERNELOFFSET 0x3a200000 and phys_base of the guest; the low 640 KiB are a segment of their own.
      t.regex(stdout, /LOAD\s+0x[0-9a-f]+ 0xffffffffbb200000 0x0000000008e00000/);
      t.regex(stdout, /LOAD\s+0x[0-9a-f]+ 0xffff8a5d80000000 0x0000000000000000 0x0a0000 0x0a0000/);
      t.is(stdout.match(/NT_PRSTATUS/g)?.length, 2);
      const drgn = peer(
        'drgn',
        ['-q', '-c', core, '-s', realVmlinux(name), '-e', 'print(prog["init_uts_ns"].name.release.string_().decode())'],
        [work, folder],
      );
      t.is(drgn.stdout.trim(), '6.1.0-56-cloud-amd64', drgn.stderr);
      const gdb = peer('gdb', ['-batch', '-nx', '-c', core, '-ex', `x/s ${bannerAddress()}`], [folder]);
      t.regex(gdb.stdout, /"Linux version 6\.1\.0-56-cloud-amd64 /);
    },
  );
}

/** linux_banner by the guest's /proc/kallsyms. */
function bannerAddress(): string {
  const line = guestSymbols('x86_64-6.1').find(([, , name]) => name === 'linux_banner');
  return `0x${line?.[0] ?? ''}`;
}

/** [address, type, name] of the kernel's own symbols. */
function guestSymbols(name: string): string[][] {
  const text = readFileSync(realTruth(`${name}/guest/guest/proc/kallsyms`), 'utf8');
  return text
    .split('\n')
    .filter(line => line !== '' && !line.includes('['))
    .map(line => line.split(' '));
}

/** [dump, phys_base by the table of dumps, arguments] */
const KINFO: readonly (readonly [string, bigint, readonly string[]])[] = [
  ['x86_64-6.1', -843055104n, ['--layout', '216']],
  ['x86_64-6.1', -843055104n, ['--layout', '472', '--regions', 'meminspect-v1']],
  ['x86_64-6.1', -843055104n, ['--layout', '464']],
  ['x86_64-7.3', -643825664n, ['--layout', '504']],
];
for (const [name, physBase, options] of KINFO) {
  const dump = realDump(`${name}.elf`);
  const kallsyms = realTruth(`${name}/guest/guest/proc/kallsyms`);
  realPeerTest(
    `${name}: all of kallsyms through debug-kinfo ${options[1]}`,
    [dump, kallsyms],
    ['python3'],
    (t, folder) => {
      carve(t, name, join(folder, 'out'), ['--backend', 'debug-kinfo', ...options]);
      const { stdout, stderr } = peer(
        'python3',
        [join(scripts, 'kinfo_symbols.py'), join(folder, 'out/debug_kinfo.bin'), dump],
        [work, folder, scripts],
      );
      t.is(stderr, '');
      const [layout, ...found] = stdout.trimEnd().split('\n');
      t.is(layout, options[1]);
      const wanted = guestSymbols(name).map(([address, type, symbol]) => {
        const value = BigInt(`0x${address}`);
        const place = value < 0xffff_ffff_8000_0000n ? '-' : (value - 0xffff_ffff_8000_0000n + physBase).toString(16);
        return `${place} ${type} ${symbol}`;
      });
      t.true(wanted.length > 80_000);
      t.is(found.length, wanted.length);
      t.deepEqual(found.filter((line, i) => line !== wanted[i]).slice(0, 5), []);
    },
  );
}

for (const name of ['x86_64-6.1', 'arm64-6.1']) {
  const dump = realDump(`${name}.elf`);
  realPeerTest(
    `${name}: raw, put together by its map, equals the dump`,
    [dump, realVmlinux(name)],
    ['python3'],
    (t, folder) => {
      carve(t, name, join(folder, 'out'), ['--backend', 'raw', '--vmlinux', realVmlinux(name)]);
      const { stdout, stderr } = peer(
        'python3',
        [join(scripts, 'put_together.py'), join(folder, 'out'), dump],
        [work, folder, scripts],
      );
      t.is(stderr, '');
      const answer = JSON.parse(stdout) as Record<string, string>;
      // The core image's header is memory that the dead kernel would have had, and this one had not.
      const others = Object.entries(answer).filter(([region]) => region !== 'ELF');
      t.true(others.length > 30, `${others.length} regions`);
      t.deepEqual(
        others.filter(([, result]) => result !== 'equal'),
        [],
      );
    },
  );
}

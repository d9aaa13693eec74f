// kdumpling convert, as users run it, on a real region core: regions of any length, at any place.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ElfWalk } from '../elf-walk.js';
import { kdumpling } from '../kdumpling.js';
import { BANNER_PADDR, BANNER_SIZE, coreTest } from './demo-core.js';

interface Region {
  readonly vaddr: bigint;
  readonly paddr: bigint;
  readonly bytes: Buffer;
}

function regions(file: string): Region[] {
  const walk = new ElfWalk(readFileSync(file));
  return walk.loads.map(({ vaddr, paddr, offset, filesz }) => ({
    vaddr,
    paddr,
    bytes: walk.core.subarray(offset, offset + filesz),
  }));
}

coreTest('a region core to elf: the same regions at the same addresses', (t, core, folder) => {
  const out = join(folder, 'out');
  const { status, stdout, stderr } = kdumpling('convert', core, '-o', out, '--to', 'elf');
  t.is(status, 0, stderr);
  t.regex(stdout, /out: core as elf; 860832 bytes of memory/);
  t.deepEqual(regions(out), regions(core));
  const notes = (file: string) => new ElfWalk(readFileSync(file)).notes('VMCOREINFO');
  t.deepEqual(notes(out), notes(core));
});

coreTest('a region core through kdump: no byte of filling is taken for memory', (t, core, folder) => {
  const [kdump, out] = [join(folder, 'kdump'), join(folder, 'out')];
  const { status, stdout } = kdumpling('convert', core, '-o', kdump, '--to', 'kdump-zstd', '--level', '5', '--json');
  t.is(status, 0);
  const answer = JSON.parse(stdout) as { issues: { code: string }[] };
  t.deepEqual(
    answer.issues.map(issue => issue.code),
    ['partial-pages', 'virtual-addresses-lost'],
  );
  const again = kdumpling('convert', kdump, '-o', out, '--to', 'elf');
  t.is(again.status, 0);
  t.regex(again.stderr, /crash, which checks only where a read begins.*\[filling-lost\]/);
  // Virtual addresses are made anew, and what touches is joined: each region has to be in some segment, and nothing else is.
  const found = regions(out);
  for (const { paddr, bytes } of regions(core)) {
    const holder = found.find(
      one => one.paddr <= paddr && paddr + BigInt(bytes.length) <= one.paddr + BigInt(one.bytes.length),
    );
    const at = Number(paddr - (holder?.paddr ?? 0n));
    t.true(holder?.bytes.subarray(at, at + bytes.length).equals(bytes), paddr.toString(16));
  }
  const behind = kdumpling('read', kdump, `0x${(BANNER_PADDR + BANNER_SIZE).toString(16)}`, '4', '--physical');
  t.is(behind.status, 1);
  t.regex(behind.stdout, /\?\? \?\? \?\? \?\?/);
});

coreTest('--json: the documented value; raw is sparse and says where it begins', (t, core, folder) => {
  const out = join(folder, 'out');
  const { status, stdout } = kdumpling('convert', core, '-o', out, '--to', 'raw', '--json');
  t.is(status, 0);
  const { issues, ...answer } = JSON.parse(stdout) as { issues: { code: string }[] };
  t.deepEqual(answer, {
    output: out,
    format: 'raw',
    flat: false,
    bytes: 860832,
    excludedBytes: 0,
    droppedBytes: 0,
    dropped: null,
    lostBytes: 0,
    virtualOnlyBytes: 0,
    base: '0x8e00000',
  });
  t.deepEqual(
    issues.map(issue => issue.code),
    ['notes-lost', 'holes-lost', 'virtual-addresses-lost'],
  );
  t.true(statSync(out).size > 300_000_000 && statSync(out).blocks * 512 < 4_000_000);
  const read = kdumpling('read', `${out}@0x8e00000`, `0x${BANNER_PADDR.toString(16)}`, '16', '--physical', '--raw');
  t.is(read.stdout, 'Linux version 6.');
});

coreTest(
  'what lies by virtual address only: kept by elf, left out by other formats with exit status 1',
  (t, core, folder) => {
    // Two segments of 16 bytes at kernel addresses, both with physical address 0, which is none.
    const bytes = Buffer.alloc(64 + 2 * 56 + 32, 0x5a);
    bytes.fill(0, 0, 64 + 2 * 56);
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    for (const [at, value] of [
      [16, 4],
      [18, 62],
      [54, 56],
      [56, 2],
    ])
      bytes.writeUInt16LE(value, at);
    bytes.writeBigUInt64LE(64n, 32);
    for (const i of [0, 1]) {
      const at = 64 + 56 * i;
      bytes.writeUInt32LE(1, at);
      bytes.writeBigUInt64LE(BigInt(176 + 16 * i), at + 8);
      bytes.writeBigUInt64LE(0xffffffff81000000n + BigInt(4096 * i), at + 16);
      for (const field of [32, 40]) bytes.writeBigUInt64LE(16n, at + field);
    }
    const virtual = join(folder, 'virtual');
    writeFileSync(virtual, bytes);
    const convert = (to: string) => kdumpling('convert', virtual, '-o', join(folder, to), '--to', to, '--json');
    const codes = (stdout: string) =>
      (JSON.parse(stdout) as { issues: { code: string }[] }).issues.map(({ code }) => code);
    const elf = convert('elf');
    t.is(elf.status, 0, elf.stderr);
    t.false(codes(elf.stdout).includes('virtual-only-lost'));
    for (const to of ['kdump-zlib', 'raw']) {
      const { status, stdout } = convert(to);
      t.is(status, 1, to);
      t.is((JSON.parse(stdout) as { virtualOnlyBytes: number }).virtualOnlyBytes, 32);
      t.true(codes(stdout).includes('virtual-only-lost'));
    }
    t.is(
      kdumpling('convert', core, '-o', join(folder, 'core'), '--to', 'elf').status,
      2,
      'the input under its own name',
    );
  },
);

coreTest('wrong calls: exit status 2, and nothing is written; help has an example', (t, core, folder) => {
  const before = readdirSync(folder);
  const fails = (status: number, message: RegExp, ...args: string[]) => {
    const result = kdumpling('convert', ...args);
    t.is(result.status, status, args.join(' '));
    t.regex(result.stderr, message);
  };
  const out = join(folder, 'out');
  fails(2, /required option '-o/, core, '--to', 'elf');
  fails(2, /required option '--to/, core, '-o', out);
  fails(2, /Allowed choices are elf, kdump-zlib/, core, '-o', out, '--to', 'zip');
  fails(2, /zlib has no level 10/, core, '-o', out, '--to', 'kdump-zlib', '--level', '10');
  fails(2, /lzo has no compression levels/, core, '-o', out, '--to', 'kdump-lzo', '--level', '1');
  fails(2, /elf is not compressed/, core, '-o', out, '--to', 'elf', '--level', '1');
  fails(2, /"x" is no compression level/, core, '-o', out, '--to', 'kdump-zlib', '--level', 'x');
  fails(2, /raw memory has no flattened form/, core, '-o', out, '--to', 'raw', '--flat');
  fails(2, /"32" is no class of pages: zero, cache/, core, '-o', out, '--to', 'elf', '--drop', '32');
  fails(2, /"pagecache" is no class of pages/, core, '-o', out, '--to', 'elf', '--drop', 'zero,pagecache');
  // What was to be left out would be in the output.
  fails(3, /memory map: which pages could be left out is not known/, core, '-o', out, '--to', 'elf', '--drop', 'user');
  fails(2, /is the input/, core, '-o', core, '--to', 'elf');
  fails(2, /is a folder: name the file to write/, core, '-o', folder, '--to', 'elf');
  fails(2, /is a folder: name the file to write/, core, '-o', `${out}/`, '--to', 'elf');
  // Before any work: the input is not even looked for.
  fails(2, /is a folder: name the file to write/, join(folder, 'absent'), '-o', folder, '--to', 'elf');
  fails(2, /is a folder: a folder of blobs is given alone/, core, folder, '-o', out, '--to', 'elf');
  fails(3, /no such file/, join(folder, 'absent'), '-o', out, '--to', 'elf');
  fails(3, /cannot be written: no such file or folder/, core, '-o', join(folder, 'no', 'out'), '--to', 'elf');
  t.deepEqual(readdirSync(folder), before);
  t.true(existsSync(core));
  const help = kdumpling('convert', '--help');
  t.is(help.status, 0);
  t.regex(help.stdout, /Example:\n {2}kdumpling convert vmcore -o vmcore\.kdump --to kdump-zstd --level 3/);
});

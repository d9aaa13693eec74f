// Real dumps in every format: what was written is opened by other tools, which must see in it what they see in the dump that it was made from. The suite takes a
// sample of pages; KDUMPLING_EVERY_PAGE=1 takes all.
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import type { OpenedDump } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { ElfWalk } from '../elf-walk.js';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realVmlinux, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const scripts = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers');
/** Prime, so that no regular layout escapes it. */
const STEP = process.env['KDUMPLING_EVERY_PAGE'] === '1' ? 1 : 23;
const ZERO_PAGE = crc32(new Uint8Array(4096)).toString(16);

interface Converted {
  readonly format: string;
  readonly bytes: number;
  readonly excludedBytes: number;
  readonly lostBytes: number;
  readonly base: string | null;
  readonly issues: readonly { readonly code: string }[];
}

function convert(t: ExecutionContext, from: string, to: string, ...options: readonly string[]): Converted {
  const { status, stdout, stderr } = kdumpling('convert', from, '-o', to, '--json', ...options);
  t.is(status, 0, stderr);
  return JSON.parse(stdout) as Converted;
}

/** Checksums of pages up to frame `end` as libkdumpfile reads them, "-" where it has none. */
function sums(t: ExecutionContext, file: string, end: number): string[] {
  const args = [join(scripts, 'kdumpfile-pages.py'), '--step', String(STEP), '--end', String(end), file];
  const { status, stdout, stderr } = peer('python3', args, [work, scripts, dirname(file)]);
  t.is(status, 0, stderr);
  return stdout.trimEnd().split('\n').slice(1);
}

function drgnSums(t: ExecutionContext, file: string, end: number, ...options: readonly string[]): string[] {
  const range = ['--step', String(STEP), '--size', '4096', '--end', String(end)];
  const args = [join(scripts, 'drgn-pages.py'), ...range, ...options, file];
  const { status, stdout, stderr } = peer('python3', args, [work, scripts, dirname(file)]);
  t.is(status, 0, stderr);
  return stdout.trimEnd().split('\n').slice(1);
}

/**
 * `elf`: one of both is an ELF core, for which libkdumpfile gives zeros where memory is filtered out (p_memsz past p_filesz) and in the page before a
 * segment.
 */
function sameSums(t: ExecutionContext, found: readonly string[], expected: readonly string[], elf: boolean): void {
  t.is(found.length, expected.length);
  const plain = (sum: string) => (elf && sum === ZERO_PAGE ? '-' : sum);
  t.true(expected.filter(sum => sum !== '-').length > 500, 'enough pages are there');
  const different = found.flatMap((sum, i) => {
    return plain(sum) === plain(expected[i]) ? [] : [`page ${i * STEP}: ${sum}, not ${expected[i]}`];
  });
  t.deepEqual(different.slice(0, 5), []);
}

type Stretch = readonly [start: number, end: number, state: string];

/** States in which pages of zeros count as data: ELF and raw memory cannot tell them. */
function states({ physical }: OpenedDump): Stretch[] {
  const list: [number, number, string][] = [];
  for (const { start, end, state } of physical.runs(0, 2 ** 40)) {
    const name = state === 'zero' ? 'data' : state;
    const last = list[list.length - 1];
    if (last !== undefined && last[2] === name) last[1] = end;
    else list.push([start, end, name]);
  }
  return list;
}

/** Every byte of `expected` is in `found`. */
function holdsBytes(t: ExecutionContext, found: OpenedDump, expected: OpenedDump): void {
  let different = -1;
  const into = new Uint8Array(1 << 20);
  expected.physical.scan(0, 2 ** 52, (paddr, bytes) => {
    const same = into.subarray(0, bytes.length);
    found.physical.read(paddr, same);
    if (Buffer.compare(same, bytes) !== 0) different = paddr;
    return different < 0;
  });
  t.is(different, -1, 'a byte differs');
}

async function sameBytes(t: ExecutionContext, file: string, source: string): Promise<void> {
  const [found, expected] = [await openFile(file), await openFile(source)];
  t.is(found.physical.presentBytes, expected.physical.presentBytes);
  holdsBytes(t, found, expected);
  found.close();
  expected.close();
}

/** Every byte, every state and, if asked for, every note. */
async function sameDump(t: ExecutionContext, file: string, source: string, notes = true): Promise<void> {
  const [found, expected] = [await openFile(file), await openFile(source)];
  t.deepEqual(states(found), states(expected));
  holdsBytes(t, found, expected);
  if (notes) {
    const list = (dump: OpenedDump) =>
      dump.notes.map(({ name, type, descriptor }) => [name, type, crc32(descriptor), descriptor.length]);
    t.deepEqual(list(found), list(expected));
    t.deepEqual(
      found.cpus.map(cpu => cpu.registers),
      expected.cpus.map(cpu => cpu.registers),
    );
  }
  found.close();
  expected.close();
}

function firstBytes(path: string, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const file = openSync(path, 'r');
  try {
    readSync(file, bytes, 0, length, 0);
  } finally {
    closeSync(file);
  }
  return bytes;
}

/** What crash says, without the dump's name. */
function crash(dump: string, folder: string): string {
  const { stdout } = peer(
    'crash',
    ['-s', realVmlinux('x86_64-6.1'), dump],
    [work, folder],
    'sys\nps\nmod\nlog\nrd -8 linux_banner 64\nbt 135\nquit\n',
  );
  return stdout.replaceAll(/^.*DUMPFILE:.*$/gm, '');
}

const X86 = realDump('x86_64-6.1.zlib-d31.kdump');
const X86_END = 0x20000;

realPeerTest(
  'x86_64, filtered: every format has every page, state, note and register; libkdumpfile reads all, crash says the same',
  [X86, realVmlinux('x86_64-6.1')],
  ['python3', 'crash', 'readelf'],
  async (t, folder) => {
    const expected = sums(t, X86, X86_END);
    const crashed = crash(X86, folder);
    t.regex(crashed, /PANIC: "Kernel panic - not syncing: sysrq triggered crash"/);
    const formats = ['kdump-zlib', 'kdump-lzo', 'kdump-snappy', 'kdump-zstd', 'kdump-none', 'elf'];
    for (const [format, ...options] of [
      ...formats.map(name => [name]),
      ['kdump-zlib', '--level', '9'],
      ['kdump-zstd', '--flat'],
      ['elf', '--flat'],
    ]) {
      const out = join(folder, 'out');
      const answer = convert(t, X86, out, '--to', format, ...options);
      t.deepEqual(answer.issues, []);
      t.is(answer.bytes + answer.excludedBytes, X86_END * 4096);
      await sameDump(t, out, X86);
      sameSums(t, sums(t, out, X86_END), expected, format === 'elf');
      if (format === 'kdump-snappy' || options.includes('--flat')) t.is(crash(out, folder), crashed);
      if (format === 'elf' && options.length === 0) {
        const { stderr, stdout } = peer('readelf', ['-hlnW', out], [folder]);
        t.is(stderr, '');
        t.notRegex(stdout, /warning|error/i);
      }
    }
  },
);

realPeerTest(
  'x86_64: makedumpfile filters what was converted into what it made before, and puts flattened streams together; drgn reads the pages',
  [X86],
  ['python3', 'makedumpfile'],
  (t, folder) => {
    const expected = sums(t, X86, X86_END);
    const run = (...args: string[]) => {
      const { status, stdout, stderr } = peer('makedumpfile', args, [folder]);
      t.is(status, 0, stderr);
      t.regex(stdout, /Completed/);
    };
    for (const format of ['elf', 'kdump-lzo', 'kdump-zstd']) {
      const out = join(folder, format);
      convert(t, X86, out, '--to', format);
      run('-d', '31', '-c', out, `${out}.filtered`);
      t.is(statSync(`${out}.filtered`).size, statSync(X86).size);
      sameSums(t, sums(t, `${out}.filtered`, X86_END), expected, false);
      run('--dump-dmesg', out, `${out}.txt`);
      t.regex(readFileSync(`${out}.txt`, 'utf8'), /end Kernel panic - not syncing: sysrq triggered crash/);
      sameSums(t, drgnSums(t, out, X86_END), expected, format === 'elf');
      convert(t, X86, `${out}.flat`, '--to', format, '--flat');
      const { status } = peer('makedumpfile', ['-R', `${out}.whole`], [folder], readFileSync(`${out}.flat`));
      t.is(status, 0);
      t.true(readFileSync(`${out}.whole`).equals(readFileSync(out)));
    }
  },
);

realPeerTest(
  'x86_64, whole: elf to kdump to elf to flattened to raw',
  [realDump('x86_64-6.1.elf')],
  [],
  async (t, folder) => {
    const source = realDump('x86_64-6.1.elf');
    const [kdump, elf, flat, raw] = ['kdump', 'elf', 'flat', 'raw'].map(name => join(folder, name));
    convert(t, source, kdump, '--to', 'kdump-lzo');
    convert(t, kdump, elf, '--to', 'elf');
    await sameDump(t, elf, source);
    t.true(statSync(elf).blocks * 512 < statSync(elf).size / 2, 'zero pages are holes of the file');
    convert(t, elf, flat, '--to', 'kdump-none', '--flat');
    await sameDump(t, flat, source);
    const answer = convert(t, flat, raw, '--to', 'raw');
    t.is(answer.base, '0x0');
    t.deepEqual(
      answer.issues.map(issue => issue.code),
      ['notes-lost', 'holes-lost'],
    );
    const bytes = Buffer.alloc(1 << 20);
    const fd = openSync(raw, 'r');
    const dump = await openFile(source);
    dump.physical.scan(0, 2 ** 52, (paddr, expected) => {
      const length = readSync(fd, bytes, 0, expected.length, paddr);
      if (Buffer.compare(bytes.subarray(0, length), expected) !== 0) t.fail(`differs at ${paddr}`);
      return true;
    });
    dump.close();
  },
);

realPeerTest(
  'arm64: crash and makedumpfile of arm64, libkdumpfile and drgn open what was converted',
  [realDump('arm64-6.1.elf'), realVmlinux('arm64-6.1')],
  ['python3', 'arm64:crash', 'arm64:makedumpfile'],
  async (t, folder) => {
    const source = realDump('arm64-6.1.elf');
    const end = 0x80000;
    const expected = sums(t, source, end);
    const [kdump, elf] = [join(folder, 'kdump'), join(folder, 'elf')];
    convert(t, source, kdump, '--to', 'kdump-zlib');
    convert(t, kdump, elf, '--to', 'elf');
    await sameDump(t, elf, source);
    for (const file of [kdump, elf]) {
      sameSums(t, sums(t, file, end), expected, true);
      const { status, stderr } = peer('arm64:makedumpfile', ['--dump-dmesg', file, `${file}.txt`], [folder]);
      t.is(status, 0, stderr);
      t.regex(readFileSync(`${file}.txt`, 'utf8'), /Kernel panic - not syncing: sysrq triggered crash/);
    }
    sameSums(t, drgnSums(t, elf, end), expected, true);
    // Where memory begins: crash translates linear addresses by it.
    t.is(firstBytes(kdump, 4104).readBigInt64LE(4096), 0x40000000n, 'phys_base');
    const { stdout } = peer('arm64:crash', ['--minimal', realVmlinux('arm64-6.1'), kdump], [work, folder], 'log\n');
    t.regex(stdout, /Linux version 6\.1\.0-50-arm64/);
    t.regex(stdout, /Kernel panic - not syncing: sysrq triggered crash/);
    const image = new ElfWalk(firstBytes(elf, 4096)).segments.find(({ vaddr }) => vaddr >= 0xffff_8000_0000_0000n);
    // The image's segment is at the physical address that NUMBER(kimage_voffset) of the dump says.
    t.is((image?.vaddr ?? 0n) - (image?.paddr ?? 0n), 0xffffb14278000000n);
  },
);

realPeerTest(
  's390x: big-endian containers; VMCOREINFO found in memory becomes a note',
  [realDump('s390x-6.1.elf')],
  ['python3', 'readelf'],
  async (t, folder) => {
    const source = realDump('s390x-6.1.elf');
    const [kdump, elf] = [join(folder, 'kdump'), join(folder, 'elf')];
    const answer = convert(t, source, kdump, '--to', 'kdump-snappy');
    t.deepEqual(
      answer.issues.map(issue => issue.code),
      ['vmcoreinfo-added'],
    );
    t.deepEqual([...firstBytes(kdump, 12).subarray(8)], [0, 0, 0, 6], 'header_version');
    convert(t, kdump, elf, '--to', 'elf');
    await sameDump(t, elf, kdump);
    await sameDump(t, kdump, source, false);
    // libkdumpfile cannot open QEMU's own file.
    const expected = drgnSums(t, source, X86_END, '--virtual');
    for (const file of [kdump, elf]) sameSums(t, sums(t, file, X86_END), expected, false);
    const { stderr, stdout } = peer('readelf', ['-hlnW', elf], [folder]);
    t.is(stderr, '');
    t.regex(stdout, /big endian[\s\S]*IBM S\/390[\s\S]*VMCOREINFO/);
  },
);

realPeerTest(
  'i386: 32-bit containers; the page that firmware gave only in part stays so',
  [realDump('i386-6.1.elf')],
  ['python3', 'readelf'],
  async (t, folder) => {
    const source = realDump('i386-6.1.elf');
    const [kdump, elf] = [join(folder, 'kdump'), join(folder, 'elf')];
    const answer = convert(t, source, kdump, '--to', 'kdump-lzo');
    t.deepEqual(
      answer.issues.map(issue => issue.code),
      ['partial-pages'],
    );
    // Where the words of a 32-bit header are: block_size behind status at 412.
    t.is(firstBytes(kdump, 420).readUInt32LE(416), 4096);
    convert(t, kdump, elf, '--to', 'elf');
    const expected = sums(t, source, X86_END);
    for (const file of [kdump, elf]) sameSums(t, sums(t, file, X86_END), expected, true);
    await sameBytes(t, elf, source);
    const { stderr, stdout } = peer('readelf', ['-hlW', elf], [folder]);
    t.is(stderr, '');
    t.regex(stdout, /ELF32/);
    // The source's own segments end within a page at 0x9fc00.
    t.regex(stdout, /LOAD +0x[0-9a-f]+ +0xc0001000 +0x00001000 +0x9ec00 /);
  },
);

realPeerTest(
  'x86_64, regions: a folder of minidump blobs becomes a core and a kdump file that crash prints the log of',
  [realDump('x86_64-6.1.elf'), realVmlinux('x86_64-6.1')],
  ['crash', 'readelf'],
  async (t, folder) => {
    const at = (name: string) => join(folder, name);
    // crash reads these besides what the series registers.
    const regions = ['page_offset_base', 'vmalloc_base', 'vmemmap_base'].map(symbol => ({ symbol, length: 8 }));
    writeFileSync(at('set.json'), JSON.stringify({ regionSet: 1, regions }));
    const sets = ['--regions', 'meminspect-v3', '--regions', at('set.json')];
    const vmlinux = realVmlinux('x86_64-6.1');
    const carved = kdumpling('carve', realDump('x86_64-6.1.elf'), '--vmlinux', vmlinux, ...sets, '-o', at('blobs'));
    t.is(carved.status, 0, carved.stderr);
    t.is(kdumpling('assemble', at('blobs'), '-o', at('core')).status, 0);
    t.deepEqual(convert(t, at('blobs'), at('elf'), '--to', 'elf').issues, []);
    const answer = convert(t, at('blobs'), at('kdump'), '--to', 'kdump-zlib');
    t.deepEqual(
      answer.issues.map(issue => issue.code),
      ['partial-pages'],
    );
    for (const file of [at('elf'), at('kdump')]) {
      await sameBytes(t, file, at('core'));
      const { stdout } = peer('crash', ['--minimal', vmlinux, file], [work, folder], 'log\n');
      t.regex(stdout, /Linux version 6\.1\.0-56-cloud-amd64/);
      t.regex(stdout, /end Kernel panic - not syncing: sysrq triggered crash/);
    }
    const { stderr, stdout } = peer('readelf', ['-hlnW', at('elf')], [folder]);
    t.is(stderr, '');
    t.notRegex(stdout, /warning|error/i);
  },
);

// Real dumps filtered by class, against makedumpfile on the same memory: the same frames are left out, and what is left is the same.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { type KdumpBytes, takeApart } from '../assembler/kdump-bytes.js';
import { ElfWalk } from '../elf-walk.js';
import { kdumpling } from '../kdumpling.js';
import { type PeerName, peer } from '../peer.js';
import { realDump, realTruth, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

interface Dropped {
  readonly droppedBytes: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly issues: readonly { readonly code: string }[];
}

function drop(t: ExecutionContext, from: string, to: string, format: string, classes: string): Dropped {
  const { status, stdout, stderr } = kdumpling('convert', from, '-o', to, '--to', format, '--drop', classes, '--json');
  t.is(status, 0, stderr);
  return JSON.parse(stdout) as Dropped;
}

/** makedumpfile on a conventional ELF core: it takes no other header of QEMU's. */
function makedumpfile(t: ExecutionContext, name: PeerName, from: string, to: string, ...args: string[]): void {
  const { status, stdout, stderr } = peer(name, ['-f', ...args, from, to], [work, join(to, '..')]);
  t.is(status, 0, `${stdout}${stderr}`);
}

const file = (path: string): KdumpBytes => takeApart(readFileSync(path));

/** Frames of the first list that the second lacks. */
function lacking(of: readonly number[], from: readonly number[]): number[] {
  const there = new Set(from);
  return of.filter(pfn => !there.has(pfn));
}

/** The BIOS, behind the last section of memory: it has no struct page, and makedumpfile keeps none of it. */
const isRom = (pfn: number): boolean => pfn >= 0xfffc0 && pfn < 0x100000;

realPeerTest(
  'x86_64-6.1: makedumpfile leaves out the same frames, class by class',
  [realDump('x86_64-6.1.elf')],
  ['makedumpfile'],
  (t, folder) => {
    const dump = realDump('x86_64-6.1.elf');
    const [core, ours, theirs] = [join(folder, 'core'), join(folder, 'ours'), join(folder, 'theirs')];
    t.is(kdumpling('convert', dump, '-o', core, '--to', 'elf').status, 0);
    const classes: readonly (readonly [string, string])[] = [
      ['1', 'zero'],
      ['2', 'cache'],
      ['4', 'cache-private'],
      ['8', 'user'],
      ['16', 'free'],
    ];
    for (const [level, name] of classes) {
      const { dropped } = drop(t, dump, ours, 'kdump-none', name);
      makedumpfile(t, 'makedumpfile', core, theirs, '-l', '-d', level);
      const [mine, other] = [file(ours), file(theirs)];
      t.deepEqual(lacking(other.dumped, mine.dumped), [], name);
      t.deepEqual(
        lacking(mine.dumped, other.dumped).filter(pfn => !isRom(pfn)),
        [],
        name,
      );
      t.deepEqual(lacking(other.exists, mine.exists), []);
      const gone = Object.values(dropped).reduce((sum, count) => sum + count, 0);
      t.is(gone, mine.exists.length - mine.dumped.length);
      t.is(mine.sub['dumpLevel'], Number(level));
    }
  },
);

realPeerTest(
  'x86_64-6.1 at level 31: the same frames with the same bytes as in makedumpfile’s kdump and ELF files, from an ELF core and from a kdump file',
  [realDump('x86_64-6.1.elf'), realDump('x86_64-6.1.zlib-d0.kdump'), realDump('x86_64-6.1.zlib-d31.kdump')],
  ['makedumpfile'],
  (t, folder) => {
    const dump = realDump('x86_64-6.1.elf');
    const [core, ours, theirs] = [join(folder, 'core'), join(folder, 'ours'), join(folder, 'theirs')];
    const expected = file(realDump('x86_64-6.1.zlib-d31.kdump'));
    for (const from of [dump, realDump('x86_64-6.1.zlib-d0.kdump')]) {
      drop(t, from, ours, 'kdump-zlib', '31');
      const mine = file(ours);
      t.deepEqual(
        mine.dumped.filter(pfn => !isRom(pfn)),
        expected.dumped,
      );
      const different = expected.dumped.filter(
        (pfn, i) =>
          i % 7 === 0 && Buffer.compare(mine.page(pfn) ?? Buffer.alloc(0), expected.page(pfn) ?? inflateSync('')) !== 0,
      );
      t.deepEqual(different, []);
    }
    t.is(kdumpling('convert', dump, '-o', core, '--to', 'elf').status, 0);
    drop(t, dump, ours, 'elf', '31');
    makedumpfile(t, 'makedumpfile', core, theirs, '-E', '-d', '31');
    t.deepEqual(loads(ours), loads(theirs));
  },
);

/** Where PT_LOADs are below the BIOS, and how much of each is stored. */
const loads = (path: string): string[] =>
  new ElfWalk(readFileSync(path)).segments
    .filter(({ type, paddr }) => type === 1 && !isRom(Number(paddr) / 4096))
    .map(({ paddr, filesz, memsz }) => `${paddr.toString(16)} ${filesz.toString(16)} ${memsz.toString(16)}`);

realPeerTest(
  'arm64-6.1 with huge pages: makedumpfile of arm64 leaves out the same frames',
  [realDump('arm64-6.1.elf')],
  ['arm64:makedumpfile'],
  (t, folder) => {
    const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];
    for (const level of ['8', '31']) {
      const { dropped } = drop(t, realDump('arm64-6.1.elf'), ours, 'kdump-none', level);
      makedumpfile(t, 'arm64:makedumpfile', realDump('arm64-6.1.elf'), theirs, '-l', '-d', level);
      const [mine, other] = [file(ours), file(theirs)];
      t.deepEqual(mine.dumped, other.dumped);
      t.deepEqual(mine.exists, other.exists);
      t.true(dropped['user'] > 10_000, 'the guest had hugetlbfs pages and transparent huge pages');
    }
  },
);

/** /proc/kpageflags of the guest, some seconds before. */
const KPF_SLAB = 1n << 7n;

realPeerTest(
  'x86_64-7.3: makedumpfile leaves out the same free and cache pages; of the others it takes slabs for anonymous memory, kdumpling does not',
  [realDump('x86_64-7.3.elf'), realTruth('x86_64-7.3/guest')],
  ['makedumpfile'],
  (t, folder) => {
    const dump = realDump('x86_64-7.3.elf');
    const [core, ours, theirs] = [join(folder, 'core'), join(folder, 'ours'), join(folder, 'theirs')];
    t.is(kdumpling('convert', dump, '-o', core, '--to', 'elf').status, 0);
    for (const level of ['22', '8']) {
      drop(t, dump, ours, 'kdump-none', level);
      makedumpfile(t, 'makedumpfile', core, theirs, '-l', '-d', level);
      const [mine, other] = [file(ours), file(theirs)];
      t.deepEqual(lacking(other.dumped, mine.dumped), []);
      const kept = lacking(mine.dumped, other.dumped).filter(pfn => !isRom(pfn));
      if (level === '22') t.deepEqual(kept, []);
      else {
        const flags = readFileSync(realTruth('x86_64-7.3/guest/guest/kpageflags.bin'));
        const slabs = kept.filter(pfn => (flags.readBigUInt64LE(8 * pfn) & KPF_SLAB) !== 0n);
        // Newer releases of makedumpfile know slabs of 6.10 and later.
        t.true(slabs.length >= kept.length * 0.95, `${slabs.length} of ${kept.length}`);
      }
    }
  },
);

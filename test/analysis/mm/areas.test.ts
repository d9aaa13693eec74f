// Memory areas of a process made by hand: names, flags, damage. Names and flags are as fs/proc/task_mmu.c says.
import test from 'ava';
import { flagWords, permissions, processMemory } from 'kdumpling/analysis/mm';
import { Issues } from 'kdumpling/reader';
import { MadeFiles } from '../fs/made-files.js';

function ask(made: MadeFiles) {
  const issues = new Issues();
  const found = processMemory(made.kernel(), made.task, issues);
  // This kernel was made without counters and page tables.
  const codes = issues.list().map(({ code }) => code);
  return {
    areas: found?.areas ?? [],
    codes: codes.filter(code => !['missing-member', 'no-page-tables'].includes(code)),
    found,
  };
}

test('flags', t => {
  t.is(permissions(0x8000071), 'r--p');
  t.is(permissions(0x8000075), 'r-xp');
  t.is(permissions(0xfb), 'rw-s');
  t.is(permissions(0), '---p');
  t.deepEqual(flagWords(0xc04_4411), ['rd', 'mr', 'pf', 'io', 'de', 'dd', 'sd']);
});

test('names and places', t => {
  const made = new MadeFiles();
  const file = made.file(made.dentry('lib.so', made.root));
  const vdso = made.record(made.text('[vdso]'));
  const other = made.record(made.text('not a name'));
  made.areas(
    [
      [0x1000n, 0x3000n, 0x75n, 2n, file],
      [0x3000n, 0x4000n, 0x73n, 3n],
      [0x5000n, 0x8000n, 0x73n, 5n],
      [0x9000n, 0xa000n, 0x73n, 9n, 0n, 0x10n, other],
      [0xb000n, 0xc000n, 0x75n, 0n, 0n, 0x10n, vdso],
      [0xd000n, 0xf000n, 0x173n, 0n],
    ],
    { startBrk: 0x5000n, brk: 0x7000n, startStack: 0xe800n },
  );
  const { areas, codes, found } = ask(made);
  t.deepEqual(codes, []);
  t.is(found?.totalPages, 3);
  t.deepEqual(
    areas.map(({ start, end, flags, file: name, offset, rss }) => [start, end, flags, name, offset, rss]),
    [
      [0x1000n, 0x3000n, 'r-xp', '/lib.so', 0x2000, null],
      [0x3000n, 0x4000n, 'rw-p', null, 0, null],
      [0x5000n, 0x8000n, 'rw-p', '[heap]', 0, null],
      [0x9000n, 0xa000n, 'rw-p', null, 0, null],
      [0xb000n, 0xc000n, 'r-xp', '[vdso]', 0, null],
      [0xd000n, 0xf000n, 'rw-p', '[stack]', 0, null],
    ],
  );
});

test('a chain that leads back', t => {
  const made = new MadeFiles();
  const all = made.areas([
    [0x1000n, 0x2000n],
    [0x2000n, 0x3000n],
  ]);
  made.memory.words(all[1] + 16n, all[0]);
  const { areas, codes } = ask(made);
  t.is(areas.length, 2);
  t.deepEqual(codes, ['damaged-chain']);
});

test('areas that no address space has', t => {
  const made = new MadeFiles();
  made.areas([
    [0x1000n, 0x2000n],
    [0x1800n, 0x2800n],
    [0x5000n, 0x5000n],
    [0x6000n, 0x4000n],
    [0x7000n, 0x8000n],
  ]);
  const { areas, codes } = ask(made);
  t.deepEqual(
    areas.map(({ start }) => start),
    [0x1000n, 0x7000n],
  );
  t.deepEqual(codes, ['damaged-area', 'damaged-area', 'damaged-area']);
});

test('a file that cannot be read costs the name alone', t => {
  const made = new MadeFiles();
  made.areas([[0x1000n, 0x2000n, 0x71n, 1n, 0xdead_0000n]]);
  const { areas, codes } = ask(made);
  t.deepEqual([areas[0].file, areas[0].flags, areas[0].offset], [null, 'r--p', 0x1000]);
  t.deepEqual(codes, ['unreadable-memory']);
});

test('a kernel thread has none', t => {
  t.is(processMemory(new MadeFiles().kernel(), new MadeFiles().task, new Issues()), null);
});

// Paths, open files and mounts of a process made by hand: d_path's cases, and damage.
import test from 'ava';
import { mounts, processFiles } from 'kdumpling/analysis/fs';
import { Issues } from 'kdumpling/reader';
import { MadeFiles } from './made-files.js';

function ask(made: MadeFiles, holes: readonly bigint[] = []) {
  const issues = new Issues();
  const found = processFiles(made.kernel(holes), made.task, issues);
  return { ...found, codes: issues.list().map(({ code }) => code) };
}

test('paths, as d_path() makes them', t => {
  const made = new MadeFiles();
  const data = made.dentry('data', made.root);
  const top = made.dentry('/', null);
  const mounted = made.mount(top, made.rootMount, data);
  const detached = made.mount(made.dentry('/', null), null, null);
  const lost = made.dentry('lost', null);
  made.open(
    [
      made.file(made.root),
      0n,
      made.file(made.dentry('a b', made.dentry('deep', top)), mounted, 0o100002, 19n),
      made.file(top, mounted),
      made.file(made.dentry('old', data, { unhashed: true })),
      made.file(made.dentry('', null, { made: 'pipefs', inode: 11537n })),
      made.file(made.dentry('', null, { made: 'sockfs', inode: 0xffff_ffffn })),
      made.file(made.dentry('[eventfd]', null, { made: 'anon_inodefs' })),
      made.file(made.dentry('memfd:x', null, { made: 'tmpfs', unhashed: true })),
      made.file(made.dentry('in', made.dentry('/', null)), detached),
      made.file(made.dentry('moved', lost)),
    ],
    { closing: 0b100n },
  );
  const { files, codes, cwd, root, exe } = ask(made);
  t.deepEqual(codes, []);
  t.deepEqual([cwd, root, exe], ['/', '/', null]);
  t.deepEqual(
    files.map(({ fd, path }) => [fd, path]),
    [
      [0, '/'],
      [2, '/data/deep/a b'],
      [3, '/data'],
      [4, '/data/old (deleted)'],
      [5, 'pipe:[11537]'],
      [6, 'socket:[4294967295]'],
      [7, 'anon_inode:[eventfd]'],
      [8, '/memfd:x (deleted)'],
      [9, '/in'],
      [10, '/moved'],
    ],
  );
  t.deepEqual([files[1].flags, files[1].position, files[0].flags], ['02100002', 19, '00']);
});

test('a dentry that is its own ancestor', t => {
  const made = new MadeFiles();
  const a = made.dentry('a', made.root);
  const b = made.dentry('b', a);
  made.memory.words(a + 16n, b);
  made.open([made.file(b), made.file(made.dentry('c', made.root))]);
  const { files, codes } = ask(made);
  t.deepEqual(
    files.map(({ path }) => path),
    [null, '/c'],
  );
  t.deepEqual(codes, ['damaged-path']);
});

test('a mount that is mounted below itself', t => {
  const made = new MadeFiles();
  const top = made.dentry('/', null);
  const mount = made.mount(top, made.rootMount, made.root);
  const other = made.mount(top, mount, top);
  made.memory.words(mount, other, top);
  made.open([made.file(top, mount)]);
  const { files, codes } = ask(made);
  t.deepEqual([files[0].path, codes], [null, ['damaged-path']]);
});

test('what cannot be read costs its place alone', t => {
  const made = new MadeFiles();
  made.memory.take(0, 256);
  const gone = made.memory.take(32, 256);
  made.memory.take(256, 256);
  made.open([made.file(made.dentry('a', made.root)), gone, made.file(0x1234n), made.file(made.dentry('b', made.root))]);
  const { files, codes } = ask(made, [gone]);
  t.deepEqual(
    files.map(({ path, flags }) => [path, flags]),
    [
      ['/a', '00'],
      [null, null],
      [null, '00'],
      ['/b', '00'],
    ],
  );
  t.deepEqual(codes, ['unreadable-memory', 'unreadable-memory']);
});

test('a table that claims four thousand million descriptors', t => {
  const made = new MadeFiles();
  made.open([made.file(made.root)], { claimed: 0xffff_ffff });
  const { files, codes } = ask(made);
  t.is(files[0].path, '/');
  t.true(codes.includes('damaged-fdtable'));
  t.true(files.length < 5000, 'memory ends long before the claim');
});

test('pointers that lead to no files end the table', t => {
  const made = new MadeFiles();
  made.open(Array.from({ length: 1000 }, (_, i) => 0xdead_0000_0000_0000n + BigInt(i)));
  const { files, codes } = ask(made);
  t.is(files.length, 64);
  t.true(codes.includes('damaged-fdtable'));
});

test('mounts below the root directory', t => {
  const made = new MadeFiles();
  const at = made.dentry('mnt', made.root);
  const inner = made.mount(made.dentry('/', null), made.rootMount, at, '/dev/vda1', 0x1 | 0x40 | 0x20);
  const outside = made.mount(made.dentry('/', null), null, null, 'nullfs');
  made.namespace([outside, made.rootMount, inner]);
  const issues = new Issues();
  t.deepEqual(mounts(made.kernel(), made.task, issues), [
    { source: 'none', path: '/', type: 'tmpfs', options: 'rw' },
    { source: '/dev/vda1', path: '/mnt', type: 'tmpfs', options: 'ro,nosuid,relatime' },
  ]);
  t.deepEqual(issues.list(), []);
});

test('a list of mounts that is cut, and a source that is not there', t => {
  const made = new MadeFiles();
  const inner = made.mount(made.dentry('/', null), made.rootMount, made.dentry('mnt', made.root));
  made.namespace([made.rootMount, inner]);
  made.memory.words(made.rootMount + 40n, 0x1000n);
  made.memory.words(made.rootMount + 48n, 0x2000n);
  const issues = new Issues();
  const found = mounts(made.kernel(), made.task, issues);
  t.deepEqual(
    found.map(({ source, path }) => [source, path]),
    [
      [null, '/'],
      ['none', '/mnt'],
    ],
  );
  t.true(issues.has('unreadable-list') && issues.has('unreadable-memory'));
});

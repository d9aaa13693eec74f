// Back-ends by name: which there are, and what is said of a wrong name or option.
import test from 'ava';
import { BACKEND_NAMES, BackendOptionError, type BackendOptions, openBackend } from 'kdumpling/backends';
import { Issues, MemoryFolder } from 'kdumpling/reader';
import { madeKernel, region } from './made-kernel.js';

test('each back-end opens by its name', t => {
  t.deepEqual([...BACKEND_NAMES], ['default', 'qcom-minidump', 'qcom-msm', 'debug-kinfo', 'raw', 'vmcore']);
  for (const name of BACKEND_NAMES) t.is(openBackend(name).name, name);
});

test('default accepts everything and keeps nothing', t => {
  const backend = openBackend('default');
  t.is(backend.register(region(1, 'x', 0, 0)), null);
  t.is(backend.unregister(region(2, 'y', 0, 0)), null);
  const out = new MemoryFolder();
  t.deepEqual(backend.dump(madeKernel(), out, new Issues()), []);
  t.is(out.files.size, 0);
});

const WRONG: readonly (readonly [string, BackendOptions, RegExp])[] = [
  ['minidump', {}, /no back-end "minidump": it is one of default, qcom-minidump/],
  ['toString', {}, /no back-end/],
  ['raw', { media: 'folder' }, /raw has no option media/],
  ['qcom-minidump', { layout: '216' }, /qcom-minidump has no option layout/],
  ['qcom-minidump', { media: 'ram', bare: true }, /only a folder can be bare, not ram/],
  ['qcom-msm', { layout: 'tables' }, /no layout "tables": it is one of table-banner, banner, table-at-banner/],
  ['qcom-msm', { slots: 1e9 }, /slots is 1000000000: it is 5 to 201/],
  ['vmcore', { layout: '32' }, /no layout "32": it is elf32 or elf64/],
  ['debug-kinfo', { layout: '200' }, /no layout "200": it is one of 216 \(meminspect v3\), 452/],
];

test('wrong names and options are told in a sentence', t => {
  for (const [name, options, message] of WRONG) {
    t.throws(() => openBackend(name, options), { instanceOf: BackendOptionError, message });
  }
});

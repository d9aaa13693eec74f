// The raw back-end: memory is put together from map.json alone.
import test from 'ava';
import { openBackend, type RawMap } from 'kdumpling/backends';
import { Issues, MemoryFolder, MemorySource, openDump } from 'kdumpling/reader';
import { data, noise } from '../assembler/made-dump.js';
import { madeKernel, RAM_START, region } from './made-kernel.js';

function dump(kernel = madeKernel()) {
  const backend = openBackend('raw');
  backend.register(region(11, 'linux_banner', 0x20_1000, 49));
  backend.register(region(44, '../evil/name', 0x800, 0x3001));
  backend.register(region(45, '', 0x10_0000, 0x2000));
  const out = new MemoryFolder();
  const issues = new Issues();
  const files = backend.dump(kernel, out, issues);
  const map = JSON.parse(Buffer.from(out.files.get('map.json')?.bytes() ?? []).toString()) as RawMap;
  return { backend, out, issues, files, map, kernel };
}

test('each region: its bytes exactly, its place in the map', t => {
  const { out, issues, map, kernel, files } = dump();
  t.deepEqual(issues.list(), []);
  t.is(files.length, 4);
  t.deepEqual([map.version, map.arch, map.bits, map.byteOrder, map.pageSize], [1, 'arm64', 64, 'little', 4096]);
  t.deepEqual(
    map.regions.map(({ id, name, paddr, vaddr, size }) => [id, name, paddr, vaddr, size]),
    [
      [11, 'linux_banner', '0x40201000', '0xffff000000201000', 49],
      [44, '../evil/name', '0x40000800', '0xffff000000000800', 0x3001],
      [45, '', '0x40100000', '0xffff000000100000', 0x2000],
    ],
  );
  for (const { file, paddr, size, missing } of map.regions) {
    t.regex(file, /^[A-Za-z0-9_.-]+$/);
    t.deepEqual(missing, []);
    t.deepEqual(out.files.get(file)?.bytes(), kernel.bytes(Number(paddr), size));
    t.true(out.files.get(file)?.finished);
  }
});

test('what memory lacks is told in the map and as an issue', t => {
  const pieces = [data(RAM_START, noise(0x1000, 1)), data(RAM_START + 0x3000, noise(0x1000, 2))];
  const { map, issues, out } = dump(madeKernel({ pieces }));
  t.deepEqual(map.regions[1].missing, [{ offset: 0x800, length: 0x2000 }]);
  t.deepEqual(map.regions[0].missing, [{ offset: 0, length: 49 }]);
  t.is(out.files.get(map.regions[1].file)?.bytes().length, 0x3001);
  t.is(issues.list().filter(({ code }) => code === 'missing-memory').length, 3);
});

test('EINVAL and ENOENT', t => {
  const { backend } = dump();
  t.is(backend.register(region(1, 'empty', 0, 0))?.errno, 'EINVAL');
  t.is(backend.unregister(region(11, 'linux_banner', 0x20_1000, 49)), null);
  t.is(backend.unregister(region(11, 'linux_banner', 0x20_1000, 49))?.errno, 'ENOENT');
});

test('one core: a segment for what memory has of each region, notes of the CPUs and VMCOREINFO', async t => {
  const pieces = [data(RAM_START, noise(0x1000, 1)), data(RAM_START + 0x3000, noise(0x1000, 2))];
  const kernel = madeKernel({ pieces, vmcoreinfo: 'OSRELEASE=6.1.0-made\nPAGESIZE=4096\n' });
  const backend = openBackend('raw', { layout: 'core' });
  const [head, whole] = [region(44, 'head', 0x10, 0x20), region(45, 'whole', 0x800, 0x3001)];
  backend.register(head);
  backend.register(whole);
  const out = new MemoryFolder();
  const issues = new Issues();
  t.deepEqual(
    backend.dump(kernel, out, issues).map(({ name }) => name),
    ['core'],
  );
  const core = await openDump([new MemorySource(out.files.get('core')?.bytes() ?? new Uint8Array(0), 'core')]);
  t.deepEqual(
    core.segments.map(({ vaddr, paddr, filesz }) => [vaddr - head.vaddr, paddr - RAM_START, filesz]),
    [
      [0n, 0x10, 0x20],
      [0x7f0n, 0x800, 0x800],
      [0x2ff0n, 0x3000, 0x801],
    ],
  );
  t.deepEqual(core.physical.bytes(RAM_START + 0x3000, 0x801), noise(0x1000, 2).subarray(0, 0x801));
  t.is(core.vmcoreinfo?.release, '6.1.0-made');
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [['missing-memory', RAM_START + 0x1000]],
  );
  t.throws(() => openBackend('raw', { layout: 'tar' }), { message: /it is files or core/ });
});

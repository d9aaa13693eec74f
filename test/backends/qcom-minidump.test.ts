// The upstream Qualcomm driver and the media that firmware writes of its tables, on made memory. Names, refusals and layouts are those of the drivers, written down by hand.
import test from 'ava';
import { openBackend } from 'kdumpling/backends';
import type { Region } from 'kdumpling/producer';
import { Issues, MemoryFolder } from 'kdumpling/reader';
import { data, noise } from '../assembler/made-dump.js';
import { madeKernel, RAM_SIZE, RAM_START, region } from './made-kernel.js';
import { walkImage } from './minidump-walk.js';

const REGIONS: readonly Region[] = [
  region(11, 'linux_banner', 0x20_1000, 49, 'Klinux_ba'),
  region(12, 'nr_threads', 0x1230, 4, 'Knr_threa'),
  region(20, 'printk_rb_static', 0x10_0ff0, 88, 'Kprintk_r'),
  region(21, 'printk_rb_dynamic', 0x3000, 0x1_2345, 'Kprintk_r'),
  region(29, '_sinittext', 0x5000, 8, 'Ktk_data'),
  region(43, '', 0x6001, 8, 'Kunknown'),
];
const BLOBS = [
  ['md_Klinux_ba11.BIN', 0x20_1000, 52],
  ['md_Knr_threa12.BIN', 0x1230, 4],
  ['md_Kprintk_r20.BIN', 0x10_0ff0, 88],
  ['md_Kprintk_r21.BIN', 0x3000, 0x1_2348],
  ['md_Ktk_data29.BIN', 0x5000, 8],
  ['md_Kunknown43.BIN', 0x6001, 8],
] as const;

function dump(regions: readonly Region[], options = {}, kernel = madeKernel()) {
  const backend = openBackend('qcom-minidump', options);
  for (const each of regions) {
    const refusal = backend.register(each);
    if (refusal !== null) throw new Error(refusal.message);
  }
  const out = new MemoryFolder();
  const issues = new Issues();
  const files = backend.dump(kernel, out, issues);
  const bytes = (name: string) => out.files.get(name)?.bytes() ?? new Uint8Array(0);
  return { kernel, out, issues, files, bytes, names: [...out.files.keys()] };
}

test('refusals, by the drivers: EINVAL, EEXIST, ENOSPC, ENOENT, ENAVAIL', t => {
  const backend = openBackend('qcom-minidump');
  t.is(backend.register(region(5, 'empty', 0, 0))?.errno, 'EINVAL');
  t.is(backend.register({ id: 5, name: 'nowhere', vaddr: 0n, paddr: 0, size: 8 })?.errno, 'EINVAL');
  t.is(backend.register(region(5, 'one', 0x1000, 8, 'Kone')), null);
  t.is(backend.register(region(5, 'another', 0x2000, 8, 'Kanother'))?.errno, 'EEXIST');
  t.is(backend.unregister(region(6, 'one', 0x1000, 8, 'Kone'))?.errno, 'ENOENT');
  t.is(backend.unregister(region(5, 'one', 0x1000, 8, 'Kone')), null);
  t.is(backend.unregister(region(5, 'one', 0x1000, 8, 'Kone'))?.errno, 'ENOENT');
  for (let id = 1; id <= 201; id++) t.is(backend.register(region(id, 'x', id * 8, 8, 'Kx')), null);
  const full = backend.register(region(202, 'x', 0x9000, 8, 'Kx'));
  t.is(full?.errno, 'ENOSPC');
  t.regex(full?.message ?? '', /room for 201 regions/);

  const dead = openBackend('qcom-minidump', { firmwareReady: false });
  t.is(dead.register(region(5, 'one', 0x1000, 8))?.errno, 'ENAVAIL');
  const issues = new Issues();
  t.deepEqual(dead.dump(madeKernel(), new MemoryFolder(), issues), []);
  t.true(issues.has('minidump-not-ready'));
});

test('the first series knows a region by its name, numbers are 0', t => {
  const backend = openBackend('qcom-minidump');
  const first = (id: number, name: string, entry: string): Region => ({
    ...region(id, name, 0x1000 * (id + 1), 8),
    minidump: { name: entry, sequence: 0 },
  });
  t.is(backend.register(first(0, 'ELF', 'K0ELF')), null);
  t.is(backend.register(first(0, 'vmcoreinfo', 'K0vmcorein')), null);
  t.is(backend.register(first(1, 'utsn', 'K1utsn')), null);
  t.is(backend.register(first(7, 'utsn', 'K1utsn'))?.errno, 'EEXIST');
  const out = new MemoryFolder();
  backend.dump(madeKernel(), out, new Issues());
  t.deepEqual(
    [...out.files.keys()],
    ['md_K0ELF.BIN', 'md_K0vmcorein.BIN', 'md_K1utsn.BIN', 'dump_info.txt', 'load.cmm'],
  );
});

test('a region of no series: K and eight letters of its name, the ID behind', t => {
  const { names } = dump([region(44, 'my_long_name', 0x1000, 6), region(45, '', 0x2000, 4)], { bare: true });
  t.deepEqual(names, ['md_Kmy_long_44.BIN', 'md_Kunknown45.BIN']);
});

test('a folder: each blob has the bytes at its address, sizes are multiples of 4', t => {
  const { kernel, names, bytes, files, issues, out } = dump(REGIONS);
  t.deepEqual(issues.list(), []);
  t.deepEqual(names, [...BLOBS.map(([name]) => name), 'dump_info.txt', 'load.cmm']);
  for (const [name, offset, size] of BLOBS) {
    t.true(Buffer.from(bytes(name)).equals(kernel.bytes(RAM_START + offset, size)), name);
    t.is(files.find(file => file.name === name)?.size, size);
  }
  t.true([...out.files.values()].every(({ finished }) => finished));
  t.false(out.finished);
  const info = Buffer.from(bytes('dump_info.txt')).toString().trimEnd().split('\n');
  t.deepEqual(
    info.map(line => line.split(/\s+/)).map(words => [Number(words[1]), Number(words[2]), words.at(-1)]),
    BLOBS.map(([name, offset, size]) => [RAM_START + offset, size, name]),
  );
  const script = Buffer.from(bytes('load.cmm')).toString();
  t.true(script.startsWith('d.load.binary md_Klinux_ba11.BIN 0x40201000 /noclear\n'));
  t.deepEqual(
    dump(REGIONS, { bare: true }).names,
    BLOBS.map(([name]) => name),
  );
});

test('memory that is not there ends a blob, and is told', t => {
  const pieces = [data(RAM_START, noise(0x5000, 1)), data(RAM_START + 0x6000, noise(0x1000, 2))];
  const regions = [
    region(1, 'whole', 0x1000, 0x1000, 'Kwhole'),
    region(2, 'cut', 0x4800, 0x2000, 'Kcut'),
    region(3, 'gone', 0x5000, 0x100, 'Kgone'),
  ];
  const { kernel, bytes, issues } = dump(regions, {}, madeKernel({ pieces }));
  t.deepEqual(bytes('md_Kwhole1.BIN'), kernel.bytes(RAM_START + 0x1000, 0x1000));
  t.deepEqual(bytes('md_Kcut2.BIN'), kernel.bytes(RAM_START + 0x4800, 0x800));
  t.is(bytes('md_Kgone3.BIN').length, 0);
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [
      ['missing-memory', RAM_START + 0x5000],
      ['missing-memory', RAM_START + 0x5000],
    ],
  );
});

test('pages known to be zeros are bytes like any others', t => {
  const pieces = [
    data(RAM_START, noise(0x1000, 1)),
    { start: RAM_START + 0x1000, end: RAM_START + 0x3000, state: 'zero' as const },
    data(RAM_START + 0x3000, noise(0x1000, 2)),
  ];
  const { bytes, issues } = dump([region(1, 'zeros', 0x800, 0x3000, 'Kzeros')], {}, madeKernel({ pieces }));
  const wanted = new Uint8Array(0x3000);
  wanted.set(noise(0x1000, 1).subarray(0x800));
  wanted.set(noise(0x1000, 2).subarray(0, 0x800), 0x2800);
  t.deepEqual(bytes('md_Kzeros1.BIN'), wanted);
  t.deepEqual(issues.list(), []);
});

test('names that are no file names are made safe, and told apart', t => {
  const regions: Region[] = [
    { ...region(1, 'x', 0x1000, 8), minidump: { name: '../../x', sequence: 0 } },
    { ...region(2, 'x', 0x2000, 8), minidump: { name: '..\\..\\x', sequence: 0 } },
    { ...region(3, 'x', 0x3000, 8), minidump: { name: 'a/0123456789abc', sequence: 7 } },
  ];
  const { names, issues, kernel, bytes } = dump(regions, { bare: true });
  t.deepEqual(names, ['md_.._.._x.BIN', 'md_.._.._x-2.BIN', 'md_a_0123456789.BIN']);
  t.true(names.every(name => /^[A-Za-z0-9_.-]{1,20}$/.test(name)));
  t.true(issues.has('file-name-taken'));
  t.deepEqual(bytes(names[1]), kernel.bytes(RAM_START + 0x2000, 8));
});

test('a rawdump partition: header, sections and load.cmm, read by hand', t => {
  const { kernel, bytes, files, issues } = dump(REGIONS, { media: 'rawdump' });
  t.deepEqual(issues.list(), []);
  t.deepEqual(
    files.map(({ name }) => name),
    ['rawdump.img'],
  );
  const image = Buffer.from(bytes('rawdump.img'));
  t.is(image.toString('latin1', 0, 8), 'Raw_Dmp!');
  t.is(image.readUInt32LE(12), 1);
  t.is(Number(image.readBigUInt64LE(36)), image.length);
  t.is(image.readUInt32LE(52), BLOBS.length + 1);
  BLOBS.forEach(([name, offset, size], i) => {
    const at = 56 + 64 * i;
    t.is(image.readUInt32LE(at + 8), 1);
    t.is(image.toString('latin1', at + 44, at + 64).replace(/\0+$/, ''), name);
    t.is(Number(image.readBigUInt64LE(at + 28)), RAM_START + offset);
    t.is(Number(image.readBigUInt64LE(at + 20)), size);
    const start = Number(image.readBigUInt64LE(at + 12));
    t.true(image.subarray(start, start + size).equals(kernel.bytes(RAM_START + offset, size)));
  });
  const last = 56 + 64 * BLOBS.length;
  t.is(image.toString('latin1', last + 44, last + 52), 'load.cmm');
  const start = Number(image.readBigUInt64LE(last + 12));
  const script = image.toString('latin1', start, start + Number(image.readBigUInt64LE(last + 20)));
  t.is(script.split('\n').length, BLOBS.length + 1);
});

test('a RAM image: memory unchanged, and the tables in it for whoever walks them', t => {
  const { kernel, bytes, files, issues } = dump(REGIONS, { media: 'ram' });
  t.deepEqual(
    files.map(({ name, paddr }) => [name, paddr]),
    [['ram-0x40000000.img', RAM_START]],
  );
  const image = bytes('ram-0x40000000.img');
  t.is(files[0].size, image.length);
  t.true(Buffer.from(image.subarray(0, RAM_SIZE)).equals(kernel.bytes(RAM_START, RAM_SIZE)));
  t.deepEqual(issues.list(), []);
  t.deepEqual(
    walkImage(image, RAM_START),
    REGIONS.map(({ minidump, id, paddr }, i) => ({
      name: minidump?.name,
      seq: id,
      address: paddr,
      size: BLOBS[i][2],
    })),
  );
});

test('a RAM image tells of memory that was lost, not of addresses without memory', t => {
  const pieces = [
    data(RAM_START, noise(0x1000, 1)),
    { start: RAM_START + 0x1000, end: RAM_START + 0x2000, state: 'excluded' as const },
    data(RAM_START + 0x4000, noise(0x1000, 2)),
  ];
  const { issues } = dump([region(1, 'x', 0, 8, 'Kx')], { media: 'ram' }, madeKernel({ pieces }));
  t.deepEqual(
    issues.list().map(({ code, message }) => [code, /^\d+ bytes/.exec(message)?.[0]]),
    [['image-holes', '4096 bytes']],
  );
});

test('large gaps part a RAM image, small ones are holes in it', t => {
  const far = RAM_START + 0x1_0000_0000;
  const first = noise(0x1000, 1);
  const second = noise(0x1000, 2);
  const third = noise(0x1000, 3);
  const pieces = [data(RAM_START, first), data(RAM_START + 0x10_0000, second), data(far, third)];
  const { files, bytes, issues } = dump([region(1, 'x', 0, 8, 'Kx')], { media: 'ram' }, madeKernel({ pieces }));
  t.deepEqual(
    files.map(({ name, paddr }) => [name, paddr]),
    [
      ['ram-0x40000000.img', RAM_START],
      ['ram-0x140000000.img', far],
    ],
  );
  t.deepEqual(issues.list(), []);
  const near = bytes(files[0].name);
  t.deepEqual(near.slice(0, 0x1000), first);
  t.deepEqual(near.slice(0x10_0000, 0x10_1000), second);
  t.deepEqual(bytes(files[1].name).slice(0, 0x1000), third);
});

test('encrypted: the tables ask for it, blobs are noise, key files lie beside them', t => {
  const { kernel, bytes, names } = dump(REGIONS, { encrypted: true });
  t.deepEqual(
    names.filter(name => name.includes('encr')),
    ['md_encr_key_aes.BIN', 'md_encr_key_iv.BIN', 'md_encr_key_mac.BIN'],
  );
  for (const [name, offset, size] of BLOBS) {
    t.is(bytes(name).length, size);
    t.false(Buffer.from(bytes(name)).equals(kernel.bytes(RAM_START + offset, size)));
  }
  const again = dump(REGIONS, { encrypted: true }).bytes('md_Kprintk_r21.BIN');
  t.true(Buffer.from(bytes('md_Kprintk_r21.BIN')).equals(again), 'the same every time');
  const image = Buffer.from(dump(REGIONS, { encrypted: true, media: 'ram' }).bytes('ram-0x40000000.img'));
  t.true(image.includes(Buffer.from('LBNEENONSEY\0', 'latin1')));
});

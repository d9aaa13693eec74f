// The downstream driver: its refusals as its source has them, the table and header that it leaves, on made memory.
import test from 'ava';
import { MsmDriver, openBackend } from 'kdumpling/backends';
import { Issues, MemoryFolder } from 'kdumpling/reader';
import { decodeMsmHeader } from 'kdumpling/reader/formats/qcom-msm';
import { BANNER, IMAGE, madeKernel, RAM_START, region } from './made-kernel.js';
import { walkImage } from './minidump-walk.js';

const entry = (name: string, size = 64, vaddr = 0xffff_0000_0000_1000n) => ({ name, vaddr, paddr: RAM_START, size });
const errno = (result: unknown): unknown =>
  typeof result === 'object' && result !== null && 'errno' in result ? result.errno : result;

test('msm_minidump_add_region: numbers, EINVAL, EEXIST, ENOMEM', t => {
  const driver = new MsmDriver(201, 'table-banner');
  t.is(driver.addRegion(entry('KDATABSS')), 0);
  t.is(driver.addRegion(entry('KSTACK0_1')), 1);
  t.is(errno(driver.addRegion(entry('KDATABSS'))), 'EEXIST');
  t.is(errno(driver.addRegion(entry('thirteen_long'))), 'EINVAL');
  t.is(errno(driver.addRegion(entry('ODD', 6))), 'EINVAL');
  t.is(errno(driver.addRegion(entry('NULL', 64, 0n))), 'EINVAL');
  t.is(errno(driver.removeRegion('KGONE')), 'ENOENT');
  t.is(driver.removeRegion('KDATABSS'), null);
  t.is(driver.addRegion(entry('twelve_chars')), 1);
  // Section table of 201: NULL, STR_TBL, minidump_table, linux_banner and 197 regions.
  for (let i = 2; i < 197; i++) t.is(driver.addRegion(entry(`R${i}`)), i);
  t.is(errno(driver.addRegion(entry('R197'))), 'ENOMEM');
  const other = new MsmDriver(201, 'banner');
  for (let i = 0; i < 198; i++) t.is(other.addRegion(entry(`R${i}`)), i);
  t.is(errno(other.addRegion(entry('R198'))), 'ENOMEM');
});

const REGIONS = [
  region(1, 'ELF', 0x8000, 0x1000, 'KELF'),
  region(20, 'printk_rb_static', 0x10_0ff0, 88, 'Kprintk_r'),
  region(39, 'kallsyms_token_table', 0x4000, 8, 'Kunknown'),
  region(40, 'kallsyms_token_index', 0x5000, 8, 'Kunknown'),
  region(15, 'taint_flags', 0x6000, 57, 'Ktaint_fl'),
  region(46, 'runqueues[0]', 0x7000, 256, 'Kunknown'),
  region(47, 'linux_banner+0xd0', 0x7400, 64, 'Kunknown'),
  region(48, 'linux_banner+0x1d0', 0x7800, 64, 'Kunknown'),
];
/** As clients of the driver: at most twelve letters that a file name may have, unique, sizes multiples of 4; the core image's header is left to the driver. */
const CLIENTS = [
  ['printk_rb_st', 0x10_0ff0, 88],
  ['kallsyms_tok', 0x4000, 8],
  ['kallsyms__40', 0x5000, 8],
  ['taint_flags', 0x6000, 60],
  ['runqueues_0_', 0x7000, 256],
  // What lies behind a symbol keeps its distance: it is another thing.
  ['linux_b+0xd0', 0x7400, 64],
  ['linux_+0x1d0', 0x7800, 64],
] as const;

function dump(options = {}) {
  const backend = openBackend('qcom-msm', options);
  for (const each of REGIONS) {
    const refusal = backend.register(each);
    if (refusal !== null) throw new Error(refusal.message);
  }
  const kernel = madeKernel();
  const out = new MemoryFolder();
  const issues = new Issues();
  const files = backend.dump(kernel, out, issues);
  return { kernel, files, issues, bytes: (name: string) => out.files.get(name)?.bytes() ?? new Uint8Array(0) };
}

for (const layout of ['table-banner', 'banner', 'table-at-banner']) {
  test(`${layout}: header blob and region blobs fit together`, t => {
    const { kernel, bytes, files, issues } = dump({ layout });
    t.deepEqual(issues.list(), []);
    t.deepEqual(
      files.map(({ name }) => name),
      ['md_KELF_HDR.BIN', ...CLIENTS.map(([name]) => `md_${name}.BIN`), 'dump_info.txt', 'load.cmm'],
    );
    const header = decodeMsmHeader(
      bytes('md_KELF_HDR.BIN'),
      { source: 'md_KELF_HDR.BIN', record: 'header' },
      new Issues(),
    );
    t.is(header.banner?.text, BANNER);
    t.is(header.segments[0].vaddr, IMAGE + 0x1000n);
    t.is(header.segments[0].paddr, RAM_START + 0x20_1000);
    t.deepEqual(
      header.regions.map(({ name, segment }) => [
        name,
        header.segments[segment].paddr,
        header.segments[segment].filesz,
      ]),
      CLIENTS.map(([name, offset, size]) => [name, RAM_START + offset, size]),
    );
    for (const [name, offset, size] of CLIENTS) {
      t.deepEqual(bytes(`md_${name}.BIN`), kernel.bytes(RAM_START + offset, size));
    }
  });
}

test('regions added before the driver came up are dumped, but not in the header', t => {
  const { bytes, files } = dump({ pending: 2 });
  t.is(files.length, 1 + CLIENTS.length + 2);
  const header = decodeMsmHeader(bytes('md_KELF_HDR.BIN'), { source: 'x', record: 'header' }, new Issues());
  t.deepEqual(
    header.regions.map(({ name }) => name),
    ['kallsyms__40', 'taint_flags', 'runqueues_0_', 'linux_b+0xd0', 'linux_+0x1d0'],
  );
});

test('the table in memory: the header first, no numbers', t => {
  const { bytes, kernel } = dump({ media: 'ram', headerName: 'KELF_HEADER' });
  const image = bytes('ram-0x40000000.img');
  const walked = walkImage(image, RAM_START);
  t.deepEqual(
    walked.map(({ name, seq }) => [name, seq]),
    [['KELF_HEADER', 0], ...CLIENTS.map(([name]) => [name, 0] as [string, number])],
  );
  const at = walked[0].address - RAM_START;
  t.is(Buffer.from(image).toString('latin1', at + 1, at + 4), 'ELF');
  t.true(walked[0].address >= RAM_START + kernel.memory.extents.bytes);
});

test('register, unregister and register again', t => {
  const backend = openBackend('qcom-msm');
  const one = region(15, 'taint_flags', 0x6000, 57);
  t.is(backend.register(one), null);
  t.is(backend.register(one)?.errno, 'EEXIST');
  t.is(backend.register(region(16, 'taint_flags', 0x7000, 57)), null);
  t.is(backend.unregister(one), null);
  t.is(backend.unregister(one)?.errno, 'ENOENT');
  t.is(backend.register(one), null);
  t.is(backend.register(region(17, 'x', 0, 0))?.errno, 'EINVAL');
});

test('a kernel whose banner is not known: a header without it, told', t => {
  const backend = openBackend('qcom-msm');
  backend.register(region(15, 'taint_flags', 0x6000, 57));
  const out = new MemoryFolder();
  const issues = new Issues();
  backend.dump(madeKernel({ symbols: {} }), out, issues);
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['missing-symbol'],
  );
  t.true(out.files.has('md_KELF_HDR.BIN'));
});

// The debug_kinfo back-end: what was registered stands at the places of the layout, by offsets of the reference.
import test from 'ava';
import { openBackend } from 'kdumpling/backends';
import { Issues, MemoryFolder } from 'kdumpling/reader';
import { data, noise } from '../assembler/made-dump.js';
import { IMAGE, madeKernel, RAM_START, region } from './made-kernel.js';

/** Symbol -> where it lies in memory, and its field's offset in the two families of layouts. */
const ADDRESSES: readonly (readonly [string, number, number, number])[] = [
  ['_text', 0x20_0000, 32, 0],
  ['_stext', 0x20_0040, 40, 40],
  ['_etext', 0x20_2000, 48, 48],
  ['_sinittext', 0x20_2100, 56, 56],
  ['_einittext', 0x20_2200, 64, 64],
  ['_end', 0x20_3800, 72, 72],
  ['kallsyms_offsets', 0x20_2300, 80, 80],
  ['kallsyms_names', 0x20_2400, 88, 88],
  ['kallsyms_token_table', 0x20_2500, 96, 96],
  ['kallsyms_token_index', 0x20_2600, 104, 104],
  ['kallsyms_markers', 0x20_2700, 112, 112],
  ['kallsyms_seqs_of_names', 0x20_2800, 120, 0],
  ['swapper_pg_dir', 0x20_3000, 132, 124],
];

function dump(layout: string) {
  const ram = noise(0x40_0000, 9);
  const view = new DataView(ram.buffer);
  view.setUint32(0x20_2900, 54321, true);
  view.setBigUint64(0x20_2908, IMAGE, true);
  const kernel = madeKernel({
    pieces: [data(RAM_START, ram)],
    symbols: { __start_init_task: IMAGE + 0x3000n, __end_init_task: IMAGE + 0x7000n },
    vmcoreinfo: 'OSRELEASE=6.1.0-kinfo\n',
  });
  const backend = openBackend('debug-kinfo', { layout });
  for (const [i, [name, offset]] of ADDRESSES.entries()) backend.register(region(29 + i, name, offset, 8));
  backend.register(region(60, 'kallsyms_num_syms', 0x20_2900, 4));
  backend.register(region(61, 'kallsyms_relative_base', 0x20_2908, 8));
  const out = new MemoryFolder();
  const issues = new Issues();
  const files = backend.dump(kernel, out, issues);
  return { bytes: Buffer.from(out.files.get('debug_kinfo.bin')?.bytes() ?? []), issues, files };
}

for (const [layout, family] of [
  ['216', 2],
  ['472', 2],
  ['452', 3],
  ['464', 3],
  ['468', 3],
  ['484', 3],
  ['504', 3],
] as const) {
  test(`layout ${layout}`, t => {
    const { bytes, files, issues } = dump(layout);
    t.deepEqual(issues.list(), []);
    t.deepEqual(files, [{ name: 'debug_kinfo.bin', size: Number(layout) }]);
    t.is(bytes.readUInt32LE(0), 0xcceeddff);
    let sum = 0;
    for (let at = 4; at < bytes.length; at += 4) sum ^= bytes.readUInt32LE(at);
    t.is(sum, 0, 'the checksum is the XOR of what follows it');
    for (const entry of ADDRESSES) {
      if (entry[family] !== 0) t.is(Number(bytes.readBigUInt64LE(entry[family])), RAM_START + entry[1], entry[0]);
    }
    t.is(bytes.readUInt8(9), 1);
    t.is(bytes.readUInt32LE(12), 54321);
    t.deepEqual(
      [16, 18, 20, 22].map(at => bytes.readUInt16LE(at)),
      [512, 64, 56, 666],
    );
    t.is(bytes.readUInt32LE(family === 2 ? 128 : 120), 0x4000);
    const release = family === 2 ? 140 : 132;
    t.is(bytes.toString('latin1', release, release + 12), '6.1.0-kinfo\0');
    // The newest driver lost the registration that fills _relative_pa.
    const relative = Number(bytes.readBigUInt64LE(family === 2 ? 24 : 32));
    t.is(relative, layout === '216' ? 0 : RAM_START + 0x20_0000);
  });
}

test('what was not registered is 0, and told', t => {
  const backend = openBackend('debug-kinfo');
  backend.register(region(30, '_stext', 0x40, 8));
  const out = new MemoryFolder();
  const issues = new Issues();
  backend.dump(madeKernel({ vmcoreinfo: null }), out, issues);
  const told = issues.list().map(({ message }) => message);
  t.true(told.includes('kallsyms_names was not registered: _names_pa is 0'));
  t.false(told.some(message => message.startsWith('_stext')));
  t.true(issues.list().every(({ code }) => code === 'missing-symbol'));
});

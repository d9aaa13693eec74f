// The DWARF of modules that were loaded stripped, out of the files they were built as: lines against addr2line, layouts against drgn.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { kdumpling } from '../../kdumpling.js';
import { peer } from '../../peer.js';
import { realDump, realTest, realTruth } from '../../real.js';
import { realPeerTest } from '../../real-peer.js';

const dump = realDump('trace-6.1.elf');
const built = realTruth('trace-6.1/modules-dwarf');
const file = join(built, 'lttng-lib-ring-buffer.ko');
const MODULE = 'lttng_lib_ring_buffer';
const SCRIPT = join(import.meta.dirname, '../../../../test/peers/drgn-structs.py');

interface Row {
  readonly name: string;
  readonly address: string;
  readonly offset: string;
  readonly module: string | null;
  readonly source: readonly { file: string; line: number; function: string }[];
}

const sym = (folder: string, queries: readonly string[], ...more: string[]) =>
  kdumpling('sym', dump, ...queries, '--modules', folder, '--json', ...more);

realPeerTest('lines of a module, where it was loaded', [dump, file], ['readelf', 'eu-addr2line'], t => {
  const symbols = peer('readelf', ['-sW', file], [built]).stdout;
  const functions = [...symbols.matchAll(/ ([0-9a-f]{16}) +(\d+) FUNC +\w+ +DEFAULT +(\d+) ([a-z]\w+)$/gm)]
    .map(([, value, size, section, name]) => ({ value: Number.parseInt(value, 16), size: Number(size), section, name }))
    .filter(({ size, section }, _, all) => size > 64 && section === all[0].section)
    .filter((_, i) => i % 9 === 0);
  t.true(functions.length >= 8, `${functions.length}`);
  const queries = functions.map(({ name, size }) => `${name}+0x${(size >> 1).toString(16)}`);
  const offsets = functions.map(({ value, size }) => `0x${(value + (size >> 1)).toString(16)}\n`).join('');
  const told = peer('eu-addr2line', ['-i', '-a', '-j', '.text', '-e', file], [built], offsets)
    .stdout.split(/^0x[0-9a-f]+\n/m)
    .slice(1)
    .map(block => block.trim().split('\n'));
  const found = sym(built, queries);
  t.deepEqual(JSON.parse(found.stderr), { issues: [] });
  const rows = (JSON.parse(found.stdout) as Row[]).filter(({ module }) => module === MODULE);
  t.is(rows.length, functions.length);
  for (const [i, { source, name }] of rows.entries()) {
    const places = source.map(({ file: path, line }) => `${path}:${line}`);
    t.deepEqual(
      places,
      told[i].map(place => place.replace(/:\d+$/, '')),
      name,
    );
    t.is(source.at(-1)?.function, functions[i].name);
  }
});

realPeerTest('a struct that only a module has', [dump, file], ['drgn'], t => {
  const asked = 'struct lttng_kernel_ring_buffer';
  const { stdout } = peer('python3', [SCRIPT, file], [built], `${asked}\n`);
  const { size, members } = JSON.parse(stdout) as { size: number; members: [string, number, number][] };
  t.true(size > 0);
  const answer = JSON.parse(kdumpling('struct', dump, asked, '--modules', built, '--json').stdout) as {
    size: number;
    members: { name: string; offset: number; bitOffset: number | null }[];
  };
  t.is(answer.size, size);
  t.deepEqual(
    answer.members.map(({ name, offset, bitOffset }) => [name, offset * 8 + (bitOffset ?? 0)]),
    members.map(([name, bits]) => [name, bits]),
  );
  t.is(kdumpling('struct', dump, asked, '--json').status, 1, 'without the file nothing tells');
});

realPeerTest("another module's file is not used, unless forced", [dump, file], ['readelf'], (t, folder) => {
  const other = join(built, 'lttng-clock.ko');
  copyFileSync(other, join(folder, 'lttng-lib-ring-buffer.ko.debug'));
  const ids = [other, file].map(path => /Build ID: (\w+)/.exec(peer('readelf', ['-n', path], [built]).stdout)?.[1]);
  const refused = sym(folder, ['lib_ring_buffer_open_read']);
  t.deepEqual((JSON.parse(refused.stdout) as Row[])[0].source, []);
  const [{ code, message }] = (JSON.parse(refused.stderr) as { issues: { code: string; message: string }[] }).issues;
  t.is(code, 'module-file-differs');
  for (const id of ids) t.true(id !== undefined && message.includes(id), message);
  const forced = sym(folder, ['lib_ring_buffer_open_read'], '--force');
  t.regex(forced.stderr, /used all the same/);
});

realTest('a folder without the file changes nothing', [dump], t => {
  const found = sym(realTruth('trace-6.1/guest'), ['lib_ring_buffer_open_read', 'schedule']);
  t.is(found.status, 0);
  t.deepEqual(
    (JSON.parse(found.stdout) as Row[]).map(({ source }) => source),
    [[], []],
  );
  t.deepEqual(JSON.parse(found.stderr), { issues: [] });
});

// `search` on real dumps: what crash finds, what a plain look at all bytes of the file finds, and what the guest's processes said they have in their memory.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers/search.py');

interface Row {
  readonly address: string | null;
  readonly physical: string | null;
  readonly value: string | null;
  readonly symbol: string | null;
  readonly use: string | null;
}

function rows(...args: string[]): Row[] {
  const { status, stdout, stderr } = kdumpling('search', ...args, '--json', '--limit', '1000000');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Row[];
}

const physical = (...args: string[]): number[] => rows(...args).map(row => Number(row.physical));
const byAddress = (...args: string[]): string[] => rows(...args).map(({ address }) => (address ?? '').slice(2));

const [dump, vmlinux] = [realDump('x86_64-6.1.elf'), realVmlinux('x86_64-6.1')];

realPeerTest('words and text in physical memory, as a plain look at all bytes finds them', [dump], ['python3'], t => {
  const text = 'Kernel panic - not syncing: ';
  const hex = (from: Uint8Array) => Buffer.from(from).toString('hex');
  const all = (bytes: number) => 'ff'.repeat(bytes);
  const asked: [wanted: string, mask: string, align: number][] = [
    ['40aac1bcffffffff', all(8), 8],
    ['0000c1bcffffffff', `0000${all(6)}`, 8],
    ['40aac1bcffffffff', all(8), 1],
    ['efbeadde', all(4), 4],
    ['0100adde', '0100ffff', 4],
    ['adde', all(2), 4],
    [hex(Buffer.from(text)), all(text.length), 1],
    [hex(Buffer.from('init_task', 'utf16le')), all(18), 1],
    [hex(Buffer.from('Linux')), all(5), 16],
  ];
  const { status, stdout, stderr } = peer(
    'python3',
    ['-c', readFileSync(script, 'utf8'), dump, JSON.stringify(asked)],
    [dirname(dump)],
  );
  t.is(status, 0, stderr);
  const expected = JSON.parse(stdout) as number[][];
  const ours = [
    physical(dump, 'init_task'),
    physical(dump, '0xffffffffbcc10000', '--mask', '0xffff'),
    physical(dump, '0xffffffffbcc1aa40', '--align', '1'),
    physical(dump, '0xdeadbeef', '--size', '4'),
    physical(dump, '0xdead0001', '--size', '4', '--mask', '0xfffe'),
    physical(dump, '0xdead', '--size', '2', '--align', '4'),
    physical(dump, '-c', text),
    physical(dump, '-w', 'init_task'),
    physical(dump, '-c', 'Linux', '--align', '16'),
  ];
  t.deepEqual(ours, expected);
  t.true(expected.filter(found => found.length > 0).length >= 8);
});

/** The answers of crash's commands, each cut into its lines' addresses. */
function crash(commands: readonly string[]): string[][] {
  const input = commands.map(command => `${command}\necho =\n`).join('');
  const { stdout } = peer('crash', ['-s', vmlinux, dump], [dirname(dump), dirname(vmlinux)], input);
  const answers = stdout.split(/^=$/m).slice(0, commands.length);
  return answers.map(text => [...text.matchAll(/^([0-9a-f]+): /gm)].map(([, address]) => address));
}

realPeerTest('words and text by virtual and physical addresses, as crash finds them', [dump, vmlinux], ['crash'], t => {
  const [words, masked, text, half, word] = crash([
    'search -k init_task',
    'search -k -m ffff ffffffffbcc10000',
    'search -k -c "Kernel panic"',
    'search -p -h dead',
    'search -p -w deadbeef',
  ]);
  // crash takes all of the image's 1 GiB for mapped; what lies below _text is not, as `vtop` shows.
  const textStart = 'ffffffffbb200000';
  const mapped = (found: readonly string[]) =>
    found.filter(address => address.length === 16 && (address < 'ffffffff80000000' || address >= textStart));
  const ours = [
    byAddress(dump, 'init_task', '--in', 'kernel'),
    byAddress(dump, '0xffffffffbcc10000', '--mask', '0xffff', '--in', 'kernel'),
    byAddress(dump, '-c', 'Kernel panic', '--in', 'kernel'),
  ];
  t.deepEqual(ours, [mapped(words), mapped(masked), mapped(text)]);
  t.true(ours.every(found => found.length > 5));
  const both = [...byAddress(dump, 'init_task', '--in', 'linear'), ...byAddress(dump, 'init_task', '--in', 'vmalloc')];
  t.deepEqual(both.toSorted(), ours[0]);
  // crash looks only at what the kernel knows as memory: not at the firmware below 4 GiB.
  const bare = (found: readonly Row[]) => found.map(row => (row.physical ?? '').slice(2));
  t.deepEqual(bare(rows(dump, '0xdead', '--size', '2', '--to', '3G')), half);
  t.deepEqual(bare(rows(dump, '0xdeadbeef', '--size', '4', '--to', '3G')), word);
});

const regions = realTruth('x86_64-6.1/guest/guest/ktest-threads-dyn.txt');
realTest('what a process has in its memory, as it said itself', [dump, regions], t => {
  const truth = readFileSync(regions, 'utf8');
  const process = /^PID (\d+) TID/m.exec(truth)?.[1] ?? '';
  let found = 0;
  for (const [, address, first] of truth.matchAll(
    /^REGION \S+ addr=(0x[0-9a-f]+) len=\d+ \S+ first=([0-9a-f]{32})/gm,
  )) {
    const bytes = Buffer.from(first, 'hex');
    if (BigInt(address) % 8n !== 0n || bytes.readBigUInt64LE() === 0n) continue;
    const word = `0x${bytes.readBigUInt64LE().toString(16)}`;
    const there = rows(
      dump,
      word,
      '--pid',
      process,
      '--from',
      address,
      '--to',
      `0x${(BigInt(address) + 8n).toString(16)}`,
    );
    t.deepEqual(
      there.map(row => [row.address, row.value]),
      [[address, word]],
    );
    t.true(physical(dump, word).includes(Number(there[0].physical)));
    if (++found === 2) break;
  }
  t.is(found, 2);
});

realTest('the memory of a process ends where its own addresses do: its page tables map the kernel too', [dump], t => {
  const found = rows(dump, '-c', 'ktest', '--pid', '121');
  t.true(found.some(({ address }) => BigInt(address ?? 0) > 0x7fff_0000_0000n));
  // TASK_SIZE of x86_64 with 4 levels.
  t.deepEqual(
    found.filter(({ address }) => BigInt(address ?? 0) >= 0x7fff_ffff_f000n),
    [],
  );
  t.is(kdumpling('search', dump, '0x0', '--pid', '121', '--from', 'init_task').status, 2);
});

const taskTruth = realTruth('x86_64-6.1/json/tasks.json');
realTest('what lies where a word was found: symbols, and what pages are used for', [dump, taskTruth], t => {
  const tasks = JSON.parse(readFileSync(taskTruth, 'utf8')) as { pid: number; addr: string }[];
  const init = tasks.find(({ pid }) => pid === 1)?.addr ?? '';
  const end = `0x${(BigInt(init) + 9728n).toString(16)}`;
  const found = rows(dump, 'init_task', '--in', 'kernel', '--from', init, '--to', end);
  // Its parent, and its real parent.
  t.true(found.length >= 2);
  t.deepEqual(new Set(found.map(({ use }) => use)), new Set(['slab task_struct']));
  const [inImage] = rows(dump, 'init_task', '--from', '0xa81b3c0', '--to', '0xa81b3c8');
  t.deepEqual([inImage.address, inImage.symbol, inImage.use], ['0xffffffffbcc1b3c0', 'init_task+0x980', 'reserved']);
});

realTest('a range that holds nothing is a wrong call', [dump], t => {
  for (const [from, to] of [
    ['0x2000', '0x1000'],
    ['0x2000', '0x2000'],
  ]) {
    const { status, stderr } = kdumpling('search', dump, '0x0', '--from', from, '--to', to);
    t.is(status, 2);
    t.regex(stderr, /nothing lies from 0x2000 to /);
  }
});

const filtered = realDump('x86_64-6.1.zlib-d31.kdump');
realTest('what was filtered out is told', [dump, filtered], t => {
  const { status, stdout, stderr } = kdumpling('search', filtered, '-c', 'Kernel panic', '--json');
  t.is(status, 1);
  t.deepEqual(JSON.parse(stdout), rows(dump, '-c', 'Kernel panic'));
  const { issues } = JSON.parse(stderr) as { issues: { code: string; message: string }[] };
  t.is(issues.length, 1);
  t.regex(issues[0].message, /^\d+ bytes of this memory could not be searched: it was filtered out/);
  const bytes = (path: string) =>
    (JSON.parse(kdumpling('info', path, '--json').stdout) as { presentBytes: number }).presentBytes;
  t.true(Math.abs(Number.parseInt(issues[0].message, 10) - (bytes(dump) - bytes(filtered))) <= 2 ** 20);
});

test('a wrong call', t => {
  for (const args of [
    ['x', '0x0', '--in', 'linear', '--pid', '1'],
    ['x', '0x0', '--size', '3'],
    ['x', '0x0', '--limit', 'many'],
  ])
    t.is(kdumpling('search', ...args).status, 2, args.join(' '));
});

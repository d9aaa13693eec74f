// kdumpling vmalloc on real dumps, against crash's kmem -v, drgn, the guests' /proc/vmallocinfo and the kernels' own counts.
import { readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';

interface Row {
  readonly start: string;
  readonly end: string;
  readonly size: number;
  readonly kind: 'area' | 'vm_map_ram' | 'unpurged';
  readonly caller: { readonly address: string; readonly symbol: string; readonly offset: number } | null;
  readonly pages: number | null;
  readonly physical: string | null;
  readonly flags: readonly string[];
  readonly vmapArea: string;
  readonly vmStruct: string | null;
}

function ask(t: ExecutionContext, ...args: string[]): string {
  const { status, stdout, stderr } = kdumpling('vmalloc', ...args);
  t.is(status, 0, stderr);
  return stdout;
}

const rowsOf = (t: ExecutionContext, ...args: string[]): Row[] => JSON.parse(ask(t, ...args, '--json')) as Row[];

const KMEM = realTruth('x86_64-6.1/crash-text/crash/kmem-v.txt');

realTest(
  "x86_64-6.1: areas, their structs and sizes are those of crash's kmem -v",
  [realDump('x86_64-6.1.elf'), KMEM],
  t => {
    const theirs = [
      ...readFileSync(KMEM, 'utf8').matchAll(/^([0-9a-f]+) +([0-9a-f]+) +([0-9a-f]+) - ([0-9a-f]+) +(\d+)$/gm),
    ];
    t.true(theirs.length > 100);
    t.deepEqual(
      rowsOf(t, realDump('x86_64-6.1.elf'))
        .filter(({ kind }) => kind !== 'unpurged')
        .map(({ vmapArea, vmStruct, start, end, size }) => [vmapArea, vmStruct, start, end, size]),
      theirs.map(([, area, vm, start, end, size]) => [`0x${area}`, `0x${vm}`, `0x${start}`, `0x${end}`, Number(size)]),
    );
  },
);

/** An unsigned long of the kernel, by its symbol. */
function word(t: ExecutionContext, dump: string, symbol: string): number {
  const { status, stdout } = kdumpling('read', dump, symbol, '8', '--unit', '8', '--json');
  t.is(status, 0);
  return Number((JSON.parse(stdout) as { data: { words: string[] }[] }).data[0].words[0]);
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const dump = realDump(`${name}.elf`);
  const extra = realTruth(`${name}/json/extra.json`);
  realTest(`${name}: areas are those that drgn finds, and pages those that the kernel counted`, [dump, extra], t => {
    const rows = rowsOf(t, dump);
    const { vmap } = JSON.parse(readFileSync(extra, 'utf8')) as { vmap: [string, string][] };
    const used = rows.filter(({ kind }) => kind !== 'unpurged');
    t.deepEqual(
      used.map(({ start, end }) => [start, end]),
      vmap.toSorted(([one], [other]) => (BigInt(one) < BigInt(other) ? -1 : 1)),
    );
    const unpurged = rows.filter(({ kind }) => kind === 'unpurged');
    t.is(unpurged.reduce((sum, { size }) => sum + size, 0) / 4096, word(t, dump, 'vmap_lazy_nr'));
    // 7.3 counts them for each node.
    if (name !== 'x86_64-6.1') return;
    t.is(
      used.reduce((sum, { pages }) => sum + (pages ?? 0), 0),
      word(t, dump, 'nr_vmalloc_pages'),
    );
  });
}

interface Guest {
  readonly name: string;
  readonly file: string;
  /** Has no BTF. */
  readonly vmlinux?: true;
  readonly areas: number;
}

const GUESTS: readonly Guest[] = [
  { name: 'x86_64-6.1', file: 'guest/guest/proc/vmallocinfo', areas: 128 },
  { name: 'x86_64-7.3', file: 'guest/guest/proc/vmallocinfo', areas: 149 },
  { name: 'arm64-6.1', file: 'serial.log', areas: 60 },
  { name: 'ppc64le-6.1', file: 'serial.log', vmlinux: true, areas: 47 },
  { name: 'i386-6.1', file: 'serial.log', vmlinux: true, areas: 31 },
  { name: 's390x-6.1', file: 'serial.log', vmlinux: true, areas: 60 },
];

/** The kernel's line without what ours lacks: the sizes of functions, and the pages of each node. */
const plain = (line: string): string =>
  line
    .replace(/(\+0x[0-9a-f]+)\/0x[0-9a-f]+/, '$1')
    .replace(/( N\d+=\d+)+$/, '')
    .trimEnd();

/** What came or went between the guest's look and its end: stacks of tasks, and the page that kexec maps when it loads or dies. */
const PASSING = /kernel_clone\+|kimage_crash_copy_vmcoreinfo\+/;

for (const { name, file, vmlinux, areas } of GUESTS) {
  const truth = realTruth(`${name}/${file}`);
  const needs = vmlinux === true ? [realVmlinux(name)] : [];
  realTest(`${name}: lines are those of /proc/vmallocinfo`, [realDump(`${name}.elf`), truth, ...needs], t => {
    const lines = readFileSync(truth, 'utf8').replaceAll('\r', '').split('\n');
    const theirs = lines.filter(line => /^0x[0-9a-f]+-0x[0-9a-f]+ /.test(line) && !line.endsWith('unpurged vm_area'));
    t.is(theirs.length, areas);
    const options = needs.flatMap(path => ['--vmlinux', path]);
    const ours = ask(t, realDump(`${name}.elf`), ...options)
      .trim()
      .split('\n')
      .filter(line => !line.endsWith('unpurged vm_area'));
    const wanted = new Set(theirs.map(plain));
    const had = new Set(ours);
    for (const line of wanted) if (!had.has(line)) t.regex(line, PASSING);
    t.true([...wanted].filter(line => had.has(line)).length >= areas - 5);
    // Some guests printed the first sixty only.
    const last = plain(theirs[theirs.length - 1]).split('-')[0];
    for (const line of ours)
      if (!wanted.has(line) && (areas !== 60 || line.split('-')[0] <= last)) t.regex(line, PASSING);
  });
}

const ARM64 = [realDump('arm64-6.1.elf'), realVmlinux('arm64-6.1')];

realTest('arm64-6.1: freed areas are there without the symbol of their list too', ARM64, t => {
  const [dump, vmlinux] = ARM64;
  const rows = rowsOf(t, dump);
  t.is(rows.filter(({ kind }) => kind === 'unpurged').length, 53);
  const told = rowsOf(t, dump, '--vmlinux', vmlinux);
  t.deepEqual(
    rows.map(({ start, end, kind }) => [start, end, kind]),
    told.map(({ start, end, kind }) => [start, end, kind]),
  );
  const freed = rows.filter(({ kind }) => kind === 'unpurged').reduce((sum, { size }) => sum + size, 0);
  const lazy = kdumpling('read', dump, 'vmap_lazy_nr', '8', '--unit', '8', '--json', '--vmlinux', vmlinux);
  t.is(freed / 4096, Number((JSON.parse(lazy.stdout) as { data: { words: string[] }[] }).data[0].words[0]));
});

realTest(
  'stacks that the guest had not listed yet are those of tasks at the end',
  [realDump('x86_64-6.1.elf'), realTruth('x86_64-6.1/json/tasks.json')],
  t => {
    const tasks = JSON.parse(readFileSync(realTruth('x86_64-6.1/json/tasks.json'), 'utf8')) as { stack: string }[];
    const stacks = new Set(tasks.map(({ stack }) => stack));
    const forked = rowsOf(t, realDump('x86_64-6.1.elf')).filter(({ caller }) => caller?.symbol === 'kernel_clone');
    t.true(forked.length > 70);
    // Each CPU keeps two stacks of tasks that ended, for the next ones.
    const kept = forked.filter(({ start }) => !stacks.has(start));
    t.true(kept.length <= 4, `${kept.length}`);
  },
);

realTest('the areas that hold given addresses', [realDump('x86_64-6.1.elf')], t => {
  const dump = realDump('x86_64-6.1.elf');
  const [row, ...others] = rowsOf(t, dump, '0xffffd1810000dfff', '0xffffd1810000c000');
  t.deepEqual(others, []);
  t.deepEqual({ ...row, vmapArea: '', vmStruct: '' }, {
    start: '0xffffd1810000c000',
    end: '0xffffd1810000e000',
    size: 8192,
    kind: 'area',
    caller: { address: '0xffffffffbd26c9fe', symbol: 'hpet_enable', offset: 0xef, module: null },
    pages: 0,
    physical: '0xfed00000',
    flags: ['ioremap'],
    vmapArea: '',
    vmStruct: '',
  } as unknown as Row);
  t.is(
    ask(t, dump, '0xffffd1810000c000'),
    '0xffffd1810000c000-0xffffd1810000e000    8192 hpet_enable+0xef phys=0x00000000fed00000 ioremap\n',
  );
  const none = kdumpling('vmalloc', dump, '0xffffd18100007000');
  t.is(none.status, 1);
  t.regex(none.stderr, /no-such-area/);
});

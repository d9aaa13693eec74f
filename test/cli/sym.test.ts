// kdumpling sym, as users run it. The truth: /proc/kallsyms and drgn's look-ups of the guest that the core was carved from.
import { readFileSync } from 'node:fs';
import type { SymbolRow } from '#cli/sym';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';
import { coreTest } from './demo-core.js';

/** Rows as printed: addresses are text. */
type Row = { [K in keyof SymbolRow]: bigint extends SymbolRow[K] ? string | null : SymbolRow[K] };

const core = realDump('x86_64-6.1.elf');

function rowsOf(...args: readonly string[]): { rows: Row[]; status: number | null; stderr: string } {
  const { stdout, status, stderr } = kdumpling('sym', ...args, '--json');
  return { rows: JSON.parse(stdout) as Row[], status, stderr };
}

realTest('by name, by address and by name with an offset', [core], t => {
  const { rows, status } = rowsOf(core, 'schedule', '0xffffffffbbc114f8', 'schedule+0x10', 'runqueues');
  t.is(status, 0);
  const schedule = { name: 'schedule', address: '0xffffffffbbc114f0', size: 208, sizeFrom: 'neighbour', type: 'T' };
  const rest = { module: null, perCpu: false, from: null, source: [] };
  t.deepEqual(rows.slice(0, 3), [
    { query: 'schedule', ...schedule, offset: null, ...rest },
    { query: '0xffffffffbbc114f8', ...schedule, offset: 8, ...rest },
    { query: 'schedule+0x10', ...schedule, offset: 16, ...rest },
  ]);
  t.deepEqual([rows[3].address, rows[3].type, rows[3].perCpu], ['0x31980', 'A', true]);
});

realTest('for people: as /proc/kallsyms, and as the kernel prints an address', [core], t => {
  const { stdout } = kdumpling('sym', core, 'init_task', 'ffffffffbbc11500', 'runqueues');
  t.is(
    stdout,
    [
      'ffffffffbcc1aa40 D init_task  (at most 9728 bytes)',
      'ffffffffbbc11500 T schedule+0x10/0xd0',
      '0000000000031980 A runqueues  (at most 3264 bytes, per-CPU)',
      '',
    ].join('\n'),
  );
});

realTest('what is not there is told, and the rest answered', [core], t => {
  const { rows, status, stderr } = rowsOf(core, 'no_such_symbol', '0x10', 'schedule');
  t.is(status, 1);
  t.deepEqual(
    rows.map(({ name, address }) => [name, address]),
    [
      ['no_such_symbol', null],
      // __per_cpu_start is 0: what is 16 bytes behind it is a variable of every CPU.
      ['fixed_percpu_data', '0x0'],
      ['schedule', '0xffffffffbbc114f0'],
    ],
  );
  t.regex(stderr, /"missing-symbol"/);
  const nowhere = rowsOf(core, '0x123456789');
  t.deepEqual([nowhere.status, nowhere.rows[0].name, nowhere.rows[0].address], [1, null, '0x123456789']);
  t.is(kdumpling('sym', core).status, 2);
});

coreTest('a region core without the tables: what VMCOREINFO names, and why there is no more', (t, small) => {
  const { rows, status, stderr } = rowsOf(small, 'init_uts_ns', 'schedule');
  t.is(status, 1);
  t.deepEqual(
    rows.map(({ name, address, size, type }) => [name, address, size, type]),
    [
      ['init_uts_ns', '0xffffffffbcdf9b60', null, null],
      ['schedule', null, null, null],
    ],
  );
  t.regex(stderr, /"kallsyms-unreadable".*no registered region covers it/);
  t.is(kdumpling('sym', small, 'init_uts_ns').stdout, 'ffffffffbcdf9b60 ? init_uts_ns\n');
});

const KALLSYMS = realTruth('x86_64-6.1/guest/guest/proc/kallsyms');

realTest('patterns and static names give every symbol that has them', [realDump('x86_64-6.1.elf'), KALLSYMS], t => {
  const guest = readFileSync(KALLSYMS, 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.includes('['))
    .map(line => line.split(' '));
  const matching = (test: (name: string) => boolean) =>
    guest.filter(([, , name]) => test(name)).map(([address, type, name]) => `${address} ${type} ${name}`);
  const printed = (...args: string[]) =>
    rowsOf(realDump('x86_64-6.1.elf'), ...args).rows.map(
      ({ address, type, name }) =>
        `${BigInt(address ?? 0)
          .toString(16)
          .padStart(16, '0')} ${type} ${name}`,
    );
  t.deepEqual(
    printed('tcp_*_timer'),
    matching(name => /^tcp_.*_timer$/.test(name)),
  );
  t.deepEqual(
    printed('t_nex?'),
    matching(name => /^t_nex.$/.test(name)),
  );
  t.deepEqual(
    printed('--search', 'vmalloc_user'),
    matching(name => name.includes('vmalloc_user')),
  );
  const statics = matching(name => name === 't_next');
  t.true(statics.length > 3);
  t.deepEqual(printed('t_next'), statics);
});

realTest(
  'with a vmlinux sizes are exact, and the same places have the same names',
  [realDump('x86_64-6.1.elf'), realVmlinux('x86_64-6.1')],
  t => {
    const { rows } = rowsOf(
      realDump('x86_64-6.1.elf'),
      'schedule',
      'linux_banner',
      '--vmlinux',
      realVmlinux('x86_64-6.1'),
    );
    t.deepEqual(
      rows.map(({ name, address, size, sizeFrom }) => [name, address, size, sizeFrom]),
      [
        ['schedule', '0xffffffffbbc114f0', 199, 'exact'],
        ['linux_banner', '0xffffffffbc31ffe0', 204, 'exact'],
      ],
    );
  },
);

const parts = ['1', '2', '3'].map(part => realDump(`x86_64-6.1.split${part}.kdump`));

realTest('a list of all symbols says what could not be searched', [...parts, realDump('arm64-6.1.elf')], t => {
  const [first, second] = parts;
  // Parts with the kernel's table of symbols, but without what modules are found with.
  for (const dump of [second, `${first},${second}`]) {
    const { rows, status, stderr } = rowsOf(dump, '*');
    t.is(status, 1);
    t.true(rows.length > 80_000);
    t.deepEqual(
      rows.filter(({ module }) => module !== null),
      [],
    );
    t.regex(stderr, /"symbols-incomplete"[^}]*not all symbols were searched: symbols of modules cannot be read/);
  }
  const none = rowsOf(first, '*');
  t.deepEqual([none.status, none.rows.length < 20], [1, true]);
  t.regex(none.stderr, /the kernel's table of symbols is not to be had/);
  const text = rowsOf(realDump('arm64-6.1.elf'), '--search', 'vmap_area');
  t.is(text.status, 1);
  t.regex(text.stderr, /has functions alone/);
  // A name that has an answer needs no search.
  t.deepEqual([rowsOf(second, 'schedule').status, rowsOf(second, 'schedule').rows.length], [0, 1]);
});

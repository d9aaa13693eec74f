// kdumpling vtop as a user runs it, on a real dump; what it should say is another program's walk and the guest's own pagemap.
import test from 'ava';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest } from '../real.js';

const dump = realDump('x86_64-6.1.elf');
/** From the truth of x86_64-6.1: a 2M page of the text, a user page of pid 119. */
const TEXT = '0xffffffffbb200000';
const TEXT_ROW = {
  address: TEXT,
  physical: '0x8e00000',
  pageSize: 2097152,
  steps: [
    { level: 'pgd', entryAddress: '0xa810ff8', entry: '0xa815067' },
    { level: 'pud', entryAddress: '0xa815ff0', entry: '0xa816063' },
    { level: 'pmd', entryAddress: '0xa816ec8', entry: '0x8e001e1' },
  ],
  issues: [],
};
const USER_ROW = {
  address: '0x4008f4',
  physical: '0x1f1608f4',
  pageSize: 4096,
  steps: [
    { level: 'pgd', entryAddress: '0x2e0a000', entry: '0x1ff9f067' },
    { level: 'pud', entryAddress: '0x1ff9f000', entry: '0x30e1067' },
    { level: 'pmd', entryAddress: '0x30e1010', entry: '0x2f8e067' },
    { level: 'pte', entryAddress: '0x2f8e000', entry: '0x800000001f160025' },
  ],
  issues: [],
};

realTest('kernel addresses, by number and by symbol, as text and as the documented JSON', [dump], t => {
  const text = kdumpling('vtop', dump, 'no_such_symbol', TEXT);
  t.is(text.status, 1, 'the others are answered');
  t.true(text.stdout.startsWith(`VIRTUAL             PHYSICAL\n${TEXT}  0x8e00000\n`));
  t.regex(text.stderr, /there is no symbol no_such_symbol: .* \[missing-symbol\]/);
  const rows = kdumpling('vtop', dump, 'no_such_symbol', TEXT, '--json');
  const nothing = { address: null, physical: null, pageSize: null, steps: [], issues: [] };
  t.deepEqual([rows.status, JSON.parse(rows.stdout)], [1, [nothing, TEXT_ROW]]);
  t.is(kdumpling('vtop', dump, '0x', TEXT).status, 2, 'what is no address');
  const both = kdumpling('vtop', dump, TEXT, '0xffffffffc0000000');
  t.is(both.status, 1);
  t.is(
    both.stdout,
    [
      'VIRTUAL             PHYSICAL',
      `${TEXT}  0x8e00000`,
      '   PGD: a810ff8 => a815067',
      '   PUD: a815ff0 => a816063',
      '   PMD: a816ec8 => 8e001e1',
      '  PAGE: 8e00000  (2M)',
      '',
      // crash's kmem -p has it so.
      '            PAGE     PHYSICAL          MAPPING     INDEX CNT FLAGS',
      'fffff72940238000      8e00000                0         0   1 fffffc0001000 reserved',
      '',
      'VIRTUAL             PHYSICAL',
      '0xffffffffc0000000  (not mapped)',
      '   PGD: a810ff8 => a815067',
      '   PUD: a815ff8 => a817067',
      '   PMD: a817000 => 13b7067',
      '   PTE: 13b7000 => 0',
      '',
    ].join('\n'),
  );
  t.regex(both.stderr, /the pte entry is 0 \[not-translated\]/);
  const json = kdumpling('vtop', dump, '_stext', TEXT, '--json');
  t.is(json.status, 0);
  t.deepEqual(JSON.parse(json.stdout), [TEXT_ROW, TEXT_ROW]);
});

realTest("a process's addresses; a kernel thread has none, and neither has a PID that nobody has", [dump], t => {
  const user = kdumpling('vtop', dump, '--pid', '119', USER_ROW.address, '--json');
  t.is(user.status, 0);
  t.deepEqual(JSON.parse(user.stdout), [USER_ROW]);
  const thread = kdumpling('vtop', dump, '--pid', '2', USER_ROW.address, '--json');
  t.is(thread.status, 1);
  t.deepEqual(JSON.parse(thread.stdout), [
    { address: USER_ROW.address, physical: null, pageSize: null, steps: [], issues: [] },
  ]);
  t.regex(thread.stderr, /no-memory/);
  // Nothing is said of addresses of nobody.
  const nobody = kdumpling('vtop', dump, '--pid', '99999', '0x1000');
  t.deepEqual([nobody.status, nobody.stdout], [1, '']);
  t.is(kdumpling('vtop', dump, '--pid', 'init', '0x1000').status, 2);
});

realTest(
  'what maps a page: of the kernel the image and the linear map, of a process its own address too',
  [dump],
  t => {
    const { status, stdout } = kdumpling('vtop', dump, '--reverse', '0x8e00123', '--json');
    t.is(status, 0);
    const mapping = { physical: '0x8e00000', size: 4096, pageSize: 2097152, by: 'pmd' };
    t.deepEqual(JSON.parse(stdout), [
      {
        physical: '0x8e00123',
        mappings: [
          { address: '0xffff8a5d88e00000', ...mapping },
          { address: TEXT, ...mapping },
        ],
        issues: [],
      },
    ]);
    const user = kdumpling('vtop', dump, '--pid', '119', '--reverse', '0x1f1608f4');
    // The kernel maps the page too, by the same top table, and that is no address of the process.
    t.is(user.stdout, 'physical 0x1f1608f4:\n  0x400000  4096 bytes, by pte, 4K page\n');
    t.is(kdumpling('vtop', dump, '--reverse', 'init_task').status, 2);
  },
);

realTest('read follows page tables: the memory map, which no linear map holds', [dump], t => {
  // struct page of the text page, and its flags as the kernel's own dump of them has it: 0xfffffc0001000 (reserved).
  const { status, stdout } = kdumpling('read', dump, '0xfffff72940238000', '8', '--unit', '8', '--json');
  t.is(status, 0);
  const { data } = JSON.parse(stdout) as { data: { state: string; words: string[] }[] };
  t.is(data[0].state, 'data');
  // PG_reserved is bit 12.
  t.is((BigInt(data[0].words[0]) >> 12n) & 1n, 1n);
});

test('help names its options and has an example', t => {
  const { status, stdout } = kdumpling('vtop', '--help');
  t.is(status, 0);
  for (const word of ['--pid', '--reverse', 'Example']) t.true(stdout.includes(word), word);
});

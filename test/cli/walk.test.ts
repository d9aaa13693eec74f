// `list` and `tree` on real dumps: the same elements as crash and drgn find.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const scripts = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers');

interface Row {
  readonly address: string;
  readonly first: string;
  readonly last: string;
  readonly values: Record<string, unknown> | null;
}

function rows(...args: string[]): Row[] {
  const { status, stdout, stderr } = kdumpling(...args, '--json');
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Row[];
}

const addresses = (found: readonly Row[]): string[] => found.map(({ address }) => address);

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];
  realPeerTest(`lists, an IDR and a maple tree of ${name}, as drgn walks them`, [dump, vmlinux], ['drgn'], t => {
    const script = readFileSync(join(scripts, 'drgn-walks.py'), 'utf8');
    const { status, stdout, stderr } = peer(
      'python3',
      ['-c', script, dump, vmlinux],
      [dirname(dump), dirname(vmlinux)],
    );
    t.is(status, 0, stderr);
    const drgn = JSON.parse(stdout) as {
      modules: string[];
      superBlocks: string[];
      pids: string[];
      mm: string;
      areas: [string, string, string][];
    };
    t.deepEqual(addresses(rows('list', dump, 'modules', '--head', '-o', 'module.list')), drgn.modules);
    t.deepEqual(addresses(rows('list', dump, 'super_blocks', '-H', '-o', 'super_block.s_list')), drgn.superBlocks);
    t.deepEqual(addresses(rows('tree', dump, 'init_pid_ns', '-t', 'idr', '-r', 'pid_namespace.idr')), drgn.pids);
    const areas = rows('tree', dump, drgn.mm, '-t', 'maple', '-r', 'mm_struct.mm_mt');
    t.deepEqual(
      areas.map(({ address, first, last }) => [address, first, last]),
      drgn.areas,
    );
    t.true(areas.length > 10);
  });
}

const [dump, vmlinux] = [realDump('x86_64-6.1.elf'), realVmlinux('x86_64-6.1')];
realPeerTest('tasks and a red-black tree of 6.1, as crash walks them', [dump, vmlinux], ['crash'], t => {
  const input = 'list task_struct.tasks -h init_task\ntree -t rbtree -o vmap_area.rb_node -l vmap_area_root\n';
  const { stdout } = peer('crash', ['-s', vmlinux, dump], [dirname(dump), dirname(vmlinux)], input);
  const crash = stdout.split('\n').flatMap(line => (/^[0-9a-f]{16}$/.test(line) ? [`0x${line}`] : []));
  const tasks = addresses(rows('list', dump, 'init_task', '-o', 'task_struct.tasks'));
  const areas = rows('tree', dump, 'vmap_area_root', '-t', 'rbtree', '-o', 'vmap_area.rb_node', '--print', 'va_start');
  t.true(tasks.length > 50 && areas.length > 50);
  t.deepEqual(crash, [...tasks, ...addresses(areas)]);
  const starts = areas.map(({ values }) => BigInt(values?.['va_start'] as string));
  t.deepEqual(
    starts,
    starts.toSorted((a, b) => (a < b ? -1 : 1)),
  );
});

realPeerTest('members behind pointers, by type, as drgn reads them', [dump, vmlinux], ['drgn'], t => {
  const script = `
import drgn, json, sys
from drgn.helpers.linux import for_each_task, list_for_each_entry
prog = drgn.Program()
prog.set_core_dump(sys.argv[1])
prog.load_debug_info([sys.argv[2]])
blocks = list_for_each_entry("struct super_block", prog["super_blocks"].address_of_(), "s_list")
owner = lambda mm: mm.owner.comm.string_().decode() if mm else None
print(json.dumps({
    "blocks": [[one.s_type.name.string_().decode(), one.s_flags.value_(), hex(one.s_op)] for one in blocks],
    "tasks": [[one.pid.value_(), owner(one.mm), one.signal.rlim[7].rlim_cur.value_()] for one in for_each_task(prog)],
}))`;
  const { stdout, stderr } = peer('python3', ['-c', script, dump, vmlinux], [dirname(dump), dirname(vmlinux)]);
  t.not(stdout, '', stderr);
  const drgn = JSON.parse(stdout) as { blocks: [string, number, string][]; tasks: [number, string | null, number][] };
  const blocks = rows('list', dump, 'super_blocks', '-H', '-o', 'super_block.s_list', '-s', 's_type.name,s_flags,s_op');
  t.deepEqual(
    blocks
      .map(({ values }) => values ?? {})
      .map(one => [(one['s_type.name'] as { text: string }).text, Number(one['s_flags']), one['s_op']]),
    drgn.blocks,
  );
  const members = 'pid,mm.owner.comm,signal.rlim[7].rlim_cur,comm';
  const tasks = rows('list', dump, 'init_task', '-o', 'task_struct.tasks', '--print', members);
  const [idle, ...others] = tasks.map(({ values }) => values ?? {});
  t.is(idle['comm'], 'swapper/0');
  const threads = new Map(drgn.tasks.map(([pid, ...rest]) => [pid, rest]));
  for (const one of others) {
    const told = [one['mm.owner.comm'], Number(one['signal.rlim[7].rlim_cur'])];
    t.deepEqual(told, threads.get(Number(one['pid'])), String(one['pid']));
  }
  t.true(others.some(one => one['mm.owner.comm'] === null) && others.some(one => one['mm.owner.comm'] !== null));
  const text = kdumpling('list', dump, 'init_task', '-o', 'task_struct.tasks', '--print', 'mm.owner.comm,sched_class');
  t.is(text.status, 0, 'NULL on the way is an answer');
  t.regex(
    text.stdout,
    /^0x[0-9a-f]{16} {2}mm\.owner\.comm = NULL at mm, sched_class = 0x[0-9a-f]{16} <idle_sched_class>\n/,
  );
  t.regex(text.stderr, /^note: mm\.owner\.comm: mm is NULL \(\d+ times\) \[behind-null\]\n$/);
});

realTest('members: structs as struct prints them; the examples of --help', [dump], t => {
  const { stdout } = kdumpling('list', dump, 'init_task', '-o', 'task_struct.tasks', '-s', 'usage,pid');
  t.regex(stdout, /^0x[0-9a-f]{16}\n {2}usage = \{\n {4}refs = \{\n {6}counter = \d+\n {4}\}\n {2}\}\n {2}pid = 0\n/);
  const pids = ['tree', dump, 'init_pid_ns', '-t', 'idr', '-r', 'pid_namespace.idr', '--struct', 'pid'];
  t.regex(kdumpling('tree', '--help').stdout, /init_pid_ns -t idr -r pid_namespace\.idr --struct pid --print/);
  for (const { first, values } of rows(...pids, '--print', 'level,numbers[0].nr'))
    t.is(values?.['numbers[0].nr'], Number(first));
  for (const members of ['', 'level,', 'numbers[', 'a..b'])
    t.is(kdumpling(...pids, '--print', members).status, 2, members);
});

test('a wrong call', t => {
  for (const args of [
    ['list', 'x', '0x0', '--kind', 'hlist'],
    ['list', 'x', '0x0', '--kind', 'chain', '--reverse'],
    ['tree', 'x', '0x0'],
  ]) {
    t.is(kdumpling(...args).status, 2, args.join(' '));
  }
});

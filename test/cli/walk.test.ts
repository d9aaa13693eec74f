// `list` and `tree` on real dumps: the same elements as crash and drgn find.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realVmlinux } from '../real.js';
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

test('a wrong call', t => {
  for (const args of [
    ['list', 'x', '0x0', '--kind', 'hlist'],
    ['list', 'x', '0x0', '--kind', 'chain', '--reverse'],
    ['tree', 'x', '0x0'],
  ]) {
    t.is(kdumpling(...args).status, 2, args.join(' '));
  }
});

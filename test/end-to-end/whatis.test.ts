// whatis on real dumps: what drgn says of the same addresses, and what crash lists of vmalloc areas and modules.
import { readFileSync } from 'node:fs';
import { openKernel } from 'kdumpling/analysis';
import { openFile } from 'kdumpling/reader/node';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

interface Row {
  readonly address: string;
  readonly kind: string;
  readonly cache: string | null;
  readonly object: string | null;
  readonly offset: number | null;
  readonly state: string | null;
  readonly symbol: string | null;
  readonly module: string | null;
  readonly cpu: number | null;
  readonly task: { readonly pid: number; readonly comm: string } | null;
  readonly page: { readonly pfn: number; readonly use: string } | null;
}

interface TrueAddress {
  readonly address: string;
  readonly why: string;
  readonly info: { readonly cache: string; readonly object: string } | null;
  readonly where?: string;
  readonly identify: string | null;
}

const ask = (dump: string, addresses: readonly string[]) => {
  const { status, stdout } = kdumpling('whatis', dump, ...addresses, '--json');
  return { status, rows: JSON.parse(stdout) as Row[] };
};

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const dump = realDump(`${name}.elf`);
  const truth = realTruth(`${name}/json/slab_object_info.json`);

  realTest(`whatis: what drgn says of ${name}`, [dump, truth], t => {
    const expected = JSON.parse(readFileSync(truth, 'utf8')) as TrueAddress[];
    const { rows } = ask(dump, [...expected.map(({ address }) => address), 'runqueues+8']);
    // What lies now where the per-CPU variables' template was is not meant.
    const template = rows.pop();
    t.deepEqual(
      [template?.kind, template?.symbol, template?.offset, template?.cpu, template?.page],
      ['per-cpu', 'runqueues', 8, null, null],
    );
    t.is(rows.length, expected.length);
    const kinds = new Map<string, number>();
    for (const [i, { address, why, info, where, identify }] of expected.entries()) {
      const row = rows[i];
      kinds.set(row.kind, (kinds.get(row.kind) ?? 0) + 1);
      t.is(BigInt(row.address), BigInt(address));
      if (where !== undefined && !where.startsWith('beyond')) {
        t.deepEqual([row.kind, row.cache, row.object], ['slab', info?.cache, info?.object], address);
        t.is(row.offset, Number(BigInt(address) - BigInt(info?.object ?? 0)), address);
        // What lies on lists of a CPU that is offline drgn calls a task, although the task is gone.
        const task = row.state === 'allocated' ? /^task: (\d+) \((.*)\)/.exec(identify ?? '') : null;
        t.deepEqual(row.task, task && { pid: Number(task[1]), comm: task[2] }, address);
      } else if (where !== undefined) {
        t.deepEqual([row.kind, row.cache, row.object], ['slack', info?.cache, null], address);
      }
      const stack = /^task stack: (\d+) \((.*)\) \+0x(\w+)$/.exec(identify ?? '');
      if (stack !== null) {
        t.deepEqual(
          [row.kind, row.task, row.offset],
          ['stack', { pid: Number(stack[1]), comm: stack[2] }, parseInt(stack[3], 16)],
        );
      }
      const symbol = /^(?:function|object) symbol: (\w+)\+0x0$/.exec(identify ?? '');
      if (symbol !== null) {
        t.deepEqual([row.kind, row.offset, row.object], ['symbol', 0, row.address]);
        // Of two symbols at one place the kernel prints the first.
        t.true(symbol[1].startsWith(row.symbol ?? '-'), `${row.symbol}`);
      }
      if (why.startsWith('random') && where === undefined) t.is(row.kind, 'page', address);
    }
    t.deepEqual(
      rows.filter(row => row.address === '0x0' || row.address === '0xdeadbeef').map(row => row.kind),
      ['unknown', 'unknown'],
    );
    t.true(
      (kinds.get('slab') ?? 0) > 150 && kinds.get('stack') === 3 && kinds.get('struct-page') === 1,
      JSON.stringify([...kinds]),
    );
  });
}

const dump = realDump('x86_64-6.1.elf');

realTest('whatis: copies of per-CPU variables, modules, symbols with offsets', [dump], async t => {
  const [{ name, address }] = JSON.parse(kdumpling('mod', dump, '--json').stdout) as {
    name: string;
    address: string;
  }[];
  const opened = await openFile(dump);
  const kernel = await openKernel(opened);
  const offsets = kernel.address('__per_cpu_offset');
  const copies = [0n, 1n].map(cpu =>
    BigInt.asUintN(64, kernel.address('runqueues') + opened.virtual.u64(offsets + 8n * cpu)),
  );
  opened.close();
  const { status, rows } = ask(dump, [
    address,
    '__per_cpu_offset+8',
    ...copies.map(copy => `0x${(copy + 4n).toString(16)}`),
  ]);
  t.is(status, 0);
  t.is(rows[0].module, name);
  t.deepEqual([rows[1].kind, rows[1].symbol, rows[1].offset], ['symbol', '__per_cpu_offset', 8]);
  for (const cpu of [0, 1]) {
    const { kind, symbol, object, offset, cpu: found } = rows[2 + cpu];
    t.deepEqual(
      [kind, symbol, object, offset, found],
      ['per-cpu', 'runqueues', `0x${copies[cpu].toString(16)}`, 4, cpu],
    );
  }
});

const areas = realTruth('x86_64-6.1/crash-text/crash/kmem-v.txt');

realTest("whatis: crash's areas of vmalloc space", [dump, areas], t => {
  const rows = [
    ...readFileSync(areas, 'utf8').matchAll(/^[0-9a-f]{16} +[0-9a-f]{16} +([0-9a-f]{16}) - ([0-9a-f]{16})/gm),
  ];
  t.true(rows.length > 50);
  const { rows: found } = ask(
    dump,
    rows.map(([, start]) => `0x${(BigInt(`0x${start}`) + 8n).toString(16)}`),
  );
  const told = new Map<string, number>();
  for (const [i, [, start]] of rows.entries()) {
    const { kind, object } = found[i];
    told.set(kind, (told.get(kind) ?? 0) + 1);
    // Stacks and modules are in such areas too, and told as what they are; a stack's area begins with it.
    if (kind === 'vmalloc' || kind === 'stack') t.is(object, `0x${start}`);
    else t.true(['module', 'symbol'].includes(kind), `${start}: ${kind}`);
  }
  t.true((told.get('vmalloc') ?? 0) > 20 && (told.get('stack') ?? 0) > 50, JSON.stringify([...told]));
});

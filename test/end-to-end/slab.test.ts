// Slab caches and objects of real dumps: against drgn's lists, crash's table and, where both are wrong, the kernel's own counters; a panicked kernel's stopped CPUs included.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { openKernel } from 'kdumpling/analysis';
import { SlabLookup, slabAllocator } from 'kdumpling/analysis/slab';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realTruth, realVmlinux, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

interface TrueCache {
  readonly name: string;
  readonly address: string;
  readonly objectSize: number;
  readonly slotSize: number;
  readonly allocated: number;
  readonly total: number;
  readonly slabs: number;
}

interface TrueObjects {
  readonly name: string;
  readonly allocated: number;
  readonly objects: readonly string[];
}

interface TrueAddress {
  readonly address: string;
  readonly info: { readonly cache: string; readonly slab: string; readonly object: string } | null;
  /** Which list holds the object; left out for what is in no slab. */
  readonly where?: string;
}

interface Objects {
  readonly cache: TrueCache | null;
  readonly objects: readonly { readonly address: string; readonly state: string }[];
  readonly issues: readonly unknown[];
}

const parsed = <T>(file: string): T => JSON.parse(readFileSync(file, 'utf8')) as T;
const CACHES = ['task_struct', 'filp', 'dentry', 'vm_area_struct', 'maple_node', 'kmalloc-64', 'kmalloc-256'];

/** What the truth calls the list that holds an object. */
function stateOf(where: string): string | null {
  if (where.startsWith('beyond')) return null;
  if (where === 'alloc') return 'allocated';
  if (where === 'freelist') return 'free';
  if (where === 'sheaf:barn') return 'barn';
  if (where === 'alloc:rcu_free_sheaf') return 'rcu';
  return /^(?:cpu-freelist|sheaf):cpu\d/.test(where) ? 'cpu' : where;
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const dump = realDump(`${name}.elf`);
  const truth = (file: string) => realTruth(`${name}/json/${file}.json`);

  realTest(`slab: every cache of ${name}`, [dump, truth('slab_caches')], t => {
    const { status, stdout, stderr } = kdumpling('slab', dump, '--json');
    t.deepEqual([status, stderr], [0, '{"issues":[]}\n']);
    const pick = ({ name: cache, address, objectSize, slotSize, allocated, total, slabs }: TrueCache) =>
      [cache, address, objectSize, slotSize, allocated, total, slabs].join(' ');
    t.deepEqual(
      (JSON.parse(stdout) as TrueCache[]).map(pick).sort(),
      parsed<TrueCache[]>(truth('slab_caches')).map(pick).sort(),
    );
  });

  const links = realTruth(`${name}/guest/guest/slab_links.txt`);
  realTest(`slab: the names of merged caches of ${name}`, [dump, links], t => {
    // /sys/kernel/slab has a directory for each cache and a link for each name: `FILP -> :0000256`.
    const truth = new Map<string, string[]>();
    for (const [, link, target] of readFileSync(links, 'utf8').matchAll(/ (\S+) -> (\S+)$/gm)) {
      truth.set(target, [...(truth.get(target) ?? []), link]);
    }
    const rows = JSON.parse(kdumpling('slab', dump, '--json').stdout) as (TrueCache & { aliases: string[] })[];
    t.deepEqual(
      rows
        .filter(({ aliases }) => aliases.length > 0)
        .map(row => [row.name, ...row.aliases].sort().join())
        .sort(),
      [...truth.values()]
        .filter(names => names.length > 1)
        .map(names => names.sort().join())
        .sort(),
    );
  });

  for (const cache of CACHES) {
    realTest(`slab: every allocated object of ${cache}, ${name}`, [dump, truth(`slab_objects_${cache}`)], t => {
      const expected = parsed<TrueObjects>(truth(`slab_objects_${cache}`));
      const { status, stdout } = kdumpling('slab', dump, cache, '--state', 'allocated', 'rcu', '--json');
      const found = JSON.parse(stdout) as Objects;
      t.deepEqual([status, found.issues, found.cache?.allocated], [0, [], expected.allocated]);
      t.deepEqual(found.objects.map(({ address }) => address).sort(), [...expected.objects].sort());
    });
  }

  realTest(
    `slab: the object that a pointer is in, and on which list, ${name}`,
    [dump, truth('slab_object_info')],
    async t => {
      const opened = await openFile(dump);
      try {
        const issues = new Issues();
        const kernel = await openKernel(opened);
        const lookup = new SlabLookup(slabAllocator(kernel, issues), issues);
        const expected = parsed<TrueAddress[]>(truth('slab_object_info'));
        t.true(expected.length > 190);
        for (const { address, info, where } of expected) {
          const place = lookup.at(BigInt(address));
          const found = place && [place.cache.name, place.slab, place.object, place.state];
          const state = where === undefined ? null : stateOf(where);
          const object = state === null || info === null ? null : BigInt(info.object);
          t.deepEqual(found, info && [info.cache, BigInt(info.slab), object, state], address);
        }
        t.deepEqual(issues.list(), []);
      } finally {
        opened.close();
      }
    },
  );
}

const table = realTruth('x86_64-6.1/crash-text/crash/kmem-s.txt');
const dump = realDump('x86_64-6.1.elf');

realTest("slab: crash's table of 6.1", [dump, table], t => {
  const rows = [
    ...readFileSync(table, 'utf8').matchAll(/^([0-9a-f]{16}) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)k +(.+)$/gm),
  ];
  t.is(rows.length, 155);
  const lines = kdumpling('slab', dump).stdout.trimEnd().split('\n').slice(1);
  t.deepEqual(
    lines.map(line => line.trim().split(/\s+/).join(' ')).sort(),
    rows
      .map(([, address, ...cells]) => [`0x${address}`, ...cells.slice(0, 4), `${cells[4]}k`, cells[5]].join(' '))
      .sort(),
  );
});

realTest('slab: the objects of all caches', [dump, realTruth('x86_64-6.1/json/slab_caches.json')], t => {
  const rows = parsed<TrueCache[]>(realTruth('x86_64-6.1/json/slab_caches.json'));
  const { status, stdout } = kdumpling('slab', dump, '--objects', '--state', 'allocated', '--json');
  const found = JSON.parse(stdout) as { cache: string; address: string; objects: { address: string }[] }[];
  t.is(status, 0);
  t.deepEqual(
    found
      .map(({ cache, address, objects }) => [cache, address, new Set(objects.map(one => one.address)).size].join())
      .sort(),
    rows.map(({ name, address, allocated }) => [name, address, allocated].join()).sort(),
  );
  const text = kdumpling('slab', dump, '--objects', '--state', 'allocated').stdout;
  const lines = text.split('\n').flatMap(line => /^ {2}(0x[0-9a-f]+) {2}allocated$/.exec(line)?.[1] ?? []);
  t.deepEqual(
    lines,
    found.flatMap(({ objects }) => objects.map(one => one.address)),
  );
});

test('slab: options that would say nothing are refused', t => {
  for (const [args, told] of [
    [['--state', 'free'], /--state chooses objects/],
    [['kmalloc-*', '--state', 'free'], /--state chooses objects/],
    [['filp', '--sort', 'size'], /--sort is for the list of caches/],
    [['--objects', '--sort', 'size'], /--sort is for the list of caches/],
  ] as const) {
    const { status, stderr } = kdumpling('slab', 'no-such-dump', ...args);
    t.is(status, 2);
    t.regex(stderr, told);
  }
});

realTest('slab: a cache that is not there', [dump], t => {
  const { status, stdout } = kdumpling('slab', dump, 'no-cache', '--json');
  const found = JSON.parse(stdout) as { cache: null; objects: unknown[]; issues: { code: string }[] };
  t.deepEqual([status, found.cache, found.objects, found.issues[0].code], [1, null, [], 'no-such-cache']);
});

const arm64 = realDump('arm64-6.1.elf');
const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers/drgn-slab.py');

realPeerTest('slab: what drgn says of arm64', [arm64, realVmlinux('arm64-6.1')], ['drgn'], t => {
  const folders = [work, dirname(script)];
  const { status, stdout, stderr } = peer('python3', [script, arm64, realVmlinux('arm64-6.1'), ...CACHES], folders);
  t.is(status, 0, stderr);
  const { usage, allocated } = JSON.parse(stdout) as Readonly<{
    usage: Record<string, [total: number, slabs: number]>;
    allocated: Record<string, string[]>;
  }>;
  const rows = JSON.parse(kdumpling('slab', arm64, '--json').stdout) as TrueCache[];
  t.deepEqual(Object.fromEntries(rows.map(({ name, total, slabs }) => [name, [total, slabs]])), usage);
  // arm64 has no kmalloc caches below 128 bytes.
  t.deepEqual(Object.keys(allocated).sort(), CACHES.filter(cache => cache !== 'kmalloc-64').sort());
  for (const cache of Object.keys(allocated)) {
    const found = JSON.parse(kdumpling('slab', arm64, cache, '--state', 'allocated', '--json').stdout) as Objects;
    t.deepEqual(found.objects.map(({ address }) => address).sort(), allocated[cache].sort(), cache);
  }
});

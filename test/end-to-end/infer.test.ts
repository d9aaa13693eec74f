// Types of anonymous slab objects: against walks of drgn that the inference is not given, and as the commands print them.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from 'kdumpling/analysis';
import { type Inference, infer } from 'kdumpling/analysis/infer';
import type { SlabCache } from 'kdumpling/analysis/slab';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const name = 'x86_64-6.1';
const dump = realDump(`${name}.elf`);
const vmlinux = realVmlinux(name);
const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/peers/drgn-types.py');
/** Where everything that slab_objects_….json lists is of one type by the name of its cache. */
const tasks = realTruth(`${name}/json/slab_objects_task_struct.json`);

/** What is said of an object that drgn's walks reach; null where it is in none of the caches that are asked for, or nothing is said. */
function said(found: Inference, address: string, only: (cache: SlabCache) => boolean): string | null {
  const object = found.at(BigInt(address));
  const cache = found.slabCaches.find(({ name: one }) => one === object?.cache);
  return object?.address === BigInt(address) && cache !== undefined && only(cache) ? object.type : null;
}

realPeerTest('infer: what drgn knows by other ways', [dump, vmlinux], ['drgn'], async t => {
  const told = peer('python3', [script, dump, vmlinux], [dirname(dump), dirname(vmlinux), dirname(script)]);
  t.is(told.status, 0, told.stderr);
  const walks = JSON.parse(told.stdout) as Record<string, Record<string, string>>;
  t.true(Object.keys(walks).length > 30, 'most walks found something');
  const opened = await openFile(dump);
  try {
    const issues = new Issues();
    const kernel = await openKernel(opened);
    const found = infer(kernel, issues, { lists: false });
    t.deepEqual(issues.list(), []);
    const shares = found.shares().filter(({ cache }) => found.isKmalloc(cache));
    const sum = (of: 'allocated' | 'typed') => shares.reduce((total, share) => total + share[of], 0);
    t.true(sum('allocated') > 8000);
    t.true(sum('typed') / sum('allocated') >= 0.4, `${sum('typed')} of ${sum('allocated')} objects have a type`);
    const types = new Map(Object.values(walks).flatMap(walk => Object.entries(walk)));
    const isMerged = (cache: SlabCache) => found.isAnonymous(cache) && !found.isKmalloc(cache);
    for (const [only, enough] of [
      [(cache: SlabCache) => found.isKmalloc(cache), 600],
      [isMerged, 60],
    ] as const) {
      const claims = [...types]
        .map(([address, truth]) => ({ address, truth, type: said(found, address, only) }))
        .filter(({ type }) => type !== null);
      const wrong = claims.filter(({ truth, type }) => truth !== type);
      t.true(claims.length > enough, `${claims.length} are classified`);
      t.true(wrong.length <= 0.05 * claims.length, `${wrong.length} of ${claims.length} are wrong`);
      // Nothing that is wrong is said as if nothing could be.
      for (const { address } of wrong) t.true((found.at(BigInt(address))?.confidence ?? 1) < 1, address);
    }
    // With the table of lists what these walks go along is known, too.
    const listed = infer(kernel, issues);
    for (const walk of ['kprobe blacklist', 'ddebug tables', 'module_use', 'tty drivers']) {
      for (const [address, type] of Object.entries(walks[walk])) t.is(listed.at(BigInt(address))?.type, type, walk);
    }
    const all = JSON.parse(readFileSync(tasks, 'utf8')) as { objects: string[] };
    for (const address of all.objects) t.is(found.at(BigInt(address) + 8n)?.type, 'struct task_struct');
  } finally {
    opened.close();
  }
});

realTest('infer: what the commands print', [dump], t => {
  const rows = JSON.parse(kdumpling('slab', dump, 'kmalloc-cg-*', '--infer', '--json').stdout) as {
    name: string;
    allocated: number;
    typed: number;
    types: { count: number }[];
  }[];
  t.true(rows.length > 5);
  for (const { name: cache, allocated, typed, types } of rows) {
    t.regex(cache, /^kmalloc-cg-/);
    t.true(typed <= allocated);
    t.is(
      types.reduce((total, { count }) => total + count, 0),
      typed,
    );
  }
  const list = kdumpling('slab', dump, 'kmalloc-192', '--infer', '--json');
  const { objects, cache } = JSON.parse(list.stdout) as {
    cache: { allocated: number };
    objects: { address: string; type: string | null; evidence: { kind: string; address: string | null }[] }[];
  };
  t.deepEqual([list.status, objects.length], [0, cache.allocated]);
  const worker = objects.find(({ type }) => type === 'struct worker');
  // Every way ends at what needs no other.
  t.true(['cache', 'symbol', 'list', 'code'].includes(worker?.evidence.at(-1)?.kind ?? ''));
  const { status, stdout } = kdumpling(
    'whatis',
    dump,
    `0x${(BigInt(worker?.address ?? 0) + 8n).toString(16)}`,
    '--infer',
  );
  t.is(status, 0);
  t.regex(stdout, /kmalloc-192 0x[0-9a-f]+\+0x8, allocated\n {2}struct worker \(0\.\d+/);
});

// The scripts of examples/, run as people run them: what they tell of a real dump, against drgn and the truth of its caches.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const example = (name: string): string => join(ROOT, 'examples', `${name}.ts`);
const dump = realDump('x86_64-6.1.elf');
const later = realDump('x86_64-7.3.elf');
const vmlinux = realVmlinux('x86_64-6.1');
const peerScript = join(ROOT, 'test/peers/drgn-examples.py');

/** What an example tells of the dump. */
function told<T>(name: string, ...args: readonly string[]): { status: number | null; value: T; stderr: string } {
  const { status, stdout, stderr } = kdumpling('run', example(name), dump, ...args, '--json');
  return { status, value: JSON.parse(stdout) as T, stderr };
}

interface Truth {
  readonly holders: { readonly object: string; readonly found: Record<string, [type: string, member: string]> };
  readonly inodes: readonly [address: string, inode: number, size: number, age: number][];
  readonly dentries: Record<string, string>;
}

realTest('examples: what is asked for and cannot be had is no empty list', [dump], t => {
  for (const [name, args, expected] of [
    ['largest-inodes', ['kmalloc-64'], /where inodes lie in kmalloc-64 is not told/],
    ['dentries', ['/no/such'], /no file system has \/no\/such/],
  ] as const) {
    const { status, stderr } = kdumpling('run', example(name), dump, ...args);
    t.is(status, 1);
    t.regex(stderr, expected);
  }
});

realPeerTest('examples: what drgn says', [dump, vmlinux], ['drgn'], t => {
  const asked = peer('python3', [peerScript, dump, vmlinux], [dirname(dump), dirname(vmlinux), dirname(peerScript)]);
  t.is(asked.status, 0, asked.stderr);
  const { holders, inodes, dentries } = JSON.parse(asked.stdout) as Truth;

  const held = told<{ address: string; type: string; member: string }[]>('who-holds', holders.object);
  t.is(held.status, 0, held.stderr);
  const found = new Map(held.value.map(({ address, type, member }) => [address, [type, member]]));
  t.true(Object.keys(holders.found).length > 2);
  for (const [address, expected] of Object.entries(holders.found)) t.deepEqual(found.get(address), expected, address);

  const largest = told<{ address: string; inode: number; size: number; age: number }[]>(
    'largest-inodes',
    'shmem_inode_cache',
    '1000',
  );
  const rows = (all: readonly (readonly (string | number)[])[]) => all.map(row => row.join(' ')).sort();
  t.true(inodes.length > 400);
  t.deepEqual(rows(largest.value.map(({ address, inode, size, age }) => [address, inode, size, age])), rows(inodes));
  const sizes = largest.value.map(({ size }) => size);
  t.deepEqual(
    sizes,
    sizes.toSorted((a, b) => b - a),
  );

  const named = told<{ address: string; type: string }[]>('dentries', '/bin/*');
  t.true(Object.keys(dentries).length > 3);
  t.deepEqual(Object.fromEntries(named.value.map(({ address, type }) => [address, type])), dentries);
});

const truths = [dump, later].map(file => realTruth(`${/x86_64-\d\.\d/.exec(file)?.[0]}/json/slab_caches.json`));

realTest('examples: caches that grew', [dump, later, ...truths], t => {
  const [before, after] = truths.map(
    file =>
      new Map(
        (JSON.parse(readFileSync(file, 'utf8')) as { name: string; allocated: number }[]).map(one => [
          one.name,
          one.allocated,
        ]),
      ),
  );
  const expected = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  const { status, value } = told<{ name: string; objects: number }[]>('grown', later);
  t.is(status, 0);
  t.deepEqual(
    Object.fromEntries(value.map(({ name, objects }) => [name, objects])),
    Object.fromEntries(expected.filter(([, by]) => by > 0)),
  );
});

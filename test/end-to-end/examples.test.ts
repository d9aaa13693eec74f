// The scripts of examples/, run as people run them: what they tell of a real dump, against drgn and the truth of its caches; and how scripts of users fail.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
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

realPeerTest('run: what scripts print, and how they fail', [dump], [], async (t, folder) => {
  const write = async (name: string, text: string) => {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const run = (file: string, ...args: readonly string[]) => kdumpling('run', file, dump, ...args);
  const good = await write(
    'deep/er/good.ts',
    `import { global, type ScriptContext } from 'kdumpling/analysis';
import { suffix } from './other.ts';

export default async function ({ kernel, args }: ScriptContext): Promise<string[]> {
  await Promise.resolve();
  return [global(kernel, 'init_task').member('comm').text() + suffix, ...args];
}
`,
  );
  await write('deep/er/other.ts', "export const suffix: string = '!';\n");
  t.deepEqual([run(good, 'a', '--', '--b').stdout, run(good).status], ['swapper/0!\na\n--b\n', 0]);
  t.is(run(good, '--json').stdout, '["swapper/0!"]\n');

  const failing: [name: string, text: string, status: number, message: RegExp][] = [
    [
      'missing.ts',
      `import { global, type ScriptContext } from 'kdumpling/analysis';
export default ({ kernel }: ScriptContext) =>
  global(kernel, 'init_task').member('no_such').number();
`,
      1,
      /missing\.ts:3:\d+: the member task_struct\.no_such is not known\n$/,
    ],
    [
      'fault.mjs',
      "import { objectAt } from 'kdumpling/analysis/object';\nexport default ({ kernel }) => objectAt(kernel, 'struct list_head', 0x1000n).member('next').word();\n",
      1,
      /fault\.mjs:2:\d+: 8 bytes at virtual address 0x1000 cannot be read: .*\n$/,
    ],
    [
      'late.ts',
      "export default () => new Promise(() => setTimeout(() => {\n  throw new RangeError('late');\n}, 1));\n",
      1,
      /late\.ts:2:\d+: RangeError: late\n$/,
    ],
    ['thrown.ts', 'export default () => {\n  throw 7;\n};\n', 1, /thrown\.ts: it threw 7\n$/],
    ['syntax.ts', 'const a: number = 1;\nexport default () => a +;\n', 3, /syntax\.ts:2:\d+: SyntaxError: .*\n$/],
    ['enum.ts', 'enum A { B }\n', 3, /enum\.ts:1:\d+: SyntaxError: TypeScript enum is not supported.*\n$/],
    ['object.ts', 'export default {};\n', 3, /object\.ts: its default export is no function\n$/],
  ];
  for (const [name, text, status, message] of failing) {
    const ended = run(await write(name, text));
    t.is(ended.status, status, name);
    t.regex(ended.stderr, message);
    t.notRegex(ended.stderr, /dist\/|node:internal/, name);
  }
  const nothing = run(join(folder, 'nothing.ts'));
  t.deepEqual([nothing.status, /there is no such script/.test(nothing.stderr)], [2, true]);
  const noDump = kdumpling('run', good, join(folder, 'missing.ts'));
  t.deepEqual([noDump.status, noDump.stdout], [3, '']);
});

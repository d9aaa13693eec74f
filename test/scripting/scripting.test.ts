// docs/scripting.md: its examples are the files beside this one, and print what drgn says of the same dumps.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { peer } from '../peer.js';
import { realDump, realVmlinux } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const ROOT = join(import.meta.dirname, '../../..');
const EXAMPLES = ['open', 'walk', 'per-cpu', 'loop', 'releases', 'answers'];

test('each example of the guide is a file that is compiled and run', t => {
  const guide = readFileSync(join(ROOT, 'docs/scripting.md'), 'utf8');
  const blocks = [...guide.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code);
  const files = EXAMPLES.map(name => readFileSync(join(ROOT, `test/scripting/${name}.ts`), 'utf8'));
  t.deepEqual(
    blocks,
    files.map(text => text.slice(text.indexOf('\n') + 1)),
  );
});

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1']) {
  const [dump, vmlinux] = [realDump(`${name}.elf`), realVmlinux(name)];
  realPeerTest(`${name}: the examples print what drgn says`, [dump, vmlinux], ['drgn'], t => {
    const script = readFileSync(join(ROOT, 'test/peers/drgn-scripting.py'), 'utf8');
    const told = peer('python3', ['-c', script, dump, vmlinux], [dirname(dump), dirname(vmlinux)]);
    t.is(told.status, 0, told.stderr);
    const expected = JSON.parse(told.stdout) as Record<string, string[]>;
    t.deepEqual(Object.keys(expected), EXAMPLES);
    for (const example of EXAMPLES) {
      const file = join(import.meta.dirname, `${example}.js`);
      const { status, stdout, stderr } = spawnSync(process.execPath, [file, dump], { encoding: 'utf8' });
      t.deepEqual([status, stderr], [0, ''], example);
      // drgn goes through threads by their PIDs.
      const lines = (all: readonly string[]) => (example === 'answers' ? all.toSorted() : all);
      t.deepEqual(lines(stdout.trimEnd().split('\n')), lines(expected[example]), example);
    }
  });
}

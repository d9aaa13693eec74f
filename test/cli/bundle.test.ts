// The published executable, which `npm run build` makes: every part of it loads, and it answers as the unbundled build does.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = join(root, 'dist/bin');

const node = (...args: readonly string[]) => spawnSync(process.execPath, args, { encoding: 'utf8' });
const bundled = (...args: readonly string[]) => node(join(folder, 'kdumpling.js'), ...args);

test('every part loads by itself', t => {
  const parts = readdirSync(folder).filter(name => name.endsWith('.js') && !/^(kdumpling|run-.*)\.js$/.test(name));
  t.true(parts.length > 30, 'npm run build makes them');
  const script = `for (const part of ${JSON.stringify(parts)}) require(${JSON.stringify(`${folder}/`)} + part);`;
  const { status, stderr } = node('-e', script);
  t.is(status, 0, stderr);
});

test('version, wrong calls, help', t => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  t.is(bundled('--version').stdout, `${version}\n`);
  t.is(bundled('log').status, 2);
  for (const args of [['--help'], ['struct', '--help']]) t.is(bundled(...args).stdout, kdumpling(...args).stdout);
});

coreTest('answers, and its own data', (t, core) => {
  for (const args of [
    ['log', core],
    ['info', core, '--json'],
    ['convert', core, '-o', '/nowhere/x', '--to', 'kdump-zlib'],
  ]) {
    const [one, other] = [bundled(...args), kdumpling(...args)];
    t.deepEqual([one.status, one.stdout, one.stderr], [other.status, other.stdout, other.stderr], args[0]);
  }
  t.regex(bundled('log', core).stdout, /Kernel panic/);
  t.is(bundled('demo').status, 0);
});

coreTest("a user's script, and what it throws", (t, core, path) => {
  const script = join(path, 'script.ts');
  const text = `import { Missing, type ScriptContext } from 'kdumpling/analysis';
export default ({ kernel }: ScriptContext): string => {
  try {
    return String(kernel.address('nothing_is_called_so'));
  } catch (error) {
    return error instanceof Missing ? error.what : 'another library';
  }
};
`;
  writeFileSync(script, text);
  const { status, stdout, stderr } = bundled('run', script, core);
  t.deepEqual([status, stdout], [0, 'nothing_is_called_so\n'], stderr);
  writeFileSync(script, text.replace("'another library'", 'unknown').replace('Missing ?', 'RangeError ?'));
  t.regex(bundled('run', script, core).stderr, /script\.ts:6:\d+: ReferenceError: unknown is not defined\n$/);
});

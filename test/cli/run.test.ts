// kdumpling run on a region core: scripts wherever they lie, in TypeScript and JavaScript, and how they fail.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { kdumpling } from '../kdumpling.js';
import { coreTest } from './demo-core.js';

coreTest('run: what scripts print, and how they fail', async (t, dump, folder) => {
  const write = async (name: string, text: string) => {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  };
  const run = (file: string, ...args: readonly string[]) => kdumpling('run', file, dump, ...args);
  const good = await write(
    'deep/er/good.ts',
    `import type { ScriptContext } from 'kdumpling/analysis';
import { suffix } from './other.ts';

export default async function ({ kernel, args }: ScriptContext): Promise<string[]> {
  await Promise.resolve();
  return [kernel.arch.name + suffix, ...args];
}
`,
  );
  await write('deep/er/other.ts', "export const suffix: string = '!';\n");
  t.deepEqual([run(good, 'a', '--', '--b').stdout, run(good).status], ['x86_64!\na\n--b\n', 0]);
  t.is(run(good, '--json').stdout, '["x86_64!"]\n');

  const failing: [name: string, text: string, status: number, message: RegExp][] = [
    [
      'missing.ts',
      `import type { ScriptContext } from 'kdumpling/analysis';
export default ({ kernel }: ScriptContext) =>
  kernel.address('no_such_symbol');
`,
      1,
      /missing\.ts:3:\d+: the symbol no_such_symbol is not known; .*\n$/,
    ],
    [
      'fault.mjs',
      "import { hex } from 'kdumpling/reader';\nexport default ({ kernel }) => hex(kernel.memory.u64(0x10n));\n",
      1,
      /fault\.mjs:2:\d+: 8 bytes at virtual address 0x10 cannot be read: .*\n$/,
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

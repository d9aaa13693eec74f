// A sample of the hostile inputs as files, through the command itself: it answers, in part or in full, or refuses; it never throws.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { withDir } from 'tmp-promise';
import { allBases } from './bases/index.js';
import { RAM_BASE } from './bases/minidump.js';
import { type Hostile, hostileInputs } from './mutations.js';

const command = join(dirname(fileURLToPath(import.meta.url)), '../../cli/bin.js');
/** Of each base these many inputs. */
const PER_BASE = 2;

/** Inputs far apart from each other: the first is what fields make, the last random bytes. */
function sample(): Hostile[] {
  return allBases().flatMap((make, index) => {
    const base = make();
    if (base.once === true || !/^(dump|folder|raw)$/.test(base.kind)) return [];
    const inputs = [...hostileInputs(base, 10, index + 1)];
    // Another place in each base, so that all kinds of damage come up.
    const at = (n: number) => Math.floor(((2 * n + 1) * inputs.length) / (2 * PER_BASE)) + 7 * index;
    return Array.from({ length: PER_BASE }, (_, n) => inputs[at(n) % inputs.length]);
  });
}

/** DUMP for an input, whose files are written into `folder`. */
function dumpOf(folder: string, { base, files }: Hostile): string {
  const paths = files.map(({ name, bytes }) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  });
  if (base.kind === 'folder') return folder;
  return paths.map(path => (base.kind === 'raw' ? `${path}@0x${RAM_BASE.toString(16)}` : path)).join(',');
}

interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise(resolve => child.on('close', status => resolve({ status, stdout, stderr })));
}

function judge(t: ExecutionContext, what: string, { status, stdout, stderr }: Outcome): void {
  t.true(status === 0 || status === 1 || status === 3, `${what}: status ${status}: ${stderr}`);
  t.notRegex(`${stdout}${stderr}`, /^ {4}at |\bnode:internal\b|\bNaN\b|\bundefined\b|\[object /m, what);
  // No escape sequences of an input's own.
  t.notRegex(stderr, /(?![\n\t])\p{Cc}/u, what);
  if (status === 3) t.regex(stderr, /^kdumpling: .{10,}$/m, what);
  else t.notThrows(() => JSON.parse(stdout), what);
}

test('the command answers or refuses, and never throws', async t => {
  t.timeout(600_000);
  const inputs = sample();
  t.true(inputs.length >= 50, `${inputs.length}`);
  await withDir(
    async ({ path }) => {
      for (const [i, input] of inputs.entries()) {
        const folder = join(path, `${i}`);
        mkdirSync(folder);
        const dump = dumpOf(folder, input);
        const output = join(path, `out-${i}`);
        const runs = [['info', dump, '--attributes', '--json']];
        if (input.base.kind !== 'dump') runs.push(['assemble', dump, '-o', output, '--json']);
        else if (i % 2 === 0) runs.push(['convert', dump, '-o', output, '--to', 'kdump-zlib', '--json']);
        else runs.push(['read', dump, '0x1000000', '64', '--physical', '--json']);
        const outcomes = await Promise.all(runs.map(run));
        for (const [n, outcome] of outcomes.entries()) judge(t, `${runs[n][0]} ${input.name}`, outcome);
      }
    },
    { unsafeCleanup: true },
  );
});

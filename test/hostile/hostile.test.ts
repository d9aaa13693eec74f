// At least 20,000 generated inputs through readers, assembler and converter: no crash, no hang, no exhaustion, every refusal a sentence with its place. The suite takes
// half of them; KDUMPLING_EVERY_INPUT=1 takes all, and then none may take more than MOST_SECONDS: a run for a machine that does nothing else.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { dirSync } from 'tmp-promise';
import type { Report } from './run.js';

const LEAST_INPUTS = 20_000;
const MOST_MEMORY = 300;
/** What a share may keep alive, in MiB: what is garbage is collected before, and not measured. */
const HEAP = 128;
/** A process that works on one input for as long is hanging. */
const HANG = 60_000;
const SHARES = Math.min(2, availableParallelism());
const RANDOM = 30;
const EVERY = process.env['KDUMPLING_EVERY_INPUT'] === '1';
const ONE_IN = EVERY ? 1 : 2;
/** Of CPU time. */
const MOST_SECONDS = 2;

const runner = join(dirname(fileURLToPath(import.meta.url)), 'run.js');
const folder = dirSync({ unsafeCleanup: true });
test.after.always(() => folder.removeCallback());

/** Runs one share; a share that hangs is ended and tells on which input. */
function runShare(share: number): Promise<Report> {
  const status = join(folder.name, `share-${share}`);
  // Measuring coverage takes memory of its own.
  const { NODE_V8_COVERAGE: _, ...env } = process.env;
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${HEAP}`, runner, `${share}`, `${SHARES}`, `${RANDOM}`, `${ONE_IN}`, status],
    {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  let last = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    const watch = setInterval(() => {
      const now = readFileSync(status, 'utf8');
      if (now === last) child.kill('SIGKILL');
      last = now;
    }, HANG);
    child.on('close', code => {
      clearInterval(watch);
      if (code === 0) resolve(JSON.parse(output) as Report);
      else reject(new Error(`ended with ${code} on: ${readFileSync(status, 'utf8').trim()}`));
    });
  });
}

test('no hostile input crashes, hangs or exhausts, and every refusal says where', async t => {
  t.timeout(1_200_000);
  const reports = await Promise.all(Array.from({ length: SHARES }, (_, share) => runShare(share)));
  const inputs = reports.reduce((sum, report) => sum + report.inputs, 0);
  for (const { inputs, answered, refused, slowest, peak } of reports) {
    t.log(
      `${inputs} inputs, ${answered} answered, ${refused} refused, peak ${peak} MiB, slowest ${slowest.seconds.toFixed(2)} s: ${slowest.name}`,
    );
  }
  t.deepEqual(
    reports.flatMap(report => report.faults),
    [],
  );
  t.true(inputs >= LEAST_INPUTS, `${inputs}`);
  t.true(
    reports.every(report => report.answered > 1000 && report.refused > 1000),
    'both ends are reached',
  );
  if (EVERY) for (const { slowest } of reports) t.true(slowest.seconds < MOST_SECONDS, slowest.name);
  for (const { peak, grew } of reports) t.true(peak < MOST_MEMORY, `${peak} MiB: ${JSON.stringify(grew)}`);
});

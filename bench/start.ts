// How soon commands answer: milliseconds that the main thread of a whole process ran, the least and the median of rounds, beside what Node itself needs. `node dist/bench/start.js DUMP` (Linux). All of
// these answers are printed at once, so that the first line comes with the last. Fails where `log` takes 100 ms or more and Node alone less than 50.
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, table } from './measure.js';

const ROUNDS = 15;
const MOST_LOG = 100;
const FAST_NODE = 50;
const here = dirname(fileURLToPath(import.meta.url));
const command = join(here, '../bin/kdumpling.js');
const preload = join(here, '../../bench/peers/main-thread.cjs');

function milliseconds(words: readonly string[]): readonly [least: number, median: number] {
  const times = Array.from({ length: ROUNDS }, () => {
    const { stderr } = spawnSync(process.execPath, ['-r', preload, ...words], { encoding: 'utf8', maxBuffer: 1 << 28 });
    const found = /^main-thread ([\d.]+)$/m.exec(stderr);
    if (found === null) throw new Error(`${words.join(' ')}: ${stderr}`);
    return Number(found[1]);
  });
  return [+Math.min(...times).toFixed(1), +median(times).toFixed(1)];
}

const [dump] = process.argv.slice(2).map(path => resolve(path));
if (dump === undefined) throw new Error('usage: start DUMP');
const node = milliseconds(['-e', '0']);
const rows: (string | number)[][] = [
  [`Node ${process.version}`, 'least, ms', 'median, ms', 'above Node'],
  ['node -e 0', ...node, ''],
];
for (const words of [['--version'], ['log'], ['mod'], ['sym', 'init_task'], ['info'], ['ps'], ['env']]) {
  const [name, ...rest] = words;
  const measured = milliseconds([command, name, ...(name.startsWith('-') ? [] : [dump]), ...rest]);
  if (name === 'log' && measured[0] >= MOST_LOG && node[0] < FAST_NODE) process.exitCode = 1;
  rows.push([`kdumpling ${words.join(' ')}`, ...measured, +(measured[1] - node[1]).toFixed(1)]);
}
console.log(table(rows));

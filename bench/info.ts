// CPU time of whole commands on dumps, Node's start included. `node dist/bench/info.js DUMP…`. Fails where `info` takes 0.3 s or more.
import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, table } from './measure.js';

const ROUNDS = 5;
const MOST_SECONDS = 0.3;
const command = join(dirname(fileURLToPath(import.meta.url)), '../bin/kdumpling.js');
const TELL_TIME =
  'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();process.stderr.write("cpu="+(user+system)+"\\n")})';

/** Seconds of CPU time, the median. */
function seconds(words: readonly string[]): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const { stderr } = spawnSync(process.execPath, ['--import', TELL_TIME, ...words], { encoding: 'utf8' });
    const found = /cpu=(\d+)/.exec(stderr);
    if (found === null) throw new Error(`${words.join(' ')}: ${stderr}`);
    return Number(found[1]) / 1e6;
  });
  return +median(times).toFixed(3);
}

const dumps = process.argv.slice(2);
if (dumps.length === 0) throw new Error('usage: info DUMP…');
const rows: (string | number)[][] = [
  ['dump', 'command', 'CPU s'],
  ['-', 'node -e 0', seconds(['-e', '0'])],
  ['-', 'kdumpling --version', seconds([command, '--version'])],
];
for (const dump of dumps) {
  const time = seconds([command, 'info', dump]);
  if (time >= MOST_SECONDS) process.exitCode = 1;
  rows.push([basename(dump), 'kdumpling info', time]);
}
console.log(table(rows));

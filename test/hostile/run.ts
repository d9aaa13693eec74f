// Runs all hostile inputs of one share of the bases in this process and prints what came of them as one line of JSON: run in a process of its own, so that its
// memory can be measured. The name of the input in work is kept in a file, for whoever finds this process hanging.
//
//   node run.js SHARE SHARES RANDOM ONE_IN STATUS_FILE [NAME]      ONE_IN: of the inputs, one in so many is run, the same ones each time; NAME: only bases whose name has it
import { openSync, writeSync } from 'node:fs';
import { allBases } from './bases/index.js';
import { exercise } from './exercise.js';
import { isRefusal, wrongRefusal } from './judge.js';
import { type Hostile, hostileInputs, Random } from './mutations.js';

const MOST_TOLD = 20;
const LONGEST_FAULT = 300;

export interface Report {
  inputs: number;
  answered: number;
  refused: number;
  /** By CPU time, garbage of the inputs before it included. */
  slowest: { name: string; seconds: number };
  /** Peak resident set, in MiB. */
  peak: number;
  /** Inputs that raised the peak by much: [name, MiB]. */
  grew: [string, number][];
  faults: string[];
}

const [share, shares, random, oneIn, status, only = ''] = process.argv.slice(2);
const statusFile = openSync(status, 'w');
const report: Report = {
  inputs: 0,
  answered: 0,
  refused: 0,
  slowest: { name: '', seconds: 0 },
  peak: 0,
  grew: [],
  faults: [],
};
const kinds = new Map<string, number>();

/** Of faults that read alike the first few are told. */
function fault(name: string, what: string): void {
  const kind = what.replace(/"[^"]*"|0x[0-9a-f]+|\d+/g, '#').slice(0, 200);
  const seen = (kinds.get(kind) ?? 0) + 1;
  kinds.set(kind, seen);
  if (seen <= 2 && report.faults.length < MOST_TOLD) report.faults.push(`${name}\n    ${what.slice(0, LONGEST_FAULT)}`);
}

async function tryOne(input: Hostile): Promise<void> {
  try {
    for (const wrong of await exercise(input)) fault(input.name, wrong);
    report.answered++;
  } catch (error) {
    if (isRefusal(error)) report.refused++;
    const wrong = wrongRefusal(error);
    if (wrong !== null) fault(input.name, wrong);
  }
}

async function runOne(input: Hostile): Promise<void> {
  writeSync(statusFile, input.name.slice(0, 400).padEnd(400), 0);
  const before = process.cpuUsage();
  await tryOne(input);
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6;
  if (seconds > report.slowest.seconds) report.slowest = { name: input.name, seconds };
  const peak = process.resourceUsage().maxRSS / 1024;
  if (peak > report.peak + 24 && report.inputs > 200) report.grew.push([input.name, Math.round(peak)]);
  report.peak = Math.max(report.peak, peak);
  report.inputs++;
}

// The largest come last in the list and are run first: what the process keeps of tens of thousands of others is not theirs.
for (const [index, make] of [...allBases().entries()].reverse()) {
  if (index % Number(shares) !== Number(share)) continue;
  const base = make();
  if (!base.name.includes(only)) continue;
  const sample = new Random(index + 1);
  let first = true;
  for (const input of hostileInputs(base, Number(random), index + 1)) {
    if (first || sample.next(Number(oneIn)) === 0) await runOne(input);
    first = false;
  }
}
report.peak = Math.round(report.peak);
report.faults.unshift(...[...kinds].filter(([, count]) => count > 2).map(([kind, count]) => `${count} times: ${kind}`));
process.stdout.write(`${JSON.stringify(report)}\n`);

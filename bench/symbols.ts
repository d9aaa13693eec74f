// CPU time of symbols, cold: a process of its own for each round. `node dist/bench/symbols.js DUMP…`. Fails where those of the
// kernel and its modules take longer than 150 ms for each 89,000.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from 'kdumpling/analysis';
import { ModuleSymbols, moduleLayout } from 'kdumpling/analysis/modules';
import { Issues } from 'kdumpling/reader';
import { openKallsyms } from 'kdumpling/reader/debuginfo';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';
import { ranOnce, rounds } from './rounds.js';

const ROUNDS = 5;
const MOST_MS_EACH = 150 / 89_000;
const LOOKED_UP = ['init_task', 'slab_caches', 'prb'];
const ADDRESSES = 1000;

/** Milliseconds of each step, and how many symbols there are. */
interface Round {
  readonly threeNames: number;
  readonly all: number;
  readonly modules: number;
  readonly addresses: number;
  readonly count: number;
}

async function once(path: string): Promise<Round> {
  const dump = await openFile(path);
  const issues = new Issues();
  const ms = (body: () => void): number => cpuMicroseconds(body) / 1000;
  // What the address map costs is not the symbols'.
  dump.virtual.locate(dump.vmcoreinfo?.symbol('_stext') ?? 0n, 1);
  const threeNames = ms(() => void openKallsyms(dump, issues)?.resolve(LOOKED_UP));
  let count = 0;
  const places: bigint[] = [];
  const all = ms(() => {
    for (const { address } of openKallsyms(dump, issues)?.search(() => true) ?? []) {
      count++;
      if (places.length < ADDRESSES && count % 37 === 0) places.push(address + 1n);
    }
  });
  const kallsyms = openKallsyms(dump, issues);
  const addresses = ms(() => {
    for (const address of places) kallsyms?.at(address);
  });
  const kernel = await openKernel(dump);
  // Nor are types.
  moduleLayout(kernel);
  const modules = ms(() => {
    for (const _ of new ModuleSymbols(kernel, issues).search(() => true)) count++;
  });
  dump.close();
  return { threeNames, all, modules, addresses, count };
}

async function main(args: readonly string[]): Promise<void> {
  if (await ranOnce(args, once)) return;
  if (args.length === 0) throw new Error('usage: symbols DUMP…');
  const rows: (string | number)[][] = [
    ['dump', 'symbols', 'three names, ms', 'all of kallsyms, ms', 'all of modules, ms', 'an address, µs'],
  ];
  for (const path of args) {
    const measured = rounds<Round>(fileURLToPath(import.meta.url), path, ROUNDS);
    const of = (step: keyof Round) => median(measured.map(round => round[step]));
    if (of('all') + of('modules') >= MOST_MS_EACH * of('count')) process.exitCode = 1;
    const each = ((of('addresses') * 1000) / ADDRESSES).toFixed(1);
    const [three, all, modules] = [of('threeNames'), of('all'), of('modules')].map(value => +value.toFixed(1));
    rows.push([basename(path), of('count'), three, all, modules, +each]);
  }
  console.log(table(rows));
}

await main(process.argv.slice(2));

// CPU time of BTF, cold: a process of its own for each round. `node dist/bench/types.js DUMP…`. Fails where finding, reading and indexing the
// kernel's own takes longer than 150 ms for each 121,000 types.
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openKernel } from 'kdumpling/analysis';
import { KernelBtf, memberPlace, type Types } from 'kdumpling/reader/debuginfo';
import { openFile } from 'kdumpling/reader/node';
import { cpuMicroseconds, median, table } from './measure.js';
import { ranOnce, rounds } from './rounds.js';

const ROUNDS = 5;
const MOST_MS_EACH = 150 / 121_000;
const PATHS = ['comm', 'pid', 'mm', 'se.vruntime', 'tasks.next', 'signal', 'real_parent', 'no_such_member'];

/** Milliseconds of each step, and how many types there are. */
interface Round {
  /** Find the header, read both sections, and place every record. */
  readonly open: number;
  /** All structs, unions, enums, typedefs and base types by name. */
  readonly names: number;
  readonly members: number;
  /** The same for functions. */
  readonly functions: number;
  readonly enumerators: number;
  /** Every module's, found, read and indexed. */
  readonly modules: number;
  readonly count: number;
  readonly moduleCount: number;
}

async function once(path: string): Promise<Round> {
  const dump = await openFile(path);
  const kernel = await openKernel(dump);
  const ms = (body: () => void): number => cpuMicroseconds(body) / 1000;
  // What the address map and the symbol table cost is not the types'.
  kernel.symbol('init_task');
  let types: Types | null = null;
  const open = ms(() => {
    types = kernel.types;
  });
  const btf = types as Types | null;
  if (!(btf instanceof KernelBtf)) throw new Error(`${path}: no BTF`);
  const { base } = btf;
  const task = { found: base.type(0) };
  const names = ms(() => {
    task.found = base.find('struct', 'task_struct') ?? task.found;
  });
  const members = ms(() => {
    for (const one of PATHS) memberPlace(task.found, one);
  });
  const functions = ms(() => void base.function('vfs_read'));
  const enumerators = ms(() => void base.enumerator('PIDTYPE_MAX'));
  let moduleCount = 0;
  const modules = ms(() => {
    for (const module of btf.modules) {
      const own = module.types();
      own?.find('struct', 'task_struct');
      moduleCount += own?.count ?? 0;
    }
  });
  dump.close();
  return { open, names, members, functions, enumerators, modules, count: base.count, moduleCount };
}

async function main(args: readonly string[]): Promise<void> {
  if (await ranOnce(args, once)) return;
  if (args.length === 0) throw new Error('usage: types DUMP…');
  const steps = ['open', 'names', 'members', 'functions', 'enumerators', 'modules'] as const;
  const rows: (string | number)[][] = [['dump', 'types', ...steps.map(step => `${step}, ms`), 'types of modules']];
  for (const path of args) {
    const measured = rounds<Round>(fileURLToPath(import.meta.url), path, ROUNDS);
    const of = (step: keyof Round) => median(measured.map(round => round[step]));
    if (of('open') + of('names') >= MOST_MS_EACH * of('count')) process.exitCode = 1;
    rows.push([basename(path), of('count'), ...steps.map(step => +of(step).toFixed(1)), of('moduleCount')]);
  }
  console.log(table(rows));
}

await main(process.argv.slice(2));

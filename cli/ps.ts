// kdumpling ps: the threads of the kernel, idle ones included.
import { Command, Option } from 'commander';
import { type Task, tasks } from 'kdumpling/analysis/tasks';
import { type Issues, printable } from 'kdumpling/reader';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { DUMP_HELP } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

interface PsOptions extends KernelOptions {
  readonly leaders?: boolean;
  readonly user?: boolean;
  readonly kernel?: boolean;
  readonly tree?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('List the threads of the kernel: a row each, idle tasks first, then by process.')
      .argument('<dump>', DUMP_HELP)
      .argument(
        '[who...]',
        "a PID, the address of a task (0x…), or a name as in comm; a process's PID stands for all its threads",
      )
      .option('-G, --leaders', 'processes only: the first thread of each')
      .addOption(new Option('-u, --user', 'user threads only').conflicts('kernel'))
      .option('-k, --kernel', 'kernel threads only')
      .option('--tree', 'draw processes below the one that started them'),
  ).action((dump: string, who: string[], options: PsOptions) => ps(context, dump, who, options));

function ps(context: CommandContext, dump: string, who: readonly string[], options: PsOptions): Promise<void> {
  const wanted = who.map(selector);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const all = tasks(kernel, issues);
    const rows = all.filter(
      row => fits(row, options) && (wanted.length === 0 || wanted.some(({ names }) => names(row))),
    );
    tellUnmatched(wanted, all, issues);
    const text = () => (options.tree === true ? tree(rows) : table(rows));
    return { json: rows, text, partial: incomplete(issues) };
  });
}

interface Selector {
  readonly text: string;
  readonly names: (row: Task) => boolean;
}

/** @throws UsageError */
function selector(text: string): Selector {
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) {
    const address = BigInt(text);
    return { text, names: row => row.task === address };
  }
  if (/^\d+$/.test(text)) {
    const pid = Number(text);
    if (!Number.isSafeInteger(pid)) throw new UsageError(`${text} is no PID`);
    return { text, names: row => row.pid === pid || row.tgid === pid };
  }
  return { text, names: row => row.comm === text };
}

function tellUnmatched(wanted: readonly Selector[], rows: readonly Task[], issues: Issues): void {
  for (const { text, names } of wanted) {
    if (!rows.some(names)) issues.add('no-such-task', `no thread is called ${text} or has that PID`);
  }
}

function fits(row: Task, { leaders, user, kernel }: PsOptions): boolean {
  if (leaders === true && row.pid !== row.tgid) return false;
  if (user === true && row.kernelThread === true) return false;
  return kernel !== true || row.kernelThread !== false;
}

const UNKNOWN = '?';
const cell = (value: number | string | null, width: number): string => `${value ?? UNKNOWN}`.padStart(width);

/** Kernel threads stand in brackets, as ps prints them. */
function nameOf({ comm, kernelThread }: Task): string {
  const name = printable(comm ?? UNKNOWN);
  return kernelThread === true ? `[${name}]` : name;
}

function* table(rows: readonly Task[]): Iterable<string> {
  yield '    PID    TGID    PPID  CPU  S  TASK                COMM';
  for (const row of rows) {
    const numbers = `${cell(row.pid, 7)} ${cell(row.tgid, 7)} ${cell(row.ppid, 7)} ${cell(row.cpu, 4)}`;
    yield `${numbers}  ${row.state ?? UNKNOWN}  0x${row.task.toString(16).padStart(16, '0')}  ${nameOf(row)}`;
  }
}

/** Children are indented by one step a generation; threads stand below their process. A row whose parent is not shown begins a tree. */
function* tree(rows: readonly Task[]): Iterable<string> {
  const shown = new Set(rows.map(({ pid }) => pid));
  const below = new Map<number, Task[]>();
  const roots: Task[] = [];
  for (const row of rows) {
    const above = row.pid === row.tgid ? row.ppid : row.tgid;
    if (above === null || row.pid === 0 || above === row.pid || !shown.has(above)) roots.push(row);
    else below.set(above, [...(below.get(above) ?? []), row]);
  }
  const left = new Set(rows);
  yield '    PID  CPU  S  COMM';
  // Damaged parents may form a ring, which hangs below no root.
  for (const root of [...roots, ...rows]) yield* branch(root, 0, below, left);
}

function* branch(top: Task, depth: number, below: ReadonlyMap<number, Task[]>, left: Set<Task>): Iterable<string> {
  const stack: [Task, number][] = [[top, depth]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [row, at] = next;
    if (!left.delete(row)) continue;
    yield `${cell(row.pid, 7)} ${cell(row.cpu, 4)}  ${row.state ?? UNKNOWN}  ${'  '.repeat(Math.min(at, 64))}${nameOf(row)}`;
    // The idle task of each CPU has number 0: children of the kernel itself stand below the first.
    for (const child of (row.pid === null ? [] : (below.get(row.pid) ?? [])).toReversed()) stack.push([child, at + 1]);
  }
}

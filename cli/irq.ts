// kdumpling irq: interrupts with their chips, handlers and counts; -s as /proc/interrupts has them.
import { Command } from 'commander';
import { type Kernel, Missing } from 'kdumpling/analysis';
import { type ArchCounter, archCounters, countedCpus, type Irq, irqs, isShown } from 'kdumpling/analysis/irq';
import { placeText } from 'kdumpling/analysis/symbols';
import { type Issues, MemoryFault, printable } from 'kdumpling/reader';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { incomplete } from './process-command.js';

interface IrqOptions extends KernelOptions {
  readonly all?: boolean;
  readonly stat?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Interrupts: what handles each, and how often it happened on each CPU.')
      .addArgument(dumpArgument())
      .argument('[irq...]', 'numbers of interrupts')
      .option('-a, --all', 'those too that nothing handles and that never happened')
      .option('-s, --stat', "as /proc/interrupts has them, with the architecture's own counters"),
  )
    .addHelpText('after', '\nExamples:\n  kdumpling irq vmcore -s\n  kdumpling irq vmcore 25 --json')
    .action((dump: string, which: string[], options: IrqOptions) => irq(context, dump, which, options));

function irq(context: CommandContext, dump: string, which: readonly string[], options: IrqOptions): Promise<void> {
  const wanted = which.map(number);
  const empty = { cpus: null, irqs: null, counters: null };
  return answerFromKernel(context, [dump], options, empty, (kernel, issues) => {
    const present = countedCpus(kernel);
    const all = [...irqs(kernel, present, issues)];
    const rows = all.filter(row =>
      wanted.length > 0 ? wanted.includes(row.irq) : options.all === true || isShown(row),
    );
    for (const one of wanted) {
      if (!all.some(row => row.irq === one)) issues.add('no-such-irq', `no interrupt has the number ${one}`);
    }
    const counters = options.stat === true ? countersOf(kernel, present, issues) : null;
    return {
      json: { cpus: present, irqs: rows, counters },
      text: () => (options.stat === true ? table(rows, counters ?? [], present) : list(kernel, rows)),
      partial: incomplete(issues),
    };
  });
}

/** Interrupts are told without them. */
function countersOf(kernel: Kernel, present: readonly number[], issues: Issues): ArchCounter[] | null {
  const what = `what ${kernel.arch.name} counts apart from interrupts`;
  try {
    const counters = archCounters(kernel, present, issues);
    if (counters === null) issues.add('missing-counters', `${what} is not known here`);
    return counters;
  } catch (error) {
    if (error instanceof Missing) issues.add(`missing-${error.kind}`, `${what} cannot be told: ${error.message}`);
    else if (error instanceof MemoryFault) issues.add('unreadable-memory', `${what} cannot be told: ${error.message}`);
    else throw error;
    return null;
  }
}

/** @throws UsageError */
function number(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new UsageError(`${text} is no number of an interrupt`);
  return Number(text);
}

const UNKNOWN = '?';
const actionNames = ({ actions }: Irq): string =>
  actions === null ? UNKNOWN : actions.map(({ name }) => printable(name ?? UNKNOWN)).join(', ');

function* list(kernel: Kernel, rows: readonly Irq[]): Iterable<string> {
  const width = 2 * kernel.memory.pointerSize;
  const hex = (value: bigint) => value.toString(16).padStart(width, '0');
  yield ` IRQ  ${'IRQ_DESC'.padEnd(width)}  ${'IRQACTION'.padEnd(width)}  NAME and HANDLER`;
  for (const row of rows) {
    const start = `${String(row.irq).padStart(4)}  ${hex(row.descriptor)}`;
    if (row.actions === null) yield `${start}  ${UNKNOWN}`;
    else if (row.actions.length === 0) yield `${start}  (unused)`;
    for (const [i, action] of (row.actions ?? []).entries()) {
      const name = JSON.stringify(printable(action.name ?? UNKNOWN));
      const handler = action.handler === null ? '' : `  ${placeText(action.handler)}`;
      const thread = action.thread === null ? '' : `  thread ${placeText(action.thread)}`;
      yield `${i === 0 ? start : ' '.repeat(start.length)}  ${hex(action.address)}  ${name}${handler}${thread}`;
    }
  }
}

/** As show_interrupts() of 6.1 prints it. */
function* table(rows: readonly Irq[], counters: readonly ArchCounter[], present: readonly number[]): Iterable<string> {
  const cells = (counts: readonly (number | string)[]) =>
    counts.map(count => `${String(count).padStart(10)} `).join('');
  yield `           ${present.map(cpu => `CPU${String(cpu).padEnd(8)}`).join('')}`.trimEnd();
  // s390x has its classes of interrupts among the counters.
  const classes = new Set(counters.map(({ label }) => label));
  for (const row of rows.filter(({ actions }) => !classes.has(actions?.[0]?.name ?? ''))) {
    const counts = cells(row.counts ?? present.map(() => UNKNOWN));
    const chip = printable(row.chip ?? '-').padStart(8);
    const hardware = (row.hardwareIrq === null ? '' : String(row.hardwareIrq)).padStart(3);
    const level = row.level === true ? 'Level' : 'Edge';
    const flow = row.flow === null ? ` ${level.padEnd(8)}` : `-${printable(row.flow).padEnd(8)}`;
    yield `${String(row.irq).padStart(3)}: ${counts} ${chip} ${hardware}${flow}  ${actionNames(row)}`.trimEnd();
  }
  for (const { label, text, counts } of counters) {
    yield `${label.padStart(3)}: ${cells(counts)}${text === null ? '' : `  ${printable(text)}`}`.trimEnd();
  }
}

// kdumpling advise: the smallest region set that keeps answers. Runs the analyses over a dump whose memory notes what is read, and again with nothing but what the set holds.
import { basename } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { type Advice, advise, PARTS, type Part, type Stretch, type Zone } from 'kdumpling/analysis/advise';
import { Issues, ReadLog } from 'kdumpling/reader';
import { encodeRegionSet } from 'kdumpling/reader/formats/region-set';
import { FileSink, FileSource } from 'kdumpling/reader/node';
import type { CommandContext, DefineCommand } from './command.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  dumpArgument,
  openDumpArgument,
  refuseOutput,
  type SymbolOptions,
} from './dump-argument.js';
import { jsonIssues } from './json.js';
import { type CommandLine, expandAnalyses, type Outcome, parseAnalyses, runAnalysis } from './run-analyses.js';

type DebugInfo = 'types' | 'symbols';

interface AdviseArguments extends DumpOptions, SymbolOptions {
  readonly for: readonly string[];
  readonly output: string;
  /** Infinity for none. */
  readonly limit: number;
  readonly leaveOut?: readonly DebugInfo[];
  readonly json?: boolean;
}

/** What `advise --json` prints. */
export interface AdviseAnswer {
  readonly output: string;
  /** The command lines that were run; `partial`: the dump itself answers them in part only. */
  readonly analyses: readonly { readonly command: string; readonly partial: boolean }[];
  /** The most regions that were to be had; null: any number. */
  readonly limit: number | null;
  readonly regions: number;
  readonly bytes: number;
  readonly presentBytes: number;
  readonly readBytes: number;
  /** Of each part its regions and bytes; see docs/advise.md. */
  readonly parts: readonly PartRow[];
  /** What is of use for this dump only. */
  readonly thisDump: { readonly regions: number; readonly bytes: number };
  /** Whether every answer is the same with nothing but the set; null where it was not tried. */
  readonly checked: boolean | null;
  readonly issues: ReturnType<typeof jsonIssues>;
}

interface PartRow {
  readonly part: Part;
  readonly regions: number;
  readonly bytes: number;
  /** Bytes that were left out by request. */
  readonly leftOut: number;
}

/** Registries have some 150 places for regions without an ID of their own, and give some of them to their own: a node, a runqueue of each CPU. */
const USUAL_LIMIT = 128;

export const command: DefineCommand = context =>
  addSymbolOptions(
    addDumpOptions(
      new Command()
        .description('Make the smallest region set that keeps the answers of analyses; carve takes it.')
        .addArgument(dumpArgument({ several: true }))
        .requiredOption(
          '--for <list>',
          'analyses by name, separated by commas (vm and files: of every process); or one with its arguments (repeatable)',
          collect,
        )
        .requiredOption('-o, --output <set>', 'the region set')
        .addOption(
          new Option('--limit <regions>', "the most regions, or 'none' (for the back-end raw)")
            .argParser(limitOf)
            .default(USUAL_LIMIT),
        )
        .addOption(
          new Option('--leave-out <list>', 'types, symbols: what a vmlinux has too (repeatable)')
            .choices(['types', 'symbols'])
            .argParser(collectDebugInfo),
        )
        .option('--json', 'print one JSON value'),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling advise vmcore --for ps,log,mod,vm -o set.json\n  kdumpling advise vmcore --for log --for "vm 121 --flags" --limit none -o set.json\n  kdumpling carve vmcore --regions set.json -o minidump',
    )
    .action((dump: string[], options: AdviseArguments) => answerAdvise(context, dump, options));

const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

const collectDebugInfo = (text: string, before: readonly DebugInfo[] = []): DebugInfo[] => [
  ...before,
  ...text.split(',').map(debugInfoOf),
];

function debugInfoOf(text: string): DebugInfo {
  if (text === 'types' || text === 'symbols') return text;
  throw new InvalidArgumentError(`${JSON.stringify(text)} is neither types nor symbols`);
}

const limitIn = ({ limit }: AdviseArguments): number | null => (Number.isFinite(limit) ? limit : null);

const LEAST_LIMIT = 8;

/** Infinity for none: what is null counts as left out. */
function limitOf(text: string): number {
  if (text === 'none') return Number.POSITIVE_INFINITY;
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit >= LEAST_LIMIT) return limit;
  throw new InvalidArgumentError(`a number from ${LEAST_LIMIT} on, or none`);
}

async function answerAdvise(
  context: CommandContext,
  texts: readonly string[],
  options: AdviseArguments,
): Promise<void> {
  const asked = parseAnalyses(options.for);
  refuseOutput(texts, options.output);
  const issues = new Issues();
  const { advice, outcomes, readBytes, presentBytes } = await record(texts, options, asked, issues);
  const checked = await check(texts, options, advice, outcomes, issues);
  const sink = new FileSink(options.output);
  sink.write(new TextEncoder().encode(encodeRegionSet(advice.set)));
  sink.finish();
  const answer: AdviseAnswer = {
    output: basename(options.output),
    analyses: outcomes.map(({ line, partial }) => ({ command: line, partial })),
    limit: limitIn(options),
    ...totals(advice),
    presentBytes,
    readBytes,
    checked,
    issues: jsonIssues(issues),
  };
  const partial = checked === false || outcomes.some(one => one.partial) || issues.has('too-many-regions');
  context.answer({ json: answer, text: () => lines(answer, texts, options), issues: issues.list(), partial }, options);
}

interface Recorded {
  readonly advice: Advice;
  readonly outcomes: readonly Outcome[];
  readonly readBytes: number;
  readonly presentBytes: number;
}

/** Over the whole dump, noting what is read. */
async function record(
  texts: readonly string[],
  options: AdviseArguments,
  asked: readonly CommandLine[],
  issues: Issues,
): Promise<Recorded> {
  const log = new ReadLog();
  return withKernel(texts, options, { log }, async kernel => {
    issues.addAll(kernel.issues);
    const before = log.ranges();
    void kernel.types;
    const types = added(before, log.ranges());
    const outcomes: Outcome[] = [];
    for (const line of expandAnalyses(kernel, asked)) outcomes.push(await runAnalysis(kernel, line));
    for (const { line, partial } of outcomes) {
      if (partial) issues.add('answered-in-part', `${line}: the dump itself answers it in part only`);
    }
    const read = log.ranges();
    const leaveOut = new Set(options.leaveOut ?? []);
    const advice = advise(kernel, { read, types, limit: limitIn(options), leaveOut, issues });
    return { advice, outcomes, readBytes: bytesOf(read), presentBytes: kernel.physical.presentBytes };
  });
}

/** With nothing but what the set holds: what a core of it would answer. */
async function check(
  texts: readonly string[],
  options: AdviseArguments,
  { memory }: Advice,
  expected: readonly Outcome[],
  issues: Issues,
): Promise<boolean | null> {
  if ((options.leaveOut ?? []).length > 0 && options.vmlinux === undefined) {
    issues.add(
      'not-checked',
      `${options.leaveOut?.join(' and ')} are left out: the answers need a vmlinux (--vmlinux)`,
    );
    return null;
  }
  return withKernel(texts, options, { only: memory }, async kernel => {
    let same = true;
    for (const { line, text, json } of expected) {
      const [name, ...words] = line.split(' ');
      const found = await runAnalysis(kernel, { name, words });
      if (found.text === text && found.json === json) continue;
      same = false;
      issues.add('answer-differs', `${line}: with nothing but the set the answer is another`);
    }
    return same;
  });
}

async function withKernel<T>(
  texts: readonly string[],
  options: AdviseArguments,
  memory: { readonly log?: ReadLog; readonly only?: readonly Zone[] },
  ask: (kernel: Kernel) => Promise<T>,
): Promise<T> {
  const dump = await openDumpArgument(texts, options, memory);
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  try {
    const given = vmlinux === null ? {} : { vmlinux };
    return await ask(await openKernel(dump, { ...given, force: options.force === true }));
  } finally {
    vmlinux?.close();
    dump.close();
  }
}

/** What came after; both ascending and disjoint. */
function added(before: readonly Stretch[], after: readonly Stretch[]): Stretch[] {
  const more: Stretch[] = [];
  let i = 0;
  for (const { start, end } of after) {
    let at = start;
    while (i < before.length && before[i].end <= end) {
      if (before[i].start > at) more.push({ start: at, end: before[i].start });
      at = before[i++].end;
    }
    if (at < end) more.push({ start: at, end });
  }
  return more;
}

const bytesOf = (stretches: readonly Stretch[]): number =>
  stretches.reduce((sum, { start, end }) => sum + end - start, 0);

function totals({ regions, leftOut }: Advice): Pick<AdviseAnswer, 'regions' | 'bytes' | 'parts' | 'thisDump'> {
  const sum = (rows: Advice['regions']) => ({
    regions: rows.reduce((all, { count }) => all + count, 0),
    bytes: rows.reduce((all, { bytes }) => all + bytes, 0),
  });
  const parts = PARTS.map(part => ({
    part,
    ...sum(regions.filter(region => region.part === part)),
    leftOut: part === 'types' || part === 'symbols' ? leftOut[part] : 0,
  }));
  return { ...sum(regions), parts, thisDump: sum(regions.filter(({ request }) => 'thisDump' in request)) };
}

const ABOUT: Readonly<Record<Part, string>> = {
  types: 'BTF; a vmlinux has it too',
  symbols: 'kallsyms; a vmlinux or a System.map has it too',
  image: 'variables of the kernel',
  'per-cpu': "per-CPU variables, every possible CPU's",
  objects: 'all objects of a type',
  memory: 'page tables, slab objects and the rest: by address',
};

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(2)} %`;

function* lines(answer: AdviseAnswer, texts: readonly string[], options: AdviseArguments): Iterable<string> {
  const { analyses, regions, bytes, presentBytes, readBytes, parts, thisDump, checked } = answer;
  const names = new Map<string, number>();
  for (const { command: line } of analyses) {
    const [name] = line.split(' ');
    names.set(name, (names.get(name) ?? 0) + 1);
  }
  const what = [...names].map(([name, count]) => (count > 1 ? `${name} (${count} times)` : name)).join(', ');
  yield `${what} read ${readBytes} bytes`;
  yield `${answer.output}: ${regions} regions, ${bytes} bytes, ${percent(bytes, presentBytes)} of the dump`;
  for (const { part, regions: count, bytes: size, leftOut } of parts) {
    if (count === 0 && leftOut === 0) continue;
    const left = leftOut === 0 ? '' : `; ${leftOut} bytes left out`;
    yield `  ${part.padEnd(8)} ${String(count).padStart(6)} regions ${String(size).padStart(10)} bytes  ${ABOUT[part]}${left}`;
  }
  yield `${thisDump.regions} regions, ${thisDump.bytes} bytes of them by address: of use for this dump only`;
  if (checked === true) yield 'with nothing but the set every answer is the same';
  const backend = answer.limit === null ? ' --backend raw --layout core' : '';
  yield `To carve it: kdumpling carve ${texts.join(' ')} --regions ${options.output}${backend} -o DIR`;
}

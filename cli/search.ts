// kdumpling search: where words or text lie in the memory of a dump, by physical or by virtual addresses.
import { Command, Option } from 'commander';
import { type Kernel, Missing } from 'kdumpling/analysis';
import { addressLimit, pageTableOf } from 'kdumpling/analysis/mm';
import { struct } from 'kdumpling/analysis/object';
import { PageDetails } from 'kdumpling/analysis/pages';
import {
  type KernelPart,
  kernelPieces,
  processPieces,
  type SearchPattern,
  searchPhysical,
  searchVirtual,
  type Unsearched,
  type VirtualPiece,
  type WordSize,
} from 'kdumpling/analysis/search';
import { kernelTranslator, type PageTable, reverseByRanges } from 'kdumpling/analysis/vtop';
import { FAULT_SENTENCES, hex, Issues, MemoryFault, U64_MAX } from 'kdumpling/reader';
import { parseSize } from 'kdumpling/reader/node';
import { parseAddress, parseNumber } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { address as hexAddress } from './json.js';
import { addKernelOptions, answerFromKernel, type KernelOptions } from './kernel-command.js';
import { findProcess, parseProcess } from './process-command.js';

interface SearchArguments extends KernelOptions {
  readonly string?: boolean;
  readonly wide?: boolean;
  readonly size: string;
  readonly mask?: string;
  readonly align?: string;
  readonly in?: 'physical' | 'kernel' | 'linear' | 'vmalloc';
  readonly pid?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
}

/** `value` is null for text, `address` where nothing is known to map the place, `symbol` where none covers it; `use` is what its page is used for, with the name of a slab's cache, null if unknown. */
interface SearchRow {
  readonly address: bigint | null;
  readonly physical: string | null;
  readonly value: bigint | null;
  readonly symbol: string | null;
  readonly use: string | null;
}

const MOST_PHYSICAL = 2n ** 52n;
const MOST_ALIGN = 2 ** 30;

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Find words (at multiples of their size) or text (anywhere) in memory.')
      .addArgument(dumpArgument())
      .argument('<value...>', 'words: 0x…, decimal, SYMBOL or SYMBOL+0x…; with --string one text')
      .option('-c, --string', 'VALUE is text')
      .option('-w, --wide', 'VALUE is text, looked for as UTF-16')
      .addOption(new Option('--size <bytes>', 'of a word').choices(['1', '2', '4', '8']).default('8'))
      .option('-m, --mask <bits>', 'bits of a word that do not count')
      .option('--align <bytes>', 'only at multiples of this; for words their size unless given, for text 1')
      .addOption(
        new Option(
          '--in <memory>',
          'physical (all that is there), or what the kernel maps: kernel (all), linear, vmalloc',
        )
          .choices(['physical', 'kernel', 'linear', 'vmalloc'])
          .conflicts('pid'),
      )
      .option('--pid <pid>', 'the memory of a process, by its addresses')
      .option('--from <addr>', 'first address')
      .option('--to <addr>', 'one past the last')
      .option('--limit <n>', 'stop after so many', '10000'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling search vmcore 0xdead000000000100\n  kdumpling search vmcore init_task --in kernel\n  kdumpling search vmcore -c "Kernel panic"',
    )
    .action((dump: string, values: string[], options: SearchArguments) => search(context, dump, values, options));

async function search(
  context: CommandContext,
  dump: string,
  values: string[],
  options: SearchArguments,
): Promise<void> {
  const limit = size(options.limit, '--limit');
  const who = options.pid === undefined ? null : parseProcess(options.pid);
  await answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const pattern = patternOf(kernel, values, options);
    const range = rangeOf(kernel, options);
    const rows: SearchRow[] = [];
    let more = false;
    const take = (row: () => SearchRow): boolean => {
      more = rows.length === limit;
      if (!more) rows.push(row());
      return !more;
    };
    const unsearched =
      who === null && (options.in ?? 'physical') === 'physical'
        ? inPhysical(kernel, pattern, range, take)
        : inVirtual(kernel, pattern, spaceOf(kernel, who, options, range, issues), take);
    if (more) issues.add('limit', `there are more than ${limit}; --limit shows more`);
    else tellUnsearched(unsearched, issues);
    return {
      json: rows,
      text: () => rows.map(line),
      partial: issues.count > 0,
    };
  });
}

type Take = (row: () => SearchRow) => boolean;
type Range = ReturnType<typeof rangeOf>;

function inPhysical(kernel: Kernel, pattern: SearchPattern, { from, to }: Range, take: Take): Unsearched {
  const range = { start: Number(from), end: Number(to < MOST_PHYSICAL ? to : MOST_PHYSICAL) };
  const uses = pageUses(kernel);
  return searchPhysical(kernel.physical, pattern, range, (paddr, value) =>
    take(() => {
      const { address, symbol } = kernelAddress(kernel, paddr);
      return { address, physical: hexAddress(paddr), value, symbol, use: uses(paddr) };
    }),
  );
}

/** Of the ranges that map a place the one where a symbol lies, else the first; only those that page tables confirm where they tell of these at all, for a map may claim more than is mapped. */
function kernelAddress(kernel: Kernel, paddr: number): { address: bigint | null; symbol: string | null } {
  const claimed = [...reverseByRanges(kernel.memory, paddr, 1)].map(({ vaddr }) => vaddr);
  const map = kernelTranslator(kernel.memory)?.map;
  const all = map?.beside.length === 0 ? claimed.filter(at => map.table.walk(at).physical === paddr) : claimed;
  for (const address of all) {
    const symbol = symbolAt(kernel, address);
    if (symbol !== null) return { address, symbol };
  }
  return { address: all[0] ?? null, symbol: null };
}

function symbolAt(kernel: Kernel, address: bigint): string | null {
  const symbol = kernel.symbols.at(address);
  if (symbol === null) return null;
  const offset = address - symbol.address;
  return `${symbol.name}${offset === 0n ? '' : `+${hex(offset)}`}${symbol.module === null ? '' : ` [${symbol.module}]`}`;
}

/** Memory that is searched by virtual addresses. */
interface Space {
  readonly pieces: Iterable<VirtualPiece>;
  /** -1 for none. */
  translate(vaddr: bigint): number;
  symbol(vaddr: bigint): string | null;
}

const PARTS: Readonly<Record<string, KernelPart>> = { kernel: 'all', linear: 'linear', vmalloc: 'tables' };

function spaceOf(
  kernel: Kernel,
  who: number | bigint | null,
  options: SearchArguments,
  range: Range,
  issues: Issues,
): Space {
  if (who !== null) {
    const process = processOf(kernel, who, issues);
    const table = process?.table ?? null;
    return {
      pieces: process === null ? [] : processPieces(process.table, ownPart(range, process.limit), issues),
      translate: vaddr => table?.walk(vaddr).physical ?? -1,
      symbol: () => null,
    };
  }
  const translator = kernelTranslator(kernel.memory);
  const table = translator?.map?.table ?? null;
  if (table === null) issues.addAll(translator?.issues ?? []);
  return {
    pieces: kernelPieces(kernel.memory, table, PARTS[options.in ?? 'kernel'], range, issues),
    translate: vaddr => kernel.memory.translate(vaddr),
    symbol: vaddr => symbolAt(kernel, vaddr),
  };
}

interface Process {
  readonly table: PageTable;
  /** One past its own addresses. */
  readonly limit: bigint;
}

/** Its tables may map the kernel too. */
function ownPart(range: Range, limit: bigint): Range {
  if (range.from >= limit)
    throw new UsageError(`nothing lies from ${hex(range.from)} on: addresses of this process end at ${hex(limit)}`);
  return range.to < limit ? range : { from: range.from, to: limit };
}

function processOf(kernel: Kernel, who: number | bigint, issues: Issues): Process | null {
  const task = findProcess(kernel, who, issues);
  if (task === null) return null;
  const mm = struct(kernel, 'task_struct').word('mm')(task.task);
  if (mm === 0n) {
    issues.add('no-memory', 'a kernel thread, or a process that has exited, has no memory of its own');
    return null;
  }
  const table = pageTableOf(kernel, mm);
  if (table !== null) return { table, limit: addressLimit(kernel, mm) ?? U64_MAX + 1n };
  issues.add('missing-page-tables', 'the page tables of this process are not to be had');
  return null;
}

function inVirtual(kernel: Kernel, pattern: SearchPattern, space: Space, take: Take): Unsearched {
  const uses = pageUses(kernel);
  return searchVirtual(kernel.memory, pattern, space.pieces, (address, value) =>
    take(() => {
      const paddr = space.translate(address);
      const physical = paddr < 0 ? null : hexAddress(paddr);
      return { address, physical, value, symbol: space.symbol(address), use: uses(paddr) };
    }),
  );
}

/** What pages are used for, as far as it can be told: the answer does not depend on it. */
function pageUses(kernel: Kernel): (paddr: number) => string | null {
  let details: PageDetails | null | undefined;
  return paddr => {
    try {
      details ??= details === null ? null : new PageDetails(kernel, new Issues());
      const page = paddr < 0 ? null : (details?.of(Math.floor(paddr / kernel.pageSize)) ?? null);
      if (page === null || page.use === null) return null;
      return page.cacheName === null ? page.use : `${page.use} ${page.cacheName}`;
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
      details ??= null;
      return null;
    }
  };
}

function tellUnsearched(unsearched: Unsearched, issues: Issues): void {
  for (const [reason, bytes] of unsearched)
    issues.add('not-searched', `${bytes} bytes of this memory could not be searched: ${FAULT_SENTENCES[reason]}`);
}

function line({ address, physical, value, symbol, use }: SearchRow): string {
  const place = `${address === null ? '-'.padEnd(18) : hex(address)}  ${physical ?? '-'}`;
  return `${place}${value === null ? '' : `  ${hex(value)}`}${symbol === null ? '' : `  ${symbol}`}${use === null ? '' : `  (${use})`}`;
}

function size(text: string, option: string): number {
  const value = parseSize(text);
  if (value === null) throw new UsageError(`${option} takes a number, not ${JSON.stringify(text)}`);
  return value;
}

function rangeOf(kernel: Kernel, { from, to }: SearchArguments) {
  const bound = (text: string | undefined, otherwise: bigint): bigint => {
    if (text === undefined) return otherwise;
    const bytes = parseSize(text);
    return bytes === null ? parseAddress(text, () => kernel.symbols).address : BigInt(bytes);
  };
  const range = { from: bound(from, 0n), to: bound(to, U64_MAX + 1n) };
  if (range.from >= range.to)
    throw new UsageError(`nothing lies from ${hex(range.from)} to ${hex(range.to)}: --to is one past the last address`);
  return range;
}

function patternOf(
  kernel: Kernel,
  values: readonly string[],
  { string, wide, size: width, mask, align }: SearchArguments,
): SearchPattern {
  const step = align === undefined ? null : size(align, '--align');
  if (step !== null && (step < 1 || step > MOST_ALIGN)) throw new UsageError(`--align takes 1 to ${MOST_ALIGN}`);
  if (string === true || wide === true) {
    if (values.length !== 1 || values[0] === '') throw new UsageError('--string and --wide take one text');
    const bytes = wide === true ? utf16(values[0], kernel.memory.littleEndian) : new TextEncoder().encode(values[0]);
    return { kind: 'bytes', bytes, align: step ?? 1 };
  }
  const bytes = Number(width) as WordSize;
  const words = values.map(value => wordOf(kernel, value, bytes));
  const ignore = mask === undefined ? 0n : parseNumber(mask);
  if (ignore === null) throw new UsageError(`--mask takes a number, not ${JSON.stringify(mask)}`);
  return { kind: 'words', size: bytes, values: words, ignore, align: step ?? bytes };
}

function wordOf(kernel: Kernel, text: string, bytes: WordSize): bigint {
  const word = parseAddress(text, () => kernel.symbols).address;
  if (word >> BigInt(bytes * 8) === 0n) return word;
  throw new UsageError(`${JSON.stringify(text)} is no word of ${bytes} bytes`);
}

function utf16(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), littleEndian);
  return bytes;
}

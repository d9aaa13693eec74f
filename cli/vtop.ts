// kdumpling vtop: where addresses lie in physical memory, with every page table entry on the way; and back.
import { Command } from 'commander';
import { type Kernel, Missing } from 'kdumpling/analysis';
import { addressLimit, pageTableOf } from 'kdumpling/analysis/mm';
import { struct } from 'kdumpling/analysis/object';
import { PageDetails } from 'kdumpling/analysis/pages';
import {
  type KernelMap,
  kernelTranslator,
  type PageTable,
  type ReverseMapping,
  reverseByRanges,
  reverseByTables,
  tablesDeny,
  type VtopRow,
  vtopKernel,
  vtopUser,
} from 'kdumpling/analysis/vtop';
import { hex, type Issue, Issues, MemoryFault, U64_MAX } from 'kdumpling/reader';
import { parseAddresses, parseNumber } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { address as hexAddress, jsonIssues } from './json.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';
import { pageTable } from './pages-text.js';
import { findProcess, parseProcess } from './process-command.js';

type ProcessName = ReturnType<typeof parseProcess>;

interface VtopArguments extends KernelOptions {
  readonly reverse?: boolean;
  readonly pid?: string;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Where virtual addresses lie in physical memory, with every page table entry on the way.')
      .addArgument(dumpArgument())
      .argument('<addr...>', 'an address: 0x…, decimal, SYMBOL or SYMBOL+0x…')
      .option('--pid <pid>', 'ADDR is an address of this process')
      .option('--reverse', 'ADDR is physical: which addresses of the kernel, or of the process, map its page'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling vtop vmcore init_task 0xffffc90000000000\n  kdumpling vtop vmcore --pid 119 0x4008f4\n  kdumpling vtop vmcore --reverse 0x1f160000',
    )
    .action((dump: string, addresses: string[], options: VtopArguments) =>
      options.reverse === true ? reverse(context, dump, addresses, options) : vtop(context, dump, addresses, options),
    );

interface TellingRow {
  readonly address: bigint | number;
  readonly issues: readonly Issue[];
}

/** The issues of rows are part of them in JSON; as text they are notes of the whole answer, which name the row. */
function tell(rows: readonly TellingRow[], issues: Issues, options: KernelOptions): void {
  if (options.json === true) return;
  for (const row of rows)
    for (const { code, message, address } of row.issues) issues.add(code, `${hex(row.address)}: ${message}`, address);
}

function vtop(context: CommandContext, dump: string, texts: string[], options: VtopArguments): Promise<void> {
  const who = options.pid === undefined ? null : parseProcess(options.pid);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const addresses = parseAddresses(texts, () => kernel.symbols, issues);
    const known = addresses.filter(address => address !== null);
    const rows = who === null ? kernelRows(kernel, known, issues) : processRows(kernel, who, known, issues);
    tell(rows ?? [], issues, options);
    let next = 0;
    const jsonOf = (address: bigint) => (rows === null ? { ...NO_ADDRESS, address } : jsonRow(rows[next++]));
    return {
      // A row for each that was asked for.
      json: addresses.map(address => (address === null ? NO_ADDRESS : jsonOf(address))),
      text: () => textOf(kernel, rows ?? []),
      partial: known.length < addresses.length || (rows?.some(({ physical }) => physical === null) ?? true),
    };
  });
}

/** Of a name that is no symbol. */
const NO_ADDRESS = { address: null, physical: null, pageSize: null, steps: [], issues: [] };

function kernelRows(kernel: Kernel, addresses: readonly bigint[], issues: Issues): VtopRow[] {
  const map = tablesOf(kernel, issues);
  return addresses.map(address => vtopKernel(kernel.memory, map, address));
}

/** Null where there is no such process, or its page tables are not to be had. */
function processRows(kernel: Kernel, who: ProcessName, addresses: readonly bigint[], issues: Issues): VtopRow[] | null {
  const table = processOf(kernel, who, issues)?.table ?? null;
  return table === null ? null : addresses.map(address => vtopUser(table, address));
}

interface Process {
  readonly table: PageTable | null;
  /** One past its own addresses. */
  readonly limit: bigint;
}

function processOf(kernel: Kernel, who: ProcessName, issues: Issues): Process | null {
  const task = findProcess(kernel, who, issues);
  if (task === null) return null;
  const mm = struct(kernel, 'task_struct').word('mm')(task.task);
  if (mm === 0n) {
    issues.add('no-memory', 'a kernel thread, or a process that has exited, has no memory of its own', task.task);
    return null;
  }
  const table = pageTableOf(kernel, mm);
  if (table === null) issues.add('no-page-tables', `the page tables of mm_struct ${hex(mm)} are not to be had`, mm);
  return { table, limit: addressLimit(kernel, mm) ?? U64_MAX + 1n };
}

function tablesOf(kernel: Kernel, issues: Issues) {
  const translator = kernelTranslator(kernel.memory);
  const map = translator?.map ?? null;
  issues.addAll(translator?.issues ?? []);
  return map;
}

function jsonRow({ address, physical, pageSize, steps, issues }: VtopRow) {
  return {
    address,
    physical: hexAddress(physical),
    pageSize,
    steps: steps.map(({ level, entryAddress, entry }) => ({ level, entryAddress: hexAddress(entryAddress), entry })),
    issues: jsonIssues(issues),
  };
}

const UNITS = ['', 'K', 'M', 'G', 'T'] as const;

/** A power of two as people write it: 4K, 2M, 1G. */
function sizeText(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${bytes / 1024 ** unit}${UNITS[unit]}`;
}

function* textOf(kernel: Kernel, rows: readonly VtopRow[]): Iterable<string> {
  const pages = pageDetails(kernel);
  for (const [i, { address, physical, pageSize, steps }] of rows.entries()) {
    if (i > 0) yield '';
    const virtual = `0x${address.toString(16)}`;
    yield `${'VIRTUAL'.padEnd(virtual.length)}  PHYSICAL`;
    yield `${virtual.padEnd('VIRTUAL'.length)}  ${hexAddress(physical) ?? '(not mapped)'}`;
    for (const { level, entryAddress, entry } of steps)
      yield `${level.toUpperCase().padStart(6)}: ${entryAddress.toString(16)} => ${entry.toString(16)}`;
    if (physical !== null && pageSize !== null)
      yield `  PAGE: ${(physical - (physical % pageSize)).toString(16)}  (${sizeText(pageSize)})`;
    const page = physical === null ? null : (pages?.of(Math.floor(physical / kernel.pageSize)) ?? null);
    if (page !== null) yield* ['', ...pageTable([page])];
  }
}

/** The memory map tells more of a page, where it is to be had; translations do without. */
function pageDetails(kernel: Kernel): PageDetails | null {
  try {
    return new PageDetails(kernel, new Issues());
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return null;
    throw error;
  }
}

interface ReverseRow {
  /** Physical. */
  readonly address: number;
  readonly mappings: readonly ReverseMapping[];
  readonly issues: readonly Issue[];
}

const MOST_PHYSICAL = 2n ** 52n;

function physicalAddress(text: string): number {
  const value = parseNumber(text);
  if (value !== null && value < MOST_PHYSICAL) return Number(value);
  throw new UsageError(`${JSON.stringify(text)} is no physical address: give 0x… or a decimal number`);
}

function reverse(context: CommandContext, dump: string, texts: string[], options: VtopArguments): Promise<void> {
  const addresses = texts.map(physicalAddress);
  const who = options.pid === undefined ? null : parseProcess(options.pid);
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const map = who === null ? tablesOf(kernel, issues) : null;
    const user = who === null ? null : processOf(kernel, who, issues);
    const table = who === null ? (map?.table ?? null) : (user?.table ?? null);
    const limit = user?.limit ?? U64_MAX + 1n;
    const rows = addresses.map(address => {
      const row = reverseRow(kernel, table, who === null, map, address);
      return { ...row, mappings: row.mappings.filter(({ vaddr }) => vaddr < limit) };
    });
    tell(rows, issues, options);
    return {
      json: rows.map(jsonReverse),
      text: () => reverseText(rows),
      partial: table === null || rows.some(({ issues: found }) => found.length > 0),
    } satisfies KernelAnswer;
  });
}

function reverseRow(
  kernel: Kernel,
  table: PageTable | null,
  ofKernel: boolean,
  map: KernelMap | null,
  address: number,
): ReverseRow {
  const { pageSize } = kernel;
  const found = new Issues();
  const page = address - (address % pageSize);
  const byTables = table === null ? [] : [...reverseByTables(table, page, pageSize, found)];
  const known = new Set(byTables.map(({ vaddr }) => vaddr));
  const claimed = ofKernel ? [...reverseByRanges(kernel.memory, page, pageSize)] : [];
  const byRanges = claimed.filter(({ vaddr }) => !known.has(vaddr) && (map === null || !tablesDeny(map, vaddr)));
  return {
    address,
    mappings: [...byRanges, ...byTables],
    issues: found.list(),
  };
}

function jsonReverse({ address, mappings, issues }: ReverseRow) {
  return {
    physical: hexAddress(address),
    mappings: mappings.map(({ vaddr, physical, size, pageSize, by }) => ({
      address: vaddr,
      physical: hexAddress(physical),
      size,
      pageSize,
      by,
    })),
    issues: jsonIssues(issues),
  };
}

function* reverseText(rows: readonly ReverseRow[]): Iterable<string> {
  for (const { address, mappings } of rows) {
    yield `physical ${hexAddress(address)}:`;
    if (mappings.length === 0) yield '  (no address)';
    for (const { vaddr, size, pageSize, by } of mappings) {
      const page = pageSize === null ? '' : `, ${sizeText(pageSize)} page`;
      yield `  0x${vaddr.toString(16)}  ${size} bytes, by ${by}${page}`;
    }
  }
}

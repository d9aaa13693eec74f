// kdumpling vtop: where addresses lie in physical memory, with every page table entry on the way; and back.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import {
  kernelTranslator,
  type ReverseMapping,
  reverseByRanges,
  reverseByTables,
  type VtopRow,
  vtopKernel,
} from 'kdumpling/analysis/vtop';
import { type Issue, Issues } from 'kdumpling/reader';
import { parseAddress, parseNumber } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { address as hexAddress, jsonIssues } from './json.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';

interface VtopArguments extends KernelOptions {
  readonly reverse?: boolean;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Where virtual addresses lie in physical memory, with every page table entry on the way.')
      .addArgument(dumpArgument())
      .argument('<addr...>', 'an address: 0x…, decimal, SYMBOL or SYMBOL+0x…')
      .option('--reverse', 'ADDR is physical: which kernel addresses map its page'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling vtop vmcore init_task 0xffffc90000000000\n  kdumpling vtop vmcore --reverse 0x1f160000',
    )
    .action((dump: string, addresses: string[], options: VtopArguments) =>
      options.reverse === true ? reverse(context, dump, addresses, options) : vtop(context, dump, addresses, options),
    );

/** The issues of rows are part of them in JSON; as text they are notes of the whole answer. */
function tell(rows: readonly { readonly issues: readonly Issue[] }[], issues: Issues, options: KernelOptions): void {
  if (options.json !== true) for (const row of rows) issues.addAll(row.issues);
}

function vtop(context: CommandContext, dump: string, texts: string[], options: VtopArguments): Promise<void> {
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const addresses = texts.map(text => parseAddress(text, () => kernel.symbols).address);
    const map = tablesOf(kernel, issues);
    const rows = addresses.map(address => vtopKernel(kernel.memory, map, address));
    tell(rows, issues, options);
    return {
      json: rows.map(jsonRow),
      text: () => textOf(rows),
      partial: rows.some(({ physical }) => physical === null),
    };
  });
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

function* textOf(rows: readonly VtopRow[]): Iterable<string> {
  for (const [i, { address, physical, pageSize, steps }] of rows.entries()) {
    if (i > 0) yield '';
    const virtual = `0x${address.toString(16)}`;
    yield `${'VIRTUAL'.padEnd(virtual.length)}  PHYSICAL`;
    yield `${virtual.padEnd('VIRTUAL'.length)}  ${hexAddress(physical) ?? '(not mapped)'}`;
    for (const { level, entryAddress, entry } of steps)
      yield `${level.toUpperCase().padStart(6)}: ${entryAddress.toString(16)} => ${entry.toString(16)}`;
    if (physical !== null && pageSize !== null)
      yield `  PAGE: ${(physical - (physical % pageSize)).toString(16)}  (${sizeText(pageSize)})`;
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
  return answerFromKernel(context, [dump], options, [], (kernel, issues) => {
    const map = tablesOf(kernel, issues);
    const rows = addresses.map((address): ReverseRow => {
      const found = new Issues();
      const page = address - (address % kernel.pageSize);
      const byTables = map === null ? [] : [...reverseByTables(map.table, page, kernel.pageSize, found)];
      const known = new Set(byTables.map(({ vaddr }) => vaddr));
      const byRanges = [...reverseByRanges(kernel.memory, page, kernel.pageSize)];
      const mappings = [...byRanges.filter(({ vaddr }) => !known.has(vaddr)), ...byTables];
      return { address, mappings, issues: found.list() };
    });
    tell(rows, issues, options);
    return {
      json: rows.map(jsonReverse),
      text: () => reverseText(rows),
      partial: map === null || rows.some(({ issues: found }) => found.length > 0),
    } satisfies KernelAnswer;
  });
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
    if (mappings.length === 0) yield '  (no kernel address)';
    for (const { vaddr, size, pageSize, by } of mappings) {
      const page = pageSize === null ? '' : `, ${sizeText(pageSize)} page`;
      yield `  0x${vaddr.toString(16)}  ${size} bytes, by ${by}${page}`;
    }
  }
}

// kdumpling search: where words or text lie in the memory of a dump.
import { Command, Option } from 'commander';
import { type SearchPattern, searchPhysical, type WordSize } from 'kdumpling/analysis';
import { hex, Issues } from 'kdumpling/reader';
import { parseSize } from 'kdumpling/reader/node';
import { parseNumber } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { addDumpOptions, type DumpOptions, dumpArgument, openDumpArgument } from './dump-argument.js';

interface SearchArguments extends DumpOptions {
  readonly string?: boolean;
  readonly size: string;
  readonly mask?: string;
  readonly from?: string;
  readonly to?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** `value` is null for text. */
interface SearchRow {
  readonly physical: string;
  readonly value: bigint | null;
}

const MOST_PHYSICAL = 2 ** 52;

export const command: DefineCommand = context =>
  addDumpOptions(
    new Command()
      .description('Find words (at multiples of their size) or text (anywhere) in physical memory.')
      .addArgument(dumpArgument())
      .argument('<value...>', 'words, 0x… or decimal; with --string one text')
      .option('-c, --string', 'VALUE is text')
      .addOption(new Option('--size <bytes>', 'of a word').choices(['2', '4', '8']).default('8'))
      .option('-m, --mask <bits>', 'bits of a word that do not count')
      .option('--from <paddr>', 'first physical address')
      .option('--to <paddr>', 'one past the last')
      .option('--limit <n>', 'stop after so many', '10000')
      .option('--json', 'print one JSON value'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling search vmcore 0xdead000000000100\n  kdumpling search vmcore -c "Kernel panic"',
    )
    .action((dump: string, values: string[], options: SearchArguments) => search(context, dump, values, options));

async function search(
  context: CommandContext,
  text: string,
  values: string[],
  options: SearchArguments,
): Promise<void> {
  const pattern = patternOf(values, options);
  const limit = size(options.limit, '--limit');
  const range = {
    start: options.from === undefined ? 0 : size(options.from, '--from'),
    end: options.to === undefined ? MOST_PHYSICAL : size(options.to, '--to'),
  };
  const dump = await openDumpArgument([text], options);
  try {
    const issues = new Issues();
    issues.addAll(dump.issues);
    const rows: SearchRow[] = [];
    let partial = false;
    searchPhysical(
      dump.physical,
      pattern,
      range,
      (paddr, value) => {
        if (rows.length === limit) {
          issues.add('limit', `there are more than ${limit}; --limit shows more`);
          partial = true;
          return false;
        }
        rows.push({ physical: hex(paddr), value });
        return true;
      },
      fault => {
        partial = true;
        issues.add('unreadable', fault.toError().message, fault.address);
      },
    );
    const lines = () => rows.map(row => (row.value === null ? row.physical : `${row.physical}  ${hex(row.value)}`));
    context.answer({ json: rows, text: lines, issues: issues.list(), partial }, options);
  } finally {
    dump.close();
  }
}

function size(text: string, option: string): number {
  const value = parseSize(text);
  if (value === null) throw new UsageError(`${option} takes a number, not ${JSON.stringify(text)}`);
  return value;
}

function patternOf(values: readonly string[], { string, size: width, mask }: SearchArguments): SearchPattern {
  if (string === true) {
    if (values.length !== 1 || values[0] === '') throw new UsageError('--string takes one text');
    return { kind: 'bytes', bytes: new TextEncoder().encode(values[0]) };
  }
  const bytes = Number(width) as WordSize;
  const words = values.map(value => {
    const word = parseNumber(value);
    if (word === null || word >> BigInt(bytes * 8) !== 0n) {
      throw new UsageError(`${JSON.stringify(value)} is no word of ${bytes} bytes`);
    }
    return word;
  });
  const ignore = mask === undefined ? 0n : parseNumber(mask);
  if (ignore === null) throw new UsageError(`--mask takes a number, not ${JSON.stringify(mask)}`);
  return { kind: 'words', size: bytes, values: words, ignore };
}

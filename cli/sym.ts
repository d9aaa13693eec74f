// kdumpling sym: symbols by name, by address, by pattern.
import { Command } from 'commander';
import type { Kernel } from 'kdumpling/analysis';
import { type Issues, MemoryFault } from 'kdumpling/reader';
import type { KernelSymbol, Symbols } from 'kdumpling/reader/debuginfo';
import type { SourceFrame } from 'kdumpling/reader/debuginfo/dwarf';
import { parseNumber } from './address-argument.js';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { dumpArgument } from './dump-argument.js';
import { addKernelOptions, answerFromKernel, type KernelAnswer, type KernelOptions } from './kernel-command.js';

interface SymArguments extends KernelOptions {
  readonly search?: string;
}

export const command: DefineCommand = context =>
  addKernelOptions(
    new Command()
      .description('Symbols by name, by address, or by a pattern; a static name gives all that have it.')
      .addArgument(dumpArgument())
      .argument('[name|addr...]', 'a name, a pattern with * and ?, an address (0x…, decimal, 16 digits), SYMBOL+0x…')
      .option('--search <text>', 'all symbols whose names contain the text'),
  )
    .addHelpText(
      'after',
      "\nExamples:\n  kdumpling sym vmcore init_task\n  kdumpling sym vmcore 0xffffffff81c114f8\n  kdumpling sym vmcore 'tcp_*_timer'",
    )
    .action((dump: string, queries: string[], options: SymArguments) => sym(context, dump, queries, options));

/** One symbol that answers a query; where none does, `name` or `address` is null, whichever was not asked for. */
export interface SymbolRow {
  /** As it was asked for. */
  readonly query: string;
  readonly name: string | null;
  /** Where the symbol begins; of an address that no symbol covers the address itself. */
  readonly address: bigint | null;
  /** How far behind the symbol's beginning the address lies that was asked for; null where a name was. */
  readonly offset: number | null;
  /** Bytes; null if unknown. */
  readonly size: number | null;
  /** `exact`, `neighbour` (an upper bound) or `none`. */
  readonly sizeFrom: KernelSymbol['sizeFrom'];
  /** nm's letter; null if unknown. */
  readonly type: string | null;
  readonly module: string | null;
  readonly perCpu: boolean;
  /** How a symbol was found that is out of no table; null for all others. */
  readonly from: string | null;
  /** Lines of source: of the place itself, then of each call that the compiler put the function in place of; [] without a vmlinux that tells. */
  readonly source: readonly SourceFrame[];
}

async function sym(context: CommandContext, text: string, queries: string[], options: SymArguments): Promise<void> {
  if (queries.length === 0 && options.search === undefined) {
    throw new UsageError("name a symbol or an address, or give --search TEXT; '*' lists all symbols");
  }
  await answerFromKernel(context, [text], options, [], (kernel, issues) => {
    const lookup = new Lookup(kernel, issues);
    const rows = queries.flatMap(query => lookup.rows(query));
    if (options.search !== undefined) rows.push(...lookup.search(options.search));
    return answer(rows, lookup, kernel.memory.pointerSize);
  });
}

const PATTERN = /[*?]/;
/** nm's letters. */
const CODE = /^[tTwW]$/;
const WITH_OFFSET = /^(.+)([+-])(\w+)$/;
/** A bare number of 8 digits is an address of a 32-bit kernel, unless a symbol has that name. */
const BARE_WORD = /^[0-9a-f]{8,16}$/i;

class Lookup {
  readonly issues: Issues;
  /** Something that was asked for has no answer. */
  partial = false;
  readonly #kernel: Kernel;
  readonly #symbols: Symbols;
  readonly #bits: number;

  constructor(kernel: Kernel, issues: Issues) {
    this.#kernel = kernel;
    this.#symbols = kernel.symbols;
    this.#bits = kernel.arch.bits;
    this.issues = issues;
  }

  rows(query: string): SymbolRow[] {
    const number = parseNumber(query);
    if (number !== null) return [this.#byAddress(query, number)];
    if (PATTERN.test(query)) return this.#matching(query, globPattern(query));
    const named = this.#symbols.all(query);
    if (named.length > 0) return named.map(symbol => this.#row(query, symbol, null));
    const [, name, sign, distance] = WITH_OFFSET.exec(query) ?? [];
    const offset = distance === undefined ? null : parseNumber(distance);
    if (offset !== null) {
      const base = this.#symbols.all(name);
      if (base.length > 0) {
        return base.map(({ address }) =>
          this.#byAddress(query, BigInt.asUintN(this.#bits, sign === '-' ? address - offset : address + offset)),
        );
      }
    }
    if (BARE_WORD.test(query)) return [this.#byAddress(query, BigInt(`0x${query}`))];
    return [this.#noName(query)];
  }

  search(text: string): SymbolRow[] {
    return this.#matching(text, name => name.includes(text));
  }

  #matching(query: string, match: (name: string) => boolean): SymbolRow[] {
    const rows: SymbolRow[] = [];
    let searched = true;
    try {
      for (const symbol of this.#symbols.search(match)) rows.push(rowOf(query, symbol, null, []));
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      this.partial = true;
      searched = false;
      this.issues.add('symbols-unreadable', `not all names could be searched: ${error.message}`, error.address);
    }
    this.#tellLack();
    if (rows.length > 0) return rows;
    return [searched ? this.#noName(query) : { ...NOTHING, query }];
  }

  /** Once, and why, where symbols that no source has may match too. */
  #tellLack(): void {
    const { lack = '' } = this.#symbols;
    if (lack === '') return;
    this.partial = true;
    if (!this.issues.has('symbols-incomplete'))
      this.issues.add('symbols-incomplete', `not all symbols were searched: ${lack}`);
  }

  #byAddress(query: string, address: bigint): SymbolRow {
    const symbol = this.#symbols.at(address);
    if (symbol !== null) return this.#row(query, symbol, Number(address - symbol.address));
    this.partial = true;
    this.issues.add('no-symbol-there', `no symbol covers 0x${address.toString(16)}${this.#sources}`, address);
    return { ...NOTHING, query, address };
  }

  /** With its source, if it is code. */
  #row(query: string, symbol: KernelSymbol, offset: number | null): SymbolRow {
    const isCode = CODE.test(symbol.type ?? '');
    const source = isCode ? this.#kernel.source(symbol.address + BigInt(offset ?? 0)) : [];
    return rowOf(query, symbol, offset, source);
  }

  #noName(query: string): SymbolRow {
    this.partial = true;
    this.issues.add('missing-symbol', `there is no symbol ${JSON.stringify(query)}${this.#sources}`);
    return { ...NOTHING, query, name: PATTERN.test(query) ? null : query };
  }

  get #sources(): string {
    const { source } = this.#symbols;
    return source === ''
      ? ': this dump has no symbols; --vmlinux gives them'
      : ` among those of ${source.replaceAll(',', ', ')}; a vmlinux (--vmlinux) may have more`;
  }
}

const NOTHING: Omit<SymbolRow, 'query'> = {
  name: null,
  address: null,
  offset: null,
  size: null,
  sizeFrom: 'none',
  type: null,
  module: null,
  perCpu: false,
  from: null,
  source: [],
};

function rowOf(query: string, symbol: KernelSymbol, offset: number | null, source: readonly SourceFrame[]): SymbolRow {
  const { name, address, size, sizeFrom, type, module, perCpu, from = null } = symbol;
  const known = { size: sizeFrom === 'none' ? null : size, sizeFrom, type: type === '?' ? null : type };
  return { query, name, address, offset, ...known, module, perCpu, from, source };
}

/** `*` is any text, `?` any character. */
function globPattern(glob: string): (name: string) => boolean {
  const pieces = glob.split(/([*?])/).map(piece => {
    if (piece === '*') return '[^]*';
    return piece === '?' ? '[^]' : piece.replace(/[\\^$.+()[\]{}|]/g, '\\$&');
  });
  const pattern = new RegExp(`^${pieces.join('').replace(/(\[\^\]\*)+/g, '[^]*')}$`);
  return name => pattern.test(name);
}

function answer(rows: readonly SymbolRow[], lookup: Lookup, pointerSize: number): KernelAnswer {
  return {
    json: rows,
    *text() {
      for (const row of rows) {
        if (row.name === null || row.address === null) continue;
        const [first, ...rest] = row.source;
        yield line(row, pointerSize) + (first !== undefined && rest.length === 0 ? `  ${placeOf(first)}` : '');
        if (rest.length > 0) yield* row.source.map(frame => `    ${frame.function} at ${placeOf(frame)}`);
      }
    },
    partial: lookup.partial,
  };
}

const placeOf = ({ file, line, inlined }: SourceFrame): string => `${file}:${line}${inlined ? ' (inlined)' : ''}`;

/** As /proc/kallsyms has it; of an address as the kernel prints it (`symbol+0x12/0x34 [module]`). */
function line(row: SymbolRow, pointerSize: number): string {
  const { address, offset, name, type, size, sizeFrom, module, perCpu, from } = row;
  const there = (address ?? 0n) + BigInt(offset ?? 0);
  const of = module === null ? '' : ` [${module}]`;
  const at = offset === null ? '' : `+0x${offset.toString(16)}${size === null ? '' : `/0x${size.toString(16)}`}`;
  const bytes = size === null || offset !== null ? [] : [`${sizeFrom === 'neighbour' ? 'at most ' : ''}${size} bytes`];
  const notes = [...bytes, ...(perCpu ? ['per-CPU'] : []), ...(from === null ? [] : [`found: ${from}`])];
  const more = notes.length === 0 ? '' : `  (${notes.join(', ')})`;
  return `${there.toString(16).padStart(2 * pointerSize, '0')} ${type ?? '?'} ${name}${at}${of}${more}`;
}

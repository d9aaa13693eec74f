// kdumpling read: memory at an address, as a hexdump, as words, or as it is.
import { Command, Option } from 'commander';
import { attachPageTables } from 'kdumpling/analysis/vtop';
import { type Dump, FAULT_SENTENCES, hex, type Issue, Issues, U64_MAX } from 'kdumpling/reader';
import type { LayeredSymbols } from 'kdumpling/reader/debuginfo';
import { parseSize } from 'kdumpling/reader/node';
import { parseAddress, parseNumber } from './address-argument.js';
import { type Answer, type CommandContext, type DefineCommand, UsageError } from './command.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  dumpArgument,
  openDumpArgument,
  openDumpSymbols,
  type SymbolOptions,
} from './dump-argument.js';
import { Hexdump, type Unit } from './hexdump.js';
import { jsonIssues } from './json.js';
import { type MemoryPiece, physicalPieces, virtualPieces } from './read-pieces.js';

interface ReadArguments extends DumpOptions, SymbolOptions {
  readonly physical?: boolean;
  readonly raw?: boolean;
  readonly unit: string;
  readonly zeroFill?: boolean;
  readonly json?: boolean;
}

const USUAL_LENGTH = 256n;
/** JSON is made in one piece. */
const MOST_JSON = 16n << 20n;
const MOST_PHYSICAL = 2n ** 52n;

export const command: DefineCommand = context =>
  addSymbolOptions(
    addDumpOptions(
      new Command()
        .description('Read memory. What cannot be read is shown as ?? with the reason, never as zeros.')
        .addArgument(dumpArgument())
        .argument('<addr>', 'the address: 0x…, decimal, SYMBOL or SYMBOL+0x…')
        .argument('[len]', 'how many bytes, 0x… or decimal, with K, M or G (default: the size of the symbol, else 256)')
        .option('--physical', 'ADDR is a physical address')
        .option('--raw', 'write the bytes as they are; stops at the first that cannot be read')
        .addOption(
          new Option('--unit <bytes>', "words of this size in the memory's byte order")
            .choices(['1', '2', '4', '8'])
            .default('1'),
        )
        .option('--zero-fill', 'zeros in place of what cannot be read, with a note of where')
        .option('--json', 'print one JSON value'),
    ),
  )
    .addHelpText('after', '\nExample:\n  kdumpling read vmcore linux_banner 128')
    .action((dump: string, addr: string, len: string | undefined, options: ReadArguments) =>
      read(context, dump, addr, len, options),
    );

/** What is asked for. */
interface Request {
  readonly address: bigint;
  readonly end: bigint;
  readonly physical: boolean;
  readonly unit: Unit;
  readonly zeroFill: boolean;
}

async function read(
  context: CommandContext,
  text: string,
  addr: string,
  len: string | undefined,
  options: ReadArguments,
): Promise<void> {
  if (options.raw === true && options.json === true) throw new UsageError('--raw and --json exclude each other');
  const asked = len === undefined ? null : lengthOf(len);
  if (options.physical === true) physicalAddress(addr);
  const dump = await openDumpArgument([text], options);
  try {
    const issues = new Issues();
    let symbols: LayeredSymbols | null = null;
    const openSymbols = () => (symbols ??= openDumpSymbols(dump, options, issues));
    // Where the page tables cannot be had, what is not found without them is told of by the reason for each stretch.
    attachPageTables(dump, openSymbols);
    const result = new Reading(dump, requestOf(addr, asked, options, openSymbols), issues);
    if (options.raw === true) result.writeRaw(bytes => context.terminal.out(bytes));
    context.answer(options.json === true ? jsonAnswer(result) : textAnswer(result, options.raw === true), options);
  } finally {
    dump.close();
  }
}

function lengthOf(text: string): bigint {
  const length = parseSize(text);
  if (length === null || length === 0) throw new UsageError(`${JSON.stringify(text)} is no length`);
  return BigInt(length);
}

function physicalAddress(text: string): bigint {
  const address = parseNumber(text);
  if (address !== null && address < MOST_PHYSICAL) return address;
  throw new UsageError(`${JSON.stringify(text)} is no physical address: give 0x… or a decimal number`);
}

function requestOf(
  addr: string,
  asked: bigint | null,
  options: ReadArguments,
  openSymbols: () => LayeredSymbols,
): Request {
  const physical = options.physical === true;
  const unit = Number(options.unit) as Unit;
  let address: bigint;
  let usual = USUAL_LENGTH;
  if (physical) address = physicalAddress(addr);
  else {
    const given = parseAddress(addr, openSymbols);
    address = given.address;
    if (given.symbol?.sizeFrom === 'exact' && given.symbol.size > 0) usual = BigInt(given.symbol.size);
  }
  const words = BigInt(unit);
  const length = asked ?? ((usual + words - 1n) / words) * words;
  if (length % words !== 0n) throw new UsageError(`${length} bytes are no whole number of ${unit}-byte words`);
  const most = physical ? MOST_PHYSICAL : U64_MAX + 1n;
  const end = address + length;
  if (end > most) throw new UsageError(`${length} bytes from ${hex(address)} on pass the end of the address space`);
  if (options.json === true && length > MOST_JSON)
    throw new UsageError(`--json gives at most ${MOST_JSON} bytes; use --raw for more`);
  return { address, end, physical, unit, zeroFill: options.zeroFill === true };
}

/** The pieces of a request, and the findings that reading them makes. */
class Reading {
  readonly dump: Dump;
  readonly request: Request;
  readonly issues: Issues;
  /** Something could not be read. */
  partial = false;

  constructor(dump: Dump, request: Request, issues: Issues) {
    this.dump = dump;
    this.request = request;
    this.issues = issues;
  }

  *pieces(): Iterable<MemoryPiece> {
    const { address, end, physical, zeroFill } = this.request;
    const pieces = physical
      ? physicalPieces(this.dump.physical, Number(address), Number(end))
      : virtualPieces(this.dump.virtual, address, end);
    for (const piece of pieces) {
      if (piece.reason !== null) {
        this.partial = true;
        const space = physical ? 'physical' : 'virtual';
        this.issues.add(
          zeroFill ? 'zero-filled' : 'unreadable',
          `${piece.length} bytes at ${space} address ${hex(piece.address)} cannot be read${zeroFill ? ', zeros stand for them by request' : ''}: ${FAULT_SENTENCES[piece.reason]}`,
          piece.address,
        );
      }
      yield piece;
    }
  }

  get littleEndian(): boolean {
    return this.request.physical ? this.dump.physical.littleEndian : this.dump.virtual.littleEndian;
  }

  *lines(): Iterable<string> {
    const { address, end, unit, zeroFill } = this.request;
    const digits = this.request.physical || this.dump.virtual.pointerSize === 4 ? hexDigits(end) : 16;
    const dump = new Hexdump(address, unit, this.littleEndian, digits);
    for (const { bytes, length, reason } of this.pieces()) {
      if (bytes !== null) yield* dump.data(bytes);
      else if (zeroFill) yield* zeros(length, part => dump.data(part));
      else yield* dump.missing(length, FAULT_SENTENCES[reason ?? 'hole']);
    }
    yield* dump.end();
  }

  writeRaw(write: (bytes: Uint8Array) => void): void {
    for (const { address, bytes, length } of this.pieces()) {
      if (bytes !== null) write(bytes);
      else if (this.request.zeroFill) for (const part of zeros(length, zero => [zero])) write(part);
      else {
        this.issues.add(
          'stopped',
          `the output ends before ${hex(address)}, so that no byte stands at a wrong place; --zero-fill goes on behind it`,
          address,
        );
        return;
      }
    }
  }
}

const hexDigits = (end: bigint): number => Math.max(8, (end - 1n).toString(16).length);

const ZEROS = new Uint8Array(65536);

function* zeros<T>(length: bigint, take: (part: Uint8Array) => Iterable<T>): Iterable<T> {
  for (let left = length; left > 0n; left -= BigInt(ZEROS.length)) {
    yield* take(left < BigInt(ZEROS.length) ? ZEROS.subarray(0, Number(left)) : ZEROS);
  }
}

/** Findings and status are known when the last line is. */
function textAnswer(result: Reading, rawWritten: boolean): Answer {
  return {
    json: undefined,
    text: () => (rawWritten ? [] : result.lines()),
    get issues(): readonly Issue[] {
      return result.issues.list();
    },
    get partial() {
      return result.partial;
    },
  };
}

function jsonAnswer(result: Reading): Answer {
  const { address, end, physical, unit } = result.request;
  const data = [...result.pieces()].map(piece => ({
    address: piece.address,
    length: Number(piece.length),
    state: piece.reason ?? 'data',
    bytes: piece.bytes === null ? null : toHex(piece.bytes),
    words: piece.bytes === null || unit === 1 ? null : wordsOf(piece.bytes, unit, result.littleEndian),
  }));
  const issues = result.issues.list();
  return {
    json: {
      address,
      length: Number(end - address),
      space: physical ? 'physical' : 'virtual',
      unit,
      byteOrder: result.littleEndian ? 'little' : 'big',
      data,
      issues: jsonIssues(issues),
    },
    text: () => [],
    issues,
    partial: result.partial,
  };
}

/** As "0x…", or null where the piece is no whole number of words. */
function wordsOf(bytes: Uint8Array, unit: Unit, littleEndian: boolean): string[] | null {
  if (bytes.length % unit !== 0) return null;
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += unit) {
    let digits = '';
    for (let i = 0; i < unit; i++)
      digits += bytes[littleEndian ? at + unit - 1 - i : at + i].toString(16).padStart(2, '0');
    words.push(`0x${digits.replace(/^0+(?=.)/, '')}`);
  }
  return words;
}

const toHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');

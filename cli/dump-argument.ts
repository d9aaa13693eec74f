// DUMP on the command line, in one place for all commands: one file, the parts of a split set, raw images with their addresses, or a folder.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { type Dump, fixedText, InputError, type Issues } from 'kdumpling/reader';
import { type LayeredSymbols, openSymbols, openTypes, type Types } from 'kdumpling/reader/debuginfo';
import { type DumpSpec, FileSource, type OpenFileOptions, openFile, parseDumpSpec } from 'kdumpling/reader/node';
import { UsageError } from './command.js';

/** One line of help for the argument, the same in every command. */
export const DUMP_HELP =
  'a dump file; PART1,PART2,… of a split set; raw memory as FILE@PADDR[,FILE@PADDR…]; or a folder of minidump blobs';

/** @throws UsageError; see `parseDumpSpec` */
export function parseDumpArgument(texts: readonly string[]): DumpSpec {
  try {
    return parseDumpSpec(texts);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

/** The argument itself; with `several`, more texts may follow: the parts of a split set as a shell's pattern gives them. */
export function dumpArgument({ several = false } = {}): Argument {
  return new Argument(several ? '<dump...>' : '<dump>', DUMP_HELP);
}

/** Options of every command that opens a dump. */
export interface DumpOptions {
  /** KEY=VALUE each. */
  readonly set?: readonly string[];
  /** A file with VMCOREINFO's text, for dumps that have none or a wrong one. */
  readonly vmcoreinfo?: string;
}

export function addDumpOptions(command: Command): Command {
  return command
    .option(
      '--set <key=value>',
      'an attribute of the dump as you know it (repeatable; see info --attributes)',
      collect,
      [],
    )
    .option('--vmcoreinfo <file>', "VMCOREINFO's text, where the dump has none or a wrong one");
}

const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

/** Options of every command that takes symbols. */
export interface SymbolOptions {
  readonly vmlinux?: string;
  readonly force?: boolean;
}

export function addSymbolOptions(command: Command): Command {
  return command
    .option('--vmlinux <file>', "the kernel's vmlinux with symbols, or its System.map")
    .option('--force', 'take a vmlinux although it is of another kernel');
}

/**
 * An output is a file, and a dump is evidence: no output replaces a file of it, by whatever path it is named. Told before any work is done.
 * @throws UsageError
 */
export function refuseOutput(texts: readonly string[], output: string): void {
  if (/[/\\]$/.test(output) || statSync(output, { throwIfNoEntry: false })?.isDirectory() === true)
    throw new UsageError(`${output} is a folder: name the file to write`);
  const argument = parseDumpArgument(texts);
  const target = join(realPath(dirname(output)), basename(output));
  const taken =
    argument.kind === 'folder'
      ? dirname(target) === realPath(argument.path) && /\.bin$|^(dump_info\.txt|load\.cmm)$/i.test(basename(target))
      : pathsOf(argument).some(path => realPath(path) === target);
  if (taken) throw new UsageError(`${output} is the input, or of it: name another file`);
}

const realPath = (path: string): string => (existsSync(path) ? realpathSync(path) : resolve(path));

const pathsOf = (argument: Exclude<DumpSpec, { kind: 'folder' }>): readonly string[] =>
  argument.kind === 'files' ? argument.paths : argument.images.map(({ path }) => path);

/** @throws UsageError, InputError */
export async function openDumpArgument(
  texts: readonly string[],
  options: DumpOptions,
  memory: Pick<OpenFileOptions, 'log' | 'only'> = {},
): Promise<Dump> {
  const argument = parseDumpArgument(texts);
  const set = parseOverrides(options.set);
  const vmcoreinfo = options.vmcoreinfo === undefined ? {} : { vmcoreinfo: vmcoreinfoText(options.vmcoreinfo) };
  try {
    return await openFile(argument, { set, ...vmcoreinfo, ...memory });
  } catch (error) {
    // The value of a --set.
    if (error instanceof RangeError && set.size > 0) throw new UsageError(error.message);
    throw error;
  }
}

/** VMCOREINFO is a page at most. */
const MOST_TEXT = 1 << 20;

/** @throws InputError for a file with none of its lines */
function vmcoreinfoText(path: string): string {
  const text = smallText(path);
  if (/^(?:OSRELEASE|PAGESIZE|BUILD-ID|(?:SYMBOL|OFFSET|SIZE|LENGTH|NUMBER)\([^)]*\))=/m.test(text)) return text;
  throw new InputError(
    { source: basename(path), nowhere: 'input', record: 'VMCOREINFO' },
    'has none of the lines of VMCOREINFO (OSRELEASE=…, SYMBOL(…)=…)',
    'give the text of the note as the kernel wrote it: KEY=VALUE, a line each',
  );
}

function smallText(path: string): string {
  const source = new FileSource(path);
  try {
    const bytes = new Uint8Array(Math.min(source.size, MOST_TEXT));
    return fixedText(bytes.subarray(0, source.read(0, bytes)));
  } finally {
    source.close();
  }
}

/**
 * The attributes that the user set.
 * @throws UsageError for a text without `=`
 */
export function parseOverrides(texts: readonly string[] = []): Map<string, string> {
  const overrides = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new UsageError(`--set takes KEY=VALUE, not ${JSON.stringify(text)}`);
    overrides.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return overrides;
}

/** All symbols that are to be had for a dump; what was odd about them goes to `issues`. */
export function openDumpSymbols(dump: Dump, options: SymbolOptions, issues: Issues): LayeredSymbols {
  return findDumpSymbols(dump, options, issues).symbols;
}

/** The same, with how far the kernel was moved from where the vmlinux was linked; null without one, and where nothing tells. */
export function findDumpSymbols(
  dump: Dump,
  options: SymbolOptions,
  issues: Issues,
): { readonly symbols: LayeredSymbols; readonly shift: bigint | null } {
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  const opened = openSymbols(dump, {
    ...(vmlinux === null ? {} : { vmlinux }),
    force: options.force === true,
  });
  const found = opened.issues.list();
  issues.addAll(opened.issues);
  const unknown = vmlinux === null || found.some(({ code }) => code === 'unknown-kaslr-offset');
  return { symbols: opened.symbols, shift: unknown ? null : opened.shift };
}

/** The types of a dump's kernel, or null; what was odd about them goes to `issues`. */
export async function openDumpTypes(
  dump: Dump,
  symbols: LayeredSymbols,
  options: SymbolOptions,
  issues: Issues,
): Promise<Types | null> {
  if (options.vmlinux === undefined) return openTypes(dump, symbols, { issues });
  const { LazyDwarf } = await import('kdumpling/reader/debuginfo/dwarf');
  const vmlinux = new FileSource(options.vmlinux);
  const dwarf = await LazyDwarf.of(vmlinux);
  return openTypes(dump, symbols, { vmlinux, dwarf: found => dwarf.types(found), issues });
}

// DUMP on the command line, in one place for all commands: one file, the parts of a split set, raw images with their addresses, or a folder.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { type Dump, fixedText, type Issues } from 'kdumpling/reader';
import { type LayeredSymbols, openSymbols } from 'kdumpling/reader/debuginfo';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { UsageError } from './command.js';

/** What DUMP names, before anything is opened. Paths as given. */
export type DumpArgument =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'images'; readonly images: readonly { readonly path: string; readonly paddr: number }[] }
  | { readonly kind: 'folder'; readonly path: string };

/** One line of help for the argument, the same in every command. */
export const DUMP_HELP =
  'a dump file; PART1,PART2,… of a split set; raw memory as FILE@PADDR[,FILE@PADDR…]; or a folder of minidump blobs';

/**
 * Commas separate files, `@` precedes a raw image's physical address (hexadecimal with 0x, or decimal, with K, M or G); a file or folder that exists
 * under the whole text is that file, whatever its name contains. Several texts are taken as if joined by commas.
 * @throws UsageError for mixtures and for addresses that cannot be read
 */
export function parseDumpArgument(texts: readonly string[]): DumpArgument {
  const pieces = texts.flatMap(text => (existsSync(text) ? [text] : text.split(','))).filter(piece => piece !== '');
  if (pieces.length === 0) throw new UsageError('DUMP names no file');
  if (pieces.length === 1 && isFolder(pieces[0])) return { kind: 'folder', path: pieces[0] };
  const images: { path: string; paddr: number }[] = [];
  const paths: string[] = [];
  for (const piece of pieces) {
    if (isFolder(piece)) throw new UsageError(`${piece} is a folder: a folder of blobs is given alone`);
    const image = existsSync(piece) ? null : rawImage(piece);
    if (image === null) paths.push(piece);
    else images.push(image);
  }
  if (images.length === 0) return { kind: 'files', paths };
  if (paths.length > 0) {
    throw new UsageError(`${paths[0]} has no address, but ${images[0].path} has: give each raw image as FILE@PADDR`);
  }
  return { kind: 'images', images };
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function rawImage(text: string): { path: string; paddr: number } | null {
  const at = text.lastIndexOf('@');
  if (at <= 0) return null;
  const paddr = parseSize(text.slice(at + 1));
  if (paddr === null) {
    throw new UsageError(`${text}: what follows @ is no physical address (0x…, or decimal, with K, M or G)`);
  }
  return { path: text.slice(0, at), paddr };
}

/** A size or a physical address: hexadecimal with 0x, or decimal, with K, M or G for powers of 1024; null if it is none below 2^53. */
export function parseSize(text: string): number | null {
  const match = /^(0x[0-9a-f]{1,16}|\d{1,20})([kmg]?)$/i.exec(text);
  if (match === null) return null;
  const unit = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[match[2].toLowerCase() as '' | 'k' | 'm' | 'g'];
  const value = Number(match[1]) * unit;
  return Number.isSafeInteger(value) ? value : null;
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
 * A dump is evidence: no output replaces a file of it, by whatever path it is named.
 * @throws UsageError
 */
export function refuseInputAsOutput(texts: readonly string[], output: string): void {
  const argument = parseDumpArgument(texts);
  const target = join(realPath(dirname(output)), basename(output));
  const taken =
    argument.kind === 'folder'
      ? dirname(target) === realPath(argument.path) && /\.bin$|^(dump_info\.txt|load\.cmm)$/i.test(basename(target))
      : pathsOf(argument).some(path => realPath(path) === target);
  if (taken) throw new UsageError(`${output} is the input, or of it: name another file`);
}

const realPath = (path: string): string => (existsSync(path) ? realpathSync(path) : resolve(path));

const pathsOf = (argument: Exclude<DumpArgument, { kind: 'folder' }>): readonly string[] =>
  argument.kind === 'files' ? argument.paths : argument.images.map(({ path }) => path);

/** @throws UsageError, InputError */
export async function openDumpArgument(texts: readonly string[], options: DumpOptions): Promise<Dump> {
  const argument = parseDumpArgument(texts);
  const set = parseOverrides(options.set);
  const vmcoreinfo = options.vmcoreinfo === undefined ? {} : { vmcoreinfo: smallText(options.vmcoreinfo) };
  try {
    return await openFile(argument.kind === 'folder' ? argument.path : argument, { set, ...vmcoreinfo });
  } catch (error) {
    // The value of a --set.
    if (error instanceof RangeError && set.size > 0) throw new UsageError(error.message);
    throw error;
  }
}

/** VMCOREINFO is a page at most. */
const MOST_TEXT = 1 << 20;

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
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  const opened = openSymbols(dump, {
    ...(vmlinux === null ? {} : { vmlinux }),
    force: options.force === true,
  });
  issues.addAll(opened.issues);
  return opened.symbols;
}

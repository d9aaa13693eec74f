// kdumpling info: what a dump is and what is known of its kernel.
import { Command } from 'commander';
import { type Identity, identity } from 'kdumpling/analysis/machine';
import { attachPageTables, layoutFacts } from 'kdumpling/analysis/vtop';
import { type AttributeValue, type Dump, extractDeviceDump, formatRanges, Issues, printable } from 'kdumpling/reader';
import type { Symbols } from 'kdumpling/reader/debuginfo';
import { NewFolder } from 'kdumpling/reader/node';
import type { Answer, CommandContext, DefineCommand } from './command.js';
import { isCutShort } from './cut-short.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  dumpArgument,
  findDumpSymbols,
  openDumpArgument,
  openDumpTypes,
  type SymbolOptions,
} from './dump-argument.js';
import { jsonIssues } from './json.js';

interface InfoArguments extends DumpOptions, SymbolOptions {
  readonly attributes?: boolean;
  readonly extractDeviceDumps?: string;
  readonly json?: boolean;
}

export const command: DefineCommand = context =>
  addSymbolOptions(
    addDumpOptions(
      new Command()
        .description(
          'Tell what a dump is: format, architecture, kernel, panic. Memory is not searched unless it must be.',
        )
        .addArgument(dumpArgument({ several: true }))
        .option('--attributes', 'everything known about the dump, with where it is known from, and the address map')
        .option('--extract-device-dumps <folder>', 'write the dumps that drivers left (NT_VMCOREDD) into a new folder')
        .option('--json', 'print one JSON value'),
    ),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling info vmcore\n  kdumpling info vmcore --attributes --set linux.phys_base=0x1000000',
    )
    .action((dump: string[], options: InfoArguments) => info(context, dump, options));

async function info(context: CommandContext, texts: string[], options: InfoArguments): Promise<void> {
  const dump = await openDumpArgument(texts, options);
  try {
    const issues = new Issues();
    const { symbols, shift } = findDumpSymbols(dump, options, issues);
    const found = identity(dump, symbols, issues);
    const types = await openDumpTypes(dump, symbols, options, issues);
    const sources: Sources = { types: types?.source.split(',') ?? null, symbols: namesOf(symbols.source) };
    const extracted =
      options.extractDeviceDumps === undefined ? [] : extractDeviceDumps(dump, options.extractDeviceDumps, issues);
    const attributes = options.attributes === true ? attributesOf(dump, symbols, shift, issues) : null;
    const all = new Issues();
    all.addAll(dump.issues);
    all.addAll(issues);
    tellUnused(dump, options, all);
    context.answer(answer(dump, found, sources, attributes, extracted, all), options);
  } finally {
    dump.close();
  }
}

/** Settings that nothing asked for: all attributes have to be worked out to tell. */
function tellUnused(dump: Dump, options: InfoArguments, issues: Issues): void {
  if ((options.set ?? []).length === 0) return;
  for (const key of dump.attributes.unused()) {
    issues.add('unused-setting', `--set ${key}=…: this dump has no such attribute`);
  }
}

interface AttributesAnswer {
  readonly attributes: Readonly<Record<string, { value: AttributeValue; from: string }>>;
  readonly addressMap: readonly string[];
}

function attributesOf(dump: Dump, symbols: Symbols, shift: bigint | null, issues: Issues): AttributesAnswer {
  const translator = attachPageTables(dump, () => symbols);
  for (const { key, value, from } of layoutFacts(dump, translator, symbols, shift))
    dump.attributes.set(key, value, from);
  issues.addAll(translator.issues);
  return {
    attributes: Object.fromEntries(dump.attributes.entries().map(([key, { value, from }]) => [key, { value, from }])),
    addressMap: formatRanges(dump.virtual.ranges),
  };
}

interface Extracted {
  readonly name: string;
  readonly file: string;
  readonly size: number;
}

/** Drivers choose the names: in a file's name only plain characters are kept, and the dump's number makes it unique. */
function extractDeviceDumps(dump: Dump, folder: string, issues: Issues): Extracted[] {
  if (dump.deviceDumps.length === 0) {
    issues.add('no-device-dumps', 'no driver left a dump (NT_VMCOREDD) in this one: no folder was made');
    return [];
  }
  const out = new NewFolder(folder);
  try {
    const extracted = dump.deviceDumps.map((device, i) => {
      const file = `${i}-${device.name.replace(/[^\w.-]/g, '_')}`;
      const sink = out.file(file);
      extractDeviceDump(device, sink);
      sink.finish();
      return { name: device.name, file, size: device.size };
    });
    out.finish();
    return extracted;
  } finally {
    out.abort();
  }
}

function answer(
  dump: Dump,
  found: Identity,
  { types, symbols }: Sources,
  attributes: AttributesAnswer | null,
  extracted: readonly Extracted[],
  issues: Issues,
): Answer {
  const { container, arch, physical, pageSize } = dump;
  const json = {
    format: container.format,
    flattened: container.flattened,
    files: container.files,
    compression: container.compression.length === 0 ? null : container.compression.join(','),
    arch: arch?.name ?? null,
    bits: physical.pointerSize * 8,
    byteOrder: physical.littleEndian ? 'little' : 'big',
    pageSize,
    release: found.release,
    buildId: found.buildId,
    kaslrOffset: found.kaslrOffset,
    physBase: found.physBase,
    cpus: found.cpus,
    presentBytes: physical.presentBytes,
    panic: found.panic,
    types,
    symbols,
    deviceDumps: dump.deviceDumps.map(({ name, size }) => ({ name, size })),
    ...(attributes === null ? {} : attributes),
    issues: jsonIssues(issues),
  };
  return {
    json,
    *text() {
      yield* summary(dump, json, found);
      for (const { name, file, size } of extracted) yield row('extracted', `${name} to ${file}, ${size} bytes`);
      if (attributes === null) return;
      yield '';
      for (const [key, { value, from }] of Object.entries(attributes.attributes))
        yield printable(`${key} = ${shown(value)}  (${from})`);
      yield '';
      yield 'address map, in order of precedence:';
      for (const line of attributes.addressMap) yield `  ${line}`;
    },
    issues: issues.list(),
    partial: found.release === null || !found.logRead || isCutShort(dump, issues.list()),
  };
}

const row = (name: string, value: string): string => `${name.padEnd(14)}${printable(value)}`;
const hexOf = (value: bigint): string => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

function shown(value: AttributeValue): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'bigint' ? hexOf(value) : String(value);
}

/** Where types and symbols come from. */
interface Sources {
  /** Null if there are none. */
  readonly types: readonly string[] | null;
  readonly symbols: readonly string[];
}

const namesOf = (source: string): string[] => (source === '' ? [] : source.split(','));

interface Summary extends Sources {
  readonly bits: number;
  readonly byteOrder: string;
  readonly pageSize: number;
  readonly presentBytes: number;
}

const UNKNOWN = 'unknown';

/** What people ask first; the same facts as the JSON has. */
function* summary(dump: Dump, { bits, byteOrder, pageSize, presentBytes, symbols, types }: Summary, found: Identity) {
  const { container, arch, name } = dump;
  const details = [
    container.flattened ? 'flattened' : '',
    container.files > 1 ? `${container.files} files` : '',
    container.compression.join(', '),
  ].filter(text => text !== '');
  yield row('dump', name);
  yield row('format', [container.format, ...details].join(', '));
  yield row('architecture', `${arch?.name ?? UNKNOWN}, ${bits}-bit, ${byteOrder}-endian, pages of ${pageSize} bytes`);
  yield row('release', found.release ?? UNKNOWN);
  if (found.version !== null) yield row('version', found.version);
  if (found.nodename !== null) yield row('node', found.nodename);
  yield row('build ID', found.buildId ?? UNKNOWN);
  yield row('KASLR offset', found.kaslrOffset === null ? UNKNOWN : hexOf(found.kaslrOffset));
  yield row('physical base', found.physBase === null ? UNKNOWN : hexOf(found.physBase));
  yield row('CPUs', found.cpus === null ? UNKNOWN : String(found.cpus));
  yield row('memory', `${presentBytes} bytes are there`);
  yield row('panic', panicText(found));
  yield row('types', types === null ? 'none' : types.join(', '));
  yield row('symbols', symbols.length === 0 ? 'none' : symbols.join(', '));
  for (const { name: device, size } of dump.deviceDumps) yield row('device dump', `${device}, ${size} bytes`);
}

function panicText({ panic, logRead }: Identity): string {
  if (panic === null) return logRead ? 'none that the log tells of' : `${UNKNOWN}: the log cannot be read`;
  const where = [panic.cpu === null ? '' : `CPU ${panic.cpu}`, panic.pid === null ? '' : `PID ${panic.pid}`];
  const there = where.filter(text => text !== '').join(', ');
  return there === '' ? panic.message : `${panic.message} (${there})`;
}

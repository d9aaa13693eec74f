// carve: the registry over a real dump. Registers region sets in the dead kernel's memory and lets a back-end write what it would have left.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command, Option } from 'commander';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import {
  BACKEND_NAMES,
  type Backend,
  BackendOptionError,
  MEDIA,
  openBackend,
  type WrittenFile,
} from 'kdumpling/backends';
import {
  type Carved,
  type CarvedRegion,
  isSeriesName,
  type LeftOut,
  OverlayMemory,
  REGION_SETS,
  registerRegions,
  SERIES_NAMES,
  type SeriesName,
  symbolNames,
  type TargetKernel,
} from 'kdumpling/producer';
import { type Dump, InputError, type Issue, Issues } from 'kdumpling/reader';
import { bootOf, decodeRegionSet, type RegionRequest, type RegionSetFile } from 'kdumpling/reader/formats/region-set';
import { FileSource, NewFolder, systemError } from 'kdumpling/reader/node';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  dumpArgument,
  openDumpArgument,
  type SymbolOptions,
} from './dump-argument.js';
import { jsonIssues, toJson } from './json.js';
import { targetKernel } from './target-kernel.js';

/** What `carve --json` prints. */
export interface CarveAnswer {
  /** Last part of the output folder's path. */
  readonly output: string;
  /** Whose rules the regions were registered by; null for a back-end that takes none, and for a user's regions in one that has no registry. */
  readonly series: SeriesName | null;
  readonly backend: string;
  /** The back-end's files; `paddr` where an image of memory begins, else null. */
  readonly files: readonly { readonly name: string; readonly size: number; readonly paddr: string | null }[];
  readonly regions: readonly CarvedRow[];
  readonly leftOut: readonly LeftOut[];
  readonly issues: ReturnType<typeof jsonIssues>;
}

/** One region, in the answer and in manifest.json. */
export interface CarvedRow {
  readonly id: number;
  readonly name: string;
  /** "0x…" */
  readonly vaddr: string;
  /** "0x…" */
  readonly paddr: string;
  readonly size: number;
  /** Where the size comes from: `symbol-table`, `next-symbol` (an upper bound), `vmcoreinfo`, `series`, `memory`, `region-set`, `core-image`. */
  readonly sizeFrom: string;
}

/** manifest.json: what was registered and what was not, the same for the same input. */
export interface CarveManifest {
  readonly version: 1;
  /** Short name of the dump. */
  readonly dump: string;
  readonly release: string | null;
  readonly series: SeriesName | null;
  readonly backend: string;
  readonly files: CarveAnswer['files'];
  readonly regions: readonly CarvedRow[];
  readonly leftOut: readonly LeftOut[];
}

export const MANIFEST = 'manifest.json';
const DEFAULT_SET: SeriesName = 'meminspect-v3';
/** The rules for a user's regions alone: they keep the address that the user gave. */
const USER_SERIES: SeriesName = 'kmemdump-rfc3';
const LARGEST_SET_FILE = 1 << 24;

interface CarveArguments extends DumpOptions, SymbolOptions {
  readonly output: string;
  readonly regions?: readonly string[];
  readonly backend: string;
  readonly media?: string;
  readonly bare?: boolean;
  readonly layout?: string;
  readonly json?: boolean;
}

export const command: DefineCommand = context =>
  addSymbolOptions(
    addDumpOptions(
      new Command()
        .description(
          "Register regions over a real dump and write what a back-end would have left of the kernel's memory.",
        )
        .addArgument(dumpArgument({ several: true }))
        .requiredOption('-o, --output <dir>', 'a new folder for what the back-end writes and for manifest.json')
        .option(
          '--regions <set>',
          `what to register: ${SERIES_NAMES.join(', ')}, or a file of your own (repeatable, or separated by commas; default: ${DEFAULT_SET})`,
          collect,
        )
        .addOption(
          new Option('--backend <name>', 'who takes the regions').choices([...BACKEND_NAMES]).default('qcom-minidump'),
        )
        .addOption(
          new Option('--media <kind>', 'Qualcomm: what firmware leaves the dump on (default: folder)').choices([
            ...MEDIA,
          ]),
        )
        .option('--bare', 'Qualcomm, folder: without dump_info.txt and load.cmm')
        .option(
          '--layout <name>',
          'debug-kinfo: bytes of its area; qcom-msm: the shape of its header; vmcore: elf32 or elf64; raw: files or core',
        )
        .option('--json', 'print one JSON value'),
    ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  kdumpling carve vmcore --regions meminspect-v3 --backend qcom-minidump -o minidump',
    )
    .action((dump: string[], options: CarveArguments) => run(context, dump, options));

const collect = (text: string, before: readonly string[] = []): string[] => [...before, ...text.split(',')];

async function run(context: CommandContext, dumps: readonly string[], options: CarveArguments): Promise<void> {
  const sets = readSets(options.regions ?? [DEFAULT_SET]);
  const backend = open(options);
  const dump = await openDumpArgument(dumps, options);
  try {
    const answer = await carve(dump, sets, backend, options);
    const { json, issues, partial } = answer;
    context.answer({ json, text: () => lines(json, options.output), issues, partial }, options);
  } finally {
    dump.close();
  }
}

interface Sets {
  /** null: none of a series. */
  readonly series: SeriesName | null;
  /** A user's. */
  readonly files: readonly RegionSetFile[];
}

/** Names of series and files; @throws UsageError for two series, InputError for a file that is no set. */
function readSets(texts: readonly string[]): Sets {
  let series: SeriesName | null = null;
  const files: RegionSetFile[] = [];
  for (const text of texts) {
    if (isSeriesName(text)) {
      if (series !== null && series !== text) throw new UsageError(`one kernel has one series: ${series} or ${text}`);
      series = text;
    } else files.push(readSetFile(text));
  }
  return { series, files };
}

function readSetFile(path: string): RegionSetFile {
  const source = basename(path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InputError(
      { source, nowhere: 'system' },
      `it is no region set: ${systemError(error)}`,
      `sets are ${SERIES_NAMES.join(', ')}, or a file`,
    );
  }
  if (text.length > LARGEST_SET_FILE)
    throw new InputError(
      { source, record: 'region set', offset: LARGEST_SET_FILE, field: 'content' },
      'a region set of more than 16 MiB is a mistake',
    );
  return decodeRegionSet(text, source);
}

function open(options: CarveArguments): Backend {
  try {
    return openBackend(options.backend, {
      ...(options.media === undefined ? {} : { media: options.media as (typeof MEDIA)[number] }),
      ...(options.bare === undefined ? {} : { bare: options.bare }),
      ...(options.layout === undefined ? {} : { layout: options.layout }),
    });
  } catch (error) {
    if (error instanceof BackendOptionError) throw new UsageError(error.message);
    throw error;
  }
}

/** Registers over an open dump and writes; the folder appears whole or not at all. */
export async function carve(
  dump: Dump,
  sets: Sets,
  backend: Backend,
  options: SymbolOptions & { readonly output: string },
): Promise<{ readonly json: CarveAnswer; readonly issues: readonly Issue[]; readonly partial: boolean }> {
  const vmlinux = options.vmlinux === undefined ? null : new FileSource(options.vmlinux);
  try {
    const given = vmlinux === null ? {} : { vmlinux };
    return carveKernel(await openKernel(dump, { ...given, force: options.force === true }), sets, backend, options);
  } finally {
    vmlinux?.close();
  }
}

function carveKernel(
  known: Kernel,
  sets: Sets,
  backend: Backend,
  options: { readonly output: string },
): { readonly json: CarveAnswer; readonly issues: readonly Issue[]; readonly partial: boolean } {
  const { dump } = known;
  const issues = new Issues();
  issues.addAll(known.issues);
  const requests = ofThisDump(sets, dump, issues);
  const out = new NewFolder(options.output);
  try {
    const memory = new OverlayMemory(dump.physical, dump.pageSize);
    const set = sets.series === null ? null : REGION_SETS[sets.series];
    const entries = set === null ? [] : [...set.early, ...set.annotations, ...set.withBackend];
    const kernel = targetKernel({
      dump,
      kernel: known,
      memory,
      names: symbolNames(entries, requests),
      issues,
    });
    const rules = sets.series ?? (backend.takesAll ? null : USER_SERIES);
    const series = backend.ignoresRegions ? null : rules;
    // A core image of regions that nobody takes would only be memory that the kernel did not have.
    const carved: Carved = backend.ignoresRegions
      ? { regions: [], leftOut: [] }
      : registerRegions({
          kernel,
          memory,
          series: rules,
          withSet: set !== null,
          requests,
          backend,
          issues,
        });
    const before = issues.count;
    const files = backend.dump(kernel, out, issues).map(fileRow);
    const lost = issues.count > before;
    const { leftOut } = carved;
    const regions = carved.regions.map(row);
    const manifest: CarveManifest = {
      version: 1,
      dump: dump.name,
      release: dump.vmcoreinfo?.release ?? null,
      series,
      backend: backend.name,
      files,
      regions,
      leftOut,
    };
    writeManifest(out, manifest);
    out.finish();
    tellLeft(carved, rules, issues);
    const all = issues.list();
    const json = {
      output: basename(options.output),
      series,
      backend: backend.name,
      files,
      regions,
      leftOut,
      issues: jsonIssues(all),
    };
    return { json, issues: all, partial: lost || isPartial(kernel, carved, requests) || issues.has('other-boot') };
  } catch (error) {
    out.abort();
    if (error instanceof BackendOptionError) throw new UsageError(error.message);
    throw error;
  }
}

/** What may be registered over this dump: addresses that are of another one only would be those of anything. */
function ofThisDump({ files }: Sets, dump: Dump, issues: Issues): readonly RegionRequest[] {
  const boot = bootOf(dump.vmcoreinfo);
  return files.flatMap(file => {
    if (file.boot === undefined || file.boot === boot) return file.regions;
    const kept = file.regions.filter(request => !('thisDump' in request));
    const left = file.regions.length - kept.length;
    if (left > 0) {
      const message = `${left} regions are left out: their addresses are those of another boot (${file.boot}), and this one is ${boot}`;
      issues.add('other-boot', message);
    }
    return kept;
  });
}

/** What a full registry had no room for. */
function tellLeft({ leftOut, regions }: Carved, series: SeriesName | null, issues: Issues): void {
  const left = leftOut.filter(({ code, why }) => code === 'refused' && why.endsWith('(ENOSPC)'));
  if (left.length === 0) return;
  issues.add(
    'no-space-left',
    `${left.length} regions are left, since ${series ?? 'the registry'} has no room for more than these ${regions.length} (ENOSPC); the back-end raw takes any number`,
  );
}

/** A series' symbol that the kernel does not have is the kernel's affair, as long as its data symbols are known at all. */
function isPartial(kernel: TargetKernel, carved: Carved, requests: readonly RegionRequest[]): boolean {
  const dataSymbols = kernel.symbol('linux_banner') !== null;
  const asked = new Set(requests.map(request => request.name ?? (request.kind === 'symbol' ? request.symbol : '')));
  return carved.leftOut.some(({ name, code }) => code !== 'missing-symbol' || !dataSymbols || asked.has(name));
}

const fileRow = ({ name, size, paddr }: WrittenFile) => ({
  name,
  size,
  paddr: paddr === undefined ? null : `0x${paddr.toString(16)}`,
});

const row = ({ id, name, vaddr, paddr, size, sizeFrom }: CarvedRegion): CarvedRow => ({
  id,
  name,
  vaddr: `0x${vaddr.toString(16)}`,
  paddr: `0x${paddr.toString(16)}`,
  size,
  sizeFrom,
});

function writeManifest(out: NewFolder, manifest: CarveManifest): void {
  const { regions, leftOut, files, ...head } = manifest;
  const list = (name: string, items: readonly unknown[]) =>
    `  ${JSON.stringify(name)}: [${items.map(item => `\n    ${toJson(item)}`).join(',')}${items.length > 0 ? '\n  ' : ''}]`;
  const top = Object.entries(head).map(([key, value]) => `  ${JSON.stringify(key)}: ${toJson(value)}`);
  const text = [...top, list('files', files), list('regions', regions), list('leftOut', leftOut)].join(',\n');
  const sink = out.file(MANIFEST);
  sink.write(new TextEncoder().encode(`{\n${text}\n}\n`));
  sink.finish();
}

/** What `assemble` takes of the medium that a Qualcomm back-end wrote; null for what it does not take. */
function assembleInput({ backend, files }: CarveAnswer, folder: string): string | null {
  if (files.length === 0 || !backend.startsWith('qcom-')) return null;
  const images = files.filter(({ paddr }) => paddr !== null);
  if (images.length > 0) return images.map(({ name, paddr }) => `${join(folder, name)}@${paddr}`).join(',');
  const isRawdump = files.length === 1 && files[0].name.endsWith('.img');
  return isRawdump ? join(folder, files[0].name) : folder;
}

/** A word as a POSIX shell takes it. */
const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** @param folder the output folder as the user named it */
function* lines(answer: CarveAnswer, folder: string): Iterable<string> {
  const bytes = answer.regions.reduce((sum, { size }) => sum + size, 0);
  const regions = `${answer.regions.length} regions, ${bytes} bytes`;
  if (answer.series !== null)
    yield `${regions}, registered as ${answer.series} does; ${answer.leftOut.length} left out`;
  else if (answer.regions.length > 0) yield `${regions}, in no registry; ${answer.leftOut.length} left out`;
  else if (answer.leftOut.length > 0) yield `no region, ${answer.leftOut.length} left out`;
  else yield `${answer.backend} shows all old memory: no region is registered for it`;
  for (const { id, name, vaddr, paddr, size, sizeFrom } of answer.regions) {
    const bound = sizeFrom === 'next-symbol' ? ' at most' : '';
    yield `${String(id).padStart(4)}  ${name.padEnd(24)} ${vaddr.padEnd(18)} ${paddr.padEnd(12)} ${size}${bound}`;
  }
  yield `${answer.backend} wrote ${answer.files.length} files and ${MANIFEST} to ${answer.output}`;
  const input = assembleInput(answer, folder);
  if (input !== null) yield `To make a core of it: kdumpling assemble ${shellWord(input)} -o CORE`;
}

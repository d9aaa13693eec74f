// kdumpling assemble: a folder of blobs, a rawdump image or memory with the minidump tables -> an ELF core.
import { statSync } from 'node:fs';
import { Command, Option } from 'commander';
import { type Assembled, type AssembleMode, assemble } from 'kdumpling/assembler';
import { isRawdump } from 'kdumpling/reader/formats/rawdump';
import {
  mustHavePlaces,
  type PlacedRegion,
  type Placement,
  placeFolder,
  placeMemory,
  placeRawdump,
} from 'kdumpling/reader/minidump';
import { FileSink, FileSource, openFolder, parseSize } from 'kdumpling/reader/node';
import { type Answer, type CommandContext, type DefineCommand, UsageError } from './command.js';
import {
  addDumpOptions,
  type DumpOptions,
  openDumpArgument,
  parseDumpArgument,
  refuseOutput,
} from './dump-argument.js';
import { address, jsonIssues } from './json.js';

interface AssembleArguments extends DumpOptions {
  readonly output: string;
  readonly mode: AssembleMode;
  readonly smem?: number;
  readonly json?: boolean;
}

/** What `assemble --json` prints. */
export interface AssembleAnswer {
  /** The core, or null where none was written. */
  readonly output: string | null;
  readonly regions: readonly {
    readonly name: string | null;
    /** "0x…" */
    readonly paddr: string | null;
    readonly size: number;
    readonly status: PlacedRegion['status'];
  }[];
  readonly issues: ReturnType<typeof jsonIssues>;
}

export const command: DefineCommand = context =>
  addDumpOptions(
    new Command()
      .description('Put an ELF core together from a region dump. Every region is told with what became of it.')
      .argument('<input>', 'a folder of blobs, a rawdump image, a dump with the minidump tables in it, or FILE@PADDR')
      .requiredOption('-o, --output <core>', 'the core to write; it appears when it is complete')
      .addOption(
        new Option('--mode <mode>', 'exact: the registered layout; paged: whole pages, for crash')
          .choices(['exact', 'paged'])
          .default('exact'),
      )
      .option('--smem <paddr>', 'where SMEM begins in memory that holds the tables (default: searched for)', physical)
      .option('--json', 'print one JSON value'),
  )
    .addHelpText(
      'after',
      '\nExamples:\n  kdumpling assemble minidump/ -o minidump.elf\n  kdumpling assemble ram.bin@0x80000000 -o minidump.elf --mode paged',
    )
    .action((input: string, options: AssembleArguments) => run(context, input, options));

function physical(text: string): number {
  const paddr = parseSize(text);
  if (paddr === null)
    throw new UsageError(`--smem ${text}: it is no physical address (0x…, or decimal, with K, M or G)`);
  return paddr;
}

interface Opened {
  readonly placement: Placement;
  close(): void;
}

async function run(context: CommandContext, input: string, options: AssembleArguments): Promise<void> {
  const { output, mode } = options;
  refuseOutput([input], output);
  const opened = await open(input, options);
  const progress = await context.progress('assemble');
  try {
    const { placement } = opened;
    refuseEncrypted(context, placement, options);
    mustHavePlaces(placement);
    const sink = new FileSink(output);
    try {
      const result = assemble(placement, sink, { mode, onProgress: (done, total) => progress.update(done, total) });
      sink.finish();
      progress.stop();
      context.answer(answer(output, placement, result), options);
    } catch (error) {
      sink.abort();
      throw error;
    }
  } finally {
    progress.stop();
    opened.close();
  }
}

async function open(input: string, options: AssembleArguments): Promise<Opened> {
  const argument = parseDumpArgument([input]);
  const { smem } = options;
  const isMemory = argument.kind === 'images' || (argument.kind === 'files' && !isRawdumpFile(argument.paths[0]));
  if (isMemory) {
    const dump = await openDumpArgument([input], options);
    try {
      return { placement: placeMemory(dump.physical, dump.name, smem ?? null), close: () => dump.close() };
    } catch (error) {
      dump.close();
      throw error;
    }
  }
  if (smem !== undefined) throw new UsageError('--smem is for memory that holds the tables; this input has none');
  if (argument.kind === 'folder') {
    const folder = openFolder(argument.path);
    return { placement: placeFolder(folder), close: () => folder.close() };
  }
  const source = new FileSource((argument as { paths: readonly string[] }).paths[0]);
  return { placement: placeRawdump(source), close: () => source.close() };
}

function isRawdumpFile(path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const source = new FileSource(path);
  try {
    const head = new Uint8Array(8);
    return source.read(0, head) === head.length && isRawdump(head);
  } finally {
    source.close();
  }
}

/** Nothing comes of encrypted blobs, but which they are is told all the same. */
function refuseEncrypted(context: CommandContext, placement: Placement, options: AssembleArguments): void {
  if (placement.encrypted === null) return;
  const { regions, faults } = placement;
  const issues = faults.issues.list();
  const json: AssembleAnswer = { output: null, regions: rows(regions), issues: jsonIssues(issues) };
  context.answer({ json, text: () => table(regions), issues: [], partial: true }, options);
  mustHavePlaces(placement);
}

const rows = (regions: readonly PlacedRegion[]): AssembleAnswer['regions'] =>
  regions.map(({ name, paddr, size, status }) => ({ name, paddr: address(paddr), size, status }));

function answer(output: string, placement: Placement, { regions, issues, complete, size }: Assembled): Answer {
  const json: AssembleAnswer = { output, regions: rows(regions), issues: jsonIssues(issues) };
  return {
    json,
    *text() {
      yield* table(regions);
      const whole = regions.filter(({ status }) => status === 'ok').length;
      yield `${output}: ${size} bytes; ${whole} of ${regions.length} regions of ${placement.medium.name} are ok`;
    },
    issues,
    partial: !complete,
  };
}

function* table(regions: readonly PlacedRegion[]): Iterable<string> {
  const widest = Math.max(4, ...regions.map(({ name }) => name?.length ?? 1));
  for (const { name, paddr, size, status } of regions) {
    yield `${(name ?? '-').padEnd(widest)}  ${(address(paddr) ?? '-').padEnd(14)} ${String(size).padStart(12)}  ${status}`;
  }
}

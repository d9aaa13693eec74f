// kdumpling convert: any dump in another format.
import { Command, Option } from 'commander';
import type { DropCounts } from 'kdumpling/analysis/pages';
import {
  CONVERT_FORMATS,
  type Converted,
  type ConvertFormat,
  codecOf,
  convertDump,
  type DropOptions,
} from 'kdumpling/assembler';
import { type Dump, type Issue, Issues } from 'kdumpling/reader';
import { refusedLevel } from 'kdumpling/reader/codecs';
import { FileSink, nodeEngines } from 'kdumpling/reader/node';
import { type CommandContext, type DefineCommand, UsageError } from './command.js';
import { isCutShort } from './cut-short.js';
import type { Drop } from './drop-argument.js';
import {
  addDumpOptions,
  addSymbolOptions,
  type DumpOptions,
  dumpArgument,
  openDumpArgument,
  openDumpSymbols,
  refuseOutput,
  type SymbolOptions,
} from './dump-argument.js';
import { address, jsonIssues } from './json.js';

interface ConvertArguments extends DumpOptions, SymbolOptions {
  readonly output: string;
  readonly to: ConvertFormat;
  readonly level?: number;
  readonly flat?: boolean;
  readonly drop?: string;
  readonly json?: boolean;
}

export const command: DefineCommand = context =>
  addSymbolOptions(
    addDumpOptions(
      new Command()
        .description('Write a dump in another format. What the format cannot carry is told.')
        .addArgument(dumpArgument({ several: true }))
        .requiredOption('-o, --output <file>', 'the file to write; it appears when it is complete')
        .addOption(
          new Option('--to <format>', 'the format to write').choices([...CONVERT_FORMATS]).makeOptionMandatory(),
        )
        .option('--level <n>', 'compression level of zlib (1 to 9) or zstd (1 to 22)', wholeNumber)
        .option('--flat', "write makedumpfile's flattened stream of the format")
        .option(
          '--drop <classes>',
          "leave out pages: a list of zero, cache, cache-private, user, free, or makedumpfile's level (0 to 31)",
        )
        .option('--json', 'print one JSON value'),
    ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  kdumpling convert vmcore -o vmcore.kdump --to kdump-zstd --level 3\n  kdumpling convert vmcore -o small.kdump --to kdump-zstd --drop 31',
    )
    .action((dump: string[], options: ConvertArguments) => convert(context, dump, options));

function wholeNumber(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new UsageError(`${JSON.stringify(text)} is no compression level`);
  return Number(text);
}

async function convert(context: CommandContext, texts: string[], options: ConvertArguments): Promise<void> {
  const { to, level, output } = options;
  const codec = codecOf(to);
  if (level !== undefined) {
    const refused = codec === null ? `${to} is not compressed; leave the level out` : refusedLevel(codec, level);
    if (refused !== null) throw new UsageError(refused);
  }
  if (to === 'raw' && options.flat === true) throw new UsageError('raw memory has no flattened form; leave --flat out');
  // Kernels are for those that ask for them.
  const dropping = options.drop === undefined ? null : await import('./drop-argument.js');
  const classes = dropping?.parseDrop(options.drop ?? '') ?? [];
  refuseOutput(texts, output);
  const dump = await openDumpArgument(texts, options);
  const progress = await context.progress('convert');
  try {
    const issues = new Issues();
    issues.addAll(dump.issues);
    const drop = dropping === null ? null : await dropping.findDropped(dump, classes, options, issues);
    const converted = await convertDump(dump, {
      format: to,
      ...(level === undefined ? {} : { level }),
      flat: options.flat === true,
      engines: nodeEngines,
      ...imageOf(dump, to),
      ...dropOf(drop),
      issues,
      openSink: () => new FileSink(output),
      onProgress: (done, total) => progress.update(done, total),
    });
    progress.stop();
    context.answer(answer(dump, output, converted, drop, issues.list()), options);
  } finally {
    progress.stop();
    dump.close();
  }
}

const NO_FRAMES = { starts: [], ends: [] };

function dropOf(drop: Drop | null): { drop?: DropOptions } {
  if (drop === null) return {};
  return { drop: { frames: drop.dropped?.ranges ?? NO_FRAMES, zeros: drop.zeros, level: drop.level } };
}

/** A core that is made from page frames gets the image map as segments; the kernel's symbols tell where the image lies. */
function imageOf(dump: Dump, to: ConvertFormat): { image?: { first: bigint; last: bigint } } {
  if (to !== 'elf' || dump.segments.length > 0 || dump.vmcoreinfo === null) return {};
  const found = openDumpSymbols(dump, {}, new Issues()).resolve(['_text', '_stext', '_end']);
  const first = (found.get('_text') ?? found.get('_stext'))?.address;
  const end = found.get('_end')?.address;
  return first === undefined || end === undefined || end <= first ? {} : { image: { first, last: end - 1n } };
}

function answer(dump: Dump, output: string, converted: Converted, drop: Drop | null, issues: readonly Issue[]) {
  const { format, flat, bytes, excludedBytes, droppedBytes, lostBytes, virtualOnlyBytes, base } = converted;
  return {
    json: {
      output,
      format,
      flat,
      bytes,
      excludedBytes,
      droppedBytes,
      dropped: drop?.dropped?.counts ?? null,
      lostBytes,
      virtualOnlyBytes,
      base: address(base),
      issues: jsonIssues(issues),
    },
    *text() {
      yield `${output}: ${dump.name} as ${format}${flat ? ', flattened' : ''}; ${bytes} bytes of memory`;
      if (excludedBytes > 0) yield `${excludedBytes} bytes had been filtered out of ${dump.name}`;
      if (drop !== null) yield `${droppedBytes} bytes were left out${reasonsText(drop)}`;
      if (lostBytes > 0) yield `${lostBytes} bytes could not be read from ${dump.name}`;
      if (virtualOnlyBytes > 0)
        yield `${virtualOnlyBytes} bytes have no physical address, and ${format} has no place for them`;
      if (base !== null)
        yield `its first byte is physical address ${address(base)}: read it as ${output}@${address(base)}`;
    },
    issues,
    partial: lostBytes > 0 || virtualOnlyBytes > 0 || isCutShort(dump, issues),
  };
}

const REASONS: readonly (readonly [keyof DropCounts, string])[] = [
  ['cache', 'page cache'],
  ['cachePrivate', 'page cache with private data'],
  ['user', 'user memory'],
  ['free', 'free'],
  ['hwpoison', 'broken'],
  ['offline', 'offline'],
];

/** Frames by class; fewer may be left out of an ELF core, and zeros besides. */
function reasonsText({ dropped }: Drop): string {
  if (dropped === null) return '';
  const parts = REASONS.flatMap(([key, name]) => (dropped.counts[key] > 0 ? [`${dropped.counts[key]} ${name}`] : []));
  return parts.length === 0 ? '' : `; pages by class: ${parts.join(', ')}`;
}

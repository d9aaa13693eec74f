// Any dump -> any format: one walk over the states of its memory (plan.ts), then one over its bytes, each of which is read once and goes to a writer.
import { type ByteSink, type Dump, InputError, Issues, isPowerOfTwo } from 'kdumpling/reader';
import { type CodecEngines, type CodecName, loadCompressor } from 'kdumpling/reader/codecs';
import {
  DUMP_DH_COMPRESSED_LZO,
  DUMP_DH_COMPRESSED_SNAPPY,
  DUMP_DH_COMPRESSED_ZLIB,
  DUMP_DH_COMPRESSED_ZSTD,
} from 'kdumpling/reader/formats/diskdump';
import type { ByteRange } from 'kdumpling/reader/formats/real-bytes';
import { describeElf, describeKdump, type ImageBounds } from './containers.js';
import { writeMemory } from './copy-memory.js';
import { type Frames, unitedFrames } from './cut-frames.js';
import {
  tellFillingLost,
  tellMissing,
  tellRawLosses,
  tellUnlikely,
  tellVirtualAddresses,
  tellVirtualOnly,
} from './losses.js';
import { type DumpPlan, type PlannedDrop, planDump } from './plan.js';
import { ElfWriter } from './writers/elf.js';
import { FlattenedSink } from './writers/flattened.js';
import { KdumpWriter } from './writers/kdump.js';
import { RawWriter, rawBase } from './writers/raw.js';
import type { DumpWriter } from './writers/writer.js';
import { zeroFrames } from './zero-frames.js';

export type ConvertFormat = 'elf' | 'kdump-zlib' | 'kdump-lzo' | 'kdump-snappy' | 'kdump-zstd' | 'kdump-none' | 'raw';

/** The codec of a kdump format's pages, and the flag that marks them; null for other formats. */
const FORMATS: Record<ConvertFormat, { readonly codec: CodecName | null; readonly flag: number } | null> = {
  elf: null,
  'kdump-zlib': { codec: 'zlib', flag: DUMP_DH_COMPRESSED_ZLIB },
  'kdump-lzo': { codec: 'lzo', flag: DUMP_DH_COMPRESSED_LZO },
  'kdump-snappy': { codec: 'snappy', flag: DUMP_DH_COMPRESSED_SNAPPY },
  'kdump-zstd': { codec: 'zstd', flag: DUMP_DH_COMPRESSED_ZSTD },
  'kdump-none': { codec: null, flag: 0 },
  raw: null,
};

export const CONVERT_FORMATS = Object.keys(FORMATS) as readonly ConvertFormat[];

/** The codec of a format's pages, or null. */
export const codecOf = (format: ConvertFormat): CodecName | null => FORMATS[format]?.codec ?? null;

/** Pages that the output is to do without: marked as excluded where the format can. */
export interface DropOptions {
  /** Those that are not there make no difference. */
  readonly frames: Frames;
  /** Pages of zeros too. Only ELF leaves them out: other formats keep them at no cost. */
  readonly zeros: boolean;
  /** Bits of makedumpfile's dump level, for the header of a kdump file. */
  readonly level: number;
}

/** As makedumpfile 1.7 has it (PFN_EXCLUDED): fewer pages in a row are not worth a program header of their own. */
const PAGES_WORTH_A_SEGMENT = 256;

export interface ConvertOptions {
  readonly format: ConvertFormat;
  /** For the codec; see `refusedLevel` of kdumpling/reader/codecs. */
  readonly level?: number;
  /** Write makedumpfile's flattened stream of the format; not for raw. */
  readonly flat?: boolean;
  readonly engines?: CodecEngines;
  readonly drop?: DropOptions;
  /** First and last address of the kernel image, where they are known better than from VMCOREINFO: an ELF core maps the image so far. */
  readonly image?: ImageBounds;
  readonly issues: Issues;
  /** Asked again where the first attempt at an ELF core found that memory promised in its headers cannot be decoded. */
  readonly openSink: () => ByteSink;
  /** Both in bytes of memory. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Converted {
  readonly format: ConvertFormat;
  readonly flat: boolean;
  /** Bytes of memory in the output, zero pages included. */
  readonly bytes: number;
  /** Bytes that were filtered out of the input. */
  readonly excludedBytes: number;
  /** Bytes that are in the input and were left out by `drop`. */
  readonly droppedBytes: number;
  /** Bytes that the input should have and that cannot be read. */
  readonly lostBytes: number;
  /** Bytes of segments without a physical address, which the format has no place for. */
  readonly virtualOnlyBytes: number;
  /** Raw only: the physical address of the file's first byte. */
  readonly base: number | null;
}

const LEAST_PAGE = 4096;
const MOST_PAGE = 1 << 20;

/**
 * Writes `dump` as `format`. What the format cannot carry is told in `issues`. The output is finished, or aborted where this throws.
 * @throws InputError; RangeError for a level that the codec does not have
 */
export async function convertDump(dump: Dump, options: ConvertOptions): Promise<Converted> {
  const { format } = options;
  checkPageSize(dump);
  const codec = codecOf(format);
  const compressor = codec === null ? null : await loadCompressor(codec, options.level, options.engines);
  const open = (plan: DumpPlan, sink: ByteSink, issues: Issues): DumpWriter => {
    if (format === 'raw') return new RawWriter(plan, sink);
    if (format === 'elf') return new ElfWriter(plan, describeElf(dump, plan, options.image, issues), sink);
    const described = describeKdump(dump, plan, compressor, FORMATS[format]?.flag ?? 0, issues);
    const dumpLevel = described.dumpLevel | (options.drop?.level ?? 0);
    return new KdumpWriter(plan, { ...described, dumpLevel }, sink);
  };
  const drop = plannedDrop(dump, options);
  let plan = planDump(dump.physical, dump.pageSize, [], drop);
  let outcome = attempt(dump, plan, options, open);
  if (outcome.again) {
    plan = planDump(dump.physical, dump.pageSize, outcome.lost, drop);
    outcome = attempt(dump, plan, options, open);
  }
  options.issues.addAll(outcome.issues);
  tellMissing([...plan.missing, ...outcome.lost], options.issues);
  tellUnlikely(plan.unlikely, options.issues);
  if (format === 'raw') tellRawLosses(dump, plan, options.issues);
  if (format === 'elf') tellFillingLost(dump, plan, options.issues);
  else tellVirtualAddresses(dump, options.issues);
  const virtualOnlyBytes = format === 'elf' ? 0 : tellVirtualOnly(dump, options.issues);
  const lost = sum(outcome.lost);
  return {
    format,
    flat: options.flat === true,
    bytes: plan.presentBytes - lost,
    excludedBytes: sum(plan.excluded) - plan.droppedBytes,
    droppedBytes: plan.droppedBytes,
    lostBytes: sum(plan.missing) + lost,
    virtualOnlyBytes,
    base: format === 'raw' ? rawBase(plan) : null,
  };
}

function plannedDrop({ physical, pageSize }: Dump, { drop, format }: ConvertOptions): PlannedDrop | undefined {
  if (drop === undefined) return undefined;
  if (format !== 'elf') return { frames: drop.frames, leastRun: 1 };
  const leastRun = PAGES_WORTH_A_SEGMENT;
  if (!drop.zeros) return { frames: drop.frames, leastRun };
  // Only what is to stay so far is read for zeros.
  const plan = planDump(physical, pageSize, [], { frames: drop.frames, leastRun: 1 });
  return { frames: unitedFrames(drop.frames, zeroFrames(physical, plan)), leastRun };
}

interface Outcome {
  readonly lost: readonly ByteRange[];
  readonly issues: Issues;
  /** The output was dropped, since its headers promised what was lost. */
  readonly again: boolean;
}

function attempt(
  dump: Dump,
  plan: DumpPlan,
  options: ConvertOptions,
  open: (plan: DumpPlan, sink: ByteSink, issues: Issues) => DumpWriter,
): Outcome {
  const issues = new Issues();
  const file = options.openSink();
  const sink = options.flat === true && options.format !== 'raw' ? new FlattenedSink(file, plan.presentBytes) : file;
  try {
    const writer = open(plan, sink, issues);
    const lost = writeMemory(dump.physical, plan, writer, options.onProgress);
    if (lost.length > 0 && options.format === 'elf') return { lost, issues, again: true };
    writer.finish();
    sink.finish();
    return { lost, issues, again: false };
  } finally {
    // Harmless where the output is finished.
    sink.abort();
  }
}

function checkPageSize({ name, pageSize }: Dump): void {
  if (pageSize >= LEAST_PAGE && pageSize <= MOST_PAGE && isPowerOfTwo(pageSize)) return;
  throw new InputError(
    { source: name, nowhere: 'input', record: 'attributes', field: 'arch.page_size', value: pageSize },
    'a page size is a power of two from 4 KiB to 1 MiB',
    'say it with --set arch.page_size=…',
  );
}

const sum = (ranges: readonly ByteRange[]): number => ranges.reduce((bytes, { start, end }) => bytes + end - start, 0);

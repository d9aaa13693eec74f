// demo: the whole way on a real kernel's regions that come with the package. Opens a small region core, registers its regions, lets the qcom-minidump back-end write
// what firmware would have saved, puts the blobs together again, reads the result back, and compares every byte. How the data was made: demo/make.mjs.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Command } from 'commander';
import { dmesgLines, readLog } from 'kdumpling/analysis/log';
import { identity } from 'kdumpling/analysis/machine';
import { assemble, firstDifference } from 'kdumpling/assembler';
import { openBackend } from 'kdumpling/backends';
import { type Dump, InputError, Issues, MemorySource, openDump } from 'kdumpling/reader';
import { decodeRegionSet, type RegionRequest } from 'kdumpling/reader/formats/region-set';
import { placeFolder } from 'kdumpling/reader/minidump';
import { FileSink, nodeEngines, openFile, openFolder } from 'kdumpling/reader/node';
import { type CarveAnswer, carve } from './carve.js';
import type { CommandContext, DefineCommand } from './command.js';

/** What `demo --json` prints. */
export interface DemoAnswer {
  /** Regions compared byte by byte, and their bytes in all. */
  readonly regions: number;
  readonly bytes: number;
  /** Blobs that the back-end wrote. */
  readonly blobs: number;
  /** Length of the assembled core. */
  readonly core: number;
  readonly banner: string | null;
  readonly release: string | null;
  readonly panic: string | null;
  /** The last lines of the kernel's log. */
  readonly log: readonly string[];
}

const CORE = 'region-core.elf.gz';
const SET = 'regions.json';
const LOG_LINES = 8;

export const command: DefineCommand = context =>
  new Command()
    .description(
      "Run the whole pipeline on a real kernel's regions that come with the package; fail if a byte differs.",
    )
    .option('--json', 'print one JSON value')
    .addHelpText('after', '\nExample:\n  kdumpling demo')
    .action((options: { json?: boolean }) => run(context, options));

async function run(context: CommandContext, options: { readonly json?: boolean }): Promise<void> {
  const data = dataFolder();
  const work = mkdtempSync(join(tmpdir(), 'kdumpling-demo-'));
  try {
    const bytes = gunzipSync(readFileSync(join(data, CORE)));
    const set = decodeRegionSet(readFileSync(join(data, SET), 'utf8'), SET);
    const dump = await openDump([new MemorySource(bytes, CORE.replace('.gz', ''))], { engines: nodeEngines });
    try {
      const json = await replay(dump, set.regions, work);
      context.answer({ json, text: () => lines(json), issues: [], partial: false }, options);
    } finally {
      dump.close();
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** In the package: what is built lies two folders deep in it, bundled or not. */
const dataFolder = (): string => fileURLToPath(new URL('../../cli/demo', import.meta.url));

async function replay(dump: Dump, requests: readonly RegionRequest[], work: string): Promise<DemoAnswer> {
  const minidump = join(work, 'minidump');
  const carved = await carve(dump, { series: null, files: [{ regions: requests }] }, openBackend('qcom-minidump'), {
    output: minidump,
  });
  if (carved.json.leftOut.length > 0) fail(`${carved.json.leftOut[0].name} was not registered`);
  const core = join(work, 'core');
  const size = putTogether(minidump, core);
  const result = await openFile(core);
  try {
    const compared = compare(dump, result, carved.json);
    const issues = new Issues();
    const { banner, release, panic } = identity(result, null, issues);
    return {
      regions: compared.regions,
      bytes: compared.bytes,
      blobs: carved.json.files.filter(({ name }) => name.endsWith('.BIN')).length,
      core: size,
      banner,
      release,
      panic: panic?.message ?? null,
      log: lastLines(result, issues),
    };
  } finally {
    result.close();
  }
}

/** Folder of blobs -> core; returns its length. */
function putTogether(minidump: string, core: string): number {
  const folder = openFolder(minidump);
  try {
    const sink = new FileSink(core);
    try {
      const { complete, issues, size } = assemble(placeFolder(folder), sink, { mode: 'exact' });
      if (!complete) fail(issues[0]?.message ?? 'the core is not complete');
      sink.finish();
      return size;
    } catch (error) {
      sink.abort();
      throw error;
    }
  } finally {
    folder.close();
  }
}

/** Every registered byte of memory, by its physical and by its virtual address. The core image's header is no memory of the dump. */
function compare(
  dump: Dump,
  result: Dump,
  { regions }: CarveAnswer,
): { readonly regions: number; readonly bytes: number } {
  const ranges = regions
    .filter(({ name }) => name !== 'ELF' && name !== 'VMCOREINFO')
    .map(({ name, vaddr, paddr, size }) => ({ name, vaddr: BigInt(vaddr), paddr: Number(paddr), size }));
  const difference = firstDifference(dump, result, ranges);
  if (difference !== null) {
    const { name, offset, by, expected, found } = difference;
    fail(`byte ${offset} of ${name}, by ${by} address, was ${expected} and became ${found}`);
  }
  if (dump.vmcoreinfo?.text !== result.vmcoreinfo?.text) fail('VMCOREINFO differs');
  return { regions: ranges.length, bytes: ranges.reduce((sum, { size }) => sum + size, 0) };
}

/** Exit status 3. */
function fail(why: string): never {
  throw new InputError({ source: 'demo', nowhere: 'output' }, `the regions did not come back as they were: ${why}`);
}

function lastLines(dump: Dump, issues: Issues): readonly string[] {
  if (dump.vmcoreinfo === null) return [];
  return [...dmesgLines(readLog(dump.virtual, dump.vmcoreinfo, () => null, issues))].slice(-LOG_LINES);
}

function* lines(answer: DemoAnswer): Iterable<string> {
  yield `registered ${answer.regions} regions of a real kernel, ${answer.bytes} bytes`;
  yield `qcom-minidump wrote what firmware would have saved: ${answer.blobs} blobs`;
  yield `assembled an ELF core of ${answer.core} bytes; every byte is as it was, by physical and by virtual address`;
  yield '';
  yield `banner   ${answer.banner ?? 'unknown'}`;
  yield `release  ${answer.release ?? 'unknown'}`;
  yield `panic    ${answer.panic ?? 'unknown'}`;
  yield `the last ${answer.log.length} lines of its log:`;
  for (const line of answer.log) yield `  ${line}`;
}

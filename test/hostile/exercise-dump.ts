// What the commands do with a dump: open, tell all about it, read here and there, scan, look up symbols, convert.

import { dmesgLines, readLog } from 'kdumpling/analysis/log';
import { identity } from 'kdumpling/analysis/machine';
import { assemble, CONVERT_FORMATS, convertDump } from 'kdumpling/assembler';
import {
  type Dump,
  extractDeviceDump,
  hex,
  Issues,
  MemoryFault,
  openDump,
  type PhysicalMemory,
} from 'kdumpling/reader';
import { openSymbols, type Symbols } from 'kdumpling/reader/debuginfo';
import { type Placement, placeFolder, placeMemory, placeRawdump } from 'kdumpling/reader/minidump';
import { nodeEngines } from 'kdumpling/reader/node';
import { RAM_BASE } from './bases/minidump.js';
import { askTypesOf } from './exercise-btf.js';
import { lookUp, sourceOf } from './exercise-parts.js';
import { wrongIssue, wrongSentence, wrongValues } from './judge.js';
import type { Hostile } from './mutations.js';
import { CountingSink, MOST_WRITTEN } from './sinks.js';

/** What one input may make of its few KiB: as many lines of log, and stretches of memory; of more bytes, four stretches for each. */
const MOST_RUNS = 2 ** 21;
const RUNS_PER_BYTE = 4;
const CACHE = 1 << 16;

export type OpenOptions = NonNullable<Parameters<typeof openDump>[1]>;

export async function openHostile(input: Hostile, issues: Issues): Promise<Dump> {
  const { files, base } = input;
  const options: OpenOptions = { issues, cacheBytes: CACHE, engines: nodeEngines };
  if (base.kind === 'raw') return openDump(files.map(sourceOf), { ...options, raw: files.map(() => RAM_BASE) });
  if (base.kind === 'folder') return openDump(files.map(sourceOf), { ...options, folder: base.name });
  if (base.kind !== 'vmcoreinfo') return openDump(files.map(sourceOf), options);
  const [text, core] = files;
  if (core === undefined) return openDump([sourceOf(text)], options);
  return openDump([sourceOf(core)], { ...options, vmcoreinfo: new TextDecoder().decode(text.bytes) });
}

/** Everything that `info` shows. */
function tell(dump: Dump): string[] {
  const wrong: string[] = [];
  for (const [key, { value, from }] of dump.attributes.entries()) {
    if (typeof value === 'number' && !Number.isFinite(value)) wrong.push(`attribute ${key} is ${value}`);
    if (value === undefined) wrong.push(`attribute ${key} is undefined`);
    if (from === '') wrong.push(`attribute ${key} is from nowhere`);
  }
  if (!Number.isSafeInteger(dump.pageSize) || dump.pageSize <= 0) wrong.push(`the page size is ${dump.pageSize}`);
  for (const note of dump.notes)
    if (note.descriptor.length > MOST_WRITTEN) wrong.push(`a note of ${note.descriptor.length} bytes`);
  return wrong;
}

/** A read gives bytes or says why not. */
function attempt(wrong: string[], what: string, read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof MemoryFault)) wrong.push(`${what}: ${error instanceof Error ? error.stack : String(error)}`);
    else if (wrongSentence(error.message) !== null) wrong.push(error.message);
  }
}

function readHereAndThere(dump: Dump): string[] {
  const wrong: string[] = [];
  const { physical, virtual } = dump;
  const { start, end } = physical.bounds;
  const into = new Uint8Array(9000);
  const places = [
    0,
    1,
    start,
    start + 4090,
    end - 8,
    end - 1,
    end,
    0x1002ffc,
    2 ** 32 - 4,
    2 ** 52,
    Number.MAX_SAFE_INTEGER - 8,
  ];
  for (const paddr of places) {
    if (paddr < 0) continue;
    for (const length of [1, 8, into.length])
      attempt(wrong, `read ${hex(paddr)}`, () => physical.read(paddr, into.subarray(0, length)));
    physical.locate(paddr, 64);
  }
  for (const vaddr of [0n, 0x1000n, 0xc1000000n, 0xffffffff81000ffcn, 0xffff000000002000n, 0xfffffffffffffff8n]) {
    attempt(wrong, `read ${hex(vaddr)}`, () => virtual.read(vaddr, into.subarray(0, 8)));
    virtual.translate(vaddr);
  }
  return wrong;
}

/** The states of memory follow each other without gaps; a scan comes past every byte once, in order, and past no more than there can be. */
function walk(physical: PhysicalMemory, fileSize: number): string[] {
  const most = Math.max(MOST_RUNS, RUNS_PER_BYTE * fileSize);
  const wrong: string[] = [];
  const { start, end } = physical.bounds;
  let at = start;
  let runs = 0;
  for (const run of physical.runs(start, end)) {
    if (run.start !== at || !(run.end > run.start)) wrong.push(`a run ${run.start} to ${run.end} after ${at}`);
    at = run.end;
    if (++runs > most || wrong.length > 0) break;
  }
  if (runs > most) wrong.push(`more than ${most} runs`);
  else if (wrong.length === 0 && at !== end) wrong.push(`runs end at ${at}, memory at ${end}`);
  let next = 0;
  let seen = 0;
  physical.scan(start, end, (paddr, bytes) => {
    if (paddr < next) wrong.push(`the scan went back from ${next} to ${paddr}`);
    next = paddr + bytes.length;
    seen += bytes.length;
    return seen < MOST_WRITTEN && wrong.length === 0;
  });
  if (seen > physical.presentBytes) wrong.push(`the scan saw ${seen} bytes of ${physical.presentBytes}`);
  return wrong;
}

/** Which format is written next: every input to one of them, all of them in turn. */
let turn = 0;

async function convert(dump: Dump): Promise<string[]> {
  const format = CONVERT_FORMATS[turn++ % CONVERT_FORMATS.length];
  const issues = new Issues();
  const flat = format !== 'raw' && turn % 3 === 0;
  const drop = turn % 4 === 0 ? { drop: someFrames(dump) } : {};
  await convertDump(dump, { format, flat, issues, engines: nodeEngines, openSink: () => new CountingSink(), ...drop });
  return issues.list().map(wrongIssue).filter(isText);
}

/** Every second stretch of three frames, and zeros. */
function someFrames({ physical, pageSize }: Dump) {
  const first = Math.floor(physical.bounds.start / pageSize);
  const starts = Array.from({ length: 100 }, (_, i) => first + 6 * i);
  return { frames: { starts, ends: starts.map(start => start + 3) }, zeros: true, level: 31 };
}

const isText = (text: string | null): text is string => text !== null;

/** The log, what `info` says of the kernel, and what drivers left. */
function analyse(dump: Dump, symbols: Symbols, issues: Issues): string[] {
  const wrong: string[] = [];
  const { vmcoreinfo, virtual } = dump;
  if (vmcoreinfo !== null) {
    const address = (name: string) => symbols.resolve([name]).get(name)?.address ?? null;
    let lines = 0;
    for (const line of dmesgLines(readLog(virtual, vmcoreinfo, address, issues))) {
      if (/\bNaN\b|undefined|\[object /.test(line.slice(0, 32)))
        wrong.push(`a line of the log is ${JSON.stringify(line.slice(0, 80))}`);
      if (++lines > MOST_RUNS) return [`more than ${MOST_RUNS} lines of log`];
    }
  }
  wrong.push(...wrongValues('identity', identity(dump, symbols, issues)));
  for (const device of dump.deviceDumps) extractDeviceDump(device, new CountingSink());
  return wrong;
}

/** Assembles what has tables: a folder, a rawdump image, memory; in both modes by turns. */
function assembleAgain(input: Hostile, dump: Dump): string[] {
  const { files, base } = input;
  let placement: Placement | null = null;
  if (base.kind === 'folder') placement = placeFolder({ name: base.name, files: files.map(sourceOf), close() {} });
  else if (base.kind === 'raw') placement = placeMemory(dump.physical, dump.name, null);
  else if (dump.container.format === 'rawdump') placement = placeRawdump(sourceOf(files[0]));
  if (placement === null) return [];
  const { regions, issues } = assemble(placement, new CountingSink(), { mode: turn % 2 === 0 ? 'exact' : 'paged' });
  const wrong = regions.filter(({ size, paddr }) => !(size >= 0) || (paddr !== null && !(paddr >= 0)));
  return [
    ...wrong.map(({ size, paddr }) => `a region of ${size} bytes at ${paddr}`),
    ...issues.map(wrongIssue).filter(isText),
  ];
}

export async function exerciseDump(input: Hostile): Promise<string[]> {
  const issues = new Issues();
  let dump: Dump | null = null;
  try {
    dump = await openHostile(input, issues);
    const wrong = [
      ...tell(dump),
      ...readHereAndThere(dump),
      ...walk(
        dump.physical,
        input.files.reduce((sum, { bytes }) => sum + bytes.length, 0),
      ),
    ];
    const opened = openSymbols(dump);
    issues.addAll(opened.issues);
    wrong.push(...lookUp(opened.symbols), ...askTypesOf(dump, opened.symbols, issues));
    wrong.push(...analyse(dump, opened.symbols, issues), ...(await convert(dump)));
    wrong.push(...issues.list().map(wrongIssue).filter(isText));
    return [...wrong, ...assembleAgain(input, dump)];
  } finally {
    dump?.close();
  }
}

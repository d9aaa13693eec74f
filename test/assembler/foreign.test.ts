// Minidumps that none of our code wrote: test/fixtures/make-minidump.py makes them from the formats' descriptions alone and says in truth.json what they hold. Assembled
// both ways and read directly, each must give exactly that; cores are read by a walk of its own, so that reader and assembler cannot agree on a mistake.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { MemoryFault } from 'kdumpling/reader';
import { type DumpSpec, openFile } from 'kdumpling/reader/node';
import { dirSync } from 'tmp-promise';
import { ElfWalk } from '../elf-walk.js';
import { hasPeer, peer, peerTest } from '../peer.js';

const here = dirname(fileURLToPath(import.meta.url));
const script = join(here, '../../../test/fixtures/make-minidump.py');
const command = join(here, '../../cli/bin.js');

interface TruthRegion {
  name: string;
  paddr: string;
  vaddrs: string[];
  size: number;
  present: number;
  sha256: string;
  status: string[];
}
interface Truth {
  arguments: string[];
  machine: number;
  bits: 32 | 64;
  byteOrder: 'little' | 'big';
  vmcoreinfo: string | null;
  exit: number | null;
  refused: string | null;
  regions: TruthRegion[];
  optional: string[];
  maybe: boolean;
}
interface Report {
  output: string;
  regions: { name: string | null; paddr: string | null; size: number; status: string }[];
  issues: { code: string; message: string }[];
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function assemble(folder: string, truth: Truth, output: string, mode: string): SpawnSyncReturns<string> {
  const args = [command, 'assemble', ...truth.arguments, '-o', output, '--mode', mode, '--json'];
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
}

/** What an exact core says of one region that is wrong. */
function* exactFaults(core: ElfWalk, region: TruthRegion, maybe: boolean): Generator<string> {
  const paddr = BigInt(region.paddr);
  const there = core.loads.filter(load => load.paddr === paddr);
  if (region.present === 0) {
    const end = paddr + BigInt(region.size);
    const other = core.loads.filter(load => load.paddr < end && load.paddr + BigInt(load.filesz) > paddr);
    if (other.length > 0) yield `${region.name}: bytes at ${region.paddr}, though nothing was dumped of it`;
    return;
  }
  if (there.length === 0 && maybe) return;
  for (const vaddr of region.vaddrs) {
    const load = there.find(each => each.vaddr === BigInt(vaddr));
    if (load === undefined) yield `${region.name}: no PT_LOAD of ${region.paddr} at ${vaddr}`;
    else if (load.memsz < load.filesz) yield `${region.name}: p_memsz ${load.memsz} < p_filesz ${load.filesz}`;
  }
  if (there.length === 0) yield `${region.name}: no PT_LOAD at ${region.paddr}`;
  for (const load of there) {
    if (load.filesz < region.present || load.filesz > region.size)
      yield `${region.name}: p_filesz is ${load.filesz}, ${region.present} bytes were dumped`;
    if (sha256(core.core.subarray(load.offset, load.offset + region.present)) !== region.sha256)
      yield `${region.name}: other bytes at ${region.paddr}`;
  }
}

function checkReport(t: ExecutionContext, report: Report, truth: Truth): void {
  for (const region of truth.regions) {
    const rows = report.regions.filter(row => row.paddr !== null && BigInt(row.paddr) === BigInt(region.paddr));
    // The banner of a downstream header lies in the header: whether it is a row of its own is not said.
    t.true(rows.length > 0 || region.name === 'linux_banner' || truth.maybe, `${region.name} is in the report`);
    const other = rows.filter(row => !region.status.includes(row.status)).map(row => row.status);
    t.deepEqual(other, [], `${region.name}: expected ${region.status.join(' or ')}`);
  }
  t.false(
    report.regions.some(row => /[^ -~]/.test(row.name ?? '')),
    'names have no NULs',
  );
}

function checkExact(t: ExecutionContext, core: ElfWalk, truth: Truth): void {
  t.deepEqual([core.bits, core.littleEndian, core.machine], [truth.bits, truth.byteOrder === 'little', truth.machine]);
  t.is(core.segments[0].type, 4, 'crash takes the first program header for the note');
  t.true(core.segments.every(({ offset, filesz }) => offset + filesz <= core.core.length));
  if (truth.vmcoreinfo !== null) t.deepEqual(core.notes('VMCOREINFO'), [truth.vmcoreinfo]);
  t.deepEqual(
    truth.regions.flatMap(region => [...exactFaults(core, region, truth.maybe)]),
    [],
  );
  const known = new Set([...truth.regions.map(region => region.paddr), ...truth.optional].map(BigInt));
  const others = core.loads.filter(load => !known.has(load.paddr)).map(load => `0x${load.paddr.toString(16)}`);
  t.deepEqual(others, [], 'nothing else is in the core');
}

/** Whole pages: what is registered is there, all else of the page is zero. */
function checkPaged(t: ExecutionContext, core: ElfWalk, truth: Truth): void {
  const regions = truth.regions.filter(region => region.present > 0);
  for (const { name, paddr, present, sha256: expected } of regions) {
    const bytes = core.physical(BigInt(paddr), present);
    // What was left out of a page that others lie in reads as zeros.
    if (truth.maybe && (bytes === null || bytes.every(byte => byte === 0))) continue;
    t.is(bytes === null ? 'missing' : sha256(bytes), expected, `${name} in whole pages`);
  }
  const pages = [...new Set(core.loads.flatMap(({ paddr, filesz }) => [paddr, paddr + BigInt(filesz)]))];
  t.true(
    pages.every(address => address % 4096n === 0n),
    'segments begin and end with a page',
  );
  if (truth.optional.length > 0 || truth.maybe) return;
  for (const { paddr, offset, filesz } of core.loads) {
    const bytes = Buffer.from(core.core.subarray(offset, offset + filesz));
    for (const region of truth.regions) {
      const at = Number(BigInt(region.paddr) - paddr);
      bytes.fill(0, Math.max(0, at), Math.max(0, Math.min(filesz, at + region.size)));
    }
    t.true(
      bytes.every(byte => byte === 0),
      `zeros around the regions at 0x${paddr.toString(16)}`,
    );
  }
}

/** DUMP of the command line. */
function specOf(folder: string, input: string): DumpSpec {
  const images = input.split(',').map(piece => piece.split('@'));
  if (images[0].length === 2)
    return {
      kind: 'images',
      images: images.map(([name, paddr]) => ({ path: join(folder, name), paddr: Number(paddr) })),
    };
  return { kind: 'files', paths: [join(folder, input)] };
}

async function checkDirect(t: ExecutionContext, folder: string, truth: Truth): Promise<void> {
  const dump = await openFile(specOf(folder, truth.arguments[0]));
  try {
    if (truth.vmcoreinfo !== null) t.is(dump.vmcoreinfo?.text, truth.vmcoreinfo);
    for (const { name, paddr, present, size, sha256: expected } of truth.regions) {
      const bytes = new Uint8Array(present);
      try {
        dump.physical.read(Number(paddr), bytes);
        t.is(sha256(bytes), expected, `${name} read directly`);
      } catch (error) {
        if (!(error instanceof MemoryFault) || !truth.maybe) throw error;
      }
      if (present < size && dump.container.format !== 'raw')
        t.throws(() => dump.physical.read(Number(paddr) + present, new Uint8Array(1)), { instanceOf: MemoryFault });
    }
  } finally {
    dump.close();
  }
}

const made = dirSync({ unsafeCleanup: true, prefix: 'kdumpling-' });
test.after.always(() => made.removeCallback());
const run = hasPeer('python3') ? peer('python3', [script, made.name], [made.name, dirname(script)]) : null;
const cases = run?.status === 0 ? readdirSync(made.name) : [];

peerTest('the foreign writer ran', ['python3'], t => {
  t.is(run?.status, 0, run?.stderr);
  t.true(cases.length > 60);
});

for (const name of cases) {
  test(name, async t => {
    const folder = join(made.name, name);
    const truth = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as Truth;
    const output = join(folder, 'exact.core');
    const result = assemble(folder, truth, output, 'exact');
    if (truth.refused !== null) {
      t.is(result.status, 3, result.stderr);
      t.regex(result.stderr, new RegExp(truth.refused));
      t.false(existsSync(output));
      return;
    }
    if (truth.exit === null) t.true(result.status === 0 || result.status === 1, result.stderr);
    else t.is(result.status, truth.exit, result.stderr + result.stdout);
    checkReport(t, JSON.parse(result.stdout) as Report, truth);
    checkExact(t, new ElfWalk(readFileSync(output)), truth);
    const paged = join(folder, 'paged.core');
    t.is(assemble(folder, truth, paged, 'paged').status, result.status);
    checkPaged(t, new ElfWalk(readFileSync(paged)), truth);
    await checkDirect(t, folder, truth);
  });
}

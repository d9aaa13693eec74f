// Assembling a folder of blobs beside `cat` of the same files, whole commands, by the clock: both copy as fast as the medium lets them. `node dist/bench/assemble.js
// [FOLDER [GIB]]` makes the blobs in a new folder below FOLDER (default: the system's for temporary files), 4 GiB of them unless said otherwise, and removes everything again. Fails below
// 0.8 of cat's throughput or past 150 MB of memory.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes } from 'kdumpling/reader/formats/notes';
import { median, table } from './measure.js';

const ROUNDS = 7;
const LEAST_SHARE = 0.8;
const MOST_MEMORY = 150e6;
const BLOB_SIZE = 64 << 20;
const BASE = 0x8000_0000;
const EM_AARCH64 = 183;
const command = join(dirname(fileURLToPath(import.meta.url)), '../bin/kdumpling.js');

/** Writes `count` blobs, VMCOREINFO and the header that lists them; returns their paths in the core's order. */
function makeBlobs(folder: string, count: number): string[] {
  const vmcoreinfo = new TextEncoder().encode('OSRELEASE=6.1.0\nPAGESIZE=4096\n\0\0');
  const notes = encodeNotes([{ name: 'VMCOREINFO', type: 0, descriptor: vmcoreinfo }], true);
  const segments = Array.from({ length: count }, (_, i) => ({
    vaddr: 0xffff_0000_0000_0000n + BigInt(i * BLOB_SIZE),
    paddr: BASE + i * BLOB_SIZE,
    filesz: BLOB_SIZE,
    memsz: BLOB_SIZE,
    flags: 6,
    align: 0,
  }));
  const layout = layoutCore({ bits: 64, littleEndian: true, machine: EM_AARCH64, notesSize: notes.length, segments });
  // The header's blob ends where VMCOREINFO's own text begins: that is a blob by itself.
  const header = new Uint8Array(layout.notesOffset + notes.length - vmcoreinfo.length);
  header.set(layout.header);
  header.set(notes.subarray(0, notes.length - vmcoreinfo.length), layout.notesOffset);
  const lines: string[] = [];
  const add = (name: string, paddr: number, size: number): string => {
    lines.push(`1 0x${paddr.toString(16).padStart(16, '0')} ${size} ${name} ${name}.BIN`);
    return join(folder, `${name}.BIN`);
  };
  const paths = [add('md_KELF1', BASE - 0x2000, header.length), add('md_Kvmcorein2', BASE - 0x1000, vmcoreinfo.length)];
  writeFileSync(paths[0], header);
  writeFileSync(paths[1], vmcoreinfo);
  const chunk = new Uint8Array(1 << 20).map((_, i) => (i * 2654435761) >>> 24 || 1);
  for (let i = 0; i < count; i++) {
    const path = add(`md_Kregion${i + 3}`, segments[i].paddr, BLOB_SIZE);
    const fd = openSync(path, 'w');
    for (let done = 0; done < BLOB_SIZE; done += chunk.length) {
      chunk.fill(i + 1, 0, 16);
      writeSync(fd, chunk);
    }
    closeSync(fd);
    paths.push(path);
  }
  writeFileSync(join(folder, 'dump_info.txt'), `${lines.join('\n')}\n`);
  return paths;
}

/** Seconds by the clock, and what the command wrote on standard error. */
function timed(output: string, words: readonly string[]): { seconds: number; told: string } {
  rmSync(output, { force: true });
  const start = performance.now();
  const { status, stderr } = spawnSync(words[0], words.slice(1), { encoding: 'utf8' });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0) throw new Error(`${words[0]} ended with ${status}: ${stderr}`);
  return { seconds, told: stderr };
}

const TELL_MEMORY =
  'data:text/javascript,process.on("exit",()=>process.stderr.write("maxRSS="+process.resourceUsage().maxRSS+"\\n"))';

const gib = Number(process.argv[3] ?? 4);
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'kdumpling-bench-'));
try {
  const blobs = join(folder, 'blobs');
  mkdirSync(blobs);
  const paths = makeBlobs(blobs, gib * ((1 << 30) / BLOB_SIZE));
  const output = join(folder, 'core');
  const cat: number[] = [];
  const ours: number[] = [];
  let memory = 0;
  for (let i = 0; i < ROUNDS; i++) {
    cat.push(timed(output, ['sh', '-c', 'cat "$@" > "$0"', output, ...paths]).seconds);
    const run = timed(output, [process.execPath, '--import', TELL_MEMORY, command, 'assemble', blobs, '-o', output]);
    ours.push(run.seconds);
    memory = Math.max(memory, Number(/maxRSS=(\d+)/.exec(run.told)?.[1]) * 1024);
  }
  const mib = statSync(output).size / (1 << 20);
  const share = median(cat) / median(ours);
  console.log(
    table([
      ['way', 'median s', 'MiB/s'],
      ['cat', +median(cat).toFixed(2), Math.round(mib / median(cat))],
      ['assemble', +median(ours).toFixed(2), Math.round(mib / median(ours))],
    ]),
  );
  console.log(`${share.toFixed(2)} of cat's throughput, ${Math.round(memory / 1e6)} MB of memory, ${gib} GiB of blobs`);
  if (share < LEAST_SHARE || memory > MOST_MEMORY) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

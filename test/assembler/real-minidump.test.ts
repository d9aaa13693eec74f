// Region dumps of real kernels, assembled: the same core from folder, rawdump image and memory; readelf, gdb, drgn and crash read it; every region has the bytes that drgn reads at its
// place in the full dump; and in whole pages crash never shows a neighbour's bytes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { ElfWalk } from '../elf-walk.js';
import { type PeerName, peer } from '../peer.js';
import { realDump, realVmlinux, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const here = dirname(fileURLToPath(import.meta.url));
const cli = join(here, '../../cli/bin.js');
const scripts = join(here, '../../../test/peers');

interface Manifest {
  regions: { id: number; name: string; vaddr: string; paddr: string; size: number }[];
}

const BASES = JSON.stringify({
  regionSet: 1,
  regions: [{ symbol: 'page_offset_base' }, { symbol: 'vmalloc_base' }, { symbol: 'vmemmap_base' }],
});

function run(t: ExecutionContext, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8' });
  t.true(status === 0 || status === 1, stderr);
  return stdout;
}

function assemble(t: ExecutionContext, input: string, output: string, ...options: string[]): Buffer {
  const json = JSON.parse(run(t, ['assemble', input, '-o', output, '--json', ...options])) as {
    regions: { status: string; name: string }[];
    issues: { code: string; message: string }[];
  };
  t.deepEqual(
    json.regions.filter(({ status }) => status !== 'ok'),
    [],
  );
  t.deepEqual(json.issues, []);
  return readFileSync(output);
}

/** INPUT of `assemble` for what `carve` left in a folder. */
function inputOf(folder: string, media: string): string {
  const images = readdirSync(folder).filter(name => name.endsWith('.img'));
  if (media === 'rawdump') return join(folder, images[0]);
  return media === 'ram' ? images.map(name => `${join(folder, name)}@${name.slice(4, -4)}`).join() : folder;
}

/** Every region of the manifest but the header, which the dump does not have. */
function checkRegions(t: ExecutionContext, core: ElfWalk, { regions }: Manifest, dump: string): void {
  const memory = regions.filter(({ id, name }) => id > 2 && name !== 'ELF' && name !== 'VMCOREINFO');
  const lines = memory.map(({ paddr, size }) => `${paddr} ${size}\n`).join('');
  const { stdout, stderr } = peer('python3', [join(scripts, 'region-sums.py'), dump], [work, scripts], lines);
  t.is(stderr, '');
  const sums = stdout.trim().split('\n');
  t.is(sums.length, memory.length);
  memory.forEach(({ name, paddr, vaddr, size }, i) => {
    const load = core.loads.find(each => each.paddr === BigInt(paddr) && each.vaddr === BigInt(vaddr));
    t.truthy(load, `${name} has a PT_LOAD`);
    const bytes = core.core.subarray(load?.offset, (load?.offset ?? 0) + size);
    t.is(createHash('sha256').update(bytes).digest('hex'), sums[i], `${name} at ${paddr}`);
  });
}

function crash(arm: boolean, vmlinux: string, core: string, commands: readonly string[], folder: string): string {
  const name: PeerName = arm ? 'arm64:crash' : 'crash';
  return peer(name, ['--minimal', vmlinux, core], [work, folder], `${commands.join('\n')}\nexit\n`).stdout;
}

interface Case {
  readonly name: string;
  readonly arm: boolean;
  /** crash for arm64 runs emulated and takes its time: once is enough. */
  readonly crash: boolean;
  readonly backend: 'qcom-minidump' | 'qcom-msm';
  readonly lastLine: RegExp;
}

const MEDIA_OF_ALL = ['folder', 'rawdump', 'ram'].map(name => ({ name, args: ['--media', name] }));
const MEDIA = {
  'qcom-minidump': [...MEDIA_OF_ALL, { name: 'bare', args: ['--bare'] }],
  'qcom-msm': MEDIA_OF_ALL,
};
const X86_PANIC = /end Kernel panic - not syncing: sysrq triggered crash/;
const CASES: readonly Case[] = [
  { name: 'x86_64-6.1', arm: false, crash: true, backend: 'qcom-minidump', lastLine: X86_PANIC },
  { name: 'arm64-6.1', arm: true, crash: true, backend: 'qcom-minidump', lastLine: /\] Bye!/ },
  { name: 'x86_64-6.1', arm: false, crash: true, backend: 'qcom-msm', lastLine: X86_PANIC },
  { name: 'arm64-6.1', arm: true, crash: false, backend: 'qcom-msm', lastLine: /\] Bye!/ },
];

for (const { name, arm, crash: withCrash, backend, lastLine } of CASES) {
  const dump = realDump(`${name}.elf`);
  const vmlinux = realVmlinux(name);
  const crashes: PeerName[] = withCrash ? [arm ? 'arm64:crash' : 'crash'] : [];
  const peers: PeerName[] = ['readelf', 'gdb', 'python3', ...crashes];
  realPeerTest(`${name}, ${backend}: carved, assembled, read by others`, [dump, vmlinux], peers, (t, folder) => {
    const bases = join(folder, 'bases.json');
    writeFileSync(bases, BASES);
    const sets = ['--regions', 'meminspect-v3', ...(arm ? [] : ['--regions', bases])];
    const carve = (out: string, media: readonly string[]) =>
      run(t, ['carve', dump, '--vmlinux', vmlinux, '--backend', backend, ...media, ...sets, '-o', out]);
    const cores = MEDIA[backend].map(({ name, args }) => {
      const out = join(folder, name);
      carve(out, args);
      const core = assemble(t, inputOf(out, name), join(folder, `${name}.core`));
      if (name === 'ram') rmSync(out, { recursive: true });
      return core;
    });
    for (const [i, { name }] of MEDIA[backend].entries()) t.true(cores[0].equals(cores[i]), name);
    const path = join(folder, 'folder.core');
    const { stdout, stderr } = peer('readelf', ['-hlnW', path], [folder]);
    t.is(stderr, '');
    t.regex(stdout, /VMCOREINFO/);
    const manifest = JSON.parse(readFileSync(join(folder, 'folder', 'manifest.json'), 'utf8')) as Manifest;
    const core = new ElfWalk(cores[0]);
    checkRegions(t, core, manifest, dump);
    const banner = manifest.regions.find(region => region.name === 'linux_banner') as Manifest['regions'][0];
    const gdb = peer('gdb', ['-batch', '-nx', '-c', path, '-ex', `x/s ${banner.vaddr}`], [folder]);
    t.regex(gdb.stdout, /"Linux version 6\.1\.0-/);
    const drgn = peer('python3', [join(scripts, 'region-core.py'), path, vmlinux], [work, folder, scripts]);
    const [text, release, , lines, last] = drgn.stdout.split('\n');
    t.regex(text, /^Linux version 6\.1\.0-/, drgn.stderr);
    t.true(text.includes(`${release} `));
    t.true(Number(lines) > 200);
    t.regex(last, lastLine);
    if (!withCrash) return;
    const log = crash(arm, vmlinux, path, ['log'], folder);
    t.regex(log, lastLine);
    t.true(log.split('\n').length > Number(lines));
  });
}

/** crash's words of `rd -64`, byte by byte, by address. */
function bytesOf(output: string): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const [, address, words] of output.matchAll(/^ *([0-9a-f]+): {2}((?:[0-9a-f]{16} )+)/gm)) {
    const text = words.trim().split(' ');
    text.forEach((word, i) => {
      Buffer.from(word, 'hex')
        .reverse()
        .forEach((byte, j) => void bytes.set(Number.parseInt(address, 16) + 8 * i + j, byte));
    });
  }
  return bytes;
}

const dump = realDump('x86_64-6.1.elf');
const vmlinux = realVmlinux('x86_64-6.1');
realPeerTest(
  'in whole pages crash never shows the bytes of another region',
  [dump, vmlinux],
  ['crash'],
  (t, folder) => {
    const bases = join(folder, 'bases.json');
    writeFileSync(bases, BASES);
    const out = join(folder, 'blobs');
    run(t, ['carve', dump, '--vmlinux', vmlinux, '--regions', 'meminspect-v3', '--regions', bases, '-o', out]);
    const { regions } = JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Manifest;
    const files = new Map(readdirSync(out).map(name => [name, readFileSync(join(out, name))]));
    const known = new Map<number, number>();
    for (const { id, paddr, size } of regions) {
      const file = [...files].find(([name]) => new RegExp(`\\D${id}\\.BIN$`).test(name))?.[1];
      if (id > 2) for (let i = 0; i < size; i++) known.set(Number(paddr) + i, file?.[i] ?? -1);
    }
    // Across the end of every region that is smaller than a page, and then some.
    const small = regions.filter(({ id, size }) => id > 2 && size < 4096);
    t.true(small.length > 25);
    const commands = small.map(({ paddr, size }) => `rd -64 -p ${paddr} ${Math.ceil(size / 8) + 8}`);
    const faults = (mode: string): string[] => {
      const path = join(folder, `${mode}.core`);
      assemble(t, out, path, '--mode', mode);
      const shown = bytesOf(crash(false, vmlinux, path, commands, folder));
      t.true(shown.size > 100);
      return [...shown].flatMap(([at, byte]) =>
        (known.get(at) ?? 0) === byte ? [] : [`0x${at.toString(16)}: ${byte}`],
      );
    };
    t.deepEqual(faults('paged'), []);
    // So that it is known what the test would see: packed as registered, neighbours do show.
    t.true(faults('exact').length > 0);
  },
);

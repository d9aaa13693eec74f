// From a real dump to a core that other tools open: carve, assemble, then readelf, gdb, drgn and libkdumpfile judge. Where symbols are is taken from the vmlinux by
// readelf, and how far the kernel was moved from what its guest said.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { kdumpling } from '../kdumpling.js';
import { peer } from '../peer.js';
import { realDump, realVmlinux, work } from '../real.js';
import { realPeerTest } from '../real-peer.js';

const script = join(dirname(fileURLToPath(import.meta.url)), '../../../test/end-to-end/regions.py');

interface Kernel {
  readonly dump: string;
  readonly vmlinux: string;
  /** Running - linked address. */
  readonly shift: bigint;
  readonly release: string;
  /** Besides the set: what crash reads on x86_64. */
  readonly extra: readonly string[];
  /** Regions of meminspect v3 that this kernel has. */
  readonly regions: number;
}

const NONE: readonly string[] = [];
const KERNELS = {
  'x86_64-6.1': {
    shift: 0x3a200000n,
    release: '6.1.0-56-cloud-amd64',
    extra: ['page_offset_base', 'vmalloc_base', 'vmemmap_base'],
    regions: 49,
  },
  'arm64-6.1': { shift: 0x3142b0200000n, release: '6.1.0-50-arm64', extra: NONE, regions: 46 },
  'i386-6.1': { shift: 0x4000000n, release: '6.1.0-50-686-pae', extra: NONE, regions: 43 },
  's390x-6.1': { shift: 0n, release: '6.1.0-50-s390x', extra: NONE, regions: 45 },
} as const;

type KernelName = keyof typeof KERNELS;

const kernel = (name: KernelName): Kernel => ({
  ...KERNELS[name],
  dump: realDump(`${name}.elf`),
  vmlinux: realVmlinux(name),
});
const files = (name: KernelName): string[] => [kernel(name).dump, kernel(name).vmlinux];

/** Address and size of symbols in the running kernel. */
function symbols({ vmlinux, shift }: Kernel, names: readonly string[]): Map<string, { address: bigint; size: number }> {
  const { stdout } = peer('readelf', ['-sW', vmlinux], [work]);
  const found = new Map<string, { address: bigint; size: number }>();
  for (const line of stdout.split('\n')) {
    const [, value, size, , , , , name] = line.trim().split(/\s+/);
    if (names.includes(name)) found.set(name, { address: BigInt(`0x${value}`) + shift, size: Number(size) });
  }
  return found;
}

interface Manifest {
  readonly regions: readonly {
    name: string;
    id: number;
    vaddr: string;
    paddr: string;
    size: number;
    sizeFrom: string;
  }[];
  readonly leftOut: readonly { name: string; code: string }[];
}

function carve(t: ExecutionContext, from: Kernel, out: string, options: readonly string[]): Manifest {
  const sets = ['--regions', 'meminspect-v3'];
  if (from.extra.length > 0) {
    const regions = from.extra.map(symbol => ({ symbol, length: 8 }));
    writeFileSync(`${out}.json`, JSON.stringify({ regionSet: 1, regions }));
    sets.push('--regions', `${out}.json`);
  }
  const { status, stderr } = kdumpling('carve', from.dump, '--vmlinux', from.vmlinux, ...sets, '-o', out, ...options);
  t.is(status, 0, stderr);
  return JSON.parse(readFileSync(join(out, 'manifest.json'), 'utf8')) as Manifest;
}

function assemble(t: ExecutionContext, input: string, core: string): void {
  const { status, stdout, stderr } = kdumpling('assemble', input, '-o', core, '--json');
  t.is(status, 0, stderr);
  const answer = JSON.parse(stdout) as { regions: { status: string }[] };
  t.true(answer.regions.every(region => region.status === 'ok'));
}

/** readelf finds nothing to complain of. */
function readelfClean(t: ExecutionContext, core: string): void {
  const { status, stdout, stderr } = peer('readelf', ['-hlnW', core], [dirname(core)]);
  t.is(status, 0);
  t.is(stderr, '');
  t.notRegex(stdout, /warning|error/i);
  t.regex(stdout, /VMCOREINFO/);
}

/** gdb shows the banner and the release at their virtual addresses. */
function gdbReads(t: ExecutionContext, from: Kernel, core: string, banner: bigint, uts: bigint): void {
  const show = (address: bigint) => ['-ex', `x/s 0x${address.toString(16)}`];
  // struct uts_namespace begins with new_utsname: sysname, nodename, release, 65 bytes each.
  const { stdout } = peer(
    'gdb',
    [
      '-batch',
      '-nx',
      '-ex',
      'set print elements 0',
      '--core',
      core,
      ...show(banner),
      ...show(uts),
      ...show(uts + 130n),
    ],
    [dirname(core)],
  );
  t.regex(stdout, new RegExp(`"Linux version ${from.release.replaceAll('.', '\\.')} .*SMP`));
  t.regex(stdout, /"Linux"/);
  t.regex(stdout, new RegExp(`"${from.release}"`));
}

interface Held {
  readonly segments: readonly [vaddr: string, paddr: string, size: number][];
  readonly bytes: number;
  readonly differ: readonly string[];
  readonly texts: readonly string[];
}

/** Every segment against a second reader's view of the dump; drgn reads what is asked for. */
function hold(t: ExecutionContext, from: Kernel, core: string, reads: readonly string[] = []): Held {
  const folders = [work, dirname(core), dirname(script)];
  const { stdout, stderr } = peer('python3', [script, from.dump, core, ...reads], folders);
  t.is(stderr, '');
  const held = JSON.parse(stdout) as Held;
  t.deepEqual(held.differ, []);
  return held;
}

for (const name of ['x86_64-6.1', 'arm64-6.1', 'i386-6.1', 's390x-6.1'] as const) {
  const from = kernel(name);
  realPeerTest(
    `${name}: carve and assemble make a core that readelf, gdb and drgn read; every region is the dump's`,
    files(name),
    ['readelf', 'gdb', 'python3'],
    (t, folder) => {
      const out = join(folder, 'minidump');
      const core = join(folder, 'core');
      const manifest = carve(t, from, out, []);
      t.is(manifest.regions.length, from.regions);
      assemble(t, out, core);
      readelfClean(t, core);
      const wanted = ['linux_banner', 'init_uts_ns', 'prb', 'jiffies_64', 'init_mm', '_end', ...from.extra];
      const found = symbols(from, wanted);
      for (const [symbol, { address, size }] of found) {
        const region = manifest.regions.find(each => each.name === symbol);
        if (region === undefined) {
          t.fail(`${symbol} is not registered`);
          continue;
        }
        // What a user registers at run time has its linear address; annotations keep the image's.
        if (!from.extra.includes(symbol)) t.is(BigInt(region.vaddr), address, symbol);
        if (region.sizeFrom === 'symbol-table') t.is(region.size, size, symbol);
      }
      const banner = found.get('linux_banner')?.address ?? 0n;
      const uts = found.get('init_uts_ns')?.address ?? 0n;
      gdbReads(t, from, core, banner, uts);
      const held = hold(t, from, core, [`0x${banner.toString(16)}:64`, `0x${uts.toString(16)}:390`]);
      // Header and VMCOREINFO have no segment.
      t.is(held.segments.length, from.regions - 2);
      t.true(held.bytes > 500_000);
      t.true(held.texts[0].startsWith(`Linux version ${from.release} (`), held.texts[0]);
      t.is(held.texts[1].slice(130).split('\0')[0], from.release);
    },
  );
}

// Makes the demo's data from a vmcore of a real kernel: a region core (gzip) and the region set that lists its regions by address.
//   node cli/demo/make.mjs VMCORE VMLINUX      (after npm run build; VMCORE is x86_64)
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { SERIES } from 'kdumpling/producer';
import { encodeRegionSet } from 'kdumpling/reader/formats/region-set';

const folder = dirname(fileURLToPath(import.meta.url));
const [vmcore, vmlinux] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), 'kdumpling-demo-'));

function kdumpling(...args) {
  const { status, stderr } = spawnSync(process.execPath, [join(folder, '../../dist/cli/bin.js'), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

try {
  // What crash reads on x86_64 besides what the series registers.
  const bases = ['page_offset_base', 'vmalloc_base', 'vmemmap_base'].map(symbol => ({ symbol, length: 8 }));
  writeFileSync(join(work, 'bases.json'), JSON.stringify({ regionSet: 1, regions: bases }));
  const sets = ['--regions', 'meminspect-v3', '--regions', join(work, 'bases.json')];
  kdumpling('carve', vmcore, ...sets, '--vmlinux', vmlinux, '-o', join(work, 'minidump'));
  kdumpling('assemble', join(work, 'minidump'), '-o', join(work, 'core'));
  const manifest = JSON.parse(readFileSync(join(work, 'minidump/manifest.json'), 'utf8'));
  const ids = SERIES['kmemdump-rfc3'].names;
  const regions = manifest.regions
    .filter(({ name }) => name !== 'ELF' && name !== 'VMCOREINFO')
    .map(({ name, vaddr, paddr, size }) => ({
      kind: 'virtual',
      vaddr: BigInt(vaddr),
      paddr: Number(paddr),
      length: size,
      name,
      id: ids.includes(name) ? ids.indexOf(name) : null,
    }));
  writeFileSync(join(folder, 'regions.json'), encodeRegionSet({ regions }));
  writeFileSync(join(folder, 'region-core.elf.gz'), gzipSync(readFileSync(join(work, 'core')), { level: 9 }));
} finally {
  rmSync(work, { recursive: true, force: true });
}

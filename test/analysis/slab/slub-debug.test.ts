// What SLUB's debugging keeps around objects, by a region core of a real kernel (6.1, slub_debug=FZPU): one slab of filp and one of kmalloc-64, both with free objects. Who took an object is
// held against what the guest itself said; damage is planted where mm/slub.c says that each stretch lies.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { openKernel } from 'kdumpling/analysis';
import { CHECKS, type CheckName, doctor } from 'kdumpling/analysis/doctor';
import {
  namedTrack,
  type SlabAllocator,
  type SlabCache,
  SlabLookup,
  SlabPages,
  slabAllocator,
} from 'kdumpling/analysis/slab';
import { type Issue, Issues, MemorySource, openDump } from 'kdumpling/reader';
import { CorePatient } from '../../core-patient.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../../../../test/fixtures/slub-debug');
const unpacked = (name: string): Buffer => gunzipSync(readFileSync(join(folder, name)));
const CORE = unpacked('region-core.elf.gz');
const VMLINUX = unpacked('vmlinux-lite.elf.gz');

interface Opened {
  readonly allocator: SlabAllocator;
  readonly pages: SlabPages;
  readonly caches: readonly SlabCache[];
}

async function opened(core: Uint8Array): Promise<Opened> {
  const dump = await openDump([new MemorySource(core)]);
  const kernel = await openKernel(dump, { vmlinux: new MemorySource(VMLINUX) });
  const issues = new Issues();
  const allocator = slabAllocator(kernel, issues);
  const caches = allocator.caches.filter(({ name }) => name === 'filp' || name === 'kmalloc-64');
  return { allocator, pages: SlabPages.find(allocator, issues), caches };
}

/** What is wrong with the two caches; that the core has one slab of each and not the others is told, and no damage. */
async function findings(core: Uint8Array): Promise<Issue[]> {
  const { allocator, pages, caches } = await opened(core);
  const issues = new Issues();
  for (const cache of caches) allocator.check(pages, cache, issues);
  return issues.list().filter(({ code }) => !code.startsWith('unreadable-'));
}

test('nothing is wrong with the bytes around objects', async t => {
  t.deepEqual(await findings(CORE), []);
});

test('the doctor: hundreds of places that a core lacks are no finding', async t => {
  const dump = await openDump([new MemorySource(CORE)]);
  const kernel = await openKernel(dump, { vmlinux: new MemorySource(VMLINUX) });
  const lacks = new Issues();
  t.deepEqual([...doctor(kernel, Object.keys(CHECKS) as CheckName[], lacks)], []);
  t.true(lacks.list().filter(({ code }) => code === 'unreadable-node').length > Issues.MOST_PER_CODE);
});

/** Of the slab of filp: slots of 384 bytes, the first object behind 64 bytes of red zone. */
const FILP = 0xffff_8880_05e6_e040n;
const FILP_TAKEN = [0, 5, 8, 9, 10, 12, 17, 18, 19, 20];

test('who took an object, as the kernel itself said', async t => {
  const { allocator } = await opened(CORE);
  const lookup = new SlabLookup(allocator, new Issues());
  const blocks = readFileSync(join(folder, 'filp.alloc_traces'), 'utf8').split('\n\n');
  const truth = new Set(blocks.map(block => [...block.matchAll(/^ +(\S+)\/0x/gm)].map(([, call]) => call).join()));
  t.true(truth.size > 5);
  for (const i of FILP_TAKEN) {
    const place = lookup.at(FILP + BigInt(i * 384));
    const track = place?.tracks?.allocated ?? null;
    if (place?.state !== 'allocated' || track === null) return t.fail(`${i}`);
    const { stack, caller, cpu } = namedTrack(allocator.kernel, track);
    const calls = stack?.map(({ symbol, offset }) => `${symbol}+0x${(offset ?? 0).toString(16)}`) ?? [];
    t.true(truth.has(calls.join()), calls.join());
    t.is(caller.address, stack?.[0].address ?? 0n);
    t.true(cpu === 0 || cpu === 1);
    t.true((track.agoMs ?? -1) >= 0 && (track.agoMs ?? 0) < 200_000);
  }
});

/** Of the slab of kmalloc-64: slots of 256 bytes. */
const KMALLOC = 0xffff_8880_0774_f040n;

/** By mm/slub.c of 6.1: filp has 232 bytes and its red zone to 240, its freelist pointer, two struct tracks of 32 bytes each to 312, padding to the next red zone at 320; kmalloc-64 has its red zone to 72. */
const PLANTS = [
  {
    what: 'behind an object',
    at: FILP + 8n * 384n + 232n,
    code: 'red-zone-overwritten',
    names:
      /filp: the red zone behind it has 41 cc.*; whoever has or had it, likely: it was allocated by __alloc_file\+0x23/,
  },
  {
    what: 'before an object: the one before it likely wrote',
    at: FILP + 9n * 384n - 3n,
    code: 'red-zone-overwritten',
    names:
      /the red zone before it has 41 cc cc.*; the object before it, 0xffff888005e6ec40, likely: it was allocated by __alloc_file\+0x23/,
  },
  {
    what: 'before the first object',
    at: FILP - 1n,
    code: 'red-zone-overwritten',
    names: /no object lies before it/,
  },
  {
    what: 'behind a free object',
    at: FILP + 384n + 239n,
    code: 'red-zone-overwritten',
    names: /where 0xbb should stand/,
  },
  {
    what: 'in a free object',
    at: KMALLOC + 3n * 256n + 16n,
    code: 'use-after-free',
    names: /kmalloc-64: its poison .* has 41 6b 6b 6b 6b 6b 6b 6b at 0xffff88800774f350/,
  },
  {
    what: 'at the end of a free object',
    at: KMALLOC + 3n * 256n + 63n,
    code: 'use-after-free',
    names: /where 0xa5 should stand/,
  },
  {
    what: "in an object's padding",
    at: FILP + 5n * 384n + 313n,
    code: 'padding-overwritten',
    names: /the padding behind it has 41/,
  },
  {
    what: 'behind the last object',
    at: FILP + 8192n - 65n,
    code: 'padding-overwritten',
    names: /the padding behind its last object, 0xffff888005e6fe40, has 41/,
  },
] as const;

for (const { what, at, code, names } of PLANTS) {
  test(`a byte written ${what}`, async t => {
    const patient = new CorePatient(CORE);
    patient.setByte(at, 0x41);
    const found = await findings(patient.core);
    t.deepEqual(
      found.map(finding => [finding.code, finding.address]),
      [[code, at]],
    );
    t.regex(found[0].message, names);
  });
}

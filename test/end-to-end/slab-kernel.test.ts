// SLAB of a real kernel (6.1, two nodes, a CPU each), by a region core of it: every cache, every object's state as crash tells it, and damage that is planted where the kernel's own headers say that things lie.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { CHECKS, type CheckName, doctor, type Finding } from 'kdumpling/analysis/doctor';
import { struct } from 'kdumpling/analysis/object';
import { cacheObjects, OBJECT_STATES, SlabLookup, SlabPages, slabAllocator } from 'kdumpling/analysis/slab';
import { Issues, MemorySource, openDump } from 'kdumpling/reader';
import { dir } from 'tmp-promise';
import { CorePatient } from '../core-patient.js';
import { kdumpling } from '../kdumpling.js';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../../../test/fixtures/slab');
const unpacked = (name: string): Buffer => gunzipSync(readFileSync(join(folder, name)));
const CORE = unpacked('region-core.elf.gz');
const VMLINUX = unpacked('vmlinux-lite.elf.gz');

const LETTERS: Readonly<Record<string, string>> = { a: 'allocated', '.': 'free', '0': 'cpu', '1': 'cpu', s: 'shared' };

interface TrueSlab {
  readonly address: bigint;
  readonly first: bigint;
  readonly letters: string;
}

interface TrueCache {
  readonly address: bigint;
  readonly slotSize: number;
  readonly allocated: number;
  readonly total: number;
  readonly slabs: TrueSlab[];
  readonly aliens: bigint[];
  readonly slabCount: number;
}

/** What crash said. */
function readTruth(): ReadonlyMap<string, TrueCache> {
  const caches = new Map<string, TrueCache>();
  let last: TrueCache | undefined;
  for (const line of readFileSync(join(folder, 'truth.txt'), 'utf8').split('\n')) {
    const [kind, ...words] = line.split(' ');
    const hexadecimal = (i: number): bigint => BigInt(`0x${words[i]}`);
    if (kind === 'CACHE') {
      const [, slotSize, allocated, total, slabCount] = words.map(Number);
      last = { address: hexadecimal(0), slotSize, allocated, total, slabCount, slabs: [], aliens: [] };
      caches.set(words.slice(6).join(' '), last);
    }
    if (kind === 'SLAB') last?.slabs.push({ address: hexadecimal(0), first: hexadecimal(1), letters: words[2] });
    if (kind === 'ALIEN') caches.get(words[2])?.aliens.push(...words.slice(3).map(word => BigInt(`0x${word}`)));
  }
  return caches;
}

const TRUTH = readTruth();
const filp = TRUTH.get('filp') as TrueCache;
const dentry = TRUTH.get('dentry') as TrueCache;

/** Each object and its state. crash calls those in alien arrays allocated, and shows by what lies there that they are not. */
function trueStates({ slabs, slotSize, aliens }: TrueCache): string[] {
  const away = new Set(aliens);
  return slabs.flatMap(({ first, letters }) =>
    letters.split('').map((letter, i) => {
      const object = first + BigInt(i * slotSize);
      return `${object.toString(16)} ${away.has(object) && letter === 'a' ? 'alien' : LETTERS[letter]}`;
    }),
  );
}

async function opened(core: Uint8Array = CORE): Promise<Kernel> {
  const dump = await openDump([new MemorySource(core)]);
  return openKernel(dump, { vmlinux: new MemorySource(VMLINUX) });
}

test('SLAB: every cache and every object of a 6.1 kernel as crash has them', async t => {
  const kernel = await opened();
  const issues = new Issues();
  const allocator = slabAllocator(kernel, issues);
  const pages = SlabPages.find(allocator, issues);
  t.deepEqual(allocator.caches.map(({ name }) => name).sort(), [...TRUTH.keys()].sort());
  let all = 0;
  for (const cache of allocator.caches) {
    const truth = TRUTH.get(cache.name);
    if (truth === undefined) return t.fail(cache.name);
    const { slabs, total, counts } = allocator.usage(cache, issues);
    const allocated = counts[OBJECT_STATES.indexOf('allocated')];
    t.deepEqual(
      [cache.address, cache.slotSize, slabs, total, allocated],
      [truth.address, truth.slotSize, truth.slabCount, truth.total, truth.allocated - truth.aliens.length],
      cache.name,
    );
    const states: string[] = [];
    for (const { first, count, states: found } of cacheObjects(allocator, pages, cache, issues)) {
      for (let i = 0; i < count; i++) {
        const object = allocator.map.toVirtual(first + i * cache.slotSize);
        states.push(`${object.toString(16)} ${OBJECT_STATES[found[i]]}`);
      }
    }
    t.deepEqual(states.sort(), trueStates(truth).sort(), cache.name);
    const found = OBJECT_STATES.map(state => states.filter(one => one.endsWith(` ${state}`)).length);
    t.deepEqual([...counts], found, cache.name);
    all += states.length;
  }
  t.true(all > 30_000);
  t.deepEqual(issues.list(), []);
});

test('SLAB: the object that a pointer is in', async t => {
  const kernel = await opened();
  const issues = new Issues();
  const lookup = new SlabLookup(slabAllocator(kernel, issues), issues);
  for (const [name, truth] of TRUTH) {
    const states = new Map(trueStates(truth).map(line => [line.split(' ')[0], line.split(' ')[1]]));
    for (const { address, first, letters } of truth.slabs) {
      const i = Number(address >> 6n) % letters.length;
      const object = first + BigInt(i * truth.slotSize);
      const offset = Number(address >> 8n) % truth.slotSize;
      const place = lookup.at(object + BigInt(offset));
      t.deepEqual(place && [place.cache.name, place.slab, place.object, place.offset, place.state], [
        name,
        address,
        object,
        offset,
        states.get(object.toString(16)),
      ]);
    }
  }
  t.deepEqual(issues.list(), []);
});

async function findings(core: Uint8Array): Promise<Finding[]> {
  const issues = new Issues();
  return [...doctor(await opened(core), ['slab'], issues)];
}

test('SLAB: the commands slab and whatis', async t => {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  try {
    const [core, vmlinux] = [join(path, 'core'), join(path, 'vmlinux')];
    writeFileSync(core, CORE);
    writeFileSync(vmlinux, VMLINUX);
    const hexadecimal = (address: bigint): string => `0x${address.toString(16)}`;
    const { stdout } = kdumpling('slab', core, 'filp', '--state', 'alien', '--vmlinux', vmlinux, '--json');
    const { cache, objects } = JSON.parse(stdout) as {
      cache: { allocator: string; total: number; slotSize: number };
      objects: { address: string; state: string }[];
    };
    t.deepEqual([cache.allocator, cache.total, cache.slotSize], ['slab', filp.total, filp.slotSize]);
    t.true(filp.aliens.length > 0);
    t.deepEqual(objects.map(({ address }) => address).sort(), filp.aliens.map(hexadecimal).sort());
    const [alien] = filp.aliens;
    const answer = kdumpling('whatis', core, hexadecimal(alien + 3n), '--vmlinux', vmlinux, '--json');
    const [found] = JSON.parse(answer.stdout) as {
      kind: string;
      cache: string;
      object: string;
      offset: number;
      state: string;
    }[];
    t.deepEqual(
      [found.kind, found.cache, found.object, found.offset, found.state],
      ['slab', 'filp', hexadecimal(alien), 3, 'alien'],
    );
  } finally {
    await cleanup();
  }
});

test('SLAB: the doctor finds nothing wrong', async t => {
  t.deepEqual(await findings(CORE), []);
});

/** Of the core, whose zones and timers lie in no region. */
async function examined(core: Uint8Array): Promise<{ kernel: Kernel; found: Finding[]; lacks: Set<string> }> {
  const dump = await openDump([new MemorySource(core)]);
  const kernel = await openKernel(dump, { vmlinux: new MemorySource(VMLINUX) });
  const issues = new Issues();
  const found = [...doctor(kernel, Object.keys(CHECKS) as CheckName[], issues)];
  return { kernel, found, lacks: new Set(issues.list().map(({ code }) => code)) };
}

test('the doctor: what a region core lacks is no finding of any check', async t => {
  const { found, lacks } = await examined(CORE);
  t.deepEqual(found, []);
  t.true(lacks.has('missing-type') && lacks.has('unreadable-node'));
});

/** No region of the core has it. */
const NOWHERE = 0xffff_8880_03ff_f660n;

test('SLAB: a cache whose name the dump lacks goes by its address', async t => {
  const patient = new CorePatient(CORE);
  patient.setWord(filp.address + BigInt(struct(await opened(), 'kmem_cache').offset('name')), NOWHERE);
  const { kernel, found, lacks } = await examined(patient.core);
  t.deepEqual(found, []);
  t.true(lacks.has('unreadable-cache-name'));
  const issues = new Issues();
  const allocator = slabAllocator(kernel, issues);
  const cache = allocator.caches.find(({ address }) => address === filp.address);
  if (cache === undefined) return t.fail();
  t.is(cache.name, `0x${filp.address.toString(16)}`);
  t.is(allocator.usage(cache, issues).total, filp.total);
});

/** Offsets of 6.1: struct slab {slab_list 8, slab_cache 24, freelist 32, s_mem 40, active 48}, kmem_cache {num 36, node 128}, kmem_cache_node {slabs_partial 8, total_slabs 56, free_objects 72, shared 88}, array_cache {avail 0, limit 4, entry 16}. */
async function places(t: ExecutionContext) {
  const kernel = await opened();
  const linear = (vaddr: bigint): bigint => {
    const paddr = kernel.memory.translate(vaddr);
    t.true(paddr >= 0);
    return 0xffff_8880_0000_0000n + BigInt(paddr);
  };
  const patient = new CorePatient(CORE);
  const node = patient.word(filp.address + 128n);
  const shared = patient.word(node + 88n);
  const partial = filp.slabs.find(({ letters }) => letters.split('.').length > 3 && letters.includes('a')) as TrueSlab;
  const held = filp.slabs.find(({ letters }) => letters.includes('0')) as TrueSlab;
  const object = ({ first, letters }: TrueSlab, letter: string): bigint =>
    first + BigInt(letters.indexOf(letter) * filp.slotSize);
  const slab = linear(partial.address);
  const index = patient.byte(patient.word(slab + 32n) + BigInt(patient.int(slab + 48n)) + 1n);
  const second = partial.first + BigInt(index * filp.slotSize);
  // Each node has 64 MiB.
  const own = patient.word(filp.address + 128n + (partial.first < 0xffff_8880_0400_0000n ? 0n : 8n));
  return { own, second, node, shared, partial, slab, free: object(partial, '.'), cpu: object(held, '0') };
}

test('SLAB: planted damage', async t => {
  const { own, second, node, shared, partial, slab, free, cpu } = await places(t);
  const plants: readonly (readonly [what: string, plant: (it: CorePatient) => void, code: string, address: bigint])[] =
    [
      ['free in its slab and in the shared array', it => it.setWord(shared + 16n, free), 'double-free', free],
      ["in a CPU's array and in the shared one", it => it.setWord(shared + 16n, cpu), 'double-free', cpu],
      ['in an array, between two objects', it => it.setWord(shared + 16n, cpu + 8n), 'misaligned-pointer', cpu + 8n],
      [
        'in an array, of another cache',
        it => it.setWord(shared + 16n, dentry.slabs[0].first),
        'wild-pointer',
        dentry.slabs[0].first,
      ],
      ['in an array, no pointer', it => it.setWord(shared + 16n, 0x1234n), 'wild-pointer', shared + 16n],
      ['an array with more than it has room for', it => it.setInt(shared, 100_000), 'damaged-array-cache', shared],
      [
        'an index of no object',
        it => it.setByte(it.word(slab + 32n) + BigInt(it.int(slab + 48n)), 200),
        'freelist-wild',
        partial.address,
      ],
      [
        'an index twice',
        it => {
          const index = it.word(slab + 32n) + BigInt(it.int(slab + 48n));
          it.setByte(index, it.byte(index + 1n));
        },
        'double-free',
        second,
      ],
      ['one more in use', it => it.setInt(slab + 48n, it.int(slab + 48n) + 1), 'slab-counters', own + 72n],
      ['all in use', it => it.setInt(slab + 48n, it.int(filp.address + 36n)), 'slab-on-wrong-list', partial.address],
      ['more in use than there are', it => it.setInt(slab + 48n, 1000), 'damaged-slab', partial.address],
      ['of another cache', it => it.setWord(slab + 24n, dentry.address), 'slab-of-another-cache', partial.address],
      ['of no cache', it => it.setWord(slab + 24n, 0x1000n), 'slab-of-no-cache', 0x1000n],
      [
        'its objects begin elsewhere',
        it => it.setWord(slab + 40n, dentry.slabs[0].first),
        'damaged-slab',
        partial.address,
      ],
      [
        'the freelist moved',
        it => it.setWord(slab + 32n, it.word(slab + 32n) + 16n),
        'freelist-misplaced',
        partial.address,
      ],
      ['a link that does not point back', it => it.setWord(slab + 16n, node), 'damaged-list', partial.address + 8n],
      ['a wrong count of slabs', it => it.setWord(node + 56n, it.word(node + 56n) + 1n), 'slab-counters', node + 56n],
    ];
  for (const [what, plant, code, address] of plants) {
    const patient = new CorePatient(CORE);
    plant(patient);
    const found = await findings(patient.core);
    const told = JSON.stringify(found, (_, value: unknown) =>
      typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
    );
    const hits = found.filter(finding => finding.code === code && finding.address === address);
    t.true(hits.length > 0, `${what}: ${told}`);
    // Whatever else is told is of the same caches.
    t.true(
      found.every(one => /filp|dentry/.test(one.message) || one.code === code),
      `${what}: ${told}`,
    );
  }
});

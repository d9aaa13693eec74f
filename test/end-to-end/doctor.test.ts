// The doctor on real dumps: nothing where nothing is wrong, and damage planted by what the truth knows of where objects are and how their pointers are coded.
import { closeSync, constants, copyFileSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { type Kernel, openKernel } from 'kdumpling/analysis';
import { type CheckName, doctor, type Finding, type Sureness } from 'kdumpling/analysis/doctor';
import { pageTableOf, processMemory } from 'kdumpling/analysis/mm';
import { struct } from 'kdumpling/analysis/object';
import { freeBlocks, Pages, pageFlagNames, zoneBits } from 'kdumpling/analysis/pages';
import { slabAllocator } from 'kdumpling/analysis/slab';
import { taskOfPid } from 'kdumpling/analysis/tasks';
import { timers } from 'kdumpling/analysis/timers';
import { Issues } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { dir } from 'tmp-promise';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

interface TrueCache {
  readonly name: string;
  readonly address: string;
  readonly slotSize: number;
  readonly freelistOffset: number;
  readonly random: string;
}

interface TrueAddress {
  readonly info: { readonly cache: string; readonly slab: string; readonly object: string } | null;
  readonly where?: string;
}

const parsed = <T>(name: string, file: string): T =>
  JSON.parse(readFileSync(realTruth(`${name}/json/${file}.json`), 'utf8')) as T;

async function examine(t: ExecutionContext, dump: string, checks: readonly CheckName[]): Promise<Finding[]> {
  const file = await openFile(dump);
  try {
    const issues = new Issues();
    const found = [...doctor(await openKernel(file), checks, issues)];
    t.deepEqual([...issues], []);
    return found;
  } finally {
    file.close();
  }
}

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'trace-6.1', 'trace-live-6.1']) {
  const dump = realDump(`${name}.elf`);
  realTest(`doctor: nothing is wrong with ${name}`, [dump], t => {
    const { status, stdout, stderr } = kdumpling('doctor', dump, '--json');
    t.deepEqual([status, stderr, JSON.parse(stdout)], [0, '{"issues":[]}\n', []]);
  });
}

interface FileOffsets {
  /** Of the first PT_LOAD. */
  readonly first: number;
  readonly of: (vaddr: bigint) => number;
}

/** A dump whose words are changed one by one, by virtual address. */
class Patient {
  readonly #file: number;
  readonly #before: { readonly at: number; readonly bytes: Buffer }[] = [];
  readonly #offset: FileOffsets;

  constructor(path: string, offset: FileOffsets) {
    this.#file = openSync(path, 'r+');
    this.#offset = offset;
  }

  read(vaddr: bigint): bigint {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, this.#offset.of(vaddr));
    return bytes.readBigUInt64LE();
  }

  write(vaddr: bigint, value: bigint): void {
    this.#replace(this.#offset.of(vaddr), value);
  }

  #replace(at: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, at);
    this.#before.push({ at, bytes });
    const changed = Buffer.alloc(8);
    changed.writeBigUInt64LE(BigInt.asUintN(64, value));
    writeSync(this.#file, changed, 0, 8, at);
  }

  /** A word in the notes, ahead of all memory. */
  writeNote(value: bigint, changed: bigint): void {
    const notes = Buffer.alloc(this.#offset.first);
    readSync(this.#file, notes, 0, notes.length, 0);
    const wanted = Buffer.alloc(8);
    wanted.writeBigUInt64LE(value);
    const at = notes.indexOf(wanted);
    if (at < 0) throw new Error('no note has it');
    this.#replace(at, changed);
  }

  heal(): void {
    for (const { at, bytes } of this.#before.reverse()) writeSync(this.#file, bytes, 0, 8, at);
    this.#before.length = 0;
  }

  close(): void {
    closeSync(this.#file);
  }
}

const swapped = (value: bigint): bigint => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE();
};

/** What a free object holds so that `next` follows it: mm/slub.c, freelist_ptr(). */
function follow(patient: Patient, cache: TrueCache, object: bigint, next: bigint): void {
  const slot = object + BigInt(cache.freelistOffset);
  patient.write(slot, next ^ BigInt(cache.random) ^ swapped(slot));
}

interface Planted {
  readonly what: string;
  readonly plant: (patient: Patient) => void;
  readonly code: string;
  readonly address: bigint | null;
  /** What every message names. */
  readonly names: string | RegExp;
  /** `certain` if left out. */
  readonly sure?: Sureness;
}

type Plants = readonly Planted[] | ((kernel: Kernel, patient: Patient) => readonly Planted[]);

async function planted(t: ExecutionContext, name: string, checks: readonly CheckName[], plants: Plants) {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  const source = realDump(`${name}.elf`);
  const copy = join(path, 'dump.elf');
  copyFileSync(source, copy, constants.COPYFILE_FICLONE);
  const dump = await openFile(source);
  const kernel = await openKernel(dump);
  // The first PT_LOAD begins at physical address 0, behind the notes.
  const header = Buffer.alloc(0x200);
  const file = openSync(source, 'r');
  readSync(file, header, 0, header.length, 0);
  closeSync(file);
  const first = Number(header.readBigUInt64LE(Number(header.readBigUInt64LE(32)) + 56 + 8));
  const patient = new Patient(copy, { first, of: vaddr => first + kernel.memory.translate(vaddr) });
  try {
    for (const one of typeof plants === 'function' ? plants(kernel, patient) : plants) {
      one.plant(patient);
      const { what, code, address, names, sure = 'certain' } = one;
      const found = await examine(t, copy, checks);
      const hit = found.filter(finding => finding.code === code && finding.address === address);
      t.true(hit.length > 0, `${what}: ${found.map(({ message }) => message).join()}`);
      t.deepEqual([...new Set(hit.map(finding => finding.sure))], [sure], what);
      t.true(
        hit.every(
          ({ message, evidence }) =>
            message.match(names) !== null && (evidence !== null || code.startsWith('page-table')),
        ),
        what,
      );
      // Whatever else is told is of the same cache.
      t.true(
        found.every(({ message }) => message.match(names) !== null),
        `${what}: ${found.map(({ message }) => message).join()}`,
      );
      patient.heal();
    }
    t.deepEqual(await examine(t, copy, checks), []);
  } finally {
    patient.close();
    dump.close();
    await cleanup();
  }
}

function objectsOf(name: string) {
  const caches = new Map(parsed<TrueCache[]>(name, 'slab_caches').map(cache => [cache.name, cache]));
  const known = parsed<TrueAddress[]>(name, 'slab_object_info').flatMap(({ info, where }) =>
    info === null || where === undefined ? [] : [{ ...info, where, at: BigInt(info.object) }],
  );
  return { caches, known };
}

realTest('doctor: damage planted in freelists, lists and counters of 6.1', [realDump('x86_64-6.1.elf')], async t => {
  const name = 'x86_64-6.1';
  const { caches, known } = objectsOf(name);
  const free = known.find(one => one.where === 'freelist' && one.cache === 'filp');
  const both = known.find(
    one =>
      one.where === 'freelist' &&
      known.some(other => other.slab === one.slab && other.where.startsWith('cpu-freelist')),
  );
  const held = known.find(one => one.slab === both?.slab && one.where.startsWith('cpu-freelist'));
  if (free === undefined || both === undefined || held === undefined) return t.fail('no such objects');
  const filp = caches.get('filp') as TrueCache;
  const kmalloc = caches.get(both.cache) as TrueCache;
  const slab = BigInt(free.slab);
  const task = BigInt((caches.get('task_struct') as TrueCache).address);
  const cache = BigInt(filp.address);
  // Offsets of 6.1: struct slab {slab_list 8, slab_cache 24, counters 40}, kmem_cache {list 104, node 216}, kmem_cache_node {nr_partial 8, partial 16, nr_slabs 32, total_objects 40}.
  let node = 0n;
  await planted(
    t,
    name,
    ['slab'],
    [
      {
        what: 'freed twice in a row',
        plant: it => follow(it, filp, free.at, free.at),
        code: 'freelist-cycle',
        address: free.at,
        names: 'filp',
      },
      {
        what: 'a wild pointer',
        plant: it => follow(it, filp, free.at, 0xdead_beef_0000n),
        code: 'freelist-wild',
        address: free.at,
        names: 'filp',
      },
      {
        what: 'a pointer between two objects',
        plant: it => follow(it, filp, free.at, free.at + 8n),
        code: 'freelist-misaligned',
        address: free.at,
        names: 'filp',
      },
      {
        what: 'a coded pointer overwritten',
        plant: it => it.write(free.at + BigInt(filp.freelistOffset), 0n),
        code: 'freelist-wild',
        address: free.at,
        names: 'filp',
      },
      {
        what: "on the freelist and a CPU's",
        plant: it => follow(it, kmalloc, both.at, held.at),
        code: 'double-free',
        address: held.at,
        names: both.cache,
      },
      {
        what: 'a slab of another cache',
        plant: it => it.write(slab + 24n, task),
        code: 'slab-of-another-cache',
        address: slab,
        names: /filp|task_struct/,
      },
      {
        what: 'one object more in use',
        plant: it => it.write(slab + 40n, it.read(slab + 40n) + 1n),
        code: 'freelist-count',
        address: slab,
        names: 'filp',
      },
      {
        what: 'a wrong number of partial slabs',
        plant: it => {
          node = it.read(cache + 216n);
          it.write(node + 8n, it.read(node + 8n) + 1n);
        },
        code: 'slab-counters',
        get address() {
          return node + 8n;
        },
        names: 'filp',
      },
      {
        what: 'a wrong number of objects',
        plant: it => it.write(node + 40n, it.read(node + 40n) + 100n),
        code: 'slab-counters',
        address: cache,
        names: 'filp',
      },
      {
        what: 'a link of the list of caches that does not point back',
        plant: it => it.write(cache + 112n, task + 104n),
        code: 'damaged-list',
        address: cache + 104n,
        names: 'slab_caches',
      },
    ],
  );
});

realTest('doctor: damage planted in sheaves of 7.3', [realDump('x86_64-7.3.elf')], async t => {
  const name = 'x86_64-7.3';
  const { caches, known } = objectsOf(name);
  const both = known.find(
    one =>
      one.where === 'freelist' && known.some(other => other.slab === one.slab && other.where.startsWith('sheaf:cpu')),
  );
  const held = known.find(one => one.slab === both?.slab && one.where.startsWith('sheaf:cpu'));
  interface TrueSheaf {
    readonly addr: string;
    readonly size: number;
    readonly objects: readonly string[];
  }
  const sheaves = parsed<{ name: string; cpus: { main: TrueSheaf | null }[]; barns: { barn: string }[] }[]>(
    name,
    'sheaves',
  );
  const barn = BigInt(sheaves.find(one => one.name === 'dentry')?.barns[0].barn ?? 0);
  const dentry = sheaves.find(one => one.name === 'dentry')?.cpus.find(one => (one.main?.size ?? 0) > 2)?.main;
  if (both === undefined || held === undefined || dentry == null) return t.fail('no such objects');
  const cache = caches.get(both.cache) as TrueCache;
  const sheaf = BigInt(dentry.addr);
  // struct slab_sheaf of 7.3: the objects end it.
  const { stdout } = kdumpling('struct', realDump(`${name}.elf`), 'slab_sheaf', '--json');
  t.true(stdout.includes('objects'));
  const slots = (it: Patient): bigint => {
    for (let at = sheaf; at < sheaf + 64n; at += 8n) if (it.read(at) === BigInt(dentry.objects[0])) return at;
    throw new Error('the sheaf is elsewhere');
  };
  await planted(
    t,
    name,
    ['slab'],
    [
      {
        what: 'on the freelist and in a sheaf',
        plant: it => follow(it, cache, both.at, held.at),
        code: 'double-free',
        address: held.at,
        names: both.cache,
      },
      {
        what: 'twice in a sheaf',
        plant: it => it.write(slots(it) + 8n, BigInt(dentry.objects[0])),
        code: 'double-free',
        address: BigInt(dentry.objects[0]),
        names: 'dentry',
      },
      {
        what: 'a wild pointer in a sheaf',
        plant: it => it.write(slots(it), 0x1234n),
        code: 'wild-pointer',
        address: sheaf,
        names: 'dentry',
      },
      {
        what: 'a wrong number of full sheaves in a barn',
        // struct node_barn of 7.3: the two numbers are behind the lists.
        plant: it => it.write(barn + 40n, it.read(barn + 40n) + 1n),
        code: 'slab-counters',
        address: barn + 40n,
        names: 'dentry',
      },
    ],
  );
});

const ROWS = ['timers', 'frames', 'areas', 'tables'] as const;

realTest('doctor: damage planted in timers, pages, areas and page tables', [realDump('x86_64-7.3.elf')], async t => {
  await planted(t, 'x86_64-7.3', ROWS, (kernel, patient) => {
    const pages = new Pages(kernel);
    const page = struct(kernel, 'page');
    const refcount = BigInt(page.offset('_refcount'));
    const block = [...freeBlocks(kernel, new Issues())].find(({ order }) => order === 3);
    const slab = kernel.memory.translate(slabAllocator(kernel, new Issues()).caches[0].address) / kernel.pageSize;
    const free = pages.address(block?.pfn ?? 0) as bigint;
    const inFree = pages.address((block?.pfn ?? 0) + 5) as bigint;
    const ofSlab = pages.address(pages.head(Math.floor(slab))) as bigint;
    const init = taskOfPid(kernel, 1, new Issues()) ?? 0n;
    const memory = processMemory(kernel, init, new Issues());
    if (memory === null) throw new Error('init has no memory');
    const { mm, areas } = memory;
    const [area, next] = areas;
    const vma = (member: string): bigint => BigInt(struct(kernel, 'vm_area_struct').offset(member));
    const count = mm + BigInt(struct(kernel, 'mm_struct').offset('map_count'));
    const table = pageTableOf(kernel, mm);
    const mapped = areas.find(({ rss }) => (rss ?? 0) > 0);
    const steps = table?.walk(mapped?.start ?? 0n).steps ?? [];
    const linear = kernel.memory.pointer(kernel.address('page_offset_base'));
    const direct = (paddr: number): bigint => linear + BigInt(paddr);
    const pte = direct(steps[3].entryAddress);
    const pmd = direct(steps[2].entryAddress);
    const nowhere = 0x3f_ffff_f000n;
    const entry = (value: bigint, paddr: bigint): bigint => (value & 0xfff0_0000_0000_0fffn) | paddr;
    const wheel = timers(kernel, { wheel: true, hrtimers: true }, new Issues()).cpus.flatMap(one => one.wheels ?? []);
    const timer = wheel.flatMap(one => one.timers).find(one => (one.remaining ?? 0n) > 100n);
    const expires = (timer?.timer ?? 0n) + BigInt(struct(kernel, 'timer_list').offset('expires'));
    return [
      {
        what: 'a free page in use',
        plant: it => it.write(free + refcount, it.read(free + refcount) + 1n),
        code: 'free-page-in-use',
        address: free,
        names: /frame/,
      },
      {
        what: 'a page within a free block in use',
        plant: it => it.write(inFree + refcount, it.read(inFree + refcount) + 1n),
        code: 'free-page-in-use',
        address: inFree,
        names: /frame/,
      },
      {
        what: 'a free block of another order',
        plant: it => it.write(free + BigInt(page.offset('private')), 2n),
        code: 'damaged-free-block',
        address: free,
        names: /order 2/,
      },
      {
        what: 'a free list that leads elsewhere',
        plant: it => it.write(free + BigInt(page.offset('lru')), ofSlab),
        code: 'damaged-list',
        address: ofSlab,
        names: /free/,
      },
      {
        what: 'a page of the slab allocator that is to be reclaimed',
        plant: it => it.write(ofSlab, it.read(ofSlab) | (1n << BigInt(pageFlagNames(kernel).indexOf('lru')))),
        code: 'impossible-flags',
        address: ofSlab,
        names: /slab allocator/,
      },
      {
        what: 'a page of another zone',
        plant: it => it.write(free, it.read(free) ^ (1n << BigInt(zoneBits(kernel)?.zoneShift ?? 0))),
        code: 'page-of-another-zone',
        address: free,
        names: /zone/,
      },
      {
        what: 'an area that reaches into the next',
        plant: it => it.write(area.address + vma('vm_end'), next.start + 0x1000n),
        code: 'damaged-area',
        address: area.address,
        names: /PID 1 \(init\)/,
      },
      {
        what: 'an area of another process',
        plant: it => it.write(next.address + vma('vm_mm'), mm + 8n),
        code: 'damaged-area',
        address: next.address,
        names: /mm_struct/,
      },
      {
        what: 'an area too many',
        plant: it => it.write(count, it.read(count) + 1n),
        code: 'area-count',
        address: count,
        names: /counts/,
      },
      {
        what: 'an entry that maps no memory',
        plant: it => it.write(pte, entry(it.read(pte), nowhere)),
        code: 'page-table-nowhere',
        address: mapped?.start ?? 0n,
        names: /pte entry of PID 1 \(init\)/,
      },
      {
        what: 'an entry that maps a free page',
        plant: it => it.write(pte, entry(it.read(pte), BigInt((block?.pfn ?? 0) * kernel.pageSize))),
        code: 'page-table-unowned',
        address: mapped?.start ?? 0n,
        names: /a page that is free/,
      },
      {
        what: 'an entry that leads to a table nowhere',
        plant: it => it.write(pmd, entry(it.read(pmd), nowhere)),
        code: 'page-table-nowhere',
        address: null,
        names: /PID 1 \(init\).* at physical 0x3ffffff000, /,
      },
      {
        what: 'a timer in the bucket of another time',
        plant: it => it.write(expires, it.read(expires) + 0x4321n),
        code: 'damaged-timer-wheel',
        address: timer?.timer ?? 0n,
        names: /expires/,
      },
      {
        what: 'a timer whose link does not point back',
        plant: it => it.write((timer?.timer ?? 0n) + 8n, patient.read((timer?.timer ?? 0n) + 8n) + 8n),
        code: 'damaged-hlist',
        address: timer?.timer ?? 0n,
        names: /timers of CPU/,
      },
    ];
  });
});

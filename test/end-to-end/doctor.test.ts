// The doctor on real dumps: nothing where nothing is wrong, and damage planted by what the truth knows of where objects are and how their pointers are coded.
import { closeSync, constants, copyFileSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openKernel } from 'kdumpling/analysis';
import { openFile } from 'kdumpling/reader/node';
import { dir } from 'tmp-promise';
import { kdumpling } from '../kdumpling.js';
import { realDump, realTest, realTruth } from '../real.js';

interface Finding {
  readonly check: string;
  readonly code: string;
  readonly message: string;
  readonly address: string | null;
  readonly evidence: string | null;
}

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

function doctor(t: ExecutionContext, dump: string): readonly Finding[] {
  const { status, stdout, stderr } = kdumpling('doctor', dump, '--only', 'slab', '--json');
  t.is(status, 0, stderr);
  return JSON.parse(stdout) as Finding[];
}

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'trace-6.1', 'trace-live-6.1']) {
  const dump = realDump(`${name}.elf`);
  realTest(`doctor: nothing is wrong with ${name}`, [dump], t => {
    const { status, stdout, stderr } = kdumpling('doctor', dump, '--json');
    t.deepEqual([status, stderr, JSON.parse(stdout)], [0, '{"issues":[]}\n', []]);
  });
}

/** A dump whose words are changed one by one, by virtual address. */
class Patient {
  readonly #file: number;
  readonly #before: { readonly at: number; readonly bytes: Buffer }[] = [];
  readonly #offset: (vaddr: bigint) => number;

  constructor(path: string, offset: (vaddr: bigint) => number) {
    this.#file = openSync(path, 'r+');
    this.#offset = offset;
  }

  read(vaddr: bigint): bigint {
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, this.#offset(vaddr));
    return bytes.readBigUInt64LE();
  }

  write(vaddr: bigint, value: bigint): void {
    const at = this.#offset(vaddr);
    const bytes = Buffer.alloc(8);
    readSync(this.#file, bytes, 0, 8, at);
    this.#before.push({ at, bytes });
    const changed = Buffer.alloc(8);
    changed.writeBigUInt64LE(BigInt.asUintN(64, value));
    writeSync(this.#file, changed, 0, 8, at);
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
  readonly address: bigint;
  /** What every message names. */
  readonly names: string | RegExp;
}

async function planted(t: ExecutionContext, name: string, list: readonly Planted[]) {
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
  const patient = new Patient(copy, vaddr => first + kernel.memory.translate(vaddr));
  try {
    for (const one of list) {
      one.plant(patient);
      const { what, code, address, names } = one;
      const found = doctor(t, copy);
      const hit = found.filter(finding => finding.code === code && finding.address === `0x${address.toString(16)}`);
      t.true(hit.length > 0, `${what}: ${JSON.stringify(found)}`);
      t.true(
        hit.every(({ message, evidence }) => message.match(names) !== null && evidence !== null),
        what,
      );
      // Whatever else is told is of the same cache.
      t.true(
        found.every(({ message }) => message.match(names) !== null),
        `${what}: ${JSON.stringify(found)}`,
      );
      patient.heal();
    }
    t.deepEqual(doctor(t, copy), []);
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
  await planted(t, name, [
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
  ]);
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
  const sheaves = parsed<{ name: string; cpus: { main: TrueSheaf | null }[] }[]>(name, 'sheaves');
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
  await planted(t, name, [
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
  ]);
});

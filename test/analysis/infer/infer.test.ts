// Types of objects, on heaps written by hand: what follows of pointers, links and content, what is not said, and what is said of contradictions.
import test from 'ava';
import fc from 'fast-check';
import { Heap, type Inference, inferFrom } from 'kdumpling/analysis/infer';
import { DirectMap, type SlabCache } from 'kdumpling/analysis/slab';
import { Issues } from 'kdumpling/reader';
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import { BASE, compound, INT, madeKernel, pointerTo, U64 } from '../made-kernel.js';

const CHAR: Type = { kind: 'int', name: 'char', size: 1, signed: true, encoding: 'char' };
const forward = (name: string): CompoundType => ({
  kind: 'struct',
  name,
  size: 0,
  complete: false,
  members: [],
});
const toStruct = (name: string): Type => pointerTo(forward(name));

const LIST = compound('struct', 'list_head', 16, [
  ['next', toStruct('list_head'), 0],
  ['prev', toStruct('list_head'), 64],
]);
/** Held by a cache of its name. */
const OWNER = compound('struct', 'owner', 64, [
  ['item', toStruct('item'), 0],
  ['inner', toStruct('inner'), 64],
  ['name', pointerTo(CHAR), 128],
  ['other', toStruct('other'), 192],
  [
    'either',
    compound('union', '', 8, [
      ['a', toStruct('item'), 0],
      ['b', toStruct('other'), 0],
    ]),
    256,
  ],
  ['nothing', pointerTo({ kind: 'void' }), 320],
  ['list', pointerTo(toStruct('item')), 384],
]);
/** 48 bytes: for the size class of 64. */
const ITEM = compound('struct', 'item', 48, [
  ['link', LIST, 0],
  ['owner', toStruct('owner'), 128],
  ['leaf', toStruct('leaf'), 192],
  ['count', U64, 256],
  ['flags', INT, 320],
]);
const OTHER = compound('struct', 'other', 56, [
  ['owner', toStruct('owner'), 0],
  ['owners', { kind: 'array', element: toStruct('owner'), length: 6 }, 64],
]);
const LEAF = compound('struct', 'leaf', 24, [['owner', toStruct('owner'), 0]]);
const INNER = compound('struct', 'inner', 24, [
  ['owner', toStruct('owner'), 64],
  ['count', U64, 128],
]);
/** The only one with a struct inner at 40 that needs 128 bytes. */
const OUTER = compound('struct', 'outer', 100, [
  ['owner', toStruct('owner'), 0],
  ['inner', INNER, 320],
]);
const TYPES = [LIST, OWNER, ITEM, OTHER, LEAF, INNER, OUTER, U64, INT, CHAR];

const SLABS = ['owner', 'kmalloc-32', 'kmalloc-64', 'kmalloc-128'].map((name, i) => ({
  name,
  size: [64, 32, 64, 128][i],
  paddr: 0x1000 * (i + 1),
}));
const caches = SLABS.map(
  ({ name, size }, i): SlabCache => ({
    name,
    address: BigInt(i),
    allocator: 'slub',
    objectSize: size,
    slotSize: size,
    align: 8,
    slabSize: 4096,
    flags: 0n,
    refcount: 1,
  }),
);

class Memory {
  readonly bytes = new Uint8Array(0x6000);
  readonly #view = new DataView(this.bytes.buffer);
  readonly #free = new Set<bigint>();

  at(cache: string, number: number): bigint {
    const slab = SLABS.find(one => one.name === cache);
    if (slab === undefined) throw new RangeError(cache);
    return BASE + BigInt(slab.paddr + number * slab.size);
  }

  word(address: bigint, ...values: readonly bigint[]): void {
    for (const [i, value] of values.entries()) this.#view.setBigUint64(Number(address - BASE) + 8 * i, value, true);
  }

  text(address: bigint, text: string): void {
    this.bytes.set(new TextEncoder().encode(`${text}\0`), Number(address - BASE));
  }

  free(address: bigint): void {
    this.#free.add(address);
  }

  infer(): Inference {
    const kernel = madeKernel({ pieces: [{ paddr: 0, bytes: this.bytes }], types: TYPES });
    const slabs = SLABS.map(({ size, paddr }, cache) => ({
      first: paddr,
      cache,
      allocated: Uint8Array.from({ length: 4096 / size }, (_, i) =>
        this.#free.has(BASE + BigInt(paddr + i * size)) ? 0 : 1,
      ),
    }));
    const map = new DirectMap(BASE, 64, this.bytes.length);
    return inferFrom(kernel, new Heap({ caches, map }, slabs), new Issues());
  }
}

const typeAt = (found: Inference, address: bigint): string | null | undefined => found.at(address)?.type;

test('a typed pointer tells what lies where it leads to, and what that points to in turn', t => {
  const memory = new Memory();
  const [owner, item, leaf] = [memory.at('owner', 1), memory.at('kmalloc-64', 3), memory.at('kmalloc-32', 5)];
  memory.word(owner, item);
  memory.word(item + 16n, owner, leaf);
  const found = memory.infer();
  t.is(typeAt(found, owner + 60n), 'struct owner');
  t.is(typeAt(found, item), 'struct item');
  t.is(typeAt(found, leaf + 31n), 'struct leaf');
  t.is(typeAt(found, memory.at('kmalloc-32', 6)), null);
  t.deepEqual(found.at(leaf)?.evidence, [
    { kind: 'pointer', address: item, type: 'struct item', member: 'item.leaf', symbol: null },
    { kind: 'pointer', address: owner, type: 'struct owner', member: 'owner.item', symbol: null },
    { kind: 'cache', address: null, type: null, member: null, symbol: null },
  ]);
  const share = found.shares().find(({ cache }) => cache.name === 'kmalloc-64');
  t.deepEqual([share?.allocated, share?.typed, share?.types], [64, 1, [{ type: 'struct item', count: 1 }]]);
});

test('pointers to void, unions and free objects say nothing', t => {
  const memory = new Memory();
  const [owner, gone] = [memory.at('owner', 0), memory.at('kmalloc-64', 9)];
  memory.word(owner + 32n, memory.at('kmalloc-64', 1), memory.at('kmalloc-64', 2));
  memory.word(owner, gone);
  memory.free(gone);
  const found = memory.infer();
  for (const i of [1, 2]) t.is(typeAt(found, memory.at('kmalloc-64', i)), null);
  t.is(found.at(gone), null);
});

test('text and arrays of pointers are told by what points to them, text by its content as well', t => {
  const memory = new Memory();
  const [named, wrong, short] = [0, 1, 2].map(i => memory.at('owner', i));
  memory.word(named + 16n, memory.at('kmalloc-64', 0));
  memory.text(memory.at('kmalloc-64', 0), 'a name of more than thirty-two bytes');
  memory.word(wrong + 16n, memory.at('kmalloc-64', 1));
  memory.word(memory.at('kmalloc-64', 1), 0x0102030405060708n);
  memory.word(short + 16n, memory.at('kmalloc-128', 2));
  memory.text(memory.at('kmalloc-128', 2), 'too short for its size class');
  memory.word(named + 48n, memory.at('kmalloc-32', 0));
  memory.word(memory.at('kmalloc-32', 0), memory.at('kmalloc-64', 5));
  const found = memory.infer();
  t.is(typeAt(found, memory.at('kmalloc-64', 0)), 'char []');
  t.is(typeAt(found, memory.at('kmalloc-64', 1)), null);
  t.deepEqual(
    found.at(memory.at('kmalloc-64', 1))?.disagreements.map(({ type, why }) => [type, why]),
    [['char []', 'content']],
  );
  t.is(typeAt(found, memory.at('kmalloc-128', 2)), null);
  t.is(typeAt(found, memory.at('kmalloc-32', 0)), 'struct item *[]');
  t.is(typeAt(found, memory.at('kmalloc-64', 5)), 'struct item');
});

test('a struct that the object is too small for, or whose pointers lead elsewhere, is said and not believed', t => {
  const memory = new Memory();
  const owner = memory.at('owner', 0);
  const [small, other] = [memory.at('kmalloc-32', 1), memory.at('kmalloc-64', 1)];
  memory.word(owner, small);
  memory.word(owner + 24n, other);
  // What struct other has are pointers to owners; these lead into the middle of one, and to no memory of a kernel.
  memory.word(other, owner + 8n, 0x1234_5678n, 0x4141_4141_4141n);
  const found = memory.infer();
  t.deepEqual(
    [small, other].map(address => found.at(address)?.disagreements.map(({ type, why }) => [type, why])),
    [[['struct item', 'size']], [['struct other', 'content']]],
  );
  t.deepEqual([typeAt(found, small), typeAt(found, other)], [null, null]);
});

test('of two types of the same bytes the one that more speaks for is believed, and the other told', t => {
  const memory = new Memory();
  const target = memory.at('kmalloc-64', 0);
  memory.word(memory.at('owner', 0), target);
  for (const i of [1, 2, 3]) memory.word(memory.at('owner', i) + 24n, target);
  const object = memory.infer().at(target);
  t.is(object?.type, 'struct other');
  t.is(object?.votes, 3);
  t.deepEqual(
    object?.disagreements.map(({ type, why, evidence }) => [type, why, evidence[0].address]),
    [['struct item', 'overruled', memory.at('owner', 0)]],
  );
  t.true((object?.confidence ?? 1) < 1);
});

test('a part tells the whole where only one struct that fits has it there', t => {
  const memory = new Memory();
  const [owner, outer] = [memory.at('owner', 0), memory.at('kmalloc-128', 3)];
  memory.word(owner + 8n, outer + 40n);
  memory.word(outer, owner);
  memory.word(memory.at('owner', 1) + 8n, memory.at('kmalloc-128', 4) + 48n);
  const found = memory.infer();
  t.is(typeAt(found, outer), 'struct outer');
  t.is(found.at(outer)?.evidence[0].kind, 'container');
  const part = found.at(memory.at('kmalloc-128', 4));
  t.deepEqual([part?.type, part?.parts.map(({ type, offset }) => [type, offset])], [null, [['struct inner', 48]]]);
});

test('neighbours that are linked both ways are of one type', t => {
  const memory = new Memory();
  const [a, b, c] = [1, 4, 7].map(i => memory.at('kmalloc-64', i));
  const stray = memory.at('kmalloc-64', 9);
  memory.word(memory.at('owner', 0), a);
  memory.word(a, b, stray);
  memory.word(b, c, a);
  memory.word(c, a, b);
  const found = memory.infer();
  t.deepEqual(
    [a, b, c, stray].map(address => typeAt(found, address)),
    ['struct item', 'struct item', 'struct item', null],
  );
  t.is(found.at(c)?.evidence[0].kind, 'neighbour');
  t.is(found.at(c)?.evidence[0].member, 'item.link.next');
});

test('whatever the memory holds, each object has one answer whose evidence ends', t => {
  const addresses = SLABS.flatMap(({ name, size }) =>
    Array.from({ length: 4096 / size }, (_, i) => [name, i] as const),
  );
  const word = fc.oneof(
    fc.constantFrom(...addresses).map(([name, i]) => new Memory().at(name, i)),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    fc.integer({ min: 0, max: 0x6000 }).map(offset => BASE + BigInt(offset)),
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0x1000, max: 0x4ff8 }), word), { minLength: 1, maxLength: 200 }),
      words => {
        const memory = new Memory();
        for (const [offset, value] of words) memory.word(BASE + BigInt(offset - (offset % 8)), value);
        const found = memory.infer();
        for (const [name, i] of addresses) {
          const object = found.at(memory.at(name, i));
          t.is(object?.address, memory.at(name, i));
          if (object?.type !== null) t.is(object?.evidence.at(-1)?.kind, 'cache');
          if (name === 'owner') t.is(object?.type, 'struct owner');
        }
      },
    ),
    { numRuns: 30 },
  );
});

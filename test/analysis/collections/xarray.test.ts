// XArrays, radix trees of three generations and IDRs of two, written as the kernel writes them.
import test from 'ava';
import fc from 'fast-check';
import {
  idrEntries,
  idrFind,
  isValueEntry,
  radixTree,
  radixTreeLoad,
  xarray,
  xarrayLoad,
} from 'kdumpling/analysis/collections';
import { Issues } from 'kdumpling/reader';
import { BIG, LITTLE, MACHINES, type Machine, MadeMemory, walked } from './made-memory.js';
import { countedRadixTypes, layeredIdrTypes, markedRadixTypes, xarrayTypes } from './made-types.js';
import { type NodeWriter, type Stored, storeAll, xaNode } from './made-xarray.js';

const ZERO = (257n << 2n) | 2n;

/** Entries of several orders that do not overlap, in ascending order. */
const stored = (bits: number): fc.Arbitrary<Stored[]> =>
  fc.array(fc.tuple(fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n }), fc.nat(9)), { maxLength: 12 }).map(list => {
    const kept: Stored[] = [];
    for (const [n, order] of list.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const index = (n >> BigInt(order)) << BigInt(order);
      const before = kept.at(-1);
      if (before !== undefined && index < before.index + (1n << BigInt(before.order))) continue;
      // An entry at the start of a larger one's place would be inside it.
      kept.push({ index, order, entry: 0xffff_8880_0001_0000n + BigInt(kept.length) * 64n });
    }
    return kept;
  });

function made(machine: Machine, entries: readonly Stored[]): { memory: MadeMemory; array: bigint } {
  const memory = new MadeMemory(1 << 17, machine);
  const array = memory.take(24);
  memory.words(array + 8n, storeAll(memory, xaNode(memory, array), entries));
  return { memory, array };
}

interface Found {
  readonly index: bigint;
  readonly last: bigint;
  readonly entry: bigint;
}

const expected = (entries: readonly Stored[]): Found[] =>
  entries.map(({ index, order, entry }) => ({ index, last: index + (1n << BigInt(order)) - 1n, entry }));

for (const [name, machine] of MACHINES) {
  const small = machine.pointerSize === 4;
  test(`what was stored is found, ${name}`, t => {
    fc.assert(
      fc.property(stored(small ? 32 : 60), stored16 => {
        const entries = small ? stored16.map(one => ({ ...one, entry: one.entry & 0xffff_ffffn })) : stored16;
        const { memory, array } = made(machine, entries);
        const kernel = memory.kernel(xarrayTypes(machine));
        const issues = new Issues();
        const walk = xarray(kernel, array, issues);
        const found: Found[] = [];
        for (const entry of walk) found.push({ index: walk.index, last: walk.last, entry });
        t.deepEqual(found, expected(entries));
        t.deepEqual(issues.list(), []);
        for (const { index, last, entry } of found) {
          t.is(xarrayLoad(kernel, array, index), entry);
          t.is(xarrayLoad(kernel, array, last), entry);
          if (!entries.some(one => one.index === last + 1n)) t.is(xarrayLoad(kernel, array, last + 1n), 0n);
        }
      }),
      { numRuns: 60 },
    );
  });
}

test('what is no entry: reserved indexes; values are', t => {
  const entries = [
    { index: 0n, order: 0, entry: ZERO },
    { index: 3n, order: 0, entry: (7n << 1n) | 1n },
    { index: 4n, order: 0, entry: 0xffff_8880_0000_0040n },
  ];
  const { memory, array } = made(LITTLE, entries);
  const kernel = memory.kernel(xarrayTypes(LITTLE));
  const { found, codes } = walked(issues => xarray(kernel, array, issues));
  t.deepEqual([found, codes], [[15n, 0xffff_8880_0000_0040n], []]);
  t.deepEqual(found.map(isValueEntry), [true, false]);
  t.is(xarrayLoad(kernel, array, 0n), 0n);
  memory.words(array + 8n, ZERO);
  t.deepEqual(walked(issues => xarray(memory.kernel(xarrayTypes(LITTLE)), array, issues)).found, []);
});

// Three leaves below one root: indexes 0, 64 and 128 on.
const THREE = [0n, 1n, 64n, 65n, 128n, 129n].map((index, i) => ({ index, order: 0, entry: 0x1000n + BigInt(i) * 64n }));

function damaged(
  change: (memory: MadeMemory, root: bigint, leaves: readonly bigint[]) => void,
  holes: (leaves: readonly bigint[]) => readonly bigint[] = () => [],
) {
  const { memory, array } = made(LITTLE, THREE);
  const root = memory.word(array + 8n) - 2n;
  const leaves = [0n, 1n, 2n].map(i => memory.word(root + 40n + i * 8n) - 2n);
  change(memory, root, leaves);
  const kernel = memory.kernel(xarrayTypes(LITTLE), {}, holes(leaves));
  const issues = new Issues();
  const walk = xarray(kernel, array, issues, { name: 'x' });
  const found: bigint[] = [];
  for (const _ of walk) found.push(walk.index);
  return { found, messages: issues.list().map(({ message }) => message), codes: issues.list().map(({ code }) => code) };
}

test('damage: a wrong parent, slot, shift; a node of another place; memory cut out', t => {
  const all = THREE.map(({ index }) => index);
  t.deepEqual(
    damaged(() => {}),
    { found: all, messages: [], codes: [] },
  );
  const parent = damaged((memory, _, [leaf]) => memory.words(leaf + 8n, 0xbad0n));
  t.deepEqual([parent.found, parent.codes], [all, ['damaged-xarray']]);
  t.regex(parent.messages[0], /says that it is slot 0 of 0xbad0, and is found as slot 0 of 0xffff8880/);
  const slot = damaged((memory, _, leaves) => memory.u8(leaves[1] + 1n, 9));
  t.deepEqual([slot.found, slot.codes], [all, ['damaged-xarray']]);
  const shift = damaged((memory, _, leaves) => memory.u8(leaves[1], 6));
  t.deepEqual([shift.found, shift.codes], [[0n, 1n, 128n, 129n], ['damaged-xarray']]);
  const other = damaged((memory, root, leaves) => memory.words(root + 40n, leaves[2] + 2n));
  t.deepEqual([other.found, other.codes], [[64n, 65n, 128n, 129n], ['damaged-xarray']]);
  const circle = damaged((memory, root) => memory.words(root + 40n, root + 2n));
  t.deepEqual([circle.found, circle.codes], [[64n, 65n, 128n, 129n], ['damaged-xarray']]);
  const cut = damaged(
    () => {},
    leaves => [leaves[1] + 256n],
  );
  t.deepEqual([cut.found, cut.codes], [[0n, 1n, 128n, 129n], ['unreadable-xarray']]);
  const array = damaged((memory, root) => memory.words(root + 16n, 0x1230n));
  t.deepEqual([array.found, array.codes], [all, ['damaged-xarray']]);
  const sibling = damaged((memory, _, [leaf]) => memory.words(leaf + 40n + 16n, (5n << 2n) | 2n));
  t.deepEqual([sibling.found, sibling.codes], [all, ['damaged-xarray']]);
});

test('whatever the bytes are, a walk ends, and gives no index twice', t => {
  const change = fc.tuple(fc.nat(8000), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), changes => {
      const { memory, array } = made(LITTLE, THREE);
      for (const [at, value] of changes) memory.u8(memory.base + BigInt(at % memory.used), value);
      const kernel = memory.kernel(xarrayTypes(LITTLE));
      const walk = xarray(kernel, array, new Issues());
      let before = -1n;
      for (const _ of walk) {
        t.true(walk.index > before && walk.last >= walk.index);
        before = walk.last;
      }
    }),
    { numRuns: 300 },
  );
});

test('an IDR with a base', t => {
  const memory = new MadeMemory(1 << 14, BIG);
  const idr = memory.take(32);
  const entries = [0n, 5n, 300n].map((index, i) => ({ index, order: 0, entry: 0x1000n + BigInt(i) * 16n }));
  memory.words(idr + 8n, storeAll(memory, xaNode(memory, idr), entries));
  memory.u32(idr + 16n, 1);
  const kernel = memory.kernel(xarrayTypes(BIG));
  const walk = idrEntries(kernel, idr, new Issues());
  const found: (number | bigint)[][] = [];
  for (const entry of walk) found.push([walk.id, entry]);
  t.deepEqual(found, [
    [1, 0x1000n],
    [6, 0x1010n],
    [301, 0x1020n],
  ]);
  t.deepEqual(
    [0, 1, 2, 6, 301, 302, 2 ** 31].map(id => idrFind(kernel, idr, id)),
    [0n, 0x1000n, 0n, 0x1010n, 0x1020n, 0n, 0n],
  );
});

test('an IDR of layers', t => {
  const memory = new MadeMemory(1 << 14);
  const idr = memory.take(40);
  const layers = [1, 0, 0].map(layer => {
    const address = memory.take(16 + 260 * 8);
    memory.u32(address + 4n, layer);
    return address;
  });
  memory.words(layers[0] + 8n, layers[1], 0n, 0n, layers[2]);
  memory.words(layers[1] + 8n + 7n * 8n, 0x1000n);
  memory.words(layers[2] + 8n + 255n * 8n, 0x2000n);
  memory.words(idr, 0n, layers[0]);
  memory.u32(idr + 16n, 2);
  const kernel = memory.kernel(layeredIdrTypes(LITTLE));
  const walk = idrEntries(kernel, idr, new Issues());
  const found: (number | bigint)[][] = [];
  for (const entry of walk) found.push([walk.id, entry]);
  t.deepEqual(found, [
    [7, 0x1000n],
    [1023, 0x2000n],
  ]);
  t.deepEqual(
    [7, 8, 1023, 65536].map(id => idrFind(kernel, idr, id)),
    [0x1000n, 0n, 0x2000n, 0n],
  );
  memory.u32(idr + 16n, 30);
  t.deepEqual(walked(issues => idrEntries(memory.kernel(layeredIdrTypes(LITTLE)), idr, issues)).codes, ['damaged-idr']);
});

/** 4.19: bit 0 marks nodes; siblings point at the slot that they stand for. */
const markedNode = (memory: MadeMemory): NodeWriter => ({
  size: 72 * 8,
  slots: 40,
  header(_, node, shift, slot, parent) {
    memory.u8(node, shift, slot);
    memory.words(node + 8n, parent);
  },
  pointer: node => node | 1n,
  sibling: (node, slot) => (node + 40n + BigInt(slot) * 8n) | 1n,
});

/** 3.10: nothing is marked but the root. */
const countedNode = (memory: MadeMemory): NodeWriter => ({
  size: 72 * 8,
  slots: 32,
  header(_, node, shift, __, parent) {
    memory.u32(node, shift / 6 + 1);
    memory.words(node + 8n, parent);
  },
  pointer: node => node,
  sibling: () => 0n,
});

test('radix trees of 4.19', t => {
  fc.assert(
    fc.property(stored(40), entries => {
      const memory = new MadeMemory(1 << 17);
      const root = memory.take(16);
      memory.words(root + 8n, storeAll(memory, markedNode(memory), entries));
      const kernel = memory.kernel(markedRadixTypes(LITTLE));
      const issues = new Issues();
      const walk = radixTree(kernel, root, issues);
      const found: Found[] = [];
      for (const entry of walk) found.push({ index: walk.index, last: walk.last, entry });
      t.deepEqual(found, expected(entries));
      t.deepEqual(issues.list(), []);
      for (const { last, entry } of found) t.is(radixTreeLoad(kernel, root, last), entry);
    }),
    { numRuns: 40 },
  );
});

test('radix trees of 3.10', t => {
  fc.assert(
    fc.property(stored(30), several => {
      const entries = several.map(one => ({ ...one, order: 0 }));
      const memory = new MadeMemory(1 << 17);
      const root = memory.take(16);
      const top = storeAll(memory, countedNode(memory), entries);
      const flat = entries.length === 1 && entries[0].index === 0n;
      const height = entries.length === 0 || flat ? 0 : Number(memory.word(top) & 0xffff_ffffn);
      memory.u32(root, height);
      memory.words(root + 8n, height === 0 ? top : top | 1n);
      const kernel = memory.kernel(countedRadixTypes(LITTLE));
      const issues = new Issues();
      const walk = radixTree(kernel, root, issues);
      const found: Found[] = [];
      for (const entry of walk) found.push({ index: walk.index, last: walk.last, entry });
      t.deepEqual(found, expected(entries));
      t.deepEqual(issues.list(), []);
      for (const { index, entry } of found) t.is(radixTreeLoad(kernel, root, index), entry);
    }),
    { numRuns: 40 },
  );
});

test('a radix tree that is too high, and one that is not there', t => {
  const memory = new MadeMemory(4096);
  const root = memory.take(16);
  memory.u32(root, 1000);
  memory.words(root + 8n, root | 1n);
  const kernel = memory.kernel(countedRadixTypes(LITTLE));
  t.deepEqual(walked(issues => radixTree(kernel, root, issues)).codes, ['damaged-radix-tree']);
  t.deepEqual(walked(issues => radixTree(kernel, 0x10n, issues)).codes, ['unreadable-radix-tree']);
  t.deepEqual(walked(issues => xarray(memory.kernel(xarrayTypes(LITTLE)), 0x10n, issues)).codes, ['unreadable-xarray']);
});

// Maple trees, filled node by node as lib/maple_tree.c lays them out: pivots are the last index of their slot, the gaps between ranges are slots of NULL.
import test from 'ava';
import fc from 'fast-check';
import { MapleWalk, mapleEntries, mapleLoad } from 'kdumpling/analysis/collections';
import { Issues } from 'kdumpling/reader';
import { LITTLE, MACHINES, type Machine, MadeMemory, walked } from './made-memory.js';
import { mapleTypes } from './made-types.js';

interface Range {
  readonly first: bigint;
  readonly last: bigint;
  readonly entry: bigint;
}

const ZERO = (257n << 2n) | 2n;
const LEAF = 1n;
const RANGE = 2n;
const ARANGE = 3n;

/** How a tree is written: `fill` slots in each node (2 or more), whether the last pivot of a node is stored or left 0, and whether it tracks gaps. */
interface Shape {
  readonly fill: number;
  readonly implied: boolean;
  readonly gaps: boolean;
}

interface Part {
  readonly node: bigint;
  readonly last: bigint;
}

class Writer {
  readonly memory: MadeMemory;
  readonly tree: bigint;
  readonly shape: Shape;
  readonly #max: bigint;

  constructor(machine: Machine, shape: Shape) {
    this.memory = new MadeMemory(1 << 17, machine);
    this.tree = this.memory.take(32);
    this.shape = shape;
    this.#max = (1n << BigInt(machine.pointerSize * 8)) - 1n;
  }

  /** All indexes, those without an entry as slots of NULL. */
  #pieces(ranges: readonly Range[]): { last: bigint; word: bigint }[] {
    const pieces: { last: bigint; word: bigint }[] = [];
    let next = 0n;
    for (const { first, last, entry } of ranges) {
      if (first > next) pieces.push({ last: first - 1n, word: 0n });
      pieces.push({ last, word: entry });
      next = last + 1n;
    }
    if (next <= this.#max) pieces.push({ last: this.#max, word: 0n });
    return pieces;
  }

  write(ranges: readonly Range[]): void {
    const { memory, shape, tree } = this;
    let type = LEAF;
    let height = 1;
    let level = this.#level(this.#pieces(ranges), LEAF);
    while (level.length > 1) {
      const above = shape.gaps ? ARANGE : RANGE;
      const slots = level.map(({ node, last }) => ({ last, word: node | (type << 3n) | 4n }));
      level = this.#level(slots, above);
      type = above;
      height++;
    }
    memory.words(level[0].node, tree | 1n);
    memory.words(tree + 8n, level[0].node | (type << 3n) | 4n | 2n);
    memory.u32(tree + 8n + BigInt(memory.machine.pointerSize), (shape.gaps ? 1 : 0) | (height << 2));
  }

  #level(slots: readonly { last: bigint; word: bigint }[], type: bigint): Part[] {
    const wide = this.memory.machine.pointerSize === 8;
    const most = type === ARANGE ? (wide ? 10 : 21) : wide ? 16 : 32;
    const fill = Math.min(this.shape.fill, most);
    const parts: Part[] = [];
    for (let at = 0; at < slots.length; at += fill) parts.push(this.#node(slots.slice(at, at + fill), type, most));
    return parts;
  }

  #node(slots: readonly { last: bigint; word: bigint }[], type: bigint, most: number): Part {
    const { memory } = this;
    const word = BigInt(memory.machine.pointerSize);
    const node = memory.take(256, 256);
    const firstSlot = node + word * BigInt(most);
    for (const [i, slot] of slots.entries()) {
      const isLast = i === slots.length - 1;
      if (i < most - 1 && !(isLast && this.shape.implied && i > 0))
        memory.words(node + word * BigInt(i + 1), slot.last);
      memory.words(firstSlot + word * BigInt(i), slot.word);
      if (type !== LEAF) memory.words(slot.word & ~255n, node | (BigInt(i) << 3n) | 6n);
    }
    // maple_metadata: of the last slot where that is free, behind the gaps of an arange node.
    const meta = type === ARANGE ? node + word * BigInt(3 * most) : firstSlot + word * BigInt(most - 1);
    if (type === ARANGE || slots.length < most) memory.u8(meta, slots.length - 1, 1);
    return { node, last: slots[slots.length - 1].last };
  }
}

const ranges = (max: bigint): fc.Arbitrary<Range[]> =>
  fc.uniqueArray(fc.bigInt({ min: 0n, max }), { maxLength: 60 }).map(numbers => {
    const sorted = numbers.toSorted((a, b) => (a < b ? -1 : 1));
    return Array.from({ length: sorted.length >> 1 }, (_, i) => ({
      first: sorted[2 * i],
      last: sorted[2 * i + 1],
      entry: 0x8000_1000n + BigInt(i) * 64n,
    }));
  });

const shapes: fc.Arbitrary<Shape> = fc.record({
  fill: fc.integer({ min: 2, max: 32 }),
  implied: fc.boolean(),
  gaps: fc.boolean(),
});

function rangesOf(walk: MapleWalk): Range[] {
  const found: Range[] = [];
  for (const entry of walk) found.push({ first: walk.first, last: walk.last, entry });
  return found;
}

for (const [name, machine] of MACHINES) {
  test(`what was stored is found, ${name}`, t => {
    const max = (1n << BigInt(machine.pointerSize * 8)) - 1n;
    fc.assert(
      fc.property(ranges(max), shapes, (all, shape) => {
        const writer = new Writer(machine, shape);
        writer.write(all);
        const kernel = writer.memory.kernel(mapleTypes(machine));
        const issues = new Issues();
        t.deepEqual(rangesOf(new MapleWalk(kernel, writer.tree, issues)), all);
        t.deepEqual(issues.list(), []);
        for (const [i, { first, last, entry }] of all.entries()) {
          t.is(mapleLoad(kernel, writer.tree, first), entry);
          t.is(mapleLoad(kernel, writer.tree, last), entry);
          const free = last < max && all[i + 1]?.first !== last + 1n;
          if (free) t.is(mapleLoad(kernel, writer.tree, last + 1n), 0n);
        }
      }),
      { numRuns: 80 },
    );
  });
}

test('a tree of nothing, of one entry at 0, of reserved indexes', t => {
  const memory = new MadeMemory(4096);
  const tree = memory.take(32);
  const of = () => rangesOf(new MapleWalk(memory.kernel(mapleTypes(LITTLE)), tree, new Issues()));
  t.deepEqual(of(), []);
  memory.words(tree + 8n, 0x1000n);
  t.deepEqual(of(), [{ first: 0n, last: 0n, entry: 0x1000n }]);
  t.is(mapleLoad(memory.kernel(mapleTypes(LITTLE)), tree, 0n), 0x1000n);
  t.is(mapleLoad(memory.kernel(mapleTypes(LITTLE)), tree, 1n), 0n);
  memory.words(tree + 8n, ZERO);
  t.deepEqual(of(), []);
  const writer = new Writer(LITTLE, { fill: 8, implied: false, gaps: true });
  writer.write([
    { first: 1n, last: 2n, entry: ZERO },
    { first: 4n, last: 9n, entry: 0x1000n },
  ]);
  const kernel = writer.memory.kernel(mapleTypes(LITTLE));
  t.deepEqual([...mapleEntries(kernel, writer.tree, new Issues())], [0x1000n]);
  t.is(mapleLoad(kernel, writer.tree, 1n), 0n);
});

test('flags before the root, as in 7.3', t => {
  const writer = new Writer(LITTLE, { fill: 4, implied: true, gaps: true });
  const all = Array.from({ length: 12 }, (_, i) => ({
    first: BigInt(i) * 10n,
    last: BigInt(i) * 10n + 3n,
    entry: 0x1000n + BigInt(i) * 8n,
  }));
  writer.write(all);
  const { memory, tree } = writer;
  memory.u32(tree + 4n, Number(memory.word(tree + 16n)));
  memory.words(tree + 16n, 0n);
  const kernel = memory.kernel(mapleTypes(LITTLE, { flagsFirst: true }));
  t.deepEqual(rangesOf(new MapleWalk(kernel, tree, new Issues())), all);
});

const TWELVE = Array.from({ length: 12 }, (_, i) => ({
  first: BigInt(i) * 0x1000n,
  last: BigInt(i) * 0x1000n + 0xfffn,
  entry: 0x8000n + BigInt(i) * 64n,
}));

/** Leaves of four slots; the last one is NULL up to the end. */
function damaged(
  change: (memory: MadeMemory, root: bigint, leaves: readonly bigint[]) => void,
  holes: (leaves: readonly bigint[]) => readonly bigint[] = () => [],
) {
  const writer = new Writer(LITTLE, { fill: 4, implied: false, gaps: true });
  writer.write(TWELVE);
  const { memory, tree } = writer;
  const root = memory.word(tree + 8n) & ~255n;
  const leaves = [0n, 1n, 2n].map(i => memory.word(root + 80n + i * 8n) & ~255n);
  change(memory, root, leaves);
  const walk = walked(issues =>
    mapleEntries(memory.kernel(mapleTypes(LITTLE), {}, holes(leaves)), tree, issues, { name: 'x' }),
  );
  return { ...walk, found: walk.found.map(entry => Number(entry - 0x8000n) / 64) };
}

test('damage: parents, slots, pivots, dead and foreign nodes, memory cut out', t => {
  const all = TWELVE.map((_, i) => i);
  const without = (from: number, to: number) => all.filter(i => i < from || i >= to);
  t.deepEqual(
    damaged(() => {}),
    { found: all, codes: [], messages: [] },
  );
  const parent = damaged((memory, _, [leaf]) => memory.words(leaf, 0xdead_0000_0000_0006n));
  t.deepEqual([parent.found, parent.codes], [all, ['damaged-maple-tree']]);
  const dead = damaged((memory, _, leaves) => memory.words(leaves[1], leaves[1]));
  t.deepEqual(dead.found, all);
  t.regex(dead.messages[0], /it was taken out of the tree$/);
  const slot = damaged((memory, root, [leaf]) => memory.words(leaf, root | (2n << 3n) | 6n));
  t.deepEqual([slot.found, slot.codes], [all, ['damaged-maple-tree']]);
  const pivot = damaged((memory, _, leaves) => memory.words(leaves[1] + 16n, 0x1234_5678_9abcn));
  t.deepEqual([pivot.found, pivot.codes], [without(5, 8), ['damaged-maple-tree']]);
  const foreign = damaged((memory, root, leaves) => memory.words(root + 80n, leaves[2] | (LEAF << 3n) | 4n));
  t.deepEqual([foreign.found, foreign.codes], [without(0, 4), ['damaged-maple-tree']]);
  const circle = damaged((memory, root) => memory.words(root + 88n, root | (ARANGE << 3n) | 4n));
  t.deepEqual([circle.found, circle.codes], [without(4, 8), ['damaged-maple-tree']]);
  const wild = damaged((memory, root) => memory.words(root + 88n, 0x1234_5600n | (LEAF << 3n) | 4n));
  t.deepEqual([wild.found, wild.codes], [without(4, 8), ['unreadable-maple-tree']]);
  const type = damaged((memory, root, leaves) => memory.words(root + 88n, leaves[1] | (9n << 3n) | 4n));
  t.deepEqual([type.found, type.codes], [without(4, 8), ['damaged-maple-tree']]);
  const cut = damaged(
    () => {},
    leaves => [leaves[1]],
  );
  t.deepEqual([cut.found, cut.codes], [without(4, 8), ['unreadable-maple-tree']]);
  const nothing = damaged((memory, root) => memory.words(root + 88n, 0n));
  t.deepEqual([nothing.found, nothing.codes], [without(4, 8), ['damaged-maple-tree']]);
});

test('whatever the bytes are, a walk ends, and its ranges ascend', t => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 20 }), changes => {
      const writer = new Writer(LITTLE, { fill: 3, implied: true, gaps: true });
      writer.write(TWELVE);
      for (const [at, value] of changes) writer.memory.u8(writer.memory.base + BigInt(at % writer.memory.used), value);
      const walk = new MapleWalk(writer.memory.kernel(mapleTypes(LITTLE)), writer.tree, new Issues());
      let before = -1n;
      for (const _ of walk) {
        t.true(walk.first > before && walk.last >= walk.first);
        before = walk.last;
      }
    }),
    { numRuns: 300 },
  );
});

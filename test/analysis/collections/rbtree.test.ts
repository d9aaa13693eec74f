// Red-black trees, made balanced by halving: all levels black, but the last red where it is not full.
import test from 'ava';
import fc from 'fast-check';
import { rbEntries, rbNodes, rbNodesBelow } from 'kdumpling/analysis/collections';
import { struct } from 'kdumpling/analysis/object';
import { compound, U64 } from '../made-kernel.js';
import { MACHINES, MadeMemory, walked } from './made-memory.js';

const BLACK = 1n;

function madeTree(memory: MadeMemory, count: number): { root: bigint; nodes: bigint[] } {
  const word = memory.machine.pointerSize;
  const root = memory.take(word);
  const nodes = Array.from({ length: count }, () => memory.take(3 * word));
  const full = Math.floor(Math.log2(count + 1));
  const link = (from: number, to: number, parent: bigint, depth: number): bigint => {
    if (from >= to) return 0n;
    const middle = (from + to) >> 1;
    const node = nodes[middle];
    const left = link(from, middle, node, depth + 1);
    const right = link(middle + 1, to, node, depth + 1);
    memory.words(node, parent | (depth < full ? BLACK : 0n), right, left);
    return node;
  };
  memory.words(root, link(0, count, 0n, 0));
  return { root, nodes };
}

const of = (memory: MadeMemory, root: bigint) =>
  walked(issues => rbNodes(memory.kernel(), root, issues, { name: 'x' }));

for (const [name, machine] of MACHINES) {
  test(`trees of all sizes, ${name}`, t => {
    for (let count = 0; count < 40; count++) {
      const memory = new MadeMemory(4096, machine);
      const { root, nodes } = madeTree(memory, count);
      t.deepEqual(of(memory, root), { found: nodes, codes: [], messages: [] });
    }
  });
}

test('objects of a tree, and a part of it', t => {
  const memory = new MadeMemory(4096);
  const { root, nodes } = madeTree(memory, 7);
  const kernel = memory.kernel([compound('struct', 'vmap_area', 48, [['rb_node', U64, 128]])]);
  const { found } = walked(issues => rbEntries(kernel, root, struct(kernel, 'vmap_area'), 'rb_node', issues));
  t.deepEqual(
    found,
    nodes.map(node => node - 16n),
  );
  t.deepEqual(walked(issues => rbNodesBelow(kernel, nodes[1], issues)).found, nodes.slice(0, 3));
});

// Of seven nodes the fourth is the root, the second and the sixth its children.
test('a wrong parent: what hangs below is found all the same', t => {
  const memory = new MadeMemory(4096);
  const { root, nodes } = madeTree(memory, 7);
  memory.words(nodes[5], 0xdead_beef_0000_0001n);
  const { found, messages } = of(memory, root);
  t.deepEqual(found, nodes);
  t.deepEqual(messages, [
    `rbtree x: the parent of 0x${nodes[5].toString(16)} is 0xdeadbeef00000000, not 0x${nodes[3].toString(16)}`,
  ]);
});

test('a pointer to another node of the tree: nothing is given twice, nothing of the other is lost', t => {
  const memory = new MadeMemory(4096);
  const { root, nodes } = madeTree(memory, 7);
  memory.words(nodes[1] + 8n, nodes[5]);
  const { found, codes } = of(memory, root);
  t.deepEqual(
    found,
    nodes.filter(node => node !== nodes[2]),
  );
  t.deepEqual(codes, ['damaged-rbtree']);
  memory.words(nodes[1] + 8n, nodes[3]);
  t.deepEqual(
    of(memory, root).found,
    nodes.filter(node => node !== nodes[2]),
    'its own ancestor',
  );
  memory.words(nodes[1] + 8n, nodes[0]);
  t.deepEqual(
    of(memory, root).found,
    nodes.filter(node => node !== nodes[2]),
    'both children the same',
  );
});

test('a wild child, a red child of a red node, a root that is not there', t => {
  const memory = new MadeMemory(4096);
  const { root, nodes } = madeTree(memory, 7);
  memory.words(nodes[1] + 16n, 0x1234_5678n);
  const wild = of(memory, root);
  t.deepEqual([wild.found, wild.codes], [nodes.slice(1), ['unreadable-rbtree']]);
  memory.words(nodes[1] + 16n, nodes[0]);
  memory.words(nodes[1], nodes[3]);
  memory.words(nodes[2], nodes[1]);
  t.regex(of(memory, root).messages[0], /is red below a red node/);
  t.deepEqual(walked(issues => rbNodes(memory.kernel(), 0x1000n, issues)).codes, ['unreadable-rbtree']);
});

test('a chain deeper than any tree', t => {
  const memory = new MadeMemory(16384);
  const nodes = Array.from({ length: 300 }, () => memory.take(24));
  const root = memory.take(8);
  memory.words(root, nodes[0]);
  for (const [i, node] of nodes.entries()) memory.words(node, (nodes[i - 1] ?? 0n) | BLACK, nodes[i + 1] ?? 0n, 0n);
  const { found, messages } = of(memory, root);
  t.is(found.length, 129);
  t.regex(messages[0], /lies deeper than 128/);
});

test('whatever the words are, a walk ends, and gives nothing twice', t => {
  const word = fc.tuple(fc.nat(20), fc.nat(1)).map(([n, color]) => (n === 0 ? 0n : BigInt(n * 24) + BigInt(color)));
  fc.assert(
    fc.property(fc.array(word, { minLength: 64, maxLength: 64 }), words => {
      const memory = new MadeMemory(512);
      memory.words(memory.base, ...words.map(one => (one === 0n ? 0n : memory.base + one)));
      const { found } = of(memory, memory.base);
      t.is(new Set(found).size, found.length);
    }),
    { numRuns: 500 },
  );
});

// Lists of every kind, laid out word by word, whole and damaged.
import test from 'ava';
import fc from 'fast-check';
import {
  chainNodes,
  hlistNodes,
  listEntries,
  listNodes,
  listObjects,
  llistNodes,
} from 'kdumpling/analysis/collections';
import { objectAt, struct } from 'kdumpling/analysis/object';
import { compound, INT, pointerTo } from '../made-kernel.js';
import { LITTLE, MACHINES, MadeMemory, walked } from './made-memory.js';

const LIST_POISON1 = 0xdead_0000_0000_0100n;

/** A circular list of `count` nodes. */
function madeList(memory: MadeMemory, count: number): { head: bigint; nodes: bigint[] } {
  const word = memory.machine.pointerSize;
  const head = memory.take(2 * word);
  const nodes = Array.from({ length: count }, () => memory.take(2 * word));
  const ring = [head, ...nodes];
  for (const [i, node] of ring.entries()) {
    memory.words(node, ring[(i + 1) % ring.length], ring[(i + ring.length - 1) % ring.length]);
  }
  return { head, nodes };
}

const of = (memory: MadeMemory, head: bigint, holes: readonly bigint[] = [], reverse = false) =>
  walked(issues => listNodes(memory.kernel([], {}, holes), head, issues, { name: 'x', reverse }));

for (const [name, machine] of MACHINES) {
  test(`a list, ${name}`, t => {
    const memory = new MadeMemory(4096, machine);
    const { head, nodes } = madeList(memory, 5);
    t.deepEqual(of(memory, head), { found: nodes, codes: [], messages: [] });
    t.deepEqual(of(memory, head, [], true).found, nodes.toReversed());
    const empty = memory.take(16);
    memory.words(empty, empty, empty);
    t.deepEqual(of(memory, empty), { found: [], codes: [], messages: [] });
  });

  test(`an hlist, ${name}`, t => {
    const memory = new MadeMemory(4096, machine);
    const { head, nodes } = madeHlist(memory, 5);
    t.deepEqual(hashed(memory, head), { found: nodes, codes: [], messages: [] });
    memory.words(head, nodes[0] | 1n);
    t.deepEqual(hashed(memory, head).found, nodes, 'an hlist_bl that is locked');
  });
}

test('a head of zeros, of nothing, and that is not there', t => {
  const memory = new MadeMemory(4096);
  const head = memory.take(16);
  t.deepEqual(of(memory, head).found, []);
  t.deepEqual(of(memory, head).codes, ['unreadable-list', 'damaged-list']);
  const absent = of(memory, memory.base + 0x10_0000n);
  t.deepEqual([absent.found, absent.codes], [[], ['unreadable-list']]);
});

test('a wrong next: what lies behind is found from the other end', t => {
  const memory = new MadeMemory(4096);
  const { head, nodes } = madeList(memory, 6);
  memory.words(nodes[2], LIST_POISON1);
  const { found, codes, messages } = of(memory, head);
  t.deepEqual(found, nodes);
  t.deepEqual(codes, ['unreadable-list', 'damaged-list']);
  t.regex(
    messages[0],
    /^list x: next of 0xffff8880000001\w+, 0xdead000000000100 \(LIST_POISON1: a deleted element\), cannot be read/,
  );
  t.regex(messages[1], /3 elements were found from the other end, none is missing/);
});

test('a wrong prev', t => {
  const memory = new MadeMemory(4096);
  const { head, nodes } = madeList(memory, 6);
  memory.words(nodes[3] + 8n, nodes[0]);
  const { found, messages } = of(memory, head);
  t.deepEqual(found, nodes);
  t.regex(
    messages[0],
    new RegExp(`prev of 0x${nodes[3].toString(16)} is 0x${nodes[0].toString(16)}, not 0x${nodes[2].toString(16)}`),
  );
  t.regex(messages[1], /3 elements were found from the other end; between .* elements may be missing/);
});

test('a wrong prev of the head, a circle, memory cut out', t => {
  const memory = new MadeMemory(8192);
  const { head, nodes } = madeList(memory, 6);
  memory.words(head + 8n, nodes[1]);
  t.deepEqual(of(memory, head).found, nodes);
  t.regex(of(memory, head).messages[0], /prev of the head .* not the last element/);
  memory.words(head + 8n, nodes[5]);
  memory.words(nodes[4], nodes[1]);
  t.deepEqual(of(memory, head).found, nodes, 'a circle');
  memory.words(nodes[4], nodes[5]);
  const far = new MadeMemory(0x2000);
  const ring = Array.from({ length: 8 }, () => far.take(16, 256));
  for (const [i, node] of ring.entries()) far.words(node, ring[(i + 1) % 8], ring[(i + 7) % 8]);
  const cut = walked(issues => listNodes(far.kernel([], {}, [ring[3], ring[4]]), ring[0], issues));
  t.deepEqual(cut.found, [ring[1], ring[2], ring[5], ring[6], ring[7]]);
  t.deepEqual(cut.codes, ['unreadable-list', 'damaged-list']);
});

test('one damaged word loses no element, and is told', t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      fc.boolean(),
      fc.bigInt({ min: 0n, max: 0xfffn }),
      (count, at, prev, value) => {
        const memory = new MadeMemory(4096);
        const { head, nodes } = madeList(memory, count);
        const place = [head, ...nodes][at % (count + 1)] + (prev ? 8n : 0n);
        const wrong = memory.base + value * 8n;
        if (memory.word(place) === wrong) return true;
        memory.words(place, wrong);
        const { found, codes } = of(memory, head);
        t.deepEqual(found, nodes);
        return codes.length > 0;
      },
    ),
  );
});

test('whatever the words are, a walk ends, and gives nothing twice', t => {
  const word = fc.oneof(
    fc.nat(63).map(n => BigInt(n) * 8n),
    fc.bigInt({ min: 0n, max: 0x300n }),
  );
  fc.assert(
    fc.property(fc.array(word, { minLength: 64, maxLength: 64 }), words => {
      const memory = new MadeMemory(512);
      memory.words(memory.base, ...words.map(one => memory.base + one));
      const kernel = memory.kernel();
      for (const walk of [
        walked(issues => listNodes(kernel, memory.base, issues)),
        walked(issues => listNodes(kernel, memory.base, issues, { reverse: true })),
        walked(issues => hlistNodes(kernel, memory.base, issues)),
        walked(issues => llistNodes(kernel, memory.base, issues)),
      ]) {
        t.is(new Set(walk.found).size, walk.found.length);
      }
    }),
    { numRuns: 500 },
  );
});

test('objects on a list', t => {
  const memory = new MadeMemory(4096);
  const { head, nodes } = madeList(memory, 2);
  const node = compound('struct', 'list_head', 16, [
    ['next', pointerTo(INT), 0],
    ['prev', pointerTo(INT), 64],
  ]);
  const kernel = memory.kernel([compound('struct', 'module', 64, [['list', node, 64]]), node]);
  const { found } = walked(issues => listEntries(kernel, head, struct(kernel, 'module'), 'list', issues));
  t.deepEqual(
    found,
    nodes.map(one => one - 8n),
  );
  const { found: objects } = walked(issues => {
    const onList = listObjects(objectAt(kernel, 'struct list_head', head), 'struct module', 'list', issues);
    return Array.from(onList, one => one.member('list').container('struct module', 'list').address);
  });
  t.deepEqual(objects, found);
});

function madeHlist(memory: MadeMemory, count: number): { head: bigint; nodes: bigint[] } {
  const word = memory.machine.pointerSize;
  const head = memory.take(word);
  const nodes = Array.from({ length: count }, () => memory.take(2 * word));
  memory.words(head, nodes[0]);
  for (const [i, node] of nodes.entries()) memory.words(node, nodes[i + 1] ?? 0n, i === 0 ? head : nodes[i - 1]);
  return { head, nodes };
}

const hashed = (memory: MadeMemory, head: bigint, nulls = false) =>
  walked(issues => hlistNodes(memory.kernel(), head, issues, { name: 'x', nulls }));

test('an hlist_nulls ends in its marker', t => {
  const memory = new MadeMemory(4096);
  const { head, nodes } = madeHlist(memory, 3);
  memory.words(nodes[2], (77n << 1n) | 1n);
  t.deepEqual(hashed(memory, head, true), { found: nodes, codes: [], messages: [] });
  memory.words(head, 1n);
  t.deepEqual(hashed(memory, head, true).found, []);
});

test('a damaged hlist', t => {
  const memory = new MadeMemory(4096);
  const { head, nodes } = madeHlist(memory, 5);
  memory.words(nodes[2] + 8n, 0n);
  t.deepEqual(hashed(memory, head).found, nodes, 'its successor confirms it');
  t.deepEqual(hashed(memory, head).codes, ['damaged-hlist']);
  memory.words(nodes[2] + 8n, nodes[1]);
  memory.words(nodes[4], nodes[1]);
  const circle = hashed(memory, head);
  t.deepEqual(circle.found, nodes);
  t.regex(circle.messages[1], /elements behind it may be missing/);
  memory.words(nodes[4], LIST_POISON1);
  t.deepEqual(hashed(memory, head).codes, ['unreadable-hlist']);
});

test('chains: an llist, a pointer at an offset, a circle', t => {
  const memory = new MadeMemory(4096, LITTLE);
  const nodes = Array.from({ length: 4 }, () => memory.take(32));
  const head = memory.take(8);
  memory.words(head, nodes[0]);
  for (const [i, node] of nodes.entries()) memory.words(node, nodes[i + 1] ?? 0n, 0n, nodes[(i + 1) % 4]);
  const kernel = memory.kernel();
  t.deepEqual(
    walked(issues => llistNodes(kernel, head, issues)),
    { found: nodes, codes: [], messages: [] },
  );
  const ring = walked(issues => chainNodes(kernel, nodes[1], issues, { offset: 16, end: nodes[1] }));
  t.deepEqual(ring, { found: [nodes[1], nodes[2], nodes[3], nodes[0]], codes: [], messages: [] });
  memory.words(nodes[3], nodes[1]);
  const loop = walked(issues => llistNodes(kernel, head, issues));
  t.deepEqual([loop.found, loop.codes], [nodes, ['damaged-chain']]);
  t.deepEqual(walked(issues => chainNodes(kernel, 0n, issues)).found, []);
});

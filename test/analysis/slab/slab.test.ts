// SLAB of releases from 2.6.9 to 6.1 in memory made by hand: every object's state, and damage.
import test from 'ava';
import { Missing } from 'kdumpling/analysis';
import { cacheObjects, OBJECT_STATES, SlabLookup, SlabPages, slabAllocator } from 'kdumpling/analysis/slab';
import { Issues } from 'kdumpling/reader';
import { BASE, madeKernel } from '../made-kernel.js';
import { type Generation, type MadeCache, SlabBuilder } from './made-slab.js';
import { RED_ZONE } from './made-slab-memory.js';
import { Machine } from './made-structs.js';
import { DEBUG_GENERATION, GENERATIONS } from './slab-generations.js';

const LETTERS: Readonly<Record<string, string>> = {
  a: 'allocated',
  '.': 'free',
  '0': 'cpu',
  '1': 'cpu',
  s: 'shared',
  x: 'alien',
};

function plan({ nodes, page, slabInPage }: Generation): readonly MadeCache[] {
  const two = nodes === 2;
  const inObject = slabInPage !== undefined || page.members.some(({ name }) => name === 'compound_head');
  return [
    {
      name: 'small',
      size: 96,
      order: 0,
      offSlab: false,
      slabs: [
        { node: 0, colour: 0, objects: 'a.a0.1aas.a..a' },
        { node: 0, colour: 64, objects: 'aaaa01aasaaaaa' },
        { node: 0, colour: 128, objects: '..............' },
        ...(two ? [{ node: 1, colour: 64, objects: 'ax.s0a1..axxa.' }] : []),
      ],
    },
    {
      name: 'large',
      size: 1360,
      order: 1,
      offSlab: true,
      slabs: [
        { node: 0, colour: 32, objects: 'a1..s' },
        { node: 0, colour: 0, objects: 'aaaaa' },
        ...(two ? [{ node: 1, colour: 0, objects: '.xa.0' }] : []),
      ],
    },
    {
      name: 'within',
      size: 256,
      order: 0,
      offSlab: !inObject,
      inObject,
      slabs: [{ node: 0, colour: 0, objects: 'aa..0.a1s.aaa.' }],
    },
  ];
}

function answers(builder: SlabBuilder) {
  const issues = new Issues();
  const allocator = slabAllocator(builder.kernel(), issues);
  const pages = SlabPages.find(allocator, issues);
  const states: string[] = [];
  const usage = new Map<string, string>();
  for (const cache of allocator.caches) {
    const { slabs, total, counts } = allocator.usage(cache, issues);
    usage.set(cache.name, [slabs, total, ...counts].join(' '));
    for (const { first, count, states: found } of cacheObjects(allocator, pages, cache, issues)) {
      for (let i = 0; i < count; i++) {
        states.push(`${allocator.map.toVirtual(first + i * cache.slotSize)} ${cache.name} ${OBJECT_STATES[found[i]]}`);
      }
    }
  }
  return { allocator, pages, states, usage, issues };
}

/** What the doctor's check finds, as `code address`. */
function findings(builder: SlabBuilder): string[] {
  const issues = new Issues();
  const allocator = slabAllocator(builder.kernel(), issues);
  const pages = SlabPages.find(allocator, issues);
  for (const cache of allocator.caches) allocator.check(pages, cache, issues);
  return [...new Set(issues.list().map(({ code, address }) => `${code} ${address}`))];
}

for (const generation of GENERATIONS) {
  test(`SLAB of ${generation.name}: every object and its state`, t => {
    const { debug } = generation;
    const caches = plan(generation);
    const builder = new SlabBuilder(generation, caches);
    const { allocator, states, usage, issues } = answers(builder);
    t.deepEqual(issues.list(), []);
    t.deepEqual(
      allocator.caches.map(({ name, address, objectSize, slotSize, slabSize, allocator: by }) => [
        name,
        address,
        objectSize,
        slotSize,
        slabSize,
        by,
      ]),
      caches.map(({ name, size, order }) => [
        name,
        builder.memory.virtual(builder.caches.get(name) ?? -1),
        debug === true ? size - 3 * RED_ZONE : size,
        size,
        4096 * 2 ** order,
        'slab',
      ]),
    );
    const expected = builder.slabs.flatMap(({ cache, objects, letters }) =>
      objects.map((address, i) => `${address} ${cache} ${LETTERS[letters[i]]}`),
    );
    t.deepEqual(states.sort(), expected.sort());
    for (const { name, slabs } of caches) {
      const letters = slabs.flatMap(({ objects }) => objects.split(''));
      const counts = OBJECT_STATES.map(state => letters.filter(letter => LETTERS[letter] === state).length);
      t.is(usage.get(name), [slabs.length, letters.length, ...counts].join(' '), name);
    }
    t.deepEqual(findings(builder), []);
  });

  test(`SLAB of ${generation.name}: the object that a pointer is in`, t => {
    const builder = new SlabBuilder(generation, plan(generation));
    const issues = new Issues();
    const allocator = slabAllocator(builder.kernel(), issues);
    const lookup = new SlabLookup(allocator, issues);
    for (const { cache, descriptor, objects, letters } of builder.slabs) {
      for (const [i, object] of objects.entries()) {
        for (const offset of [0, 1, 95]) {
          const place = lookup.at(object + BigInt(offset));
          t.deepEqual(place && [place.cache.name, place.slab, place.object, place.offset, place.state], [
            cache,
            descriptor,
            object,
            offset,
            LETTERS[letters[i]],
          ]);
        }
      }
      const behind = objects[objects.length - 1] + objects[1] - objects[0];
      t.is(lookup.at(behind)?.object ?? null, null);
    }
    t.is(lookup.at(builder.memory.virtual(0)), null);
    t.deepEqual(issues.list(), []);
  });

  test(`SLAB of ${generation.name}: a double free`, t => {
    const builder = new SlabBuilder(generation, plan(generation));
    const [slab] = builder.slabs;
    // `a.a0.1aas.a..a`: object 3 is in CPU 0's array, in whose place something else is put.
    const array = builder.arrays.get('small/0') ?? -1;
    const { memory } = builder;
    const entries = array + generation.array.size;
    const put = (object: bigint): string[] => {
      memory.setWord(entries, object - (generation.debug === true ? BigInt(RED_ZONE) : 0n));
      // Object 3 then counts as allocated, which its red zones belie.
      return findings(builder).filter(one => generation.debug !== true || !one.startsWith('red-zone-overwritten'));
    };
    // Object 1, which is free.
    t.deepEqual(put(slab.objects[1]), [`double-free ${slab.objects[1]}`]);
    // In two array_caches.
    t.deepEqual(put(slab.objects[5]), [`double-free ${slab.objects[5]}`]);
    // What is no object at all, and what lies between two.
    t.deepEqual(put(slab.objects[3] + 8n), [`misaligned-pointer ${slab.objects[3] + 8n}`]);
    t.deepEqual(put(memory.virtual(0x100)), [`wild-pointer ${memory.virtual(0x100)}`]);
    t.deepEqual(put(0x10n), [`wild-pointer ${memory.virtual(entries)}`]);
  });

  test(`SLAB of ${generation.name}: damaged freelists`, t => {
    const { indexSize, slab } = generation;
    const damaged = (change: (builder: SlabBuilder) => void): string[] => {
      const builder = new SlabBuilder(generation, plan(generation));
      change(builder);
      return findings(builder);
    };
    const { descriptor, objects, letters, index } = new SlabBuilder(generation, plan(generation)).slabs[0];
    const active = letters.filter(letter => letter !== '.').length;
    // The first index that counts: of a chain that of its last object, of an array the first one free.
    const first = index(slab === null ? active : letters.lastIndexOf('.'));
    t.deepEqual(
      damaged(({ memory }) => memory.setSized(first, indexSize, 77)),
      [`freelist-wild ${descriptor}`],
    );
    const again = letters.lastIndexOf('.');
    const twice = slab === null ? 'double-free' : 'freelist-cycle';
    t.deepEqual(
      damaged(({ memory }) => memory.setSized(slab === null ? index(active + 1) : first, indexSize, again)),
      [`${twice} ${objects[again]}`],
    );
  });

  test(`SLAB of ${generation.name}: damaged lists, counters and descriptors`, t => {
    const damaged = (change: (builder: SlabBuilder) => void): string[] => {
      const builder = new SlabBuilder(generation, plan(generation));
      change(builder);
      return findings(builder);
    };
    const { slabs, caches, nodes, memory } = new SlabBuilder(generation, plan(generation));
    const layout = generation.slab ?? generation.slabInPage ?? generation.page;
    const at = (name: string): number => {
      const find = (type: typeof layout, before: number): number | null => {
        for (const member of type.members) {
          const here = before + member.bitOffset / 8;
          if (member.name === name) return here;
          const inner = member.type.kind === 'struct' || member.type.kind === 'union' ? find(member.type, here) : null;
          if (member.name === '' && inner !== null) return inner;
        }
        return null;
      };
      return find(layout, 0) ?? -1;
    };
    const [slab] = slabs;
    const place = Number(slab.descriptor - memory.base);
    const active = place + at(generation.slab === null ? 'active' : 'inuse');
    // One more in use than are: the freelist, the node's count and nothing else disagree.
    const more = damaged(builder => builder.memory.setSized(active, 4, 9 + 1));
    t.true(
      generation.slab === null ? more.length > 0 : more.includes(`freelist-count ${slab.descriptor}`),
      more.join(),
    );
    const free = generation.node.members.find(({ name }) => name === 'free_objects');
    const node = (nodes.get('small/0') ?? -1) + (free?.bitOffset ?? 0) / 8;
    t.true(more.includes(`slab-counters ${memory.virtual(node)}`));
    t.true(damaged(builder => builder.memory.setSized(active, 4, 1000)).includes(`damaged-slab ${slab.descriptor}`));
    t.true(
      damaged(builder => builder.memory.setWord(place + at('s_mem'), memory.virtual(0x300))).some(one =>
        one.startsWith('damaged-slab'),
      ),
    );
    const fullOnPartial = damaged(builder => builder.memory.setSized(active, 4, 14));
    t.true(fullOnPartial.includes(`slab-on-wrong-list ${slab.descriptor}`));
    // All of a node's lists are empty of a sudden: the memory map knows better.
    const head = nodes.get('large/0') ?? -1;
    if (generation.nodes === 2) {
      // The first object of node 0 in node 0's array for those of node 1; a slab of node 0 on a list of node 1.
      const own = slab.objects[0] - (generation.debug === true ? BigInt(RED_ZONE) : 0n);
      const away = damaged(({ arrays, memory: it }) =>
        it.setWord((arrays.get('small/x0') ?? -1) + generation.array.size, own),
      );
      t.true(away.includes(`object-of-another-node ${slab.objects[0]}`), away.join());
      const partial = (generation.node.members.find(({ name }) => name === 'slabs_partial')?.bitOffset ?? 0) / 8;
      const link = at(generation.slab === null ? (generation.slabInPage === undefined ? 'lru' : 'slab_list') : 'list');
      const moved = damaged(builder => builder.link((nodes.get('small/1') ?? -1) + partial, [place + link]));
      t.true(moved.includes(`slab-of-another-node ${slab.descriptor}`), moved.join());
    }
    const listOffset = (generation.node.members.find(({ name }) => name === 'slabs_full')?.bitOffset ?? 0) / 8;
    const cache = caches.get('large') ?? -1;
    t.true(damaged(builder => builder.link(head + listOffset, [])).includes(`slab-counters ${memory.virtual(cache)}`));
  });
}

test('DEBUG_SLAB: red zones and poison that were overwritten', t => {
  const builder = new SlabBuilder(DEBUG_GENERATION, plan(DEBUG_GENERATION));
  // `a.a0.1aas.a..a` in slots of 96 bytes, of which the owner has 72.
  const { objects } = builder.slabs[0];
  const { memory } = builder;
  const at = (address: bigint): number => Number(address - memory.base);
  const set = (address: bigint, value: number): string[] => {
    const before = memory.bytes[at(address)];
    memory.bytes[at(address)] = value;
    const found = findings(builder);
    memory.bytes[at(address)] = before;
    return found;
  };
  for (const i of [0, 1, 3, 8]) {
    t.deepEqual(set(objects[i] - 1n, 0), [`red-zone-overwritten ${objects[i] - 8n}`]);
    t.deepEqual(set(objects[i] + 72n, 1), [`red-zone-overwritten ${objects[i] + 72n}`]);
  }
  // The padding that is left over, and the last user.
  t.deepEqual(set(objects[0] + 80n, 1), []);
  for (const i of [1, 3, 5, 8]) {
    t.deepEqual(set(objects[i] + 10n, 0), [`use-after-free ${objects[i] + 10n}`]);
    t.deepEqual(set(objects[i] + 71n, 0x6b), [`use-after-free ${objects[i] + 71n}`]);
  }
  t.deepEqual(set(objects[0] + 10n, 0), []);
});

test('SLOB is recognised, and said to have no lists of objects', t => {
  const { struct, uint, pointer, list } = new Machine(8);
  // mm/slab.h of 6.1 with CONFIG_SLOB.
  const cache = struct('kmem_cache', {
    object_size: uint,
    size: uint,
    align: uint,
    flags: uint,
    useroffset: uint,
    usersize: uint,
    name: pointer,
    refcount: uint,
    ctor: pointer,
    list,
  });
  const kernel = madeKernel({ pieces: [], types: [cache, list], symbols: { slab_caches: BASE } });
  const error = t.throws(() => slabAllocator(kernel, new Issues()), { instanceOf: Missing });
  t.regex(error.message, /SLOB \(removed in 6\.4\), which keeps no lists of objects/);
});

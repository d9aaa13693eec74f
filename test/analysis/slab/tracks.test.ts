// Tracks of slab objects on bytes written by hand, in the layouts that struct track and the stack depot have had.
import test from 'ava';
import { struct } from 'kdumpling/analysis/object';
import { StackDepot, TrackReader } from 'kdumpling/analysis/slab';
import { BASE, compound, INT, int, madeKernel, U64 } from '../made-kernel.js';

const U32 = int('unsigned int', 4, false);
const words = (count: number) => ({ kind: 'array', element: U64, length: count }) as const;
const handleParts = (...bits: readonly (readonly [string, number])[]) => {
  let at = 0;
  const members = bits.map(([name, size]) => {
    at += size;
    return [name, U32, at - size, size] as const;
  });
  return compound('union', 'handle_parts', 4, [['handle', U32, 0], ...members]);
};

/** Layouts of 6.1, of 6.3 and of 6.9 to 7.3; `pool` is what stands in the handle for the third pool. */
const DEPOTS = [
  {
    name: '6.1',
    symbol: 'stack_slabs',
    parts: handleParts(['slabindex', 16], ['offset', 10], ['valid', 1], ['extra', 5]),
    handle: (2 | (5 << 16) | (1 << 26)) >>> 0,
    record: { size: 12, handle: 16, entries: 24 },
    pointer: false,
  },
  {
    name: '6.3',
    symbol: 'stack_pools',
    parts: handleParts(['pool_index', 16], ['offset', 10], ['valid', 1], ['extra', 5]),
    handle: (2 | (5 << 16) | (1 << 26)) >>> 0,
    record: { size: 12, handle: 16, entries: 24 },
    pointer: false,
  },
  {
    name: '7.3',
    symbol: 'stack_pools',
    parts: handleParts(['pool_index_plus_1', 17], ['offset', 10], ['extra', 5]),
    handle: 3 | (5 << 17),
    record: { size: 20, handle: 24, entries: 32 },
    pointer: true,
  },
];
const POOLS = 0x1000;
const POOL = 0x4000;
const TRACKS = 0x9000;
const STACK = [0xffff_ffff_8100_0010n, 0xffff_ffff_8100_0020n, 0xffff_ffff_8100_0030n];

function depotKernel({ symbol, parts, handle, record, pointer }: (typeof DEPOTS)[number]) {
  const bytes = new Uint8Array(0x10000);
  const view = new DataView(bytes.buffer);
  // In the kernels that have a pointer, the array lies behind it.
  if (pointer) view.setBigUint64(POOLS, BASE + BigInt(POOLS + 0x100), true);
  view.setBigUint64(POOLS + (pointer ? 0x100 : 0) + 2 * 8, BASE + BigInt(POOL), true);
  const at = POOL + 5 * 16;
  view.setUint32(at + record.size, STACK.length, true);
  view.setUint32(at + record.handle, handle, true);
  for (const [i, address] of STACK.entries()) view.setBigUint64(at + record.entries + i * 8, address, true);
  // struct track: a track of the object at TRACKS - 32, allocated; the handle of the other has no record.
  view.setBigUint64(TRACKS, STACK[0], true);
  view.setUint32(TRACKS + 8, (handle | (7 << 27)) >>> 0, true);
  view.setInt32(TRACKS + 12, 3, true);
  view.setInt32(TRACKS + 16, 77, true);
  view.setBigUint64(TRACKS + 24, 0x1_0000_1234n, true);
  view.setBigUint64(TRACKS + 32, STACK[1], true);
  view.setUint32(TRACKS + 40, handle + 1, true);
  view.setUint32(0x800, 24, true);
  const types = [
    parts,
    compound('struct', 'stack_record', 512, [
      ['size', U32, record.size * 8],
      ['handle', parts, record.handle * 8],
      ['entries', words(0), record.entries * 8],
    ]),
    compound('struct', 'track', 32, [
      ['addr', U64, 0],
      ['handle', U32, 64],
      ['cpu', INT, 96],
      ['pid', INT, 128],
      ['when', U64, 192],
    ]),
    compound('struct', 'kmem_cache', 16, [['inuse', U32, 0]]),
  ];
  const symbols = { [symbol]: BASE + BigInt(POOLS) };
  return madeKernel({ pieces: [{ paddr: 0, bytes }], types, symbols });
}

for (const layout of DEPOTS) {
  test(`a stack of the depot of ${layout.name}`, t => {
    const depot = new StackDepot(depotKernel(layout));
    // What KMSAN and others keep in the extra bits does not matter; a handle whose record is not its own leads to nothing.
    t.deepEqual(depot.at(BASE + BigInt(TRACKS + 8)), STACK);
    t.is(depot.at(BASE + BigInt(TRACKS + 40)), null);
    t.is(depot.at(BASE + 0x100n), null);
  });
}

test('who took an object and who freed it', t => {
  const kernel = depotKernel(DEPOTS[2]);
  const reader = new TrackReader(struct(kernel, 'kmem_cache'));
  // The freelist pointer lies behind the 24 bytes that are the object's own, and the tracks behind it.
  const cache = { address: BASE + 0x800n, freeOffset: 24, flags: 0x1_0000n };
  t.deepEqual(reader.of(cache, BASE + BigInt(TRACKS - 32)), {
    allocated: { caller: STACK[0], stack: STACK, cpu: 3, pid: 77, when: 0x1_0000_1234, agoMs: null },
    freed: { caller: STACK[1], stack: null, cpu: 0, pid: 0, when: 0, agoMs: null },
  });
  t.deepEqual(reader.of({ ...cache, flags: 0n }, BASE + BigInt(TRACKS - 32)), { allocated: null, freed: null });
});

test('the return addresses that the track itself keeps, before 5.19', t => {
  const bytes = new Uint8Array(0x1000);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x800, 64, true);
  // The freelist pointer lies in the object: the tracks follow it at once.
  for (const [i, address] of STACK.entries()) view.setBigUint64(0x140 + 8 + i * 8, address, true);
  view.setBigUint64(0x140, STACK[0], true);
  view.setInt32(0x140 + 140, 12, true);
  const types = [
    compound('struct', 'track', 152, [
      ['addr', U64, 0],
      ['addrs', words(16), 64],
      ['cpu', INT, 136 * 8],
      ['pid', INT, 140 * 8],
      ['when', U64, 144 * 8],
    ]),
    compound('struct', 'kmem_cache', 16, [['inuse', U32, 0]]),
  ];
  const kernel = madeKernel({ pieces: [{ paddr: 0, bytes }], types });
  const reader = new TrackReader(struct(kernel, 'kmem_cache'));
  const cache = { address: BASE + 0x800n, freeOffset: 0, flags: 0x1_0000n };
  t.deepEqual(reader.of(cache, BASE + 0x100n), {
    allocated: { caller: STACK[0], stack: STACK, cpu: 0, pid: 12, when: 0, agoMs: null },
    freed: null,
  });
});

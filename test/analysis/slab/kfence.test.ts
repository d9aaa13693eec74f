// KFENCE's pool on bytes written by hand, with metadata in an array (to 6.5) and behind a pointer (6.6 and later).
import test from 'ava';
import { kfencePool } from 'kdumpling/analysis/slab';
import type { Type } from 'kdumpling/reader/debuginfo';
import { BASE, compound, INT, madeKernel, pointerTo, U64 } from '../made-kernel.js';

const POOL = 0x10000;
const METADATA = 0x4000;
const SIZE = 128;
const CALLS = [0xffff_ffff_8100_0010n, 0xffff_ffff_8100_0020n];

const track = compound('struct', 'kfence_track', 40, [
  ['pid', INT, 0],
  ['cpu', INT, 32],
  ['ts_nsec', U64, 64],
  ['num_stack_entries', INT, 128],
  ['stack_entries', { kind: 'array', element: U64, length: 2 }, 192],
]);
const STATES = ['UNUSED', 'ALLOCATED', 'RCU_FREEING', 'FREED'];
const TYPES: readonly Type[] = [
  track,
  {
    kind: 'enum',
    name: 'kfence_object_state',
    size: 4,
    signed: false,
    enumerators: STATES.map((name, value) => ({ name: `KFENCE_OBJECT_${name}`, value: BigInt(value) })),
  },
  compound('struct', 'kfence_metadata', SIZE, [
    ['state', INT, 0],
    ['addr', U64, 64],
    ['size', U64, 128],
    ['cache', pointerTo(INT), 192],
    ['alloc_track', track, 256],
    ['free_track', track, 576],
  ]),
];

/** Two objects: one taken, at the end of its page, one given back. */
function kernelWith(isPointer: boolean, pool = BASE + BigInt(POOL)) {
  const bytes = new Uint8Array(0x20000);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0x100, pool, true);
  if (isPointer) view.setBigUint64(0x200, BASE + BigInt(METADATA), true);
  const metadata = isPointer ? METADATA : 0x200;
  const object = (i: number, state: number, address: bigint, calls: number) => {
    const at = metadata + i * SIZE;
    view.setUint32(at, state, true);
    view.setBigUint64(at + 8, address, true);
    view.setBigUint64(at + 16, 0x60n, true);
    view.setBigUint64(at + 24, BASE + 0x900n, true);
    for (let n = 0; n < calls; n++) {
      const place = at + 32 + 40 * n;
      view.setInt32(place, 70 + n, true);
      view.setInt32(place + 4, 1, true);
      view.setInt32(place + 16, 2, true);
      for (const [k, call] of CALLS.entries()) view.setBigUint64(place + 24 + 8 * k, call, true);
    }
  };
  object(0, 1, BASE + BigInt(POOL + 0x2fa0), 1);
  object(1, 3, BASE + BigInt(POOL + 0x4000), 2);
  const symbols = { __kfence_pool: BASE + 0x100n, kfence_metadata: BASE + 0x200n };
  return madeKernel({ pieces: [{ paddr: 0, bytes }], types: TYPES, symbols });
}

const CALLER = { caller: CALLS[0], stack: CALLS, cpu: 1, when: null, agoMs: null };

for (const [name, isPointer] of [
  ['an array', false],
  ['a pointer', true],
] as const) {
  test(`metadata in ${name}: objects, guard pages, who took and freed them`, t => {
    const pool = kfencePool(kernelWith(isPointer));
    t.is(pool?.count, 2);
    t.deepEqual(pool?.at(0x12), {
      address: BASE + 0x12fa0n,
      size: 0x60,
      state: 'allocated',
      cache: BASE + 0x900n,
      tracks: { allocated: { ...CALLER, pid: 70 }, freed: null },
    });
    t.deepEqual(pool?.at(0x14)?.tracks, { allocated: { ...CALLER, pid: 70 }, freed: { ...CALLER, pid: 71 } });
    t.is(pool?.at(0x14)?.state, 'free');
    for (const guard of [0x10, 0x11, 0x13, 0x15]) t.is(pool?.at(guard), null, `${guard}`);
    t.deepEqual(
      [0xf, 0x10, 0x15, 0x16].map(pfn => pool?.has(pfn)),
      [false, true, true, false],
    );
  });
}

test('no pool where KFENCE is switched off, and none where its metadata is not its own', t => {
  t.is(kfencePool(kernelWith(true, 0n)), null);
  t.is(kfencePool(kernelWith(true, BASE + 0x8000n)), null);
  t.is(kfencePool(madeKernel({ pieces: [{ paddr: 0, bytes: new Uint8Array(64) }] })), null);
});

// Bitmaps, CPU masks, per-CPU variables and static keys.
import test from 'ava';
import fc from 'fast-check';
import { Missing } from 'kdumpling/analysis';
import { Bitmap, cpus, perCpu, staticKeyCount, staticKeyEnabled } from 'kdumpling/analysis/collections';
import { BASE, compound, INT } from '../made-kernel.js';
import { BIG, LITTLE, MACHINES, MadeMemory } from './made-memory.js';
import { wordArray } from './made-types.js';

for (const [name, machine] of MACHINES) {
  test(`bitmaps, ${name}`, t => {
    const bits = BigInt(machine.pointerSize * 8);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(199)), fc.integer({ min: 0, max: 200 }), (set, length) => {
        const memory = new MadeMemory(512, machine);
        const at = memory.take(32);
        const words = Array.from({ length: 8 }, () => 0n);
        for (const bit of set) words[Math.floor(bit / Number(bits))] |= 1n << (BigInt(bit) % bits);
        memory.words(at, ...words);
        const bitmap = new Bitmap(memory.kernel().memory, at, length);
        const inside = set.filter(bit => bit < length).toSorted((a, b) => a - b);
        t.deepEqual([...bitmap], inside);
        t.is(bitmap.count, inside.length);
        for (const bit of [0, 1, 63, 64, 199, 200, -1]) t.is(bitmap.has(bit), inside.includes(bit));
      }),
    );
  });
}

test('a length that no bitmap has', t => {
  const { memory } = new MadeMemory(512).kernel();
  t.throws(() => new Bitmap(memory, BASE, Number.NaN), { instanceOf: RangeError });
  t.throws(() => new Bitmap(memory, BASE, 2 ** 40), { instanceOf: RangeError });
});

test('the CPUs of a kernel, and where their copies lie', t => {
  for (const machine of [LITTLE, BIG]) {
    const memory = new MadeMemory(2048, machine);
    const [possible, online, ids, offsets] = [memory.take(1024), memory.take(64), memory.take(4), memory.take(64)];
    memory.words(possible, 0b1011n, 1n);
    memory.words(online, 0b0010n);
    memory.u32(ids, 4);
    memory.words(offsets, 0xffff_8880_1000_0000n, 0x1000n, 0n, -0x1000n & (2n ** 64n - 1n));
    const mask = compound('struct', 'cpumask', 1024, [['bits', wordArray(machine, 128), 0]]);
    const symbols = {
      __cpu_possible_mask: possible,
      __cpu_online_mask: online,
      nr_cpu_ids: ids,
      __per_cpu_offset: offsets,
    };
    const kernel = memory.kernel([mask], { ...symbols, runqueues: 0x2_0000n });
    t.deepEqual(cpus(kernel, 'possible'), [0, 1, 3], 'bits past nr_cpu_ids do not count');
    t.deepEqual(cpus(kernel, 'online'), [1]);
    const known = perCpu(kernel);
    t.deepEqual(known.possible, [0, 1, 3]);
    t.is(known.address(0x1_9840n, 0), 0xffff_8880_1001_9840n);
    t.is(known.address(0xffff_ffff_8200_0000n, 3), 0xffff_ffff_81ff_f000n, 'modulo 2^64');
    t.is(known.variable('runqueues', 1), 0x2_1000n);
    t.is(perCpu(kernel), known);
    t.throws(() => known.offset(2), { instanceOf: RangeError });
    t.throws(() => cpus(kernel, 'active'), { instanceOf: Missing });
  }
});

test('masks behind pointers, as up to 4.4', t => {
  const memory = new MadeMemory(512);
  const [bits, pointer, ids] = [memory.take(16), memory.take(8), memory.take(4)];
  memory.words(bits, 0b110n);
  memory.words(pointer, bits);
  memory.u32(ids, 8);
  t.deepEqual(cpus(memory.kernel([], { cpu_possible_mask: pointer, nr_cpu_ids: ids }), 'possible'), [1, 2]);
});

test('a kernel built for one CPU, and one whose offsets are not known', t => {
  const memory = new MadeMemory(512);
  const alone = perCpu(memory.kernel([], { schedule: BASE }));
  t.deepEqual([alone.possible, alone.address(0x1234n, 0)], [[0], 0x1234n]);
  const error = t.throws(() => perCpu(memory.kernel([], { schedule: BASE, smp_call_function_many: BASE })), {
    instanceOf: Missing,
  });
  t.regex(error?.message ?? '', /__per_cpu_offset/);
});

test('static keys', t => {
  const memory = new MadeMemory(512);
  const keys = [-1, 0, 1, 5].map(count => {
    const key = memory.take(16);
    memory.u32(key, count >>> 0);
    return key;
  });
  const atomic = compound('struct', 'atomic_t', 4, [['counter', INT, 0]]);
  const kernel = memory.kernel([compound('struct', 'static_key', 16, [['enabled', atomic, 0]])], {
    off: keys[1],
    on: keys[3],
  });
  t.deepEqual(
    keys.map(key => staticKeyCount(kernel, key)),
    [1, 0, 1, 5],
  );
  t.deepEqual([staticKeyEnabled(kernel, 'off'), staticKeyEnabled(kernel, 'on')], [false, true]);
});

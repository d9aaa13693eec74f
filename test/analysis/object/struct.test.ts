// Values by hand-made layouts; the bytes of bitfields are as gcc stores them on both byte orders.
import test from 'ava';
import { global, Missing } from 'kdumpling/analysis';
import { KernelObject, MemberPath, objectAt, plainValue, struct, typeNamed } from 'kdumpling/analysis/object';
import { MemoryFault } from 'kdumpling/reader';
import { BASE, compound, INT, int, madeKernel, pointerTo, U64 } from '../made-kernel.js';

const CHAR = int('char', 1, true);
const U32 = int('unsigned int', 4, false);
const forward = { ...compound('struct', 'task_struct', 0, []), complete: false };
const atomic = compound('struct', 'atomic_t', 4, [['counter', INT, 0]]);
const task = compound('struct', 'task_struct', 64, [
  ['pid', INT, 0],
  ['usage', atomic, 32],
  ['flags', U64, 64],
  ['comm', { kind: 'array', element: CHAR, length: 8 }, 128],
  ['parent', pointerTo(forward), 192],
  [
    '',
    compound('union', '', 8, [
      ['low', U32, 0],
      ['wide', U64, 0],
    ]),
    256,
  ],
  ['small', int('s8', 1, true), 320],
]);
const bits = compound('struct', 'bits', 8, [
  ['a', U32, 0, 3],
  ['b', INT, 3, 7],
  ['c', U32, 10, 22],
  ['d', U64, 32, 32],
]);

function bytesOf(size: number, fill: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size);
  fill(new DataView(bytes.buffer));
  return bytes;
}

const taskBytes = (littleEndian: boolean) =>
  bytesOf(64, view => {
    view.setInt32(0, -7, littleEndian);
    view.setInt32(4, 3, littleEndian);
    view.setBigUint64(8, 0xfedc_ba98_7654_3210n, littleEndian);
    for (const [i, byte] of new TextEncoder().encode('ktest').entries()) view.setUint8(16 + i, byte);
    view.setBigUint64(24, BASE + 0x1000n, littleEndian);
    view.setUint32(32, 0x1234_5678, littleEndian);
    view.setInt8(40, -1);
  });

for (const littleEndian of [true, false]) {
  const order = littleEndian ? 'little' : 'big';
  const kernel = madeKernel({
    pieces: [
      { paddr: 0x1000, bytes: taskBytes(littleEndian) },
      // a = 5, b = -3, c = 0x2abcde, d = 0xcafef00d
      {
        paddr: 0x2000,
        bytes: bytesOf(8, view => {
          const a = 5;
          const b = -3 & 0x7f;
          const c = 0x2abcde;
          view.setUint32(0, (littleEndian ? a | (b << 3) | (c << 10) : (a << 29) | (b << 22) | c) >>> 0, littleEndian);
          view.setUint32(4, 0xcafef00d, littleEndian);
        }),
      },
    ],
    types: [INT, U64, U32, CHAR, atomic, task, bits],
    symbols: { init_task: BASE + 0x1000n },
    littleEndian,
  });
  const at = BASE + 0x1000n;

  test(`members, ${order}-endian`, t => {
    const layout = struct(kernel, 'task_struct');
    t.is(layout.number('pid')(at), -7);
    t.is(layout.number('usage')(at), 3, 'a struct around one scalar');
    t.is(layout.word('flags')(at), 0xfedc_ba98_7654_3210n);
    t.is(layout.text('comm')(at), 'ktest');
    t.is(layout.word('parent')(at), at);
    t.is(layout.number('low')(at), 0x1234_5678);
    t.is(layout.number('small')(at), -1);
    t.is(layout.address('comm')(at), at + 16n);
    t.is(layout.container('comm')(at + 16n), at);
    t.is(layout.inner('parent').name, 'task_struct', 'a forward declaration is completed');
    t.is(layout.which('__state', 'flags'), 'flags');
  });

  test(`bitfields, ${order}-endian`, t => {
    const layout = struct(kernel, 'bits');
    const values = ['a', 'b', 'c', 'd'].map(name => layout.number(name)(BASE + 0x2000n));
    t.deepEqual(values, [5, -3, 0x2abcde, 0xcafef00d]);
    t.deepEqual(layout.word('b')(BASE + 0x2000n), -3n);
  });

  test(`objects, ${order}-endian`, t => {
    const init = global(kernel, 'init_task');
    t.is(init.member('comm').text(), 'ktest');
    t.is(init.member('parent.parent.pid').number(), -7);
    t.is(init.member('comm').at(1).number(), 't'.charCodeAt(0));
    t.is(new KernelObject(kernel, bits, BASE + 0x2000n).member('b').number(), -3);
    t.is(new KernelObject(kernel, typeNamed(kernel, 'unsigned long *'), at + 24n).at(1).word(), 0xfedc_ba98_7654_3210n);
  });

  test(`paths, elements and whole values, ${order}-endian`, t => {
    const init = global(kernel, 'init_task');
    t.is(init.member('parent.comm[2]').number(), 'e'.charCodeAt(0));
    t.is(init.member('parent[0].pid').number(), -7);
    t.is(init.member('comm').length, 8);
    t.is([...init.member('comm')].map(one => String.fromCharCode(one.number())).join(''), 'ktest\0\0\0');
    t.deepEqual(
      ['pid', 'parent.parent.low', 'comm[7]', 'stack', 'pid.x', 'comm[', 'comm[1]x', '.pid', 'pid.', ''].map(path =>
        init.has(path),
      ),
      [true, true, true, false, false, false, false, false, false, false],
    );
    t.deepEqual(init.plain(), {
      pid: -7,
      usage: { counter: 3 },
      flags: 0xfedc_ba98_7654_3210n,
      comm: 'ktest',
      parent: at,
      low: 0x1234_5678,
      wide: littleEndian ? 0x1234_5678 : 0x1234_5678_0000_0000n,
      small: -1,
    });
    t.deepEqual(objectAt(kernel, 'struct bits', BASE + 0x2000n).plain(), { a: 5, b: -3, c: 0x2abcde, d: 0xcafef00d });
    t.is(
      objectAt(kernel, 'struct bits', BASE + 0x2000n)
        .member('b')
        .plain(),
      -3,
    );
    t.is(init.member('comm').container('struct task_struct', 'comm').member('pid').number(), -7);
    t.throws(() => init.container('struct bits', 'b'), { instanceOf: RangeError });
    t.throws(() => init.container('struct bits', 'e'), { instanceOf: Missing });
    t.is(init.member('flags').as('char [4]').length, 4);
    t.is(init.member('parent').toString(), `(struct task_struct *) 0x${(at + 24n).toString(16)}`);
  });
}

test('what cannot be read is null in a whole value, and the rest is there', t => {
  const cut = madeKernel({
    pieces: [{ paddr: 0x1000, bytes: taskBytes(true).subarray(0, 24) }],
    types: [INT, CHAR, task],
    symbols: { init_task: BASE + 0x1000n },
  });
  const init = global(cut, 'init_task');
  const { pid, comm, parent, small } = init.plain() as Record<string, unknown>;
  t.deepEqual([pid, comm, parent, small], [-7, 'ktest', null, null]);
  t.false(init.has('parent.pid'));
});

const kernel = madeKernel({ pieces: [{ paddr: 0, bytes: new Uint8Array(8) }], types: [task, INT] });

test('a path through pointers: what lies behind them, NULL on the way, memory that is not there', t => {
  const name = compound('struct', 'name', 16, [
    ['text', pointerTo({ kind: 'const', name: '', target: CHAR }), 0],
    ['next', pointerTo(compound('struct', 'name', 0, [])), 64],
  ]);
  const forwardName = { ...compound('struct', 'name', 0, []), complete: false };
  const owner = compound('struct', 'owner', 32, [
    ['name', pointerTo(forwardName), 0],
    ['table', pointerTo(U64), 64],
    ['pair', { kind: 'array', element: U32, length: 2 }, 128],
  ]);
  const words = (...values: readonly bigint[]) =>
    bytesOf(values.length * 8, view => {
      for (const [i, value] of values.entries()) view.setBigUint64(i * 8, value, true);
    });
  const made = madeKernel({
    pieces: [
      // Owners: one with all, one without a name, one whose name lies where nothing is.
      {
        paddr: 0x1000,
        bytes: words(BASE + 0x2000n, BASE + 0x3000n, 0x7_0000_0005n, 0n, 0n, 0n, 0n, 0n, BASE + 0x9000n),
      },
      { paddr: 0x2000, bytes: words(BASE + 0x4000n, 0n) },
      { paddr: 0x3000, bytes: words(10n, 11n, 12n) },
      { paddr: 0x4000, bytes: new TextEncoder().encode('ext4\0') },
    ],
    types: [INT, U64, U32, CHAR, name, owner],
  });
  const value = (path: string, address: bigint) => new MemberPath(made, owner, path).value(address);
  const [all, without, lost] = [BASE + 0x1000n, BASE + 0x1020n, BASE + 0x1040n];
  t.deepEqual(value('name.text', all), { kind: 'string', value: BASE + 0x4000n, text: 'ext4' });
  t.deepEqual(plainValue(value('name.text', all)), { address: BASE + 0x4000n, text: 'ext4' });
  t.deepEqual(value('name.text[1]', all), { kind: 'number', value: BigInt('x'.charCodeAt(0)) });
  t.deepEqual(value('table[2]', all), { kind: 'number', value: 12n });
  t.deepEqual(value('pair[1]', all), { kind: 'number', value: 7n });
  t.deepEqual(value('name.text', without), { kind: 'null', at: 'name' });
  t.deepEqual(value('name[3].next', without), { kind: 'null', at: 'name' });
  t.is(plainValue(value('name.text', without)), null);
  t.is(value('name.text', lost).kind, 'none');
  t.is(value('name', lost).kind, 'pointer');
  for (const path of ['pair[2]', 'name.none', 'table.x', 'pair.x', 'pair[0][0]', 'name..text', ''])
    t.throws(() => new MemberPath(made, owner, path), { instanceOf: Missing }, path);
  const { owner: holder, place } = new MemberPath(made, owner, 'name.next');
  t.deepEqual(
    [holder.kind === 'struct' && holder.complete, place.offset],
    [true, 8],
    'a forward declaration is completed',
  );
  const fault = t.throws(() => objectAt(made, owner, without).member('name.next'), { instanceOf: MemoryFault });
  t.regex(fault?.message ?? '', /name is NULL/);
});

test('what is missing is named', t => {
  const missing = (run: () => unknown) => t.throws(run, { instanceOf: Missing })?.message;
  t.is(missing(() => kernel.address('init_task'))?.split(';')[0], 'the symbol init_task is not known');
  t.is(missing(() => struct(kernel, 'mm_struct'))?.split(';')[0], 'the type struct mm_struct is not known');
  t.is(
    missing(() => struct(kernel, 'task_struct').number('stack'))?.split(';')[0],
    'the member task_struct.stack is not known',
  );
  t.is(
    missing(() => typeNamed(kernel, 'struct nothing *')),
    'the type struct nothing is not known',
  );
  t.regex(missing(() => typeNamed(kernel, 'int; drop')) ?? '', /as in a C cast/);
});

test('memory that is not there', t => {
  const pid = struct(kernel, 'task_struct').number('pid');
  t.is(pid(BASE), 0);
  const fault = t.throws(() => pid(BASE + 0x1000n), { instanceOf: MemoryFault });
  t.is(fault?.reason, 'hole');
});

test('types as in a cast', t => {
  const array = typeNamed(kernel, 'int[3][2]');
  t.deepEqual(array, { kind: 'array', length: 3, element: { kind: 'array', length: 2, element: INT } });
  t.deepEqual(typeNamed(kernel, 'struct task_struct **'), pointerTo(pointerTo(task)));
  t.deepEqual(typeNamed(kernel, 'const int []'), { kind: 'array', length: null, element: INT });
  t.throws(() => typeNamed(kernel, 'int [NO_SUCH_ENUMERATOR]'), { instanceOf: Missing });
});

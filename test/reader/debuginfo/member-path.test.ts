// Paths into hand-made types, with offsets as gcc lays them out.
import test from 'ava';
import { type CompoundType, type IntType, memberPlace, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';

const int: IntType = { kind: 'int', name: 'int', size: 4, signed: true, encoding: 'number' };
const compound = (
  kind: 'struct' | 'union',
  size: number,
  members: [string, Type, number, number?][],
): CompoundType => ({
  kind,
  name: '',
  size,
  complete: true,
  members: members.map(([name, type, bitOffset, bitSize = 0]) => ({ name, type, bitOffset, bitSize })),
});

// struct { int a; union { int b; struct { int c:3; int d:7; }; }; struct { int e; int f[4][2]; } g; int h[]; }
const inner = compound('struct', 4, [
  ['c', int, 0, 3],
  ['d', int, 3, 7],
]);
const union = compound('union', 4, [
  ['b', int, 0],
  ['', inner, 0],
]);
const matrix: Type = { kind: 'array', length: 4, element: { kind: 'array', length: 2, element: int } };
const g = compound('struct', 36, [
  ['e', int, 0],
  ['f', matrix, 32],
]);
const outer = compound('struct', 44, [
  ['a', int, 0],
  ['', { kind: 'const', name: '', target: union }, 32],
  ['g', { kind: 'typedef', name: 'g_t', target: g }, 64],
  ['h', { kind: 'array', length: null, element: int }, 352],
]);

for (const [path, offset, bitOffset, bitSize] of [
  ['a', 0, 0, 0],
  ['b', 4, 0, 0],
  ['c', 4, 0, 3],
  ['d', 4, 3, 7],
  ['g.e', 8, 0, 0],
  ['g.f[2][1]', 12 + 5 * 4, 0, 0],
  ['h[3]', 44 + 12, 0, 0],
  ['', 0, 0, 0],
] as const) {
  test(`path ${path}`, t => {
    const place = memberPlace(outer, path);
    t.deepEqual([place?.offset, place?.bitOffset, place?.bitSize], [offset, bitOffset, bitSize]);
  });
}

for (const path of ['x', 'a.b', 'g.', 'g..e', 'a[0]', 'c.d', 'g.f[', '1', 'g f', '.a', 'g.[1]', 'g.f[1]x', 'g.f[1]]'])
  test(`no such path: ${path}`, t => t.is(memberPlace(outer, path), null));

test('sizes', t => {
  t.is(sizeOfType(matrix), 32);
  t.is(sizeOfType({ kind: 'array', length: null, element: int }), 0);
  const circle: { kind: 'typedef'; name: string; target: Type } = { kind: 'typedef', name: 'x', target: int };
  circle.target = circle;
  t.is(sizeOfType(circle), 0);
});

test('places and sizes that no compiler makes', t => {
  const torn = compound('struct', 8, [
    ['whole', int, 33],
    ['bits', int, 33, 3],
  ]);
  t.is(memberPlace(torn, 'whole'), null, 'only a bitfield begins within a byte');
  t.is(memberPlace(torn, 'bits')?.offset, 4);
  let huge: Type = int;
  for (let i = 0; i < 60; i++) huge = { kind: 'array', length: 0xffff_ffff, element: huge };
  t.is(sizeOfType(huge), Number.MAX_SAFE_INTEGER);
  t.is(memberPlace(compound('struct', 8, [['a', { kind: 'array', length: 2, element: huge }, 0]]), 'a[1]'), null);
  t.is(sizeOfType({ kind: 'array', length: 0, element: huge }), 0);
});

// Declarations of hand-made types, as C writes them.
import test from 'ava';
import { declaration, type Type, VOID } from 'kdumpling/reader/debuginfo';

const int: Type = { kind: 'int', name: 'int', size: 4, signed: true, encoding: 'number' };
const char: Type = { kind: 'int', name: 'char', size: 1, signed: true, encoding: 'char' };
const pointer = (target: Type): Type => ({ kind: 'pointer', size: 8, target });
const array = (element: Type, length: number | null): Type => ({ kind: 'array', element, length });
const qualified = (kind: 'const' | 'volatile' | 'restrict' | 'atomic' | 'tag', target: Type, name = ''): Type => ({
  kind,
  name,
  target,
});
const node: Type = { kind: 'struct', name: 'node', size: 8, complete: true, members: [] };
const nameless: Type = { kind: 'union', name: '', size: 8, complete: true, members: [] };
const handler: Type = {
  kind: 'function',
  returns: int,
  parameters: [
    { name: 'work', type: pointer(node) },
    { name: '', type: pointer(qualified('const', char)) },
  ],
  variadic: true,
};
const nothing: Type = { kind: 'function', returns: VOID, parameters: [], variadic: false };

for (const [type, expected] of [
  [int, 'int x'],
  [pointer(VOID), 'void *x'],
  [array(array(int, 4), 2), 'int x[2][4]'],
  [array(int, null), 'int x[]'],
  [array(pointer(char), 3), 'char *x[3]'],
  [pointer(array(char, 3)), 'char (*x)[3]'],
  [pointer(handler), 'int (*x)(struct node *work, const char *, ...)'],
  [array(pointer(nothing), 8), 'void (*x[8])(void)'],
  [pointer(pointer(nothing)), 'void (**x)(void)'],
  [qualified('const', int), 'const int x'],
  [qualified('const', pointer(char)), 'char *const x'],
  [pointer(qualified('const', qualified('volatile', char))), 'const volatile char *x'],
  [pointer(qualified('tag', char, 'user')), 'char __user *x'],
  [qualified('restrict', pointer(qualified('tag', node, 'rcu'))), 'struct node __rcu *restrict x'],
  [qualified('atomic', int), '_Atomic int x'],
  [nameless, 'union {…} x'],
  [{ kind: 'typedef', name: 'pid_t', target: int }, 'pid_t x'],
  [{ kind: 'enum', name: 'colour', size: 4, signed: false, enumerators: [] }, 'enum colour x'],
] as const satisfies readonly (readonly [Type, string])[]) {
  test(expected, t => {
    t.is(declaration(type, 'x'), expected);
    t.is(declaration(type, ''), expected.replace(/\bx\b/, '').trimEnd());
  });
}

test('a type that goes in circles ends', t => {
  const round = { kind: 'const', name: '' } as { kind: 'const'; name: string; target: Type };
  round.target = round;
  t.true(declaration(round, 'x').endsWith('… x'));
  const wide = { kind: 'function', returns: VOID, variadic: false } as {
    kind: 'function';
    returns: Type;
    variadic: boolean;
    parameters: { name: string; type: Type }[];
  };
  wide.parameters = Array.from({ length: 100 }, (_, i) => ({ name: `p${i}`, type: wide }));
  t.true(declaration(wide, 'x').length < 10_000);
});

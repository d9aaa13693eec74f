// Symbol tables of modules, laid out byte by byte, whole and damaged.
import test from 'ava';
import fc from 'fast-check';
import { ModuleSymbols } from 'kdumpling/analysis/modules';
import { Issues } from 'kdumpling/reader';
import { MACHINES } from '../collections/made-memory.js';
import { type Generation, type MadeModule, type MadeModules, madeModules } from './made-modules.js';

const MODULES: readonly MadeModule[] = [
  {
    name: 'first',
    symbols: [
      { name: 'start', offset: 0, size: 0x20, letter: 't' },
      { name: '$x', offset: 0, size: 0, letter: 't' },
      { name: 'no_size', offset: 0x20, size: 0, letter: 't' },
      { name: '.L5', offset: 0x30, size: 0, letter: 't' },
      { name: 'alias', offset: 0x40, size: 0, letter: 't' },
      { name: 'same_place', offset: 0x40, size: 0x10, letter: 't' },
      { name: 'undefined', offset: 0x60, size: 0, letter: 'U', section: 0 },
      { name: 'constant', offset: 0x70, size: 0, letter: 'a', section: 0xfff1 },
      { name: 'twice', offset: 0x80, size: 8, letter: 'd' },
      { name: 'counter', offset: 0x10, size: 8, letter: 'd', perCpu: true },
    ],
    perCpuSize: 0x40,
  },
  {
    name: 'second',
    symbols: [
      { name: 'twice', offset: 0x90, size: 8, letter: 'd' },
      { name: 'twice', offset: 0x10, size: 4, letter: 't' },
    ],
  },
];

function open(made: MadeModules, issues = new Issues()) {
  const kernel = made.memory.kernel(made.types, { modules: made.head });
  return { symbols: new ModuleSymbols(kernel, issues), issues };
}

for (const [title, machine] of MACHINES) {
  for (const generation of ['mem', 'core_layout'] satisfies Generation[]) {
    test(`by name and by address, ${title}, ${generation}`, t => {
      const made = madeModules(MODULES, machine, generation);
      const { symbols, issues } = open(made);
      const [first, second] = made.starts;
      t.deepEqual(symbols.all('start'), [
        { name: 'start', address: first, size: 0x20, sizeFrom: 'exact', type: 't', perCpu: false, module: 'first' },
      ]);
      t.deepEqual(
        symbols.all('twice').map(({ address, module }) => [address, module]),
        [
          [first + 0x80n, 'first'],
          [second + 0x10n, 'second'],
          [second + 0x90n, 'second'],
        ],
      );
      t.is(symbols.resolve(['twice', 'nothing']).get('twice')?.address, first + 0x80n);
      t.deepEqual([symbols.all(''), symbols.all('star'), symbols.all('undefined')], [[], [], []]);
      const at = (address: bigint) => symbols.at(address)?.name ?? null;
      t.deepEqual([at(first), at(first + 0x1fn), at(first + 0x20n)], ['start', 'start', 'no_size']);
      // Labels of compilers lie within functions; of two at one place the one that has a size is it, and behind that size is nothing.
      t.is(at(first + 0x35n), 'no_size');
      t.deepEqual([at(first + 0x40n), at(first + 0x4fn), at(first + 0x50n)], ['same_place', 'same_place', null]);
      t.deepEqual([at(first + 0x70n), at(first - 1n), at(second + 0x90n)], [null, null, 'twice']);
      t.is(symbols.all('no_size')[0].size, 0x20);
      t.is(symbols.all('no_size')[0].sizeFrom, 'neighbour');
      t.true(symbols.at(made.perCpu + 0x12n)?.perCpu);
      t.is(at(made.perCpu + 0x18n), null);
      t.deepEqual(
        [...symbols.search(name => name.startsWith('s'))].map(({ name }) => name),
        ['start', 'same_place'],
      );
      t.deepEqual([symbols.source, symbols.of('second')?.count, symbols.of('third')], ['modules', 3, null]);
      t.deepEqual(issues.list(), []);
    });
  }
}

test('a table that passes the memory of its module is told, and the other modules answer', t => {
  for (const [what, damage] of [
    ['count', (made: MadeModules) => made.memory.u32(made.objects[0] + 288n + 8n, 0x7fff_ffff)],
    ['symtab', (made: MadeModules) => made.memory.words(made.objects[0] + 288n, made.starts[1])],
    ['strtab', (made: MadeModules) => made.memory.words(made.objects[0] + 288n + 16n, 0x1234n)],
    ['kallsyms', (made: MadeModules) => made.memory.words(made.objects[0] + 256n, 0n)],
  ] as const) {
    const made = madeModules(MODULES);
    damage(made);
    const { symbols, issues } = open(made);
    const found = symbols.all('twice').filter(({ module }) => module === 'second');
    t.is(found.length, 2, what);
    if (what === 'symtab') continue;
    t.deepEqual(
      issues.list().map(({ code }) => code),
      ['module-symbols-unreadable'],
      what,
    );
  }
});

test('whatever bytes change, look-ups answer or tell', t => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 0x9000 }), fc.integer({ min: 0, max: 255 })), {
        minLength: 1,
        maxLength: 24,
      }),
      fc.constantFrom<Generation>('mem', 'core_layout'),
      (changes, generation) => {
        const made = madeModules(MODULES, MACHINES[0][1], generation);
        for (const [at, value] of changes) made.memory.bytes[at] = value;
        const { symbols, issues } = open(made);
        for (const name of ['start', 'twice', 'counter']) symbols.all(name);
        for (const start of made.starts) symbols.at(start + 0x45n);
        for (const symbol of symbols.search(() => true)) {
          if (symbol.type.length !== 1 || !(symbol.size >= 0)) return false;
        }
        return issues.count < 1000;
      },
    ),
    { numRuns: 500 },
  );
  t.pass();
});

// Types of the sample in test/fixtures/dwarf: what its source says, by each compiler, version, machine and form of storage.
import { basename } from 'node:path';
import test from 'ava';
import { memberPlace, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import { DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { peer, peerTest } from '../../../peer.js';
import { FIXTURES, fixturePath, fixtureTypes, openFixture, WHOLE } from './fixtures.js';
import { bodyOf, lookOf } from './look.js';

const is32 = (name: string): boolean => name.startsWith('i386');
/** Strict old versions have no word for these. */
const hasRestrict = (name: string): boolean => !name.includes('dwarf2');
const hasAtomic = (name: string): boolean => !/dwarf[234]\.|units4/.test(name);
const hasTags = (name: string): boolean => name.startsWith('clang');

/** Members of struct everything: name, type, bytes behind the last one's end by the rules of C (64-bit pointers, s390x but for long double). */
function everythingOf(name: string): string {
  const word = is32(name) ? 4 : 8;
  const char = /aarch64|powerpc64|riscv64|s390x/.test(name) ? 'u' : 's';
  const text = name.startsWith('clang') ? { short: 'short', long: 'long' } : { short: 'short int', long: 'long int' };
  const pointer = `*${word}`;
  let at = 0;
  const parts: string[] = [];
  const add = (member: string, type: string, size: number, align = size) => {
    at = Math.ceil(at / align) * align;
    parts.push(`${member}@${at * 8}:0 ${type}`);
    at += size;
  };
  const int = 'int/4s number';
  add('list', 'struct list_head', 2 * word, word);
  const halves = `{low@0:0 ${text.short}/2s number; high@16:0 ${text.short}/2s number}`;
  add('', `union/4 {plain@0:0 ${int}; @0:0 struct/4 ${halves}}`, 4);
  add('color', 'enum color', 4);
  add('level', 'enum level', 4);
  add('name', `${pointer} const  char/1${char} char`, word);
  const qualifiers = name.startsWith('clang') ? 'const  volatile ' : 'volatile  const ';
  add('pointer', `const  ${pointer} ${qualifiers} ${int}`, word);
  add('unaliased', `${hasRestrict(name) ? 'restrict  ' : ''}${pointer} char/1${char} char`, word);
  add('atomic', `${hasAtomic(name) ? 'atomic  ' : ''}${int}`, 4);
  add('user', `${pointer} ${hasTags(name) ? 'tag user ' : ''}void`, word);
  add('handler', 'typedef handler_t', word);
  add('none', `${pointer} () void`, word);
  add('matrix', `[6] ${int}`, 24, 4);
  add('elsewhere', `${pointer} struct elsewhere`, word);
  add('nowhere', `${pointer} struct nowhere`, word);
  add('counter', 'typedef counter_t', 4);
  add('alias', 'typedef alias_t', 4);
  add('flag', '_Bool/1u bool', 1);
  add('real', 'double/8', 8, is32(name) ? 4 : 8);
  const long = is32(name) ? [12, 4] : name.startsWith('s390x') ? [16, 8] : [16, 16];
  add('longest', `long double/${long[0]}`, long[0], long[1]);
  add('tiny', 'signed char/1s char', 1);
  add('byte', 'unsigned char/1u char', 1);
  add('word', `${text.long}/${word}s number`, word);
  add('shared', 'struct shared', is32(name) ? 12 : 24, word);
  add('bits', 'struct bits', is32(name) ? 20 : 24, word);
  add('any', 'union anything', is32(name) ? 8 : 16, word);
  add('none_of', `[] ${int}`, 0, 4);
  add('rest', '[] typedef u8', 0, 1);
  const align = is32(name) ? 4 : long[1];
  return `struct/${Math.ceil(at / align) * align} {${parts.join('; ')}}`;
}

for (const name of WHOLE) {
  test(`${name}: a struct with one of each`, async t => {
    const types = await fixtureTypes(name);
    t.is(types.pointerSize, is32(name) ? 4 : 8);
    t.is(bodyOf(types.find('struct', 'everything') as Type), everythingOf(name));
    t.deepEqual(types.issues.list(), []);
  });

  test(`${name}: bitfields lie where the machine puts them`, async t => {
    const types = await fixtureTypes(name);
    // Bits are counted in memory order, so that both byte orders count alike.
    const places = types.all('struct', 'bits').map(type => type.members.map(m => [m.name, m.bitOffset, m.bitSize]));
    t.deepEqual(places[0], [
      ['head', 0, 0],
      ['a', 32, 3],
      ['b', 35, 5],
      ['c', 44, 20],
      ['d', 64, 40],
      ['e', 104, 1],
      ['f', 112, 0],
      ['g', 128, 9],
    ]);
    t.deepEqual(places[1], [['different', 0, 0]]);
    const packed = types.find('struct', 'packed_bits');
    t.deepEqual(
      packed?.members.map(m => [m.name, m.bitOffset, m.bitSize]),
      [
        ['first', 0, 0],
        ['x', 8, 7],
        ['y', 15, 30],
      ],
    );
    t.is(packed?.size, 6);
  });

  test(`${name}: enums, variables, functions and what is declared elsewhere`, async t => {
    const types = await fixtureTypes(name);
    t.is(bodyOf(types.find('enum', 'color') as Type), 'enum/4u {RED=0,GREEN=5,BLUE=6}');
    t.is(bodyOf(types.find('enum', 'level') as Type), 'enum/4s {LOWEST=-3,NORMAL=-2,HIGHEST=200}');
    t.is(bodyOf(types.find('enum', 'wide') as Type), 'enum/8u {SMALL=1,HUGE=18446744069414584321}');
    t.is(types.enumerator('UNNAMED_VALUE'), 77n);
    t.is(types.enumerator('LOWEST'), -3n);
    t.is(types.enumerator('RED'), 0n);
    t.is(types.enumerator('GREY'), null);
    t.is(lookOf(types.variable('table') as Type), '[4] int/4s number');
    t.is(lookOf(types.variable('hidden') as Type), 'struct packed_bits');
    t.is(types.variable('visible'), types.all('struct', 'bits')[0] as Type);
    t.is(types.variable('nothing'), null);
    for (const name of types.variables()) t.not(types.variable(name), null, name);
    t.deepEqual(
      ['table', 'hidden', 'visible'].filter(name => ![...types.variables()].includes(name)),
      [],
    );
    t.is(lookOf(types.function('compute') as Type), '(int/4s number) int/4s number');
    t.is(lookOf(types.function('_start') as Type), '() void');
    t.regex(lookOf(types.function('variadic') as Type), /^\(\*\d const {2}char\/1[su] char\.\.\.\) int\/4s number$/);
    t.deepEqual(
      types.function('consume')?.parameters.map(parameter => parameter.name),
      ['value', 'place'],
    );
    t.is(types.function('nothing'), null);
    const thing = types.find('struct', 'everything') as Type;
    const elsewhere = memberPlace(thing, 'elsewhere')?.type as Type;
    if (elsewhere.kind !== 'pointer') return t.fail('no pointer');
    t.is(elsewhere.target, types.find('struct', 'elsewhere') as Type);
    t.is(sizeOfType(elsewhere.target), is32(name) ? 24 : 40);
    const nowhere = plainType(memberPlace(thing, 'nowhere')?.type as Type);
    if (nowhere.kind !== 'pointer' || nowhere.target.kind !== 'struct') return t.fail('no pointer to a struct');
    t.deepEqual([nowhere.target.complete, nowhere.target.size, nowhere.target.members], [false, 0, []]);
    t.is(types.find('struct', 'nowhere'), null);
    t.is(types.find('struct', 'only_here')?.members.length, 2);
  });
}

test('types are the same if and only if their objects are', async t => {
  const types = await fixtureTypes('x86_64-dwarf5.elf');
  const head = types.find('struct', 'list_head');
  t.is(memberPlace(types.find('struct', 'shared') as Type, 'node')?.type, head as Type);
  t.is(memberPlace(types.find('struct', 'elsewhere') as Type, 'base.node')?.type, head as Type);
  t.is(types.all('struct', 'list_head').length, 1);
  t.not(types.variable('unlike'), types.variable('visible'));
  const [next, prev] = head?.members ?? [];
  t.is(next.type, prev.type);
  t.is(types.find('base', 'long unsigned int'), types.find('base', 'unsigned long'));
});

test('a declaration that was met first becomes its definition', async t => {
  const dwarf = await openFixture('x86_64-dwarf5.elf');
  const types = new DwarfTypes(dwarf);
  const pointer = memberPlace(types.find('struct', 'everything') as Type, 'elsewhere')?.type;
  if (pointer?.kind !== 'pointer' || pointer.target.kind !== 'struct') return t.fail('no pointer to a struct');
  t.is(pointer.target.size, 40);
  t.true(pointer.target.complete);
  t.is(pointer.target as Type, types.find('struct', 'elsewhere') as Type);
});

test('names are listed once each, in the order of the file', async t => {
  const types = await fixtureTypes('x86_64-dwarf5.elf');
  t.deepEqual(
    [...types.names('struct')],
    ['list_head', 'shared', 'bits', 'packed_bits', 'everything', 'elsewhere', 'only_here'],
  );
  t.deepEqual([...types.names('enum')], ['color', 'level', 'wide']);
  t.true(types.count >= 25);
});

test('a file without DWARF has none', async t => {
  await t.throwsAsync(openFixture('../../../package.json'), { message: /ELF magic/ });
});

peerTest('drgn reads the same layouts from every file', ['drgn'], t => {
  const names = ['struct list_head', 'struct shared', 'struct everything', 'struct packed_bits', 'struct elsewhere'];
  names.push('union anything');
  // It refuses the older form of compression and compressed modules, and does not see type units that are not linked.
  const files = WHOLE.filter(name => !/zlib-gnu|zlib\.ko|type-units/.test(name)).map(fixturePath);
  const script = fixturePath('../../peers/drgn-structs.py');
  const { stdout, stderr } = peer('python3', [script, ...files], [FIXTURES], `${names.join('\n')}\n`);
  const lines = stdout.split('\n').filter(line => line !== '');
  t.is(lines.length, files.length * names.length, stderr);
  return Promise.all(
    lines.map(async line => {
      const told = JSON.parse(line) as {
        file: string;
        name: string;
        size: number;
        members: [string, number, number][];
      };
      const [kind, label] = told.name.split(' ') as ['struct' | 'union', string];
      const type = (await fixtureTypes(basename(told.file))).find(kind, label);
      t.is(type?.size, told.size, line);
      t.deepEqual(
        type?.members.map(m => [m.name, m.bitOffset, m.bitSize]),
        told.members,
        line,
      );
    }),
  ).then(() => {});
});

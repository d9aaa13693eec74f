// BTF of every kind, laid down by hand, in both byte orders.
import test from 'ava';
import { InputError, Issues, MemorySource } from 'kdumpling/reader';
import {
  BtfTypes,
  btfOfFile,
  type CompoundType,
  memberPlace,
  plainType,
  sectionsOfSource,
  sizeOfType,
  type Type,
} from 'kdumpling/reader/debuginfo';
import { type MadeBtfOptions, type MadeType, makeBtf, SIGNED, EVERY_KIND as TYPES } from './made-btf.js';

function open(types: readonly MadeType[], options: MadeBtfOptions = {}): { types: BtfTypes; issues: Issues } {
  const issues = new Issues();
  return { types: btfOfFile(new MemorySource(makeBtf(types, options), 'made'), issues), issues };
}

/** Kinds and names of a chain of types. */
function chain(type: Type): string[] {
  const told: string[] = [];
  for (let at = type; ; ) {
    told.push('name' in at ? `${at.kind} ${at.name}`.trim() : at.kind);
    if (at.kind === 'array') at = at.element;
    else if ('target' in at) at = at.target;
    else return told;
  }
}

for (const littleEndian of [true, false]) {
  const order = littleEndian ? 'little' : 'big';

  test(`${order}-endian: integers, floats and pointers`, t => {
    const { types, issues } = open(TYPES, { littleEndian });
    t.is(types.source, 'btf');
    t.is(types.count, TYPES.length);
    t.is(types.pointerSize, 8);
    t.deepEqual(types.find('base', 'int'), { kind: 'int', name: 'int', size: 4, signed: true, encoding: 'number' });
    for (const spelling of ['unsigned long', 'long unsigned int', 'unsigned long int']) {
      t.is(types.find('base', spelling), types.type(2) as never, spelling);
    }
    t.deepEqual(types.find('base', 'char'), { kind: 'int', name: 'char', size: 1, signed: true, encoding: 'char' });
    t.deepEqual(types.type(4), { kind: 'int', name: '_Bool', size: 1, signed: false, encoding: 'bool' });
    t.deepEqual(types.find('base', 'double'), { kind: 'float', name: 'double', size: 8 });
    t.deepEqual(chain(types.type(30)), ['pointer', 'void']);
    t.is(types.find('base', 'long'), null);
    t.deepEqual(issues.list(), []);
  });

  test(`${order}-endian: structs, unions, bitfields and anonymous members`, t => {
    const { types } = open(TYPES, { littleEndian });
    const node = types.find('struct', 'node') as CompoundType;
    t.is(node.size, 32);
    t.deepEqual(
      node.members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]),
      [
        ['next', 0, 0],
        ['name', 64, 0],
        ['', 128, 0],
        ['tail', 256, 0],
      ],
    );
    t.deepEqual(chain(node.members[0].type), ['pointer', 'struct node']);
    t.is((node.members[0].type as { target: Type }).target, node, 'one object for one type');
    t.is(memberPlace(node, 'high')?.offset, 16);
    t.deepEqual(
      [memberPlace(node, 'high')?.bitOffset, memberPlace(node, 'high')?.bitSize, memberPlace(node, 'rest')?.offset],
      [3, 7, 20],
    );
    t.is(sizeOfType(node.members[1].type), 8);
    const tail = plainType(node.members[3].type);
    t.is(tail.kind === 'array' ? tail.length : 'no array', null, 'flexible');
    t.deepEqual(types.type(15), { kind: 'struct', name: 'later', size: 0, complete: false, members: [] });
    t.deepEqual(types.type(16), { kind: 'union', name: 'either', size: 0, complete: false, members: [] });
    t.is(types.find('struct', 'later'), null, 'a forward declaration is not found');
    t.deepEqual(chain(types.type(18)), ['const', 'volatile', 'typedef node_t', 'struct node']);
    t.is(plainType(types.type(18)), node);
    t.is(types.find('typedef', 'node_t')?.target, node);
  });

  test(`${order}-endian: enums of 32 and 64 bits`, t => {
    const { types } = open(TYPES, { littleEndian });
    const values = (name: string) => types.find('enum', name)?.enumerators.map(one => [one.name, one.value]);
    t.deepEqual(values('colour'), [
      ['RED', -2n],
      ['GREEN', 5n],
    ]);
    t.deepEqual(values('wide'), [
      ['W_LOW', 1n],
      ['W_HIGH', 0x8000_0000_0000_0002n],
    ]);
    t.deepEqual(values('wides'), [['W_MINUS', -1n]]);
    t.deepEqual(values('plain'), [['P_TOP', 0x8000_0000n]], 'unsigned, since other enums tell their sign');
    t.is(types.enumerator('W_HIGH'), 0x8000_0000_0000_0002n);
    t.is(types.enumerator('RED'), -2n);
    t.is(types.enumerator('GREEN'), 5n);
    t.is(types.enumerator('BLUE'), null);
  });

  test(`${order}-endian: functions, variables, sections and tags`, t => {
    const { types } = open(TYPES, { littleEndian });
    const print = types.function('print');
    t.true(print?.variadic);
    t.is(print?.returns, types.type(1));
    t.deepEqual(
      print?.parameters.map(({ name, type }) => [name, ...chain(type)]),
      [
        ['fmt', 'restrict', 'pointer', 'tag user', 'int char'],
        ['size', 'int long unsigned int'],
      ],
    );
    const none = types.type(31);
    t.deepEqual(none.kind === 'function' ? [none.variadic, none.parameters] : none.kind, [false, []]);
    t.is(types.variable('counter'), types.type(2));
    t.is(types.variable('print'), null);
    t.deepEqual([...types.variables()], ['counter']);
    t.deepEqual(
      [...types.dataSections()],
      [{ name: '.data..percpu', size: 64, variables: [{ name: 'counter', type: types.type(2), offset: 16, size: 8 }] }],
    );
    t.deepEqual(types.declarationTags('function', 'print'), [
      { name: 'acquire', component: null },
      { name: 'nullable', component: 1 },
    ]);
    t.deepEqual([...types.names('struct')], ['node']);
    t.deepEqual([...types.names('enum')], ['colour', 'wide', 'wides', 'plain']);
    t.deepEqual([...types.names('base')], ['int', 'long unsigned int', 'char', '_Bool', 'double']);
  });

  test(`${order}-endian: split BTF goes on from its base's ids and strings`, t => {
    const base = makeBtf(TYPES, { littleEndian });
    const view = new DataView(base.buffer);
    const { types } = open(TYPES, { littleEndian });
    const module = makeBtf(
      [
        { name: 'mine', kind: 4, vlen: 2, third: 40, rest: ['base', 7, 0, 'self', 33, 256] }, // 32
        { kind: 2, third: 32 }, // 33
        { name: 'M_ONE', kind: 14, third: 12, rest: [0] }, // 34
      ],
      { littleEndian, stringsFrom: view.getUint32(20, littleEndian) },
    );
    const sections = sectionsOfSource(new MemorySource(module), 0, module.length, new Issues());
    const split = BtfTypes.openSplit(sections, types);
    const mine = split.find('struct', 'mine');
    t.is(mine?.members[0].type, types.find('struct', 'node') as Type, "the base's own object");
    t.is(split.type(32), mine as Type);
    t.deepEqual(chain(mine?.members[1].type as Type), ['pointer', 'struct mine']);
    t.is(split.find('struct', 'node'), null, "answers for the module's own");
    t.is(split.variable('M_ONE'), types.type(12));
    t.is(split.pointerSize, 8);
    t.is(types.find('struct', 'mine'), null);
  });
}

test('bitfields before kind_flag: integers with fewer bits, and an offset of their own', t => {
  const { types } = open([
    { name: 'int', kind: 1, third: 4, rest: [SIGNED | 32] },
    { name: 'int', kind: 1, third: 4, rest: [3] },
    { name: 'flags_t', kind: 8, third: 2 },
    { name: 'int', kind: 1, third: 4, rest: [(5 << 16) | 7] },
    { name: 'old', kind: 4, vlen: 3, third: 8, rest: ['whole', 1, 0, 'three', 3, 32, 'seven', 4, 32] },
  ]);
  const old = types.find('struct', 'old');
  t.deepEqual(
    old?.members.map(({ name, bitOffset, bitSize }) => [name, bitOffset, bitSize]),
    [
      ['whole', 0, 0],
      ['three', 32, 3],
      ['seven', 37, 7],
    ],
  );
});

test('an enum of BTF that tells no signs is signed where a value has its top bit', t => {
  const { types } = open([
    { name: 'errors', kind: 6, vlen: 1, third: 4, rest: ['E_MINUS', 0xffff_ffff] },
    { name: 'plain', kind: 6, vlen: 1, third: 4, rest: ['P_ONE', 1] },
    { name: 'later', kind: 6, third: 4 },
  ]);
  t.is(types.enumerator('E_MINUS'), -1n);
  t.is(types.find('enum', 'plain')?.signed, false);
  t.is(types.find('enum', 'later'), null, 'without enumerators it is a forward declaration');
});

test('of several types of a name all are told, the first complete one is found', t => {
  const { types } = open([
    { name: 'twice', kind: 7 },
    { name: 'twice', kind: 4, third: 4 },
    { name: 'twice', kind: 5, third: 6 },
    { name: 'twice', kind: 4, third: 8 },
    { name: 'twic', kind: 4, third: 16 },
  ]);
  t.deepEqual(
    types.all('struct', 'twice').map(type => type.size),
    [4, 8],
  );
  t.is(types.find('struct', 'twice')?.size, 4);
  t.is(types.find('union', 'twice')?.size, 6);
  t.is(types.find('struct', 'twic')?.size, 16);
  t.is(types.find('struct', 'twicex'), null);
  t.is(types.find('struct', ''), null);
  t.deepEqual([...types.names('struct')], ['twice', 'twic']);
});

test('more elements than 16 bits count (7.x)', t => {
  const length = 0x1_0005;
  const rest = Array.from({ length }, (_, i) => [`V_${i}`, i]).flat();
  const { types, issues } = open([
    { name: 'many', kind: 6, vlen: length, third: 4, rest },
    { name: 'behind', kind: 4, third: 12 },
  ]);
  t.deepEqual(issues.list(), []);
  t.is(types.find('enum', 'many')?.enumerators.length, length);
  t.is(types.enumerator('V_65540'), 65540n);
  t.is(types.find('struct', 'behind')?.size, 12);
});

test('a kind that is newer than the reader is passed over where the layout section tells its size', t => {
  const unknown: MadeType[] = [
    { name: 'before', kind: 4, third: 4 },
    { name: 'what', kind: 25, vlen: 3, rest: [1, 2, 3, 4, 5, 6, 7] },
    { name: 'behind', kind: 4, vlen: 1, third: 8, rest: ['odd', 2, 0] },
  ];
  const layout = Array.from({ length: 26 }, (_, kind): [number, number] => (kind === 25 ? [4, 8] : [0, 0]));
  const told = open(unknown, { hdrLen: 32, layout });
  t.deepEqual(told.issues.list(), []);
  t.is(told.types.find('struct', 'behind')?.size, 8);
  t.is(told.types.find('struct', 'behind')?.members[0].type.kind, 'void');
  const untold = open(unknown);
  t.true(untold.issues.has('btf-damaged'));
  t.is(untold.types.count, 1);
  t.is(untold.types.find('struct', 'before')?.size, 4);
  t.is(untold.types.find('struct', 'behind'), null);
});

for (const [field, at, value, offset] of [
  ['magic', 0, 0x12, 0],
  ['version', 2, 2, 2],
  ['hdr_len', 4, 20, 4],
  ['type_off', 8, 2, 8],
  ['str_off', 16, 4, 16],
] as const) {
  test(`a header with an impossible ${field} is refused`, t => {
    const bytes = makeBtf(TYPES);
    bytes[at] = value;
    const error = t.throws(() => btfOfFile(new MemorySource(bytes, 'made'), new Issues()), { instanceOf: InputError });
    t.is(error?.place.record, 'BTF header');
    t.is(error?.place.field, field);
    t.is(error?.place.offset, offset);
  });
}

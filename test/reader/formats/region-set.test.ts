// Region set files: what they say, how they are written, and the sentence for each thing that can be wrong.
import test from 'ava';
import fc from 'fast-check';
import { InputError } from 'kdumpling/reader';
import { decodeRegionSet, encodeRegionSet, type RegionRequest } from 'kdumpling/reader/formats/region-set';

const decode = (regions: unknown): readonly RegionRequest[] =>
  decodeRegionSet(JSON.stringify({ regionSet: 1, regions }), 'mine.json').regions;

test('symbols, ranges by either address, types', t => {
  t.deepEqual(
    decode([
      { symbol: 'page_offset_base' },
      { symbol: 'vmalloc_base', length: 8, name: 'base', id: 60 },
      { vaddr: '0xffffffff82a00000', length: 4096 },
      { vaddr: '0xffff888000001000', paddr: '0x1000', length: '0x40' },
      { paddr: 4096, length: 64, name: null },
      { type: 'task_struct' },
    ]),
    [
      { kind: 'symbol', symbol: 'page_offset_base', length: null, name: null, id: null },
      { kind: 'symbol', symbol: 'vmalloc_base', length: 8, name: 'base', id: 60 },
      { kind: 'virtual', vaddr: 0xffffffff82a00000n, paddr: null, length: 4096, name: null, id: null },
      { kind: 'virtual', vaddr: 0xffff888000001000n, paddr: 4096, length: 64, name: null, id: null },
      { kind: 'physical', paddr: 4096, length: 64, name: null, id: null },
      { kind: 'type', type: 'task_struct', name: null, id: null },
    ],
  );
});

test('parts of symbols, copies of every CPU, and addresses of one dump only; written and read again', t => {
  const regions: RegionRequest[] = [
    { kind: 'symbol', symbol: 'init_task', offset: 64, length: 8, name: null, id: null },
    { kind: 'symbol', symbol: 'runqueues', offset: 32, length: 8, perCpu: true, name: null, id: null },
    { kind: 'physical', paddr: 0x1000, length: 64, thisDump: true, name: null, id: null },
    { kind: 'virtual', vaddr: 0xffff888000001000n, paddr: null, length: 64, thisDump: true, name: null, id: null },
  ];
  const text = encodeRegionSet({ boot: '6.1.0 "x"', regions });
  t.deepEqual(decodeRegionSet(text, 'mine.json'), { boot: '6.1.0 "x"', regions });
  const [, part, copies, address] = text.split('\n');
  t.is(part, '  {"symbol":"init_task","offset":64,"length":8},');
  t.is(copies, '  {"symbol":"runqueues","offset":32,"length":8,"perCpu":true},');
  t.is(address, '  {"paddr":"0x1000","length":64,"thisDump":true},');
});

const WRONG: readonly [what: string, regions: unknown, message: RegExp][] = [
  ['no key', [{ length: 4 }], /region 0: symbol at offset 0x1a: there is none, and neither vaddr, paddr nor type/],
  [
    'an unknown field',
    [{ symbol: 'a' }, { symbol: 'b', size: 4 }],
    /region 1: "size" at offset 0x[0-9a-f]+: there is no such field; expected symbol/,
  ],
  [
    'a length of nothing',
    [{ vaddr: 1, length: 0 }],
    /length at offset 0x[0-9a-f]+ is 0x0: a region has at least one byte/,
  ],
  ['no length', [{ vaddr: 1 }], /length/],
  ['a negative length', [{ vaddr: 1, length: -1 }], /length/],
  ['a fraction', [{ paddr: 1.5, length: 1 }], /paddr/],
  ['an address past 2^64', [{ vaddr: '0x10000000000000000', length: 1 }], /vaddr/],
  ['a physical address past 2^53', [{ paddr: '0x20000000000001', length: 1 }], /paddr.*below 2\^53/],
  ['text that is no address', [{ vaddr: 'here', length: 1 }], /vaddr.*an address below 2\^64/],
  [
    'a symbol and an address',
    [{ symbol: 'a', vaddr: 1 }],
    /vaddr at offset 0x[0-9a-f]+: it does not go together with symbol/,
  ],
  [
    'a type with a length',
    [{ type: 'a', length: 1 }],
    /length at offset 0x[0-9a-f]+: it does not go together with type/,
  ],
  [
    'an address with an offset',
    [{ paddr: 1, length: 1, offset: 8 }],
    /offset at offset 0x[0-9a-f]+: it does not go together with an address/,
  ],
  ['a symbol of this dump only', [{ symbol: 'a', thisDump: true }], /thisDump.*does not go together with symbol/],
  ['a flag that is none', [{ symbol: 'a', perCpu: 1 }], /perCpu at offset 0x[0-9a-f]+ is "1": expected true or false/],
  ['a negative offset', [{ symbol: 'a', offset: -1 }], /offset/],
  ['an empty name', [{ symbol: '' }], /symbol.*1 to 128 characters/],
  ['a name that is no text', [{ symbol: 'a', name: 7 }], /name/],
  ['no object', [7], /region 0: .*expected a JSON object/],
  ['no list', { symbol: 'a' }, /regions at offset 0x19: expected a list/],
];

for (const [what, regions, message] of WRONG) {
  test(`refused: ${what}`, t => {
    const error = t.throws(() => decode(regions), { instanceOf: InputError });
    t.regex(error.message, message);
    t.regex(error.message, /^mine\.json: /);
  });
}

test('refused: what is no region set at all', t => {
  t.throws(() => decodeRegionSet('{"regions": [', 'mine.json'), { message: /it is not JSON/ });
  t.throws(() => decodeRegionSet('[]', 'mine.json'), { message: /expected a JSON object/ });
  t.throws(() => decodeRegionSet('{"regions": []}', 'mine.json'), { message: /regionSet.*expected 1/ });
  t.throws(() => decodeRegionSet('{"regionSet": 2, "regions": []}', 'mine.json'), { message: /regionSet.*expected 1/ });
});

test('a refusal tells where in the text the field stands', t => {
  const text = '{"regionSet": 1, "regions": [{"symbol": "a"}, {"vaddr": "nothing", "length": 8}]}';
  t.like(t.throws(() => decodeRegionSet(text, 'mine.json'), { instanceOf: InputError })?.place, {
    record: 'region 1',
    field: 'vaddr',
    offset: 56,
    value: '"nothing"',
  });
});

const name = fc.option(fc.stringMatching(/^[a-z_]{1,20}$/), { nil: null });
const id = fc.option(fc.nat(300), { nil: null });
const length = fc.integer({ min: 1, max: 2 ** 40 });
const paddr = fc.maxSafeNat();
const request: fc.Arbitrary<RegionRequest> = fc.oneof(
  fc.record({
    kind: fc.constant('symbol' as const),
    symbol: fc.stringMatching(/^[a-z_]{1,20}$/),
    length: fc.option(length, { nil: null }),
    name,
    id,
  }),
  fc.record({
    kind: fc.constant('virtual' as const),
    vaddr: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    paddr: fc.option(paddr, { nil: null }),
    length,
    name,
    id,
  }),
  fc.record({ kind: fc.constant('physical' as const), paddr, length, name, id }),
  fc.record({
    kind: fc.constant('type' as const),
    type: fc.stringMatching(/^[a-z_]{1,20}$/),
    name,
    id: fc.constant(null),
  }),
);

test('what is written reads back', t => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 20 }), regions => {
      t.deepEqual(decodeRegionSet(encodeRegionSet({ regions }), 'x').regions, regions);
    }),
  );
});

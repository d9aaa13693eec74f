// Where text stops being JSON, by examples counted by hand, and by cutting and breaking text that JSON.parse accepts.
import test from 'ava';
import fc from 'fast-check';
import { jsonErrorOffset, jsonOffset } from 'kdumpling/reader/formats/json-place';

test('the first token that cannot be there', t => {
  for (const [text, offset] of [
    ['', 0],
    ['{', 1],
    ['{"a": ,}', 6],
    ['{"a" 1}', 5],
    ['{"a": 1 "b"', 8],
    ['{"a": 1,}', 8],
    ['[1, 2,]', 6],
    ['[1 2]', 3],
    ['{"a": NaN}', 6],
    ['{"a": 01}', 7],
    ['["a\nb"]', 1],
    ['[}', 1],
    ['{} {}', 3],
    ['  nul', 2],
    ['"\\x"', 0],
  ] as const) {
    t.is(jsonErrorOffset(text), offset, JSON.stringify(text));
    t.throws(() => JSON.parse(text));
  }
});

test('what JSON.parse takes is read to its end', t => {
  fc.assert(fc.property(fc.json(), text => jsonErrorOffset(text) === text.length));
  t.pass();
});

test('numbers, brackets and commas that are cut off are missed where the text ends', t => {
  const list = fc.array(fc.nat(9), { minLength: 1 });
  fc.assert(
    fc.property(list, fc.nat(), (numbers, n) => {
      const text = JSON.stringify({ a: numbers });
      const cut = 5 + (n % (text.length - 5));
      return jsonErrorOffset(text.slice(0, cut)) === cut;
    }),
  );
  t.pass();
});

test('a value is found by its path, by examples counted by hand', t => {
  const text = ' {"a": [1, {"b": "x"}], "b": 2, "a": [3, {"b" : true}]}';
  t.is(jsonOffset(text, []), 1);
  t.is(jsonOffset(text, ['b']), 29);
  t.is(jsonOffset(text, ['a', 1, 'b']), 48, 'of names given twice the last counts');
  t.is(jsonOffset(text, ['a', 1, 'none']), 41, 'what is not there would be here');
  t.is(jsonOffset(text, ['none', 7]), 1);
});

/** Every value in a value, with the path that leads to it. */
function* paths(value: unknown, path: readonly (string | number)[] = []): Iterable<readonly [typeof path, unknown]> {
  yield [path, value];
  if (Array.isArray(value)) for (const [i, item] of value.entries()) yield* paths(item, [...path, i]);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) yield* paths(item, [...path, key]);
}

test('at the offset of a path its value begins', t => {
  fc.assert(
    fc.property(fc.json(), json => {
      const text = JSON.stringify(JSON.parse(json));
      return [...paths(JSON.parse(text))].every(([path, value]) =>
        text.startsWith(JSON.stringify(value), jsonOffset(text, path)),
      );
    }),
  );
  t.pass();
});

// Extents against the plainest model there is: a map from each byte to the value that it must have.
import test from 'ava';
import fc from 'fast-check';
import { Extents, NOT_FOUND } from 'kdumpling/reader';

const MOST = 64;
const range = fc
  .tuple(fc.nat(MOST), fc.nat(12), fc.integer({ min: 0, max: 1000 }))
  .map(([start, length, value]) => ({ start, end: start + length, value: value * 100 }));
const ranges = fc.array(range, { maxLength: 12 });

/** byte -> its value; of ranges that overlap the first given wins. */
function model(list: readonly { start: number; end: number; value: number }[]): Map<number, number> {
  const bytes = new Map<number, number>();
  for (const { start, end, value } of list) {
    for (let at = start; at < end; at++) if (!bytes.has(at)) bytes.set(at, value + (at - start));
  }
  return bytes;
}

test('each byte has the value of the first range that holds it', t => {
  fc.assert(
    fc.property(ranges, list => {
      const extents = Extents.from(list);
      const expected = model(list);
      for (let at = -1; at < MOST + 16; at++) {
        const i = extents.find(at);
        const value = i === NOT_FOUND ? undefined : extents.values[i] + (at - extents.starts[i]);
        if (value !== expected.get(at)) return false;
      }
      return extents.bytes === expected.size;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('ranges come out sorted, disjoint and not empty, and `after` finds the next', t => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: -2, max: MOST + 20 }), (list, address) => {
      const { starts, ends, length, end } = Extents.from(list);
      for (let i = 0; i < length; i++) {
        if (ends[i] <= starts[i]) return false;
        if (i > 0 && starts[i] < ends[i - 1]) return false;
      }
      const after = Extents.from(list).after(address);
      const expected = [...starts].findIndex(start => start > address);
      return after === (expected < 0 ? length : expected) && end === (length === 0 ? 0 : ends[length - 1]);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('merging loses no byte and leaves no two ranges that touch', t => {
  fc.assert(
    fc.property(ranges, list => {
      const merged = Extents.from(list).merged();
      const expected = model(list);
      for (let at = 0; at < MOST + 16; at++) if ((merged.find(at) !== NOT_FOUND) !== expected.has(at)) return false;
      for (let i = 1; i < merged.length; i++) if (merged.starts[i] === merged.ends[i - 1]) return false;
      for (let i = 0; i < merged.length; i++) if (merged.values[i] !== merged.starts[i]) return false;
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('many overlapping ranges take no more than n log n', t => {
  const nested = Array.from({ length: 100_000 }, (_, i) => ({ start: i, end: 400_000 - i, value: i }));
  const before = process.cpuUsage();
  const extents = Extents.from(nested.toReversed());
  const { user } = process.cpuUsage(before);
  t.is(extents.bytes, 400_000);
  t.true(user < 2e6, `${user} µs`);
});

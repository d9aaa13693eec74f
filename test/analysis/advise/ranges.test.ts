// Arithmetic on stretches, against sets of bytes.
import test from 'ava';
import fc from 'fast-check';
import { bytesOf, joined, parted, type Stretch, united } from 'kdumpling/analysis/advise';

const SPACE = 64;
const stretch = fc
  .tuple(fc.nat(SPACE - 1), fc.integer({ min: 1, max: 12 }))
  .map(([start, length]): Stretch => ({ start, end: start + length }));
const stretches = fc.array(stretch, { maxLength: 12 });

function bytes(all: readonly Stretch[]): Set<number> {
  const set = new Set<number>();
  for (const { start, end } of all) for (let at = start; at < end; at++) set.add(at);
  return set;
}

const isOrdered = (all: readonly Stretch[]): boolean =>
  all.every(({ start, end }, i) => end > start && (i === 0 || start > all[i - 1].end));

test('united: the same bytes, ascending, nothing that touches', t => {
  fc.assert(
    fc.property(stretches, all => {
      const result = united(all);
      return isOrdered(result) && bytesOf(result) === bytes(all).size && bytes(result).size === bytes(all).size;
    }),
  );
  t.pass();
});

test('parted: every byte is inside or outside, by whether the others have it', t => {
  fc.assert(
    fc.property(stretches, stretches, (some, others) => {
      const [a, b] = [united(some), united(others)];
      const { inside, outside } = parted(a, b);
      const [all, other, within, without] = [a, b, inside, outside].map(bytes);
      for (const byte of all) {
        if (within.has(byte) !== other.has(byte) || without.has(byte) === other.has(byte)) return false;
      }
      return bytesOf(inside) + bytesOf(outside) === all.size;
    }),
  );
  t.pass();
});

test('joined: no more than asked for, everything still in it, and no gap left that is shorter than one that was closed', t => {
  fc.assert(
    fc.property(stretches, fc.integer({ min: 1, max: 8 }), fc.nat(4), (some, most, free) => {
      const before = united(some);
      const after = joined(before, most, free, () => true);
      const gaps = (all: readonly Stretch[]) => all.slice(1).map(({ start }, i) => start - all[i].end);
      const left = gaps(after);
      const closed = bytesOf(after) - bytesOf(before);
      const shortest = gaps(before)
        .sort((a, b) => a - b)
        .slice(0, before.length - after.length);
      return (
        after.length <= Math.max(most, 1) &&
        isOrdered(after) &&
        [...bytes(before)].every(byte => bytes(after).has(byte)) &&
        left.every(gap => gap > free) &&
        closed === shortest.reduce((sum, gap) => sum + gap, 0)
      );
    }),
  );
  t.pass();
});

test('joined: a gap that may not be closed stays, and the next one is', t => {
  const three = [
    { start: 0, end: 8 },
    { start: 16, end: 24 },
    { start: 64, end: 72 },
  ];
  t.deepEqual(
    joined(three, 2, 0, ({ start }) => start !== 8),
    [
      { start: 0, end: 8 },
      { start: 16, end: 72 },
    ],
  );
});

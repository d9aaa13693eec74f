// 64-bit values split, joined and rounded, against bigint arithmetic and DataView.
import test from 'ava';
import fc from 'fast-check';
import * as u64 from 'kdumpling/reader';

const any64 = fc.bigInt({ min: 0n, max: u64.U64_MAX });

test('splitting and joining are each other’s inverse', t => {
  fc.assert(
    fc.property(any64, value => {
      u64.splitU64(value);
      return (
        u64.halves[u64.HIGH] === Number(value >> 32n) &&
        u64.halves[u64.LOW] === Number(value & 0xffff_ffffn) &&
        u64.joinU64(u64.halves[u64.HIGH], u64.halves[u64.LOW]) === value
      );
    }),
  );
  u64.splitU64(-1n);
  t.deepEqual([u64.halves[u64.HIGH], u64.halves[u64.LOW]], [0xffff_ffff, 0xffff_ffff], 'modulo 2^64');
});

test('a number is the nearest one', t => {
  fc.assert(fc.property(any64, value => u64.u64ToNumber(value) === Number(value)));
  for (const value of [0n, 1n, (1n << 53n) - 1n, 1n << 53n, (1n << 53n) + 1n, 1n << 63n, u64.U64_MAX]) {
    t.is(u64.u64ToNumber(value), Number(value), `${value}`);
  }
});

test('reading and writing in both byte orders', t => {
  const view = new DataView(new ArrayBuffer(24));
  fc.assert(
    fc.property(any64, fc.boolean(), fc.nat(16), (value, littleEndian, at) => {
      view.setBigUint64(at, value, littleEndian);
      return u64.getU64(view, at, littleEndian) === Number(value);
    }),
  );
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.boolean(), fc.nat(16), (value, littleEndian, at) => {
      u64.setU64(view, at, value, littleEndian);
      return view.getBigUint64(at, littleEndian) === BigInt(value);
    }),
  );
  t.pass();
});

test('alignment past 2^32', t => {
  fc.assert(
    fc.property(fc.nat(2 ** 52), fc.integer({ min: 0, max: 20 }), (value, shift) => {
      const alignment = 2 ** shift;
      const down = (BigInt(value) >> BigInt(shift)) << BigInt(shift);
      const up = down === BigInt(value) ? down : down + BigInt(alignment);
      return BigInt(u64.alignDown(value, alignment)) === down && BigInt(u64.alignUp(value, alignment)) === up;
    }),
  );
  const values = [0, 1, 2, 3, 4096, 4097, -4, 0.5, 2 ** 40, 2 ** 53 - 1];
  t.deepEqual(values.filter(u64.isPowerOfTwo), [1, 2, 4096, 2 ** 40]);
});

// Flattened streams written by hand: read as the files that they make up.
import test from 'ava';
import fc from 'fast-check';
import { FlattenedSource, InputError, Issues, openDump } from 'kdumpling/reader';
import { concat, madeElf, madeFlattened, madeKdump, PAGE, PoisonSource, pattern } from './made-files.js';

const flat = (records: readonly (readonly [number, Uint8Array])[], ended = true) => {
  const issues = new Issues();
  return { source: new FlattenedSource(new PoisonSource(madeFlattened(records, ended)), issues), issues };
};

function readAll(source: FlattenedSource): Uint8Array {
  const bytes = new Uint8Array(source.size);
  let at = 0;
  while (at < bytes.length) {
    const got = source.read(at, bytes.subarray(at));
    if (got === 0) break;
    at += got;
  }
  return bytes;
}

test('later records overwrite earlier ones, and what no record holds is zero', t => {
  const { source, issues } = flat([
    [0, pattern(1, 100)],
    [300, pattern(2, 50)],
    [90, pattern(3, 20)],
    [320, pattern(4, 5)],
    [7, new Uint8Array(0)],
  ]);
  const expected = new Uint8Array(350);
  expected.set(pattern(1, 100), 0);
  expected.set(pattern(2, 50), 300);
  expected.set(pattern(3, 20), 90);
  expected.set(pattern(4, 5), 320);
  t.is(source.size, 350);
  t.deepEqual(readAll(source), expected);
  t.is(issues.count, 0);
});

test('any records, read in any pieces, equal the file written by them', t => {
  const record = fc.tuple(fc.nat(3000), fc.oneof(fc.constant(64), fc.nat(200)), fc.nat(255));
  const property = fc.property(
    fc.array(record, { minLength: 1, maxLength: 40 }),
    fc.array(fc.nat(4000)),
    (list, reads) => {
      const records = [...list, [0, 1, 7] as const].map(
        ([offset, length, seed]) => [offset, pattern(seed, length)] as const,
      );
      const size = Math.max(...records.map(([offset, bytes]) => (bytes.length === 0 ? 0 : offset + bytes.length)));
      const file = new Uint8Array(size);
      for (const [offset, bytes] of records) if (bytes.length > 0) file.set(bytes, offset);
      const { source } = flat(records);
      if (source.size !== size) return false;
      return reads.every((offset, i) => {
        const into = new Uint8Array(1 + ((i * 797) % 1500));
        const got = source.read(offset, into);
        const expected = file.subarray(offset, offset + into.length);
        return got === expected.length && Buffer.compare(into.subarray(0, got), expected) === 0;
      });
    },
  );
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});

test('records of one size that go on from each other', t => {
  const file = pattern(5, 64 * 100 + 10);
  const records: [number, Uint8Array][] = [];
  for (let at = 0; at < file.length; at += 64) records.push([at, file.subarray(at, at + 64)]);
  const { source } = flat(records);
  t.deepEqual(readAll(source), Uint8Array.from(file));
  const into = new Uint8Array(200);
  t.is(source.read(50, into), 200);
  t.deepEqual(into, Uint8Array.from(file.subarray(50, 250)));
});

test('a stream without its end opens with what it has', t => {
  const whole = madeFlattened([
    [0, pattern(1, 100)],
    [100, pattern(2, 1000)],
  ]);
  const issues = new Issues();
  const source = new FlattenedSource(new PoisonSource(whole.subarray(0, 4096 + 16 + 100 + 16 + 300)), issues);
  t.is(source.size, 400);
  t.deepEqual(readAll(source).subarray(100), Uint8Array.from(pattern(2, 1000).subarray(0, 300)));
  t.true(issues.has('truncated'));
});

test('records that no file can have are refused', t => {
  const one = madeFlattened([[0, pattern(1, 100)]]);
  const at = (offset: number, value: bigint) => {
    const copy = Uint8Array.from(one);
    new DataView(copy.buffer).setBigInt64(4096 + offset, value, false);
    return () => new FlattenedSource(new PoisonSource(copy), new Issues());
  };
  t.like(t.throws(at(0, 1n << 62n), { instanceOf: InputError })?.place, { field: 'offset', offset: 4096 });
  t.like(t.throws(at(8, -2n), { instanceOf: InputError })?.place, { field: 'buf_size', offset: 4104 });
  t.throws(() => flat([]), { instanceOf: InputError, message: /holds no records/ });
});

test('a flattened kdump, written in pieces out of order, and a flattened core', async t => {
  const kdump = madeKdump({
    frames: 16,
    pages: new Map([
      [3, pattern(3)],
      [9, pattern(9)],
    ]),
  });
  const records: [number, Uint8Array][] = [];
  for (let at = 0; at < kdump.length; at += 1000) records.push([at, kdump.subarray(at, at + 1000)]);
  const stream = madeFlattened([...records.slice(1).reverse(), records[0]]);
  const dump = await openDump([new PoisonSource(stream, 'flat')]);
  t.deepEqual(dump.physical.bytes(9 * PAGE, PAGE), Uint8Array.from(pattern(9)));
  t.true(dump.container.flattened);
  t.is(dump.container.format, 'kdump');
  const elf = madeElf({ segments: [{ paddr: 0x5000n, bytes: pattern(8) }] });
  const core = await openDump([
    new PoisonSource(
      madeFlattened([
        [0, elf.subarray(0, 77)],
        [77, elf.subarray(77)],
      ]),
    ),
  ]);
  t.deepEqual(core.physical.bytes(0x5000, PAGE), Uint8Array.from(pattern(8)));
  t.is(core.container.format, 'elf');
});

test('the parts of a split set may be flattened', async t => {
  const pages = new Map([
    [3, pattern(3)],
    [9, pattern(9)],
  ]);
  const parts = (
    [
      [0, 8],
      [8, 16],
    ] as const
  ).map(split => madeKdump({ frames: 16, pages, split }));
  const dump = await openDump([new PoisonSource(parts[0]), new PoisonSource(madeFlattened([[0, parts[1]]]))]);
  t.deepEqual(
    concat([dump.physical.bytes(3 * PAGE, PAGE), dump.physical.bytes(9 * PAGE, PAGE)]),
    Uint8Array.from(concat([pattern(3), pattern(9)])),
  );
});

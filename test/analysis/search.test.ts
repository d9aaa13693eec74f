// Searches, against a plain look at every place. The made memory scans in blocks of 1000 bytes, so that words and text lie across them.
import test from 'ava';
import fc from 'fast-check';
import { type SearchPattern, searchPhysical, type WordSize } from 'kdumpling/analysis/search';
import { PiecesMemory } from '../reader/pieces-memory.js';

function hits(memory: PiecesMemory, pattern: SearchPattern, start = 0, end = 2 ** 40): [number, bigint | null][] {
  const found: [number, bigint | null][] = [];
  searchPhysical(memory, pattern, { start, end }, (paddr, value) => found.push([paddr, value]) > 0);
  return found;
}

for (const littleEndian of [true, false]) {
  test(`words of all sizes, ${littleEndian ? 'little' : 'big'}-endian`, t => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000, max: 1 }),
        fc.nat(40),
        fc.constantFrom<WordSize>(1, 2, 4, 8),
        fc.bigInt({ min: 0n, max: 0xffn }),
        fc.constantFrom(null, 1, 3, 16),
        (bytes, paddr, size, ignore, step) => {
          const align = step ?? size;
          const view = new DataView(bytes.buffer, bytes.byteOffset);
          const read = (at: number): bigint => {
            let word = 0n;
            for (let i = 0; i < size; i++)
              word = (word << 8n) | BigInt(view.getUint8(littleEndian ? at + size - 1 - i : at + i));
            return word;
          };
          const values = [0n, 1n, 0x0101n];
          const expected: [number, bigint][] = [];
          for (let at = (align - (paddr % align)) % align; at + size <= bytes.length; at += align) {
            const word = read(at);
            if (values.some(value => (value & ~ignore) === (word & ~ignore))) expected.push([paddr + at, word]);
          }
          const memory = new PiecesMemory([{ paddr, bytes }], littleEndian);
          t.deepEqual(hits(memory, { kind: 'words', size, values, ignore, align }), expected);
        },
      ),
      { numRuns: 400 },
    );
  });
}

test('text across blocks, in pieces, in a range, and stopped', t => {
  const text = new TextEncoder().encode('Kernel panic');
  const bytes = new Uint8Array(2500).fill(0x4b);
  for (const at of [0, 994, 2000, 2488]) bytes.set(text, at);
  const apart = bytes.slice(0, 6);
  const memory = new PiecesMemory([
    { paddr: 0x1001, bytes },
    { paddr: 0x9000, bytes: apart },
    { paddr: 0x9007, bytes: text.slice(6) },
  ]);
  const all = [0, 994, 2000, 2488].map((at): [number, null] => [0x1001 + at, null]);
  t.deepEqual(hits(memory, { kind: 'bytes', bytes: text, align: 1 }), all, 'what lies apart is not joined');
  t.deepEqual(hits(memory, { kind: 'bytes', bytes: text, align: 1 }, 0x1002, 0x1001 + 2499), all.slice(1, 3));
  let count = 0;
  searchPhysical(memory, { kind: 'bytes', bytes: text, align: 1 }, { start: 0, end: 2 ** 40 }, () => ++count < 2);
  t.is(count, 2);
});

// Memory of any shape through every format and back: what is there, what was filtered out and what never was are the same as before, byte by byte.
import test from 'ava';
import fc from 'fast-check';
import { CONVERT_FORMATS, type ConvertFormat, convertDump } from 'kdumpling/assembler';
import { Issues, MemorySink, MemorySource, openDump } from 'kdumpling/reader';
import { data, MadeMemory, madeDump, noise, type Piece, text } from './made-dump.js';

const PAGE = 4096;

type Kind = 'noise' | 'text' | 'zeros' | 'zero' | 'excluded' | 'hole';
interface Stretch {
  readonly kind: Kind;
  readonly length: number;
}

const KINDS: readonly Kind[] = ['noise', 'text', 'zeros', 'zero', 'excluded', 'hole'];

/** Stretches laid end to end from `start` on. */
function layOut(start: number, stretches: readonly Stretch[]): Piece[] {
  const pieces: Piece[] = [];
  let at = start;
  for (const [i, { kind, length }] of stretches.entries()) {
    if (kind === 'zero' || kind === 'excluded') pieces.push({ start: at, end: at + length, state: kind });
    else if (kind !== 'hole') {
      const bytes = { noise: noise(length, i + 1), text: text(length, `t${i} `), zeros: new Uint8Array(length) }[kind];
      pieces.push(data(at, bytes));
    }
    at += length;
  }
  return pieces;
}

const stretches = (length: fc.Arbitrary<number>) =>
  fc.array(fc.record({ kind: fc.constantFrom(...KINDS), length }), { minLength: 1, maxLength: 12 });
const starts = fc.constantFrom(0, PAGE, 7 * PAGE, 2 ** 32 - 3 * PAGE, 2 ** 36);

/** Byte by byte: -1 what never was there, -2 what was filtered out, else the byte. */
function picture(memory: MadeMemory | Awaited<ReturnType<typeof openDump>>['physical'], from: number, to: number) {
  const values = new Int16Array(to - from);
  for (const { start, end, state } of memory.runs(from, to)) {
    if (state === 'data') continue;
    values.fill(state === 'zero' ? 0 : state === 'excluded' ? -2 : -1, start - from, end - from);
  }
  memory.scan(from, to, (paddr, bytes) => {
    for (let i = 0; i < bytes.length; i++) values[paddr - from + i] = bytes[i];
    return true;
  });
  return values;
}

async function through(pieces: readonly Piece[], format: ConvertFormat, flat: boolean): Promise<MemorySink> {
  const sink = new MemorySink();
  await convertDump(madeDump(pieces), { format, flat, issues: new Issues(), openSink: () => sink });
  return sink;
}

const kdumpAndElf = CONVERT_FORMATS.filter(format => format !== 'raw');

test('whole pages', async t => {
  const page = fc.integer({ min: 1, max: 5 }).map(pages => pages * PAGE);
  await fc.assert(
    fc.asyncProperty(
      starts,
      stretches(page),
      fc.constantFrom(...kdumpAndElf),
      fc.boolean(),
      async (start, list, format, flat) => {
        const pieces = layOut(start, list);
        fc.pre(pieces.length > 0);
        const sink = await through(pieces, format, flat);
        const dump = await openDump([new MemorySource(sink.bytes())]);
        const end = start + list.reduce((sum, { length }) => sum + length, 0);
        const expected = picture(new MadeMemory(pieces), start, end);
        t.true(Buffer.from(picture(dump.physical, start, end).buffer).equals(Buffer.from(expected.buffer)));
        t.is(dump.container.flattened, flat);
      },
    ),
    { numRuns: 150 },
  );
});

test('stretches of any length: ELF is exact, kdump too, by the note that tells real bytes', async t => {
  await fc.assert(
    fc.asyncProperty(
      starts,
      stretches(fc.integer({ min: 1, max: 9000 })),
      fc.constantFrom<ConvertFormat>('elf', 'kdump-lzo', 'kdump-none'),
      async (start, list, format) => {
        // Formats of pages have no place for a page that was filtered out in part.
        const pieces = layOut(
          start,
          list.map(one => (one.kind === 'excluded' ? { ...one, kind: 'hole' as const } : one)),
        );
        fc.pre(pieces.length > 0);
        const sink = await through(pieces, format, false);
        const dump = await openDump([new MemorySource(sink.bytes())]);
        const end = start + list.reduce((sum, { length }) => sum + length, 0);
        const expected = picture(new MadeMemory(pieces), start, end);
        t.true(Buffer.from(picture(dump.physical, start, end).buffer).equals(Buffer.from(expected.buffer)));
      },
    ),
    { numRuns: 150 },
  );
});

test('raw: the bytes from the first page on, zeros elsewhere', async t => {
  await fc.assert(
    fc.asyncProperty(starts, stretches(fc.integer({ min: 1, max: 9000 })), async (start, list) => {
      const pieces = layOut(start, list);
      const there = pieces.filter(({ state }) => state === 'data' || state === 'zero');
      fc.pre(there.length > 0);
      const base = there[0].start - (there[0].start % PAGE);
      const expected = Buffer.alloc(there[there.length - 1].end - base);
      for (const piece of there) if (piece.bytes !== undefined) expected.set(piece.bytes, piece.start - base);
      t.true(Buffer.from((await through(pieces, 'raw', false)).bytes()).equals(expected));
    }),
    { numRuns: 100 },
  );
});

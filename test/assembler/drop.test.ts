// Page frames that an output does without, on dumps made in memory: what is left is right to the byte, what is gone is marked as gone.
import test from 'ava';
import fc from 'fast-check';
import { type ConvertOptions, convertDump } from 'kdumpling/assembler';
import { Issues, MemorySink } from 'kdumpling/reader';
import { ElfWalk } from '../elf-walk.js';
import { takeApart } from './kdump-bytes.js';
import { data, madeDump, noise, type Piece } from './made-dump.js';

const PAGE = 4096;

async function dropped(pieces: readonly Piece[], format: ConvertOptions['format'], drop: ConvertOptions['drop']) {
  const dump = madeDump(pieces);
  let sink = new MemorySink();
  const openSink = () => {
    sink = new MemorySink();
    return sink;
  };
  const result = await convertDump(dump, {
    format,
    issues: new Issues(),
    openSink,
    ...(drop === undefined ? {} : { drop }),
  });
  return { dump, result, bytes: sink.bytes() };
}

const same = (a: Uint8Array | null, b: Uint8Array): boolean => a !== null && Buffer.compare(a, b) === 0;

test('kdump: dropped frames exist and are not dumped; the others are whole; the header has the level', async t => {
  const bytes = noise(12 * PAGE, 7);
  const frames = { starts: [0, 0x12, 0x15, 0x1b], ends: [2, 0x13, 0x19, 0x30] };
  const drop = { frames, zeros: true, level: 17 };
  const { result, bytes: out } = await dropped([data(0x10 * PAGE, bytes)], 'kdump-zlib', drop);
  const kdump = takeApart(out);
  t.deepEqual(kdump.exists, [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b]);
  t.deepEqual(kdump.dumped, [0x10, 0x11, 0x13, 0x14, 0x19, 0x1a]);
  for (const pfn of kdump.dumped) {
    const at = (pfn - 0x10) * PAGE;
    t.true(same(kdump.page(pfn), bytes.slice(at, at + PAGE)), `frame ${pfn}`);
  }
  t.is(kdump.sub['dumpLevel'], 17);
  t.deepEqual([result.bytes, result.droppedBytes, result.excludedBytes], [6 * PAGE, 6 * PAGE, 0]);
});

test('what the input had excluded stays excluded beside what is dropped now', async t => {
  const pieces: Piece[] = [
    data(PAGE, noise(3 * PAGE, 1)),
    { start: 4 * PAGE, end: 6 * PAGE, state: 'excluded' },
    data(6 * PAGE, noise(2 * PAGE, 2)),
  ];
  const drop = { frames: { starts: [3, 6], ends: [5, 7] }, zeros: false, level: 16 };
  const { result, bytes } = await dropped(pieces, 'kdump-none', drop);
  const kdump = takeApart(bytes);
  t.deepEqual(kdump.exists, [1, 2, 3, 4, 5, 6, 7]);
  t.deepEqual(kdump.dumped, [1, 2, 7]);
  t.deepEqual([result.droppedBytes, result.excludedBytes], [2 * PAGE, 2 * PAGE]);
});

/** Frames that an ELF core stores, with their first bytes; and the p_memsz of all PT_LOADs together. */
function stored(core: Uint8Array) {
  const { segments } = new ElfWalk(Buffer.from(core));
  const loads = segments.filter(({ type }) => type === 1);
  return {
    count: loads.length,
    frames: loads.flatMap(({ paddr, filesz }) =>
      Array.from({ length: filesz / PAGE }, (_, i) => Number(paddr) / PAGE + i),
    ),
    memory: loads.reduce((sum, { memsz }) => sum + memsz, 0),
  };
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test('elf: 256 frames in a row are left out, 255 stay unless nothing is kept behind them; segments still claim them', async t => {
  const pieces = [data(0, noise(1024 * PAGE, 3))];
  const frames = { starts: [10, 300, 900], ends: [265, 556, 1024] };
  const { result, bytes } = await dropped(pieces, 'elf', { frames, zeros: false, level: 16 });
  const { count, frames: there, memory } = stored(bytes);
  t.is(count, 2);
  t.deepEqual(there, [...range(0, 300), ...range(556, 900)]);
  t.is(memory, 1024 * PAGE);
  t.is(result.droppedBytes, (256 + 124) * PAGE);
});

test('elf: zeros are left out too if asked for, also together with other frames; other formats keep them', async t => {
  const bytes = noise(1024 * PAGE, 4);
  bytes.fill(0, 100 * PAGE, 300 * PAGE);
  bytes.fill(0, 500 * PAGE, 501 * PAGE);
  const pieces: Piece[] = [
    data(0, bytes),
    { start: 1024 * PAGE, end: 1400 * PAGE, state: 'zero' },
    data(1400 * PAGE, noise(PAGE, 5)),
  ];
  const frames = { starts: [300], ends: [360] };
  const elf = await dropped(pieces, 'elf', { frames, zeros: true, level: 17 });
  t.deepEqual(stored(elf.bytes).frames, [...range(0, 100), ...range(360, 1024), 1400]);
  const kdump = await dropped(pieces, 'kdump-none', { frames, zeros: true, level: 17 });
  t.is(takeApart(kdump.bytes).dumped.length, 1401 - 60);
});

test('frames of any kind dropped from memory of any kind', async t => {
  const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 12 })), {
    maxLength: 12,
  });
  const laid = (pairs: readonly (readonly [number, number])[]) => {
    let at = 1;
    return pairs.flatMap(([gap, length]) => {
      const start = at + gap;
      at = start + length;
      return length === 0 ? [] : [[start, at] as const];
    });
  };
  await fc.assert(
    fc.asyncProperty(lengths, lengths, async (memory, cuts) => {
      const pieces = laid(memory).map(([start, end]) => data(start * PAGE, noise((end - start) * PAGE, start)));
      const gone = laid(cuts);
      const frames = { starts: gone.map(([start]) => start), ends: gone.map(([, end]) => end) };
      const { bytes, dump } = await dropped(pieces, 'kdump-none', { frames, zeros: false, level: 0 });
      const kdump = takeApart(bytes);
      const all = laid(memory).flatMap(([start, end]) => range(start, end));
      const left = all.filter(pfn => !gone.some(([start, end]) => pfn >= start && pfn < end));
      t.deepEqual(kdump.exists, all);
      t.deepEqual(kdump.dumped, left);
      for (const pfn of left) t.true(same(kdump.page(pfn), dump.physical.bytes(pfn * PAGE, PAGE)), `frame ${pfn}`);
    }),
    { numRuns: 200 },
  );
});

// Kdump files written by hand: states of pages, split sets, damage, byte orders and block sizes.
import test from 'ava';
import fc from 'fast-check';
import { FrameBitmap, InputError, type MemoryFault, type MemoryRun, openDump } from 'kdumpling/reader';
import { concat, type MadePage, madeKdump, madeNote, PAGE, PoisonSource, pattern } from './made-files.js';

const ZERO = new Uint8Array(PAGE);
const open = (file: Uint8Array, name = 'core') => openDump([new PoisonSource(file, name)]);
const fault = (read: () => unknown): MemoryFault => {
  try {
    read();
  } catch (error) {
    return error as MemoryFault;
  }
  throw new Error('it was read');
};

/** Does not compress: xorshift32 (Marsaglia 2003). */
const noise = new Uint8Array(PAGE);
for (let i = 0, x = 0x2545f491; i < PAGE; i++) {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  noise[i] = x;
}

const PAGES = new Map<number, MadePage>([
  [1, pattern(1)],
  [2, 'zero'],
  [3, 'excluded'],
  [7, 'zero'],
  [8, noise],
  [9, pattern(9)],
  [40, pattern(40)],
]);

test('pages, zero pages, excluded pages and holes are told apart', async t => {
  const dump = await open(madeKdump({ frames: 64, pages: PAGES }));
  const { physical } = dump;
  t.deepEqual(physical.bytes(PAGE, PAGE), Uint8Array.from(pattern(1)));
  t.deepEqual(physical.bytes(2 * PAGE, PAGE), ZERO);
  t.deepEqual(physical.bytes(8 * PAGE, PAGE), noise);
  t.deepEqual(physical.bytes(40 * PAGE, PAGE), Uint8Array.from(pattern(40)));
  t.is(fault(() => physical.u8(3 * PAGE + 5)).reason, 'excluded');
  t.is(fault(() => physical.u8(0)).reason, 'hole');
  t.is(fault(() => physical.u8(64 * PAGE)).reason, 'hole');
  const crossing = fault(() => physical.bytes(2 * PAGE + 10, 2 * PAGE));
  t.deepEqual([crossing.reason, crossing.address], ['excluded', 3 * PAGE]);
  t.deepEqual(
    [...physical.runs(0, 64 * PAGE)],
    runs([
      [0, 1, 'hole'],
      [1, 2, 'data'],
      [2, 3, 'zero'],
      [3, 4, 'excluded'],
      [4, 7, 'hole'],
      [7, 8, 'zero'],
      [8, 10, 'data'],
      [10, 40, 'hole'],
      [40, 41, 'data'],
      [41, 64, 'hole'],
    ]),
  );
  t.deepEqual(
    [...physical.runs(PAGE + 100, 2 * PAGE + 5)],
    [
      { start: PAGE + 100, end: 2 * PAGE, state: 'data' },
      { start: 2 * PAGE, end: 2 * PAGE + 5, state: 'zero' },
    ],
  );
  t.is(physical.presentBytes, 6 * PAGE);
  t.deepEqual(physical.bounds, { start: PAGE, end: 41 * PAGE });
  t.deepEqual([...physical.extents.starts], [PAGE, 7 * PAGE, 40 * PAGE]);
  t.deepEqual(dump.container.compression, ['zlib']);
  t.deepEqual(dump.issues.list(), []);
});

function runs(list: readonly (readonly [number, number, MemoryRun['state']])[]): MemoryRun[] {
  return list.map(([from, to, state]) => ({ start: from * PAGE, end: to * PAGE, state }));
}

test('reads across pages, from a cache of one set', async t => {
  const { physical } = await openDump([new PoisonSource(madeKdump({ frames: 64, pages: PAGES }))], { cacheBytes: 1 });
  const expected = concat([ZERO, noise, pattern(9)]);
  const at = physical.locate(7 * PAGE + 100, 2 * PAGE);
  t.deepEqual(physical.arena.slice(at, at + 2 * PAGE), Uint8Array.from(expected.subarray(100, 100 + 2 * PAGE)));
  t.deepEqual(physical.bytes(7 * PAGE, 3 * PAGE), Uint8Array.from(expected));
  for (const pfn of [40, 1, 9, 2, 40, 8, 1, 7]) {
    const page = PAGES.get(pfn);
    t.deepEqual(
      physical.bytes(pfn * PAGE, PAGE),
      page === 'zero' ? ZERO : Uint8Array.from(page as Uint8Array),
      `frame ${pfn}`,
    );
  }
});

test('a scan passes what is there, in pieces that are contiguous', async t => {
  const { physical } = await open(madeKdump({ frames: 64, pages: PAGES }));
  const seen: [number, number][] = [];
  const bytes: Uint8Array[] = [];
  physical.scan(PAGE + 7, 9 * PAGE + 1, (paddr, piece) => {
    seen.push([paddr, piece.length]);
    bytes.push(piece.slice());
    return true;
  });
  t.deepEqual(seen, [
    [PAGE + 7, 2 * PAGE - 7],
    [7 * PAGE, 2 * PAGE + 1],
  ]);
  t.deepEqual(
    concat(bytes),
    Uint8Array.from(concat([pattern(1).subarray(7), ZERO, ZERO, noise, pattern(9).subarray(0, 1)])),
  );
});

test('damaged pages are corrupt, and the others stay', async t => {
  const pages = new Map<number, MadePage>([
    [0, pattern(1)],
    [1, { stored: pattern(2, 500), flags: 1 }],
    [2, { stored: pattern(3, 500), flags: 0 }],
    [3, { stored: pattern(3, 500), flags: 0x80 }],
    [4, { stored: pattern(3, PAGE + 1), flags: 1 }],
    [5, pattern(5)],
  ]);
  const { physical } = await open(madeKdump({ frames: 8, pages }));
  for (const pfn of [1, 2, 3, 4]) t.is(fault(() => physical.u8(pfn * PAGE)).reason, 'corrupt', `frame ${pfn}`);
  t.regex(fault(() => physical.u8(PAGE)).message, /500 bytes at file offset 0x[0-9a-f]+ are no zlib page/);
  t.deepEqual(physical.bytes(5 * PAGE, PAGE), Uint8Array.from(pattern(5)));
  const faults: number[] = [];
  const seen: number[] = [];
  physical.scan(
    0,
    8 * PAGE,
    paddr => void seen.push(paddr),
    record => void faults.push(Number(record.address)),
  );
  t.deepEqual(
    [seen, faults],
    [
      [0, 5 * PAGE],
      [PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE],
    ],
  );
});

test('a codec that only page descriptors name is used', async t => {
  const pages = new Map<number, MadePage>([[0, pattern(1)]]);
  const dump = await open(madeKdump({ frames: 8, pages, status: 0 }));
  t.deepEqual(dump.physical.bytes(0, PAGE), Uint8Array.from(pattern(1)));
  t.deepEqual(dump.container.compression, ['zlib']);
});

test('a header that announces a codec that no page uses is no compressed dump', async t => {
  const dump = await open(madeKdump({ frames: 8, pages: new Map([[0, noise]]), status: 2 }));
  t.deepEqual(dump.container.compression, []);
  t.deepEqual(dump.physical.bytes(0, PAGE), noise);
});

test('files cut short, and those marked incomplete, open with what they have', async t => {
  const pages = new Map<number, MadePage>([0, 1, 2, 3].map(pfn => [pfn, noise]));
  const whole = madeKdump({ frames: 8, pages });
  const cut = await open(whole.subarray(0, whole.length - 2 * PAGE + 1));
  t.deepEqual(cut.physical.bytes(PAGE, PAGE), noise);
  t.is(fault(() => cut.physical.u8(2 * PAGE)).reason, 'truncated');
  t.is(fault(() => cut.physical.u8(3 * PAGE)).reason, 'truncated');
  t.deepEqual(
    [...cut.physical.runs(0, 4 * PAGE)],
    runs([
      [0, 2, 'data'],
      [2, 4, 'truncated'],
    ]),
  );
  t.deepEqual([...cut.physical.extents.ends], [2 * PAGE]);
  t.true(cut.issues.has('truncated'));
  t.is(cut.physical.presentBytes, 2 * PAGE);
  // Pages of zeros share one page at the file's start: the last that does not tells.
  const zeros = new Map<number, MadePage>([...pages, [4, 'zero'], [5, 'zero']]);
  const ending = madeKdump({ frames: 8, pages: zeros });
  const cutBefore = await open(ending.subarray(0, ending.length - PAGE));
  t.true(cutBefore.issues.has('truncated'));
  t.is(cutBefore.physical.presentBytes, 5 * PAGE);
  const complete = await open(ending);
  t.deepEqual([complete.issues.has('truncated'), complete.physical.presentBytes], [false, 6 * PAGE]);
  const descriptorsAt = whole.length - 5 * PAGE - 4 * 24;
  const noDescriptors = await open(whole.subarray(0, descriptorsAt + 30));
  t.is(fault(() => noDescriptors.physical.u8(PAGE)).reason, 'truncated');
  const incomplete = madeKdump({ frames: 8, pages, status: 9 });
  incomplete.fill(0, descriptorsAt + 2 * 24, descriptorsAt + 4 * 24);
  const marked = await open(incomplete);
  t.is(fault(() => marked.physical.u8(3 * PAGE)).reason, 'truncated');
  t.deepEqual(marked.physical.bytes(PAGE, PAGE), noise);
  t.true(marked.issues.has('incomplete'));
});

const PARTS: readonly (readonly [number, number])[] = [
  [0, 5],
  [5, 8],
  [8, 8],
  [8, 64],
];
const part = (range: readonly [number, number], name: string) =>
  new PoisonSource(madeKdump({ frames: 64, pages: PAGES, split: range }), name);

test('all parts of a split set are one dump, in whatever order they come', async t => {
  const sources = [2, 3, 0, 1].map(i => part(PARTS[i], `part${i}`));
  const dump = await openDump(sources);
  for (const [pfn, page] of PAGES) {
    if (page === 'excluded') t.is(fault(() => dump.physical.u8(pfn * PAGE)).reason, 'excluded');
    else
      t.deepEqual(dump.physical.bytes(pfn * PAGE, PAGE), page === 'zero' ? ZERO : Uint8Array.from(page as Uint8Array));
  }
  const whole = await open(madeKdump({ frames: 64, pages: PAGES }));
  t.deepEqual([...dump.physical.runs(0, 70 * PAGE)], [...whole.physical.runs(0, 70 * PAGE)]);
  t.is(dump.physical.presentBytes, whole.physical.presentBytes);
  t.is(dump.container.files, 4);
  t.deepEqual(dump.issues.list(), []);
  dump.close();
  t.true(sources.every(({ closed }) => closed));
});

test('a missing part is named, and its pages are told from holes', async t => {
  const dump = await openDump([part(PARTS[0], 'part0'), part(PARTS[3], 'part3')]);
  t.deepEqual(
    dump.issues.list().map(({ code, message }) => [code, /frames 0x5 to 0x8 /.test(message)]),
    [['split-part-missing', true]],
  );
  const missing = fault(() => dump.physical.u8(7 * PAGE));
  t.is(missing.reason, 'truncated');
  t.regex(missing.message, /frame 0x7 is in a part of the split set that was not given/);
  t.is(fault(() => dump.physical.u8(6 * PAGE)).reason, 'hole');
  t.deepEqual(dump.physical.bytes(8 * PAGE, PAGE), noise);
  t.deepEqual(
    [...dump.physical.runs(5 * PAGE, 9 * PAGE)],
    runs([
      [5, 7, 'hole'],
      [7, 8, 'truncated'],
      [8, 9, 'data'],
    ]),
  );
});

test('parts of different dumps are refused', async t => {
  const other = new PoisonSource(madeKdump({ frames: 72, pages: PAGES, split: [5, 72] }), 'other');
  await t.throwsAsync(openDump([part(PARTS[0], 'part0'), other]), {
    instanceOf: InputError,
    message: /other: .*max_mapnr.*not parts of one split set/,
  });
});

test('big-endian files, and blocks larger than pages', async t => {
  const big = await open(madeKdump({ littleEndian: false, frames: 64, pages: PAGES, machine: 's390x' }));
  t.deepEqual(big.physical.bytes(40 * PAGE, PAGE), Uint8Array.from(pattern(40)));
  t.deepEqual([big.container.littleEndian, big.physical.littleEndian, big.arch?.name], [false, false, 's390x']);
  const large = new Map<number, MadePage>([
    [1, pattern(1, 65536)],
    [3, 'zero'],
  ]);
  const vmcoreinfo = 'OSRELEASE=6.1\nPAGESIZE=16384\n';
  const dump = await open(madeKdump({ frames: 8, blockSize: 65536, pages: large, machine: 'aarch64', vmcoreinfo }));
  t.is(dump.pageSize, 16384);
  t.deepEqual(dump.physical.bytes(65536, 65536), Uint8Array.from(pattern(1, 65536)));
  t.is(dump.vmcoreinfo?.release, '6.1');
});

test('the architecture is told by the notes where the header lies or is silent', async t => {
  const prstatus = (size: number) => madeNote('CORE', 1, new Uint8Array(size));
  const at = async (machine: string, size: number, littleEndian = true) => {
    const notes = littleEndian ? prstatus(size) : madeNote('CORE', 1, new Uint8Array(size), false);
    return (await open(madeKdump({ frames: 8, pages: new Map([[0, noise]]), machine, notes, littleEndian }))).arch
      ?.name;
  };
  t.is(await at('Unknown', 392), 'arm64');
  t.is(await at('i686', 336), 'x86_64');
  t.is(await at('i686', 144), 'i386');
  t.is(await at('Unknown', 504), 'ppc64');
  t.is(await at('', 336, false), 's390x');
  t.is(await at('x86_64', 336), 'x86_64');
});

test('erased ranges are kept as they are', async t => {
  const eraseinfo = Buffer.from('erase jiffies\n');
  const dump = await open(madeKdump({ frames: 8, pages: new Map([[0, noise]]), eraseinfo }));
  t.deepEqual(dump.eraseinfo && Buffer.from(dump.eraseinfo), eraseinfo);
});

test('refusals name the field', async t => {
  const good = madeKdump({ frames: 64, pages: PAGES });
  const place = async (offset: number, value: number) => {
    const copy = Uint8Array.from(good);
    new DataView(copy.buffer).setUint32(offset, value, true);
    const error = await t.throwsAsync(open(copy), { instanceOf: InputError });
    return [error?.place.field, error?.place.offset, error?.place.value];
  };
  t.deepEqual(await place(8, 0xffff), ['header_version', 8, 0xffff]);
  t.deepEqual(await place(428, 1000), ['block_size', 428, 1000]);
  t.deepEqual(await place(428, 0), ['block_size', 428, 0]);
  t.deepEqual(await place(432, 0x7fff_ffff), ['sub_hdr_size', 432, 0x7fff_ffff]);
  t.deepEqual(await place(436, 0), ['bitmap_blocks', 436, 0]);
  t.deepEqual(await place(436, 0x100_0000), ['bitmap_blocks', 436, 0x100_0000]);
  await t.throwsAsync(open(good.subarray(0, 8)), { instanceOf: InputError, message: /ends inside the header/ });
  await t.throwsAsync(open(good.subarray(0, 5000)), { instanceOf: InputError });
});

test('a sub header that points outside is told, and the pages stay', async t => {
  const file = madeKdump({ frames: 64, pages: PAGES, vmcoreinfo: 'OSRELEASE=6.1\nPAGESIZE=4096\n' });
  new DataView(file.buffer).setBigUint64(PAGE + 40, 1n << 60n, true);
  const dump = await open(file);
  t.true(dump.issues.has('kdump-sub-header'));
  t.deepEqual(dump.physical.bytes(PAGE, PAGE), Uint8Array.from(pattern(1)));
});

test('ranks and neighbours in a bitmap, against counting', t => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 70000, size: 'max' });
  const property = fc.property(bytes, fc.nat(), fc.nat(), (bitmap, a, b) => {
    const frames = Math.max(1, bitmap.length * 8 - (a % 8));
    const made = new FrameBitmap(new PoisonSource(concat([pattern(1, 13), bitmap])), 13, frames);
    const isSet = (pfn: number) => pfn < frames && ((bitmap[pfn >> 3] >> (pfn & 7)) & 1) === 1;
    for (const pfn of [a % (frames + 1), b % (frames + 1), frames, 0]) {
      let rank = 0;
      for (let i = 0; i < pfn; i++) if (isSet(i)) rank++;
      if (made.rank(pfn) !== rank || made.has(pfn) !== isSet(pfn)) return false;
      let next = pfn;
      while (next < frames && isSet(next)) next++;
      if (made.next(pfn, false) !== next) return false;
      next = pfn;
      while (next < frames && !isSet(next)) next++;
      if (made.next(pfn, true) !== next) return false;
    }
    let last = frames - 1;
    while (last >= 0 && !isSet(last)) last--;
    return made.last() === last;
  });
  t.notThrows(() => fc.assert(property, { numRuns: 40 }));
});

// Which pages are left out, by struct pages written by hand: the rules of makedumpfile's manual, and what damage does to them.
import test from 'ava';
import { classesOfLevel, droppedFrames, levelOfClasses } from 'kdumpling/analysis/pages';
import { Issues } from 'kdumpling/reader';
import {
  GENERATION_6_1,
  GENERATION_7_3,
  GENERATION_32,
  GENERATION_BIG_ENDIAN,
  type Generation,
  type MadePage,
  madePages,
  pageAddress,
} from './made-pages.js';

interface Bits {
  readonly lru: bigint;
  readonly private: bigint;
  readonly swapCache: bigint;
  readonly swapBacked: bigint;
  readonly hwpoison: bigint;
  readonly head: bigint;
}

function bitsOf({ numbers }: Generation): Bits {
  const bit = (name: string): bigint => 1n << BigInt(numbers[name]);
  return {
    lru: bit('PG_lru'),
    private: bit('PG_private'),
    swapCache: bit('PG_swapcache'),
    swapBacked: bit('PG_swapbacked'),
    hwpoison: bit('PG_hwpoison'),
    head: BigInt(numbers['PG_head_mask']),
  };
}

const number = ({ numbers }: Generation, name: string): number => Number(numbers[name]) | 0;

/** The pages of the test kernel: frames 48 to 63 and 80 to 95 have struct pages and memory. */
function pagesOf(generation: Generation): Map<number, MadePage> {
  const bits = bitsOf(generation);
  const is73 = generation.name === '7.3';
  const tail = (head: number): MadePage => ({ head: pageAddress(generation, head) | 1n });
  const slabMark: MadePage = is73
    ? { mapcount: number(generation, 'PAGE_SLAB_MAPCOUNT_VALUE') }
    : { flags: 1n << BigInt(generation.numbers['PG_slab']) };
  // Of order 1: the low byte of the first tail's flags since 6.6, a byte of its own before.
  const firstTail = (head: number, isHugetlb: boolean): MadePage => {
    if (is73) return { ...tail(head), flags: 1n };
    const { 'page.compound_dtor': by = 0, 'page.compound_order': order = 0 } = generation.offsets ?? {};
    return { ...tail(head), bytes: { [by]: isHugetlb ? 2 : 1, [order]: 1 } };
  };
  const hugetlb: MadePage = is73
    ? { flags: bits.head, mapcount: number(generation, 'PAGE_HUGETLB_MAPCOUNT_VALUE') }
    : { flags: bits.head };
  return new Map<number, MadePage>([
    // A free block of 4, whose last pages still look as they were used before.
    [48, { refcount: 0, mapcount: number(generation, 'PAGE_BUDDY_MAPCOUNT_VALUE'), private: 2n }],
    [50, { flags: bits.lru, mapping: 0x1001n }],
    [52, { flags: bits.lru, mapping: 0x1000n }],
    [53, { flags: bits.lru | bits.private, mapping: 0x1000n }],
    [54, { flags: bits.lru | bits.swapBacked, mapping: 0x1001n }],
    [55, { flags: bits.swapCache | bits.swapBacked, mapping: 0x1001n }],
    // Memory of a driver that uses the bit of PG_swapcache for itself.
    [56, { flags: bits.swapCache }],
    // A slab with a list's link where the mapping would be.
    [57, { ...slabMark, mapping: 0x1001n }],
    // A page of hugetlbfs, and one of two frames of page cache.
    [58, hugetlb],
    [59, firstTail(58, true)],
    [60, { flags: bits.head | bits.lru, mapping: 0x1000n }],
    [61, firstTail(60, false)],
    // Lost to hardware; offline; a tail of nothing, which goes with its head or not at all.
    [80, { flags: bits.hwpoison }],
    [81, { mapcount: number(generation, 'PAGE_OFFLINE_MAPCOUNT_VALUE') }],
    [82, { ...tail(80), flags: bits.lru, mapping: 0x1001n }],
    [83, { flags: bits.lru | bits.hwpoison, mapping: 0x1000n }],
  ]);
}

function dropped(generation: Generation, level: number) {
  const kernel = madePages(generation, pagesOf(generation));
  const issues = new Issues();
  const found = droppedFrames(kernel, level, kernel.physical.extents, issues);
  const frames = [...found.ranges].flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i));
  return { ...found, frames, issues: issues.list() };
}

/** What holds the map itself lies in no section: it is kept. */
const MAP_FRAMES = 3;

const ALWAYS = [80, 81, 83];
const EXPECTED: readonly (readonly [level: number, frames: readonly number[]])[] = [
  [0, ALWAYS],
  [1, ALWAYS],
  [2, [52, 60, 61, ...ALWAYS]],
  [4, [52, 53, 60, 61, ...ALWAYS]],
  // Frame 50 is told to be of a process here: whether it is free is not asked.
  [8, [50, 54, 55, 58, 59, ...ALWAYS]],
  [16, [48, 49, 50, 51, ...ALWAYS]],
  [31, [48, 49, 50, 51, 52, 53, 54, 55, 58, 59, 60, 61, ...ALWAYS]],
];

for (const generation of [GENERATION_6_1, GENERATION_7_3, GENERATION_32, GENERATION_BIG_ENDIAN]) {
  for (const [level, frames] of EXPECTED) {
    test(`${generation.name}, level ${level}: which pages are left out`, t => {
      const { frames: found, counts, unknown, issues } = dropped(generation, level);
      t.deepEqual(
        found,
        [...frames].sort((a, b) => a - b),
      );
      t.is(
        Object.values(counts).reduce((sum, count) => sum + count, 0),
        frames.length,
      );
      t.is(unknown, MAP_FRAMES);
      t.deepEqual(
        issues.map(({ code }) => code),
        ['unknown-pages'],
      );
    });
  }
}

test('counts by class at level 31', t => {
  const { counts } = dropped(GENERATION_6_1, 31);
  t.deepEqual(counts, { cache: 4, cachePrivate: 1, user: 4, free: 4, hwpoison: 1, offline: 1 });
});

test('levels and classes are two words for one thing', t => {
  for (let level = 0; level <= 31; level++) t.is(levelOfClasses(classesOfLevel(level)), level);
  t.deepEqual(classesOfLevel(18), ['cache', 'free']);
  t.is(levelOfClasses(['user', 'user']), 8);
});

test('7.3: memory that was not accepted yet is free, a block of the largest order', t => {
  const unaccepted = number(GENERATION_7_3, 'PAGE_UNACCEPTED_MAPCOUNT_VALUE');
  const kernel = madePages(GENERATION_7_3, new Map([[80, { mapcount: unaccepted }]]));
  const { ranges } = droppedFrames(kernel, 16, kernel.physical.extents, new Issues());
  t.deepEqual([...ranges], [[80, 80 + 1024]]);
});

test('a free block of an order that cannot be, a compound page that is not aligned: the first stays, of the other one frame goes', t => {
  const { head, lru } = bitsOf(GENERATION_6_1);
  const tail = { head: pageAddress(GENERATION_6_1, 51) | 1n, bytes: { 16: 1, 17: 3 } };
  const kernel = madePages(
    GENERATION_6_1,
    new Map<number, MadePage>([
      [48, { mapcount: -129, private: 11n }],
      [49, { mapcount: -129, private: 1n << 40n }],
      [51, { flags: head | lru, mapping: 0x1001n }],
      [52, tail],
      // An order beyond all memory.
      [56, { flags: head | lru, mapping: 0x1001n }],
      [57, { head: pageAddress(GENERATION_6_1, 56) | 1n, bytes: { 17: 200 } }],
    ]),
  );
  const issues = new Issues();
  const { ranges } = droppedFrames(kernel, 31, kernel.physical.extents, issues);
  t.deepEqual(
    [...ranges],
    [
      [51, 52],
      [56, 57],
    ],
  );
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['damaged-page', 'damaged-page', 'unknown-pages'],
  );
});

test('memory without a struct page is kept and told', t => {
  // A section that has no map.
  const memory = [{ paddr: 70 * 4096, bytes: new Uint8Array(3 * 4096) }];
  const kernel = madePages(GENERATION_6_1, new Map(), { pieces: memory });
  const issues = new Issues();
  const { ranges, unknown } = droppedFrames(kernel, 31, kernel.physical.extents, issues);
  t.is(unknown, MAP_FRAMES + 3);
  t.false(ranges.has(70));
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['unknown-pages'],
  );
});

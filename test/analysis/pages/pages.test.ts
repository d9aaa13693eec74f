// struct pages of several generations of kernels, written by hand.
import test from 'ava';
import { memoryMap, PAGE_TYPES, Pages } from 'kdumpling/analysis/pages';
import type { Piece } from '../../reader/pieces-memory.js';
import { BASE, madeKernel } from '../made-kernel.js';
import {
  baseOf,
  FIRST_PFN,
  GENERATION_6_1,
  GENERATION_7_3,
  GENERATION_32,
  GENERATION_BIG_ENDIAN,
  type Generation,
  LAST_PFN,
  type MadePage,
  madePages,
  PAGES_PER_SECTION,
  pageAddress,
} from './made-pages.js';

const GENERATIONS: readonly Generation[] = [GENERATION_6_1, GENERATION_7_3, GENERATION_32, GENERATION_BIG_ENDIAN];
const headBit = ({ numbers }: Generation): bigint => BigInt(numbers['PG_head_mask']);

for (const generation of GENERATIONS) {
  test(`${generation.name}: each member of a struct page, by frame and by address`, t => {
    const page: MadePage = { flags: 0x8123_4567n, refcount: 77, mapcount: 2, mapping: 0xc123_4561n, private: 9n };
    const kernel = madePages(generation, new Map([[50, page]]));
    const pages = new Pages(kernel);
    t.is(pages.flags(50) >>> 0, 0x8123_4567);
    t.is(pages.flagsWord(50), 0x8123_4567n);
    t.is(pages.flagsHigh(50), 0);
    t.is(pages.refcount(50), 77);
    t.is(pages.mapcount(50), 3);
    t.is(pages.mapping(50), 0xc123_4561n);
    t.is(pages.mappingLow(50) & 1, 1);
    t.is(pages.private(50), 9);
    for (const pfn of [FIRST_PFN, FIRST_PFN + 1, FIRST_PFN + 15, LAST_PFN]) {
      t.is(pages.address(pfn), pageAddress(generation, pfn));
      t.is(pages.pfnOf(pageAddress(generation, pfn)), pfn);
      t.is(pages.pfnOf(pageAddress(generation, pfn) + 4n), -1);
    }
    t.is(pages.flags(LAST_PFN), 0);
  });

  test(`${generation.name}: frames without a section have no struct page`, t => {
    const kernel = madePages(generation, new Map());
    const { model, pieces, endPfn, issues } = memoryMap(kernel);
    t.is(model, 'sparse');
    t.deepEqual(
      pieces.map(({ startPfn, endPfn: end }) => [startPfn, end]),
      [
        [FIRST_PFN, FIRST_PFN + PAGES_PER_SECTION],
        [FIRST_PFN + 2 * PAGES_PER_SECTION, LAST_PFN + 1],
      ],
    );
    t.is(endPfn, LAST_PFN + 1);
    t.deepEqual(issues, []);
    const pages = new Pages(kernel);
    for (const pfn of [0, FIRST_PFN - 1, FIRST_PFN + PAGES_PER_SECTION, LAST_PFN + 1, 2 ** 40]) {
      t.false(pages.has(pfn));
      t.is(pages.address(pfn), null);
      t.throws(() => pages.flags(pfn), { name: 'MemoryFault', message: /has no struct page/ });
    }
    t.is(pages.pfnOf(pageAddress(generation, FIRST_PFN + PAGES_PER_SECTION)), -1);
  });

  test(`${generation.name}: a tail tells its head, and a head that cannot be is none`, t => {
    const tail = (head: number): MadePage => ({ head: pageAddress(generation, head) | 1n });
    const kernel = madePages(
      generation,
      new Map<number, MadePage>([
        [52, { flags: headBit(generation) }],
        [53, tail(52)],
        [55, tail(52)],
        // Itself, a frame behind it, nowhere.
        [57, tail(57)],
        [58, tail(60)],
        [59, { head: 0x8765_4321n }],
      ]),
    );
    const pages = new Pages(kernel);
    t.deepEqual(
      [51, 52, 53, 55].map(pfn => pages.head(pfn)),
      [51, 52, 52, 52],
    );
    t.deepEqual(
      [57, 58, 59].map(pfn => pages.head(pfn)),
      [-1, -1, -1],
    );
    t.deepEqual(
      [51, 52, 53].map(pfn => pages.isHead(pfn)),
      [false, true, false],
    );
    t.deepEqual(
      [51, 52, 53].map(pfn => pages.isTail(pfn)),
      [false, false, true],
    );
  });
}

test('7.3: a tail may have a mask that takes its address to its head’s', t => {
  // 8 struct pages of 64 bytes: the low 9 bits are another page’s.
  const mask = (span: bigint): MadePage => ({ head: (2n ** 64n - span) | 1n });
  const kernel = madePages(
    GENERATION_7_3,
    new Map([
      [56, { flags: headBit(GENERATION_7_3) }],
      [57, mask(512n)],
      [63, mask(512n)],
      // No power of two; more than the map has.
      [60, { head: 0xffff_ffff_ffff_fa01n }],
      [50, mask(1n << 31n)],
    ]),
  );
  const pages = new Pages(kernel);
  t.deepEqual(
    [57, 63].map(pfn => pages.head(pfn)),
    [56, 56],
  );
  t.is(pages.head(60), -1);
  t.is(pages.head(50), -1);
});

test('2.6.26 to 4.3: flags mark tails, first_page points at the head', t => {
  const numbers = { ...GENERATION_6_1.numbers, PG_head_mask: 1 << 14, PAGE_BUDDY_MAPCOUNT_VALUE: -128 };
  const pageflags = {
    kind: 'enum',
    name: 'pageflags',
    size: 4,
    signed: false,
    enumerators: [
      { name: 'PG_head', value: 14n },
      { name: 'PG_tail', value: 15n },
    ],
  } as const;
  const generation: Generation = { ...GENERATION_6_1, headName: 'first_page', head: 32, numbers, types: [pageflags] };
  const kernel = madePages(
    generation,
    new Map([
      [52, { flags: 1n << 14n }],
      [53, { flags: 1n << 15n, head: pageAddress(generation, 52) }],
      [54, { head: pageAddress(generation, 52) }],
    ]),
  );
  const pages = new Pages(kernel);
  t.deepEqual(
    [52, 53, 54].map(pfn => pages.head(pfn)),
    [52, 52, 54],
  );
});

/** The word of each type, as the header files define it. */
const TYPE_WORDS: readonly (readonly [release: string, buddy: number, words: Readonly<Record<string, number>>])[] = [
  ['3.10', -128, { buddy: -128, balloon: -256, kmemcg: -512 }],
  ['6.1', ~0x80, { buddy: ~0x80, offline: ~0x100 }],
  ['6.10', ~0x80, { buddy: ~0x80, offline: ~0x100, hugetlb: ~0x800, slab: ~0x1000 }],
  ['6.11', ~0x40000000, { buddy: ~0x40000000, offline: ~0x20000000, hugetlb: ~0x04000000, slab: ~0x02000000 }],
  [
    '7.3',
    0xf0 << 24,
    {
      buddy: 0xf0 << 24,
      offline: 0xf1 << 24,
      table: 0xf2 << 24,
      guard: 0xf3 << 24,
      hugetlb: 0xf4 << 24,
      slab: 0xf5 << 24,
      zsmalloc: (0xf6 << 24) | 0x123,
      unaccepted: 0xf7 << 24,
      'large-kmalloc': 0xf8 << 24,
    },
  ],
];

for (const [release, buddy, words] of TYPE_WORDS) {
  test(`${release}: types of pages, by the encoding that VMCOREINFO tells`, t => {
    const numbers: Record<string, number | string> = { ...GENERATION_6_1.numbers, PAGE_BUDDY_MAPCOUNT_VALUE: buddy };
    delete numbers['PAGE_OFFLINE_MAPCOUNT_VALUE'];
    for (const name of ['offline', 'hugetlb', 'slab']) {
      if (words[name] !== undefined) numbers[`PAGE_${name.toUpperCase()}_MAPCOUNT_VALUE`] = words[name];
    }
    const entries = Object.entries(words);
    const made = new Map(entries.map(([, mapcount], i) => [50 + i, { mapcount }]));
    // A page that 3 tables map has no type, nor has one that none maps.
    made.set(90, { mapcount: 2 });
    const pages = new Pages(madePages({ ...GENERATION_6_1, numbers }, made));
    t.deepEqual(
      entries.map((_, i) => PAGE_TYPES[pages.type(50 + i)]),
      entries.map(([name]) => name) as never,
    );
    t.deepEqual(
      [90, 91].map(pfn => pages.type(pfn)),
      [-1, -1],
    );
    t.deepEqual(
      [50, 90, 91].map(pfn => pages.mapcount(pfn)),
      [0, 3, 0],
    );
    t.true(pages.isBuddy(50));
    t.is(pages.isSlab(50 + entries.findIndex(([name]) => name === 'slab')), words['slab'] !== undefined);
  });
}

test('what VMCOREINFO says of struct page and cannot be is refused', t => {
  for (const lines of [{ 'SIZE(page)': '6' }, { 'SIZE(page)': '1048576' }, { 'OFFSET(page.mapping)': '5000' }]) {
    const kernel = madePages(GENERATION_6_1, new Map(), { lines });
    t.throws(() => new Pages(kernel), { name: 'Missing', message: /cannot be/ });
  }
  for (const bits of ['11', '48', '4000000000']) {
    const kernel = madePages(GENERATION_6_1, new Map(), { lines: { 'NUMBER(SECTION_SIZE_BITS)': bits } });
    t.throws(() => memoryMap(kernel), { name: 'Missing', message: /cannot be/ });
  }
});

test('a root that cannot be read is told, the sections of others are there', t => {
  // 256 sections of 32 bytes: two pages of them.
  const lines = { 'NUMBER(MAX_PHYSMEM_BITS)': '24', 'LENGTH(mem_section)': '2' };
  const nowhere = 0xffff_8880_7777_0000n;
  const far = [{ paddr: 200 * 65536, bytes: new Uint8Array(4096) }];
  const { pieces, issues } = memoryMap(madePages(GENERATION_6_1, new Map(), { roots: [nowhere], lines, pieces: far }));
  t.is(pieces.length, 2);
  t.deepEqual(
    [...new Set(issues.map(({ code, address }) => `${code} ${address}`))],
    [`unreadable-sections ${nowhere}`],
  );
  const none = madePages(GENERATION_6_1, new Map(), { lines: { 'SYMBOL(mem_section)': nowhere.toString(16) } });
  t.throws(() => memoryMap(none), { name: 'Missing', message: /no section of memory is there/ });
});

test('sections in an array of their own, without a page of pointers', t => {
  // As many as LENGTH says: SPARSEMEM without EXTREME. The array lies where the other kernels have their root.
  const lines = { 'LENGTH(mem_section)': '16', 'SYMBOL(mem_section)': (baseOf(GENERATION_6_1) + 0x2000n).toString(16) };
  const { pieces } = memoryMap(madePages(GENERATION_6_1, new Map(), { lines }));
  t.deepEqual(
    pieces.map(({ startPfn, endPfn }) => [startPfn, endPfn]),
    [
      [48, 64],
      [80, 96],
    ],
  );
});

/** A variable or a struct of words. */
function words(paddr: number, ...values: readonly bigint[]): Piece {
  const view = new DataView(new ArrayBuffer(values.length * 8));
  for (const [i, value] of values.entries()) view.setBigUint64(i * 8, value, true);
  return { paddr, bytes: new Uint8Array(view.buffer) };
}

const NODE_LINES = {
  'OFFSET(pglist_data.node_start_pfn)': '0',
  'OFFSET(pglist_data.node_spanned_pages)': '8',
  'OFFSET(pglist_data.node_mem_map)': '16',
};
const PAGE_LINES = Object.entries({
  size: 64,
  flags: 0,
  _refcount: 52,
  _mapcount: 48,
  mapping: 24,
  private: 40,
  compound_head: 8,
}).map(([name, value]) => (name === 'size' ? `SIZE(page)=${value}` : `OFFSET(page.${name})=${value}`));
const OLD_LINES = [
  ...PAGE_LINES,
  ...Object.entries(NODE_LINES).map(([key, value]) => `${key}=${value}`),
  'NUMBER(PG_lru)=5',
];

/** Ten struct pages whose refcounts count up from `first`. */
function tenPages(paddr: number, first: number): Piece {
  const view = new DataView(new ArrayBuffer(640));
  for (let i = 0; i < 10; i++) view.setInt32(i * 64 + 52, first + i, true);
  return { paddr, bytes: new Uint8Array(view.buffer) };
}

test('flat memory: mem_map begins at the frame that the node’s own map tells', t => {
  // The node begins at frame 20; its map is 3 struct pages into mem_map, which so begins at frame 17.
  const kernel = madeKernel({
    pieces: [words(0x1000, BASE + 0x4000n), words(0x2000, 20n, 7n, BASE + 0x4000n + 192n), tenPages(0x4000, 100)],
    symbols: { mem_map: BASE + 0x1000n, contig_page_data: BASE + 0x2000n },
    vmcoreinfo: OLD_LINES.join('\n'),
  });
  const { model, pieces } = memoryMap(kernel);
  t.is(model, 'flat');
  t.deepEqual(
    pieces.map(({ startPfn, endPfn }) => [startPfn, endPfn]),
    [[17, 27]],
  );
  const pages = new Pages(kernel);
  t.deepEqual(
    [17, 20, 26].map(pfn => pages.refcount(pfn)),
    [100, 103, 109],
  );
  t.is(pages.pfnOf(BASE + 0x4000n + 64n), 18);
});

test('an array for each node: DISCONTIGMEM', t => {
  const kernel = madeKernel({
    pieces: [
      words(0x1000, BASE + 0x2000n, BASE + 0x3000n, BASE + 0x3800n, 0n),
      words(0x2000, 20n, 10n, BASE + 0x4000n),
      // Without memory; then one whose frames would overlap those of the first.
      words(0x3000, 0n, 0n, 0n),
      words(0x3800, 25n, 15n, BASE + 0x5000n),
      tenPages(0x4000, 100),
      words(0x5000, ...Array.from({ length: 120 }, () => 0n)),
    ],
    symbols: { node_data: BASE + 0x1000n },
    vmcoreinfo: OLD_LINES.join('\n'),
  });
  const { model, pieces } = memoryMap(kernel);
  t.is(model, 'discontiguous');
  t.deepEqual(
    pieces.map(({ startPfn, endPfn }) => [startPfn, endPfn]),
    [
      [20, 30],
      [30, 40],
    ],
  );
  const pages = new Pages(kernel);
  t.deepEqual(
    [20, 29, 30].map(pfn => pages.refcount(pfn)),
    [100, 109, 0],
  );
  t.is(pages.address(30), BASE + 0x5000n + 5n * 64n);
});

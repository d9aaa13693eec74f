// Memory maps with rubbish in them: every answer is bounded, and nothing but the two kinds of "not to be had" is thrown.
import test from 'ava';
import fc from 'fast-check';
import { Missing } from 'kdumpling/analysis';
import { droppedFrames, freeLists, PageDetails } from 'kdumpling/analysis/pages';
import { Issues, MemoryFault } from 'kdumpling/reader';
import {
  FIRST_PFN,
  GENERATION_6_1,
  GENERATION_7_3,
  GENERATION_32,
  GENERATION_BIG_ENDIAN,
  LAST_PFN,
  type MadePage,
  madePages,
} from './made-pages.js';

const GENERATIONS = [GENERATION_6_1, GENERATION_7_3, GENERATION_32, GENERATION_BIG_ENDIAN];
const MOST_MS = 2000;

/** True if it gave an answer. */
function survives(ask: () => void): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return false;
    throw error;
  }
}

const word = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.constantFrom(0n, 1n, 0xffff_ffff_ffff_ffffn, 0xffff_8880_0004_0001n),
);
const page: fc.Arbitrary<MadePage> = fc.record({
  flags: word,
  refcount: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  mapcount: fc.oneof(
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    fc.constantFrom(-1, -128, -129, -257, 0xf0 << 24, 0xf5 << 24),
  ),
  mapping: word,
  private: word,
  head: word,
});

test('struct pages of any content', t => {
  let answered = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...GENERATIONS),
      fc.array(fc.tuple(fc.integer({ min: FIRST_PFN, max: LAST_PFN }), page), { maxLength: 48 }),
      (generation, pages) => {
        const kernel = madePages(generation, new Map(pages));
        const issues = new Issues();
        const started = performance.now();
        const gave = survives(() => {
          const { ranges } = droppedFrames(kernel, 31, kernel.physical.extents, issues);
          for (let i = 1; i < ranges.length; i++) t.true(ranges.starts[i] > ranges.ends[i - 1]);
          const details = new PageDetails(kernel, issues);
          for (let pfn = FIRST_PFN; pfn <= LAST_PFN; pfn++) {
            const detail = details.of(pfn);
            const head = detail?.compound?.head ?? pfn;
            t.true(head <= pfn && head >= FIRST_PFN);
          }
        });
        if (gave) answered++;
        t.true(performance.now() - started < MOST_MS);
      },
    ),
    { numRuns: 300 },
  );
  t.is(answered, 300, 'pages never take the answer away');
});

test('lines of VMCOREINFO of any value', t => {
  const keys = [
    'SIZE(page)',
    'OFFSET(page.flags)',
    'OFFSET(page._mapcount)',
    'OFFSET(page.mapping)',
    'OFFSET(page.private)',
    'OFFSET(page.compound_head)',
    'OFFSET(page.compound_order)',
    'OFFSET(page.compound_dtor)',
    'SIZE(mem_section)',
    'OFFSET(mem_section.section_mem_map)',
    'LENGTH(mem_section)',
    'NUMBER(SECTION_SIZE_BITS)',
    'NUMBER(MAX_PHYSMEM_BITS)',
    'LENGTH(zone.free_area)',
    'SIZE(free_area)',
    'LENGTH(free_area.free_list)',
    'NUMBER(PG_head_mask)',
    'NUMBER(PG_lru)',
    'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)',
  ];
  const value = fc.oneof(
    fc.integer({ min: 0, max: 128 }).map(String),
    fc.constantFrom('-1', '4294967295', '999999999999999', '65536', '', 'x'),
  );
  let answered = 0;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 }), lines => {
      const kernel = madePages(GENERATION_6_1, new Map([[50, { flags: 1n << 16n, mapping: 1n }]]), { lines });
      const started = performance.now();
      if (survives(() => droppedFrames(kernel, 31, kernel.physical.extents, new Issues()))) answered++;
      t.true(performance.now() - started < MOST_MS, JSON.stringify(lines));
    }),
    { numRuns: 500 },
  );
  t.true(answered > 50);
});

test('free lists that lead nowhere: what is wrong is told, and the walk ends', t => {
  // One node at 0x8000 whose zone begins there; a list's head points at memory that is there, but is no list.
  const lines = {
    'SYMBOL(contig_page_data)': 'ffff888000008000',
    'OFFSET(pglist_data.node_zones)': '0',
    'OFFSET(pglist_data.nr_zones)': '2000',
    'OFFSET(pglist_data.node_start_pfn)': '2008',
    'OFFSET(pglist_data.node_spanned_pages)': '2016',
    'SIZE(zone)': '1536',
    'OFFSET(page.lru)': '8',
  };
  const node = new DataView(new ArrayBuffer(4096));
  for (let at = 0; at < 1536; at += 8) node.setBigUint64(at, 0xffff_8880_0000_8800n, true);
  node.setUint32(2000, 1, true);
  node.setBigUint64(2008, 48n, true);
  node.setBigUint64(2016, 16n, true);
  const pieces = [{ paddr: 0x8000, bytes: new Uint8Array(node.buffer) }];
  const kernel = madePages(GENERATION_6_1, new Map(), {
    pieces,
    lines,
    symbols: { contig_page_data: 0xffff_8880_0000_8000n },
  });
  const issues = new Issues();
  const rows = [...freeLists(kernel, issues)];
  t.is(rows.length, 11 * 5);
  t.true(rows.every(({ blocks }) => blocks === 0));
  t.true(issues.has('damaged-list'));
});

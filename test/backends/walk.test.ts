// The firmware's walk over tables that were written into memory byte by byte: it believes nothing but them.
import test from 'ava';
import { walkTables } from 'kdumpling/backends';
import { InputError, Issues } from 'kdumpling/reader';
import { data, MadeMemory } from '../assembler/made-dump.js';
import { hex, patched } from '../hex.js';

const BASE = 0x8600_0000;
const SIZE = 0x8000;
const PARTITION = 0x3000;
const TOC = PARTITION + 48;
const REGIONS = 0x7f00;
const TABLE = SIZE - 4096;

/** SMEM of 32 KiB: header, a partition at 0x3000 with item 602, the partition table in the last page, and, behind it all, the region array. */
const SMEM = (() => {
  const bytes = new Uint8Array(SIZE + 0x1000);
  const put = (at: number, text: string) => bytes.set(hex(text), at);
  put(0x5c, '00000c00');
  put(0xc0, '01000000');
  put(PARTITION, '"$PRT" feff feff 00100000 80010000 00100000 *12');
  put(PARTITION + 32, 'a5a5 5a02 50010000 0000 0000 00000000');
  put(TOC, '01000000 01000000 "LBNE" *4');
  put(TOC + 16, '01000000 "LBNE" "ENOD" "RN" 0000 03000000 *4 007f008600000000');
  put(TOC + 16 + 32 * 3, '01000000 "LBNE" "ENON" "SEY" 00 01000000 *4 807f008600000000');
  put(TOC + 16 + 32 * 5, '01000000 "LBSD" "ENOD" "RN" 0000 63000000 *4 0000000000000000');
  put(REGIONS, '"KELF" *12 01000000 "ILAV" 0010000001000000 8c3c000000000000');
  put(REGIONS + 40, '"Kgone" *11 02000000 "AVNI" 0000000000000000 0400000000000000');
  put(REGIONS + 80, '"exactly16letters" 03000000 "ILAV" 0020000001000000 0400000000000000');
  put(REGIONS + 128, '"modem" *11 00000000 "ILAV" 0000009000000000 0001000000000000');
  put(TABLE, '"$TOC" 01000000 01000000 *20 00300000 00100000 00000000 feff feff 20000000 *28');
  put(TABLE + 80, '"SIII" 00800000 00000086 00000000 5b02');
  return bytes;
})();

function walk(bytes: Uint8Array, issues = new Issues()) {
  const regions = walkTables(new MadeMemory([data(BASE, bytes)]), { base: BASE, size: SIZE }, issues);
  return { regions, codes: issues.list().map(({ code }) => code) };
}

test('all valid regions of all enabled subsystems, in table order', t => {
  const { regions, codes } = walk(SMEM);
  t.deepEqual(codes, ['region-not-valid']);
  t.deepEqual(regions, [
    { name: 'KELF', seqNum: 1, paddr: 0x1_0000_1000, size: 15500, subsystem: 0, encrypted: false },
    { name: 'exactly16letters', seqNum: 3, paddr: 0x1_0000_2000, size: 4, subsystem: 0, encrypted: false },
    { name: 'modem', seqNum: 0, paddr: 0x9000_0000, size: 256, subsystem: 3, encrypted: true },
  ]);
});

test('what the tables do not say is not dumped', t => {
  const without = (at: number, bytes: string) => walk(patched(SMEM, at, hex(bytes)));
  t.deepEqual(without(TOC, '00').codes, ['minidump-not-ready']);
  t.is(without(TOC, '00').regions.length, 0);
  t.deepEqual(
    without(TOC + 16, '00').regions.map(({ name }) => name),
    ['modem'],
  );
  t.deepEqual(
    without(TOC + 20, '"LBSD"').regions.map(({ name }) => name),
    ['modem'],
  );
  t.deepEqual(
    without(TOC + 32, '01').regions.map(({ name }) => name),
    ['KELF', 'modem'],
  );
  t.deepEqual(without(PARTITION + 34, '5b02').codes, ['smem-item']);
  t.deepEqual(without(TABLE + 44, '0000').codes, ['smem-global-partition']);
});

test('memory that is no SMEM is refused, tables that lead out of memory are told by their address', t => {
  t.throws(() => walk(patched(SMEM, 0x5e, hex('0b'))), { instanceOf: InputError, message: /version/ });
  t.throws(() => walk(patched(SMEM, TABLE, hex('"X"'))), { instanceOf: InputError });
  // The other subsystems are dumped all the same.
  const issues = new Issues();
  const { regions } = walk(patched(SMEM, TOC + 16 + 24, hex('0000000002000000')), issues);
  t.deepEqual(
    regions.map(({ name }) => name),
    ['modem'],
  );
  const [issue] = issues.list();
  t.is(issue.code, 'region-table-missing');
  t.is(issue.address, 0x2_0000_0000);
  t.regex(issue.message, /subsystem 0 has 3 records, of which 0 can be read/);
});

test('a count that lies is bounded: the records that memory has are read', t => {
  const start = Date.now();
  const { regions, codes } = walk(patched(SMEM, TOC + 32, hex('ffffffff')));
  t.true(Date.now() - start < 2000);
  t.deepEqual(
    regions
      .filter(({ subsystem }) => subsystem === 0)
      .slice(0, 2)
      .map(({ name }) => name),
    ['KELF', 'exactly16letters'],
  );
  t.true(codes.includes('region-table-missing'));
  t.deepEqual(regions[regions.length - 1].name, 'modem');
});

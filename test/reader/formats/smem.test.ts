// SMEM tables against bytes written down from the layout of drivers/soc/qcom/smem.c, and what is encoded against an independent decoder.
import test from 'ava';
import { Parser } from 'binary-parser';
import { InputError, Issues } from 'kdumpling/reader';
import {
  checkSmemHeader,
  decodeSmemPartition,
  decodeSmemTable,
  globalPartition,
  isSmemTable,
  layoutSmem,
} from 'kdumpling/reader/formats/smem';
import { hex, patched } from '../../hex.js';

const place = { source: 'ram', record: 'SMEM', base: 0x1000 };

/** Two partitions, one of them global, and the info record. */
const TABLE = hex(`
  "$TOC" 01000000 02000000 *20
  00400000 00100000 00000000 0000 0100 40000000 *28
  00500000 00800000 01000000 feff feff 20000000 *28
  "SIII" 00002000 00000086 00000000 5b02`);

/** One uncached item (602, 10 bytes padded to 16, header padding 4), one cached item (77, 24 bytes below its header), 512 bytes in all. */
const PARTITION = (() => {
  const bytes = new Uint8Array(512);
  bytes.set(hex('"$PRT" feff feff 00020000 44000000 c8010000 *12'));
  bytes.set(hex('a5a5 5a02 10000000 0600 0400 00000000 00000000 "0123456789" 000000000000'), 32);
  // Cached: the header lies at size - 32 (aligned to the cache line), the data below it.
  bytes.set(hex('"cached data, 24 bytes ok"'), 512 - 32 - 24);
  bytes.set(hex('a5a5 4d00 18000000 0000 0000 00000000'), 512 - 32);
  return bytes;
})();

test('a partition table: entries, hosts, the info record', t => {
  const issues = new Issues();
  t.true(isSmemTable(TABLE));
  const table = decodeSmemTable(TABLE, place, issues);
  t.deepEqual(issues.list(), []);
  t.deepEqual(
    table.entries.map(({ offset, size, flags, host0, host1, cacheline }) => [
      offset,
      size,
      flags,
      host0,
      host1,
      cacheline,
    ]),
    [
      [0x4000, 0x1000, 0, 0, 1, 64],
      [0x5000, 0x8000, 1, 0xfffe, 0xfffe, 32],
    ],
  );
  t.deepEqual(table.info, { size: 0x200000, base: 0x86000000, items: 603 });
  t.is(globalPartition(table)?.offset, 0x5000);
});

test('a partition table that claims more entries than its page holds', t => {
  const issues = new Issues();
  const table = decodeSmemTable(patched(TABLE, 8, hex('ffffffff')), place, issues);
  t.is(table.claimedEntries, 0xffffffff);
  t.is(table.entries.length, 2);
  t.is(table.info, null);
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [['smem-table-entries', 0x1008]],
  );
  const other = new Issues();
  decodeSmemTable(patched(TABLE, 4, hex('02')), place, other);
  t.true(other.has('smem-table-version'));
  t.throws(() => decodeSmemTable(patched(TABLE, 0, hex('"$TOD"')), place, issues), { instanceOf: InputError });
});

test('a partition: uncached items from its start, cached ones from its end', t => {
  const issues = new Issues();
  const { host0, size, items } = decodeSmemPartition(PARTITION, 32, place, issues);
  t.deepEqual(issues.list(), []);
  t.is(host0, 0xfffe);
  t.is(size, 512);
  const text = items.map(item => [
    item.item,
    Buffer.from(PARTITION.subarray(item.offset, item.offset + item.size)).toString(),
  ]);
  t.deepEqual(text, [
    [602, '0123456789'],
    [77, 'cached data, 24 bytes ok'],
  ]);
});

test('a damaged item ends its walk and no more', t => {
  const damaged: readonly (readonly [number, string, readonly number[]])[] = [
    [32, 'a5a4', [77]],
    [36, 'ffffffff', [77]],
    [40, '1100', [77]],
    [512 - 32, '0000', [602]],
    [512 - 28, 'ffffff7f', [602]],
    [12, '00000000', [77]],
    [12, 'ffffffff', [602, 77]],
  ];
  for (const [at, bytes, left] of damaged) {
    const issues = new Issues();
    const { items } = decodeSmemPartition(patched(PARTITION, at, hex(bytes)), 32, place, issues);
    t.deepEqual(
      items.map(({ item }) => item),
      [...left],
      `${bytes} at ${at}`,
    );
    t.is(issues.count >= 1, true, `${bytes} at ${at} is told`);
  }
  t.throws(() => decodeSmemPartition(new Uint8Array(512), 32, place, new Issues()), { instanceOf: InputError });
});

test('the header: version 12, initialised', t => {
  const header = new Uint8Array(0xc4);
  header.set(hex('00000c00'), 0x5c);
  header.set(hex('01000000'), 0xc0);
  t.notThrows(() => checkSmemHeader(header, place));
  const version = t.throws(() => checkSmemHeader(patched(header, 0x5c, hex('00000b00')), place));
  t.regex(version?.message ?? '', /version\[7\] at offset 0x105c is 0xb0000: expected version 12/);
  t.throws(() => checkSmemHeader(patched(header, 0xc0, hex('00')), place), { message: /initialized/ });
  t.throws(() => checkSmemHeader(header.subarray(0, 0xc0), place), { instanceOf: InputError });
});

test('a region that is laid out reads back through an independent decoder', t => {
  const base = 0x8600_0000;
  const data = hex('01000000 "table"');
  const { size, pieces, itemOffsets } = layoutSmem(base, 0x200000, [{ item: 602, bytes: data }]);
  const region = new Uint8Array(size);
  for (const { offset, bytes } of pieces) region.set(bytes, offset);

  const entry = new Parser()
    .endianness('little')
    .uint32('offset')
    .uint32('size')
    .uint32('flags')
    .uint16('host0')
    .uint16('host1')
    .uint32('cacheline')
    .seek(28);
  const table = new Parser()
    .endianness('little')
    .string('magic', { length: 4 })
    .uint32('version')
    .uint32('count')
    .seek(20)
    .array('entries', { type: entry, length: 'count' })
    .string('info', { length: 4 })
    .uint32('infoSize')
    .uint32('infoBase')
    .seek(4)
    .uint16('items');
  const decoded = table.parse(region.subarray(size - 4096)) as Record<string, unknown> & {
    entries: { offset: number; size: number; host0: number; host1: number }[];
  };
  t.is(decoded['magic'], '$TOC');
  t.is(decoded['version'], 1);
  t.is(decoded['info'], 'SIII');
  t.is(decoded['infoSize'], 0x200000);
  t.is(decoded['infoBase'], base);
  t.is(decoded['items'], 603);
  t.is(decoded.entries.length, 1);
  const [global] = decoded.entries;
  t.deepEqual([global.host0, global.host1], [0xfffe, 0xfffe]);
  t.true(global.offset + global.size <= size - 4096);

  const item = new Parser()
    .endianness('little')
    .string('magic', { length: 4 })
    .uint16('host0')
    .uint16('host1')
    .uint32('size')
    .uint32('freeUncached')
    .uint32('freeCached')
    .seek(12)
    .uint16('canary')
    .uint16('item')
    .uint32('itemSize')
    .uint16('paddingData')
    .uint16('paddingHeader')
    .seek(4);
  const first = item.parse(region.subarray(global.offset)) as Record<string, number | string>;
  t.is(first['magic'], '$PRT');
  t.is(first['size'], global.size);
  t.is(first['canary'], 0xa5a5);
  t.is(first['item'], 602);
  t.is(Number(first['itemSize']) - Number(first['paddingData']), data.length);
  t.is(itemOffsets[0], global.offset + 48 + Number(first['paddingHeader']));
  t.deepEqual(region.subarray(itemOffsets[0], itemOffsets[0] + data.length), data);
  t.is(first['freeUncached'], 48 + Number(first['itemSize']));
});

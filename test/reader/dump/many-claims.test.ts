// Tables and bitmaps that claim more than their file has: what is claimed costs no more than it must, and every page is told as a read tells it.
import test from 'ava';
import { type Dump, InputError, MemoryFault, MemorySource, openDump } from 'kdumpling/reader';

const PAGE = 4096;

/** A kdump file of version 6 that ends behind its bitmaps, so that no page has a descriptor. */
function bitmapsOnly(exists: Uint8Array, dumped: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((2 + 2) * PAGE);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('KDUMP   '));
  view.setUint32(8, 6, true);
  // block_size, sub_hdr_size, bitmap_blocks, max_mapnr of struct disk_dump_header (makedumpfile 1.7, 64-bit).
  for (const [i, value] of [PAGE, 1, 2, 8 * exists.length].entries()) view.setUint32(428 + 4 * i, value, true);
  bytes.set(exists, 2 * PAGE);
  bytes.set(dumped, 3 * PAGE);
  return bytes;
}

/** What a read of each page says. */
function reasons(dump: Dump, pages: number): string[] {
  return Array.from({ length: pages }, (_, pfn) => {
    try {
      dump.physical.u8(pfn * PAGE);
      return 'data';
    } catch (error) {
      return error instanceof MemoryFault ? error.reason : String(error);
    }
  });
}

test('behind the end of the file the bitmaps tell what each page is', async t => {
  const exists = Uint8Array.of(0xff, 0xff, 0xf0, 0x00, 0x3c);
  const dumped = Uint8Array.of(0xaa, 0xcc, 0x50, 0x00, 0x18);
  const dump = await openDump([new MemorySource(bitmapsOnly(exists, dumped), 'dump')]);
  const expected = Array.from({ length: 40 }, (_, pfn) => {
    const bit = (bytes: Uint8Array) => (bytes[pfn >> 3] >> (pfn & 7)) & 1;
    return bit(dumped) === 1 ? 'truncated' : bit(exists) === 1 ? 'excluded' : 'hole';
  });
  t.deepEqual(reasons(dump, 40), expected);
  const told: string[] = [];
  for (const { start, end, state } of dump.physical.runs(0, 40 * PAGE)) {
    t.is(start, told.length * PAGE, 'without gaps');
    t.not(state, told[told.length - 1], 'what is alike is one run');
    while (told.length * PAGE < end) told.push(state);
  }
  t.deepEqual(told, expected);
  t.deepEqual([...dump.physical.runs(PAGE + 1, PAGE + 9)], [{ start: PAGE + 1, end: PAGE + 9, state: 'truncated' }]);
  t.deepEqual([...dump.physical.runs(39 * PAGE, 41 * PAGE)], [{ start: 39 * PAGE, end: 41 * PAGE, state: 'hole' }]);
});

test('more program headers than are taken are refused with their number', async t => {
  const count = 2 ** 17 + 1;
  const bytes = new Uint8Array(64 + 56 * count + 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  for (const [at, value] of [
    [16, 4],
    [54, 56],
    [56, 0xffff],
    [58, 64],
    [60, 1],
  ])
    view.setUint16(at, value, true);
  view.setBigUint64(32, 64n, true);
  view.setBigUint64(40, BigInt(64 + 56 * count), true);
  view.setUint32(64 + 56 * count + 44, count, true);
  const error = await t.throwsAsync(openDump([new MemorySource(bytes, 'core')]), { instanceOf: InputError });
  t.like(error?.place, { record: 'ELF header', field: 'e_phnum', offset: 56, value: count });
  t.regex(error?.message ?? '', /more than 131072 are not taken/);
});

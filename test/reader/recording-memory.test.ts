// What is noted of reads, against a set of all bytes that were read; and a dump of which only some regions are taken to be there.
import test from 'ava';
import fc from 'fast-check';
import { MemoryFault, MemorySource, openDump, ReadLog } from 'kdumpling/reader';
import { noise } from '../assembler/made-dump.js';

const SPACE = 20000;
const UNIT = 8;

test('ranges of whole units, ascending and as long as they can be, hold what was read and nothing else', t => {
  const read = fc.tuple(fc.nat(SPACE), fc.oneof(fc.nat(20), fc.nat(6000)));
  fc.assert(
    fc.property(fc.array(read, { maxLength: 20 }), reads => {
      const log = new ReadLog();
      const units = new Set<number>();
      for (const [paddr, length] of reads) {
        log.add(paddr, length);
        for (let at = paddr; at < paddr + length; at++) units.add(Math.floor(at / UNIT));
      }
      const found = new Set<number>();
      let last = -1;
      for (const { start, end } of log.ranges()) {
        if (start <= last || start % UNIT !== 0 || end % UNIT !== 0) return false;
        for (let at = start; at < end; at += UNIT) found.add(at / UNIT);
        last = end;
      }
      return found.size === units.size && [...units].every(unit => found.has(unit));
    }),
  );
  t.pass();
});

const BASE = 0x100000;
const open = (options: Parameters<typeof openDump>[1]) =>
  openDump([new MemorySource(noise(65536, 1), 'ram')], { raw: [BASE], ...options });

test('a dump notes reads by every way, not those that fail and not searches', async t => {
  const log = new ReadLog();
  const { physical } = await open({ log });
  physical.u64(BASE + 64);
  physical.read(BASE + 4096, new Uint8Array(24));
  t.is(physical.locate(BASE + 65536, 8), -1);
  t.throws(() => physical.read(BASE + 65528, new Uint8Array(16)), { instanceOf: MemoryFault });
  let searched = 0;
  physical.scan(BASE, BASE + 65536, (_, bytes) => {
    searched += bytes.length;
    return true;
  });
  t.is(searched, 65536);
  t.deepEqual(log.ranges(), [
    { start: BASE + 64, end: BASE + 72 },
    { start: BASE + 4096, end: BASE + 4120 },
  ]);
});

test('of a dump only some regions: the same bytes there, by both addresses, and nothing else', async t => {
  const whole = (await open({})).physical;
  const only = [
    { start: BASE + 100, end: BASE + 200, vaddr: 0xffff_8000_0000_0064n },
    { start: BASE + 5000, end: BASE + 9000, vaddr: 0n },
  ];
  const { physical, virtual } = await open({ only });
  t.is(physical.presentBytes, 4100);
  t.deepEqual(physical.bytes(BASE + 100, 100), whole.bytes(BASE + 100, 100));
  t.deepEqual(virtual.bytes(0xffff_8000_0000_0064n, 100), whole.bytes(BASE + 100, 100));
  for (const [from, length] of [
    [99, 2],
    [199, 2],
    [4999, 8],
    [9000, 1],
  ]) {
    t.is(physical.locate(BASE + from, length), -1);
    t.is(physical.fault.reason, 'unregistered');
  }
  t.is(virtual.locate(0xffff_8000_0000_0063n, 1), -1);
  t.is(virtual.fault.reason, 'unregistered');
});

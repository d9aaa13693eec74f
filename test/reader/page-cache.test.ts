// The block cache, and notes that are too long to be kept.
import test from 'ava';
import fc from 'fast-check';
import { BlockCache, extractDeviceDump, MemorySink, MOST_LOCATED, openDump } from 'kdumpling/reader';
import { concat, madeElf, madeNote, PoisonSource, pattern } from './dump/made-files.js';

test('a block is found where it was put, until its slot is given away', t => {
  const property = fc.property(fc.array(fc.nat(300), { maxLength: 400 }), blocks => {
    const cache = new BlockCache(64, new Uint8Array(BlockCache.bufferSize(64, 64 * 32)));
    const held = new Map<number, number>();
    for (const small of blocks) {
      // Far beyond 32 bits, where sets are chosen by the low bits only.
      const block = small + 2 ** 40;
      const at = cache.find(block);
      if (held.get(block) !== (at < 0 ? undefined : at)) return false;
      if (at >= 0) continue;
      const claimed = cache.claim(block);
      if (claimed % 64 !== 0 || claimed + 64 > cache.scratch) return false;
      for (const [other, place] of held) if (place === claimed) held.delete(other);
      held.set(block, claimed);
      if (held.size > cache.slots) return false;
    }
    return [...held].every(([block, at]) => cache.find(block) === at);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 100 }));
});

test('a cache is as large as its buffer lets it, and has room for scratch', t => {
  for (const bytes of [1, 4096, 100_000, 1 << 20]) {
    const size = BlockCache.bufferSize(4096, bytes);
    const cache = new BlockCache(4096, new Uint8Array(size));
    t.is(cache.scratch + MOST_LOCATED, size);
    t.true(cache.slots >= 4);
    t.true(cache.slots * 4096 <= Math.max(bytes, 4 * 4096));
  }
  t.throws(() => new BlockCache(4096, new Uint8Array(MOST_LOCATED + 4096)), { instanceOf: RangeError });
});

test('a forgotten block is not found', t => {
  const cache = new BlockCache(64, new Uint8Array(BlockCache.bufferSize(64, 1024)));
  cache.forget(cache.claim(7));
  t.is(cache.find(7), -1);
  cache.claim(8);
  cache.clear();
  t.is(cache.find(8), -1);
});

test('a failing medium leaves nothing in the cache', async t => {
  const source = new PoisonSource(madeElf({ segments: [{ paddr: 0n, bytes: pattern(1) }] }));
  const { physical } = await openDump([source]);
  const read = source.read.bind(source);
  source.read = () => {
    throw new Error('the disk is gone');
  };
  t.throws(() => physical.u8(0), { message: 'the disk is gone' });
  source.read = read;
  t.is(physical.u8(0), pattern(1)[0]);
});

test('a device dump of megabytes stays in the file until it is asked for', async t => {
  const data = pattern(3, 5 << 20);
  const name = new Uint8Array(44);
  name.set(Buffer.from('device'));
  const text = madeNote('VMCOREINFO', 0, Buffer.from('OSRELEASE=6.1\nPAGESIZE=4096\n'));
  const notes = concat([
    text,
    madeNote('LINUX', 0x700, concat([name, data])),
    madeNote('CORE', 1, new Uint8Array(336)),
  ]);
  const source = new PoisonSource(madeElf({ segments: [{ type: 4, paddr: 0n, bytes: notes }] }));
  const dump = await openDump([source]);
  t.deepEqual(
    dump.notes.map(note => note.name),
    ['VMCOREINFO', 'LINUX', 'CORE'],
  );
  t.is(dump.cpus.length, 1);
  const [device] = dump.deviceDumps;
  t.deepEqual([device.name, device.size], ['device', data.length]);
  const sink = new MemorySink();
  extractDeviceDump(device, sink);
  t.is(Buffer.compare(sink.bytes(), data), 0);
  t.is(Buffer.compare(dump.notes[1].descriptor.subarray(44), data), 0);
});

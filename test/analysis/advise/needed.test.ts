// What a region core lacks: places that something can be registered at, and no others.
import test from 'ava';
import { Misses, neededRegions } from 'kdumpling/analysis/advise';
import { MadeMemory, SMALL } from '../collections/made-memory.js';

const NOTHING_ELSE = { symbols: false, types: false, tables: false };

test('members of what NULL points at, and error pointers, are nowhere', t => {
  for (const machine of [undefined, SMALL]) {
    const { memory } = new MadeMemory(4096, machine).kernel();
    const misses = new Misses(memory);
    const last = (1n << BigInt(8 * memory.pointerSize)) - 1n;
    for (const address of [0n, 8n, 0x1a8n, last - 7n, last - 21n]) memory.locate(address, 8);
    t.deepEqual([...misses], []);
    t.false(misses.untranslated);
    memory.locate(0x10_0000n, 16);
    t.deepEqual([...misses], [[0x10_0000n, 16]]);
  }
});

test('a place without a name is the first of others', t => {
  const kernel = new MadeMemory(4096).kernel();
  const misses = new Misses(kernel.memory);
  kernel.memory.locate(8n, 8);
  t.deepEqual(neededRegions(kernel, { misses, ...NOTHING_ELSE }), { needed: [], others: 0, first: null });
  const more = new Misses(kernel.memory);
  for (const address of [0x8n, 0x20_0000n, 0x30_0000n]) kernel.memory.locate(address, 8);
  const { others, first } = neededRegions(kernel, { misses: more, ...NOTHING_ELSE });
  t.deepEqual([others, first?.address], [2, 0x20_0000n]);
});

// The comparison that a demonstration stands on must see one changed byte wherever it is.
import test from 'ava';
import { firstDifference } from 'kdumpling/assembler';
import { AddressMap, MemoryFault } from 'kdumpling/reader';
import { data, MadeMemory, noise } from './made-dump.js';

const SIZE = 200_000;
const START = 0x10000;
const VADDR = 0xffff800000000000n;

function side(change?: number) {
  const bytes = noise(SIZE, 3);
  if (change !== undefined) bytes[change] ^= 1;
  const physical = new MadeMemory([data(START, bytes)]);
  const range = (target: number) => ({
    name: 'linear',
    method: 'linear' as const,
    first: VADDR,
    last: VADDR + BigInt(SIZE) - 1n,
    target,
    confirmedBy: '',
    partial: false,
  });
  return { bytes, physical, map: (target: number) => new AddressMap(physical, [range(target)]) };
}

const whole = { name: 'all', paddr: START, vaddr: VADDR, size: SIZE };

test('equal memory', t => {
  const { physical, map } = side();
  t.is(firstDifference(side(), { physical, virtual: map(START) }, [whole]), null);
});

for (const offset of [0, 65535, 65536, SIZE - 1]) {
  test(`one bit at ${offset}`, t => {
    const { physical, map, bytes } = side(offset);
    const difference = firstDifference(side(), { physical, virtual: map(START) }, [whole]);
    t.deepEqual(difference, { name: 'all', offset, by: 'physical', expected: bytes[offset] ^ 1, found: bytes[offset] });
  });
}

test('a virtual address that leads elsewhere', t => {
  const { physical, map } = side();
  const shifted = { ...whole, size: 4096 };
  const difference = firstDifference(side(), { physical, virtual: map(START + 4) }, [shifted]);
  t.is(difference?.by, 'virtual');
  t.is(firstDifference(side(), { physical, virtual: map(START + 4) }, [{ ...shifted, vaddr: null }]), null);
});

test('what cannot be read is no difference', t => {
  const { physical, map } = side();
  t.throws(() => firstDifference(side(), { physical, virtual: map(START) }, [{ ...whole, size: SIZE + 1 }]), {
    instanceOf: MemoryFault,
  });
});

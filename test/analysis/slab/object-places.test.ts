// Objects on lists outside of their slabs: what is on none of them is allocated only where every list could be read.
import test from 'ava';
import { ALLOCATED, CPU, FREE, ObjectPlaces, overlayHeld, RCU, UNKNOWN } from 'kdumpling/analysis/slab';
import { Issues } from 'kdumpling/reader';

const SLAB = { first: 0x1000, objects: 4, slotSize: 64 };
const map = { toVirtual: (paddr: number) => BigInt(paddr) };

function statesAfter(code: string | null) {
  const issues = new Issues();
  const held = ObjectPlaces.gather(issues, (places, own) => {
    places.add(0x1040, CPU);
    places.add(0x10c0, RCU);
    places.add(0x2000, CPU);
    if (code !== null) own.add(code, 'a list of a CPU', 0x99n);
  });
  const states = Uint8Array.of(ALLOCATED, ALLOCATED, FREE, ALLOCATED);
  overlayHeld(map, 'filp', SLAB, held, states, issues);
  return { states: [...states], complete: held.complete, codes: issues.list().map(issue => issue.code) };
}

test('all lists could be read', t => {
  t.deepEqual(statesAfter(null), { states: [ALLOCATED, CPU, FREE, RCU], complete: true, codes: [] });
});

test('a list was damaged, but read', t => {
  const codes = ['damaged-sheaf'];
  t.deepEqual(statesAfter('damaged-sheaf'), { states: [ALLOCATED, CPU, FREE, RCU], complete: true, codes });
});

for (const code of ['unreadable-sheaf', 'unreadable-cpu-slab', 'unreadable-list', 'freelist-unreadable']) {
  test(`${code}: what is on no list may be on one`, t => {
    t.deepEqual(statesAfter(code), { states: [UNKNOWN, CPU, FREE, RCU], complete: false, codes: [code] });
  });
}

// Page tables of garbage, in every mode: a walk ends, says the same with and without its steps, and never leads where no address is.
import test from 'ava';
import fc from 'fast-check';
import { mappings, PageTable } from 'kdumpling/analysis/vtop';
import { FaultRecord, Issues } from 'kdumpling/reader';
import { type ArchitecturePaging, architectureByName } from 'kdumpling/reader/arch';
import { PiecesMemory } from '../../reader/pieces-memory.js';
import { fixtureNames, memoryOf, probeOf, readFixture } from './fixture.js';

const SIZE = 0x4_0000;
const MOST_MAPPINGS = 2000;

/** Words that look like entries: flags at both ends, an address within the memory or beyond it. */
const entry = fc
  .tuple(fc.bigInt(0n, 0xfffn), fc.bigInt(0n, 0x7fn), fc.bigInt(0n, 0xffffn), fc.boolean())
  .map(([flags, page, upper, wild]) => flags | (page << 12n) | (wild ? upper << 48n : (upper & 0xcn) << 60n));

for (const name of fixtureNames) {
  const fixture = readFixture(name);
  const paging = architectureByName(fixture.arch)?.paging as ArchitecturePaging;
  const [kernel] = paging.kernelTables(probeOf(fixture, memoryOf(fixture, fixture.arch !== 's390x')));
  test(`${name}: garbage in its tables`, t => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(SIZE / 8 - 1), entry), { minLength: 1, maxLength: 400 }),
        fc.array(fc.bigInt(0n, (1n << 64n) - 1n), { minLength: 1, maxLength: 20 }),
        (entries, addresses) => {
          const bytes = new Uint8Array(SIZE);
          const view = new DataView(bytes.buffer);
          for (const [index, value] of entries) view.setBigUint64(8 * index, value, fixture.order !== 'big');
          const physical = new PiecesMemory([{ paddr: 0, bytes }]);
          const table = new PageTable(physical, { mode: kernel.mode, root: 0, from: 'garbage' }, 'kernel');
          const fault = new FaultRecord();
          for (const address of [...addresses, ...fixture.questions.map(one => one.address)]) {
            const walk = table.walk(address);
            t.true(walk.steps.length <= kernel.mode.levels.length);
            t.true(walk.physical === null || Number.isSafeInteger(walk.physical));
            t.not(walk.physical === null, walk.fault === null);
            t.is(table.translate(address, fault), walk.physical ?? -1);
            t.is(table.translate(address, fault), walk.physical ?? -1);
            if (walk.fault !== null) t.deepEqual([fault.reason, fault.detail], [walk.fault.reason, walk.fault.detail]);
          }
          let found = 0;
          const issues = new Issues();
          for (const { vaddr, physical: paddr } of mappings(table, undefined, issues)) {
            t.is(table.walk(vaddr).physical, paddr);
            found++;
            if (found === MOST_MAPPINGS) break;
          }
        },
      ),
      { numRuns: 10, seed: 7 },
    );
    t.pass();
  });
}

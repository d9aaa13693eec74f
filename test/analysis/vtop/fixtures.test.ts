// Page tables of every mode (test/fixtures/vtop): written by hand from the architectures' manuals, and what was taken from real guests (real-*).
import test, { type ExecutionContext } from 'ava';
import { mappings, PageTable, reverseByTables } from 'kdumpling/analysis/vtop';
import { FaultRecord, Issues } from 'kdumpling/reader';
import { type ArchitecturePaging, architectureByName, type PagingTables } from 'kdumpling/reader/arch';
import type { PiecesMemory } from '../../reader/pieces-memory.js';
import { type Fixture, fixtureNames, memoryOf, probeOf, type Question, readFixture } from './fixture.js';

interface Opened {
  readonly fixture: Fixture;
  readonly physical: PiecesMemory;
  readonly kernel: PagingTables;
  /** For the kernel (null) or for a process, one each. */
  readonly table: (pgd: bigint | null) => PageTable;
}

function open(t: ExecutionContext, name: string, littleEndian: boolean): Opened {
  const fixture = readFixture(name);
  const physical = memoryOf(fixture, littleEndian);
  const probe = probeOf(fixture, physical);
  const paging = architectureByName(fixture.arch)?.paging as ArchitecturePaging;
  const [kernel] = paging.kernelTables(probe);
  t.is(kernel.mode.name, fixture.mode);
  const made = new Map<bigint | null, PageTable>();
  const table = (pgd: bigint | null): PageTable => {
    const known = made.get(pgd);
    if (known !== undefined) return known;
    const tables = pgd === null ? kernel : paging.userTables(kernel, pgd, vaddr => probe.toPhysical(vaddr));
    if (tables === null) throw new Error(`${name}: no tables for ${pgd}`);
    const one = new PageTable(physical, tables, pgd === null ? 'kernel' : 'user');
    made.set(pgd, one);
    return one;
  };
  return { fixture, physical, kernel, table };
}

function ask(t: ExecutionContext, { fixture, table }: Opened, { text, pgd, address, answer }: Question): void {
  const fault = new FaultRecord();
  const walk = table(pgd).walk(address);
  for (const step of walk.steps) t.is(step.entry, fixture.entries.get(step.entryAddress) ?? 0n, text);
  if ('fault' in answer) {
    t.deepEqual([walk.fault?.reason, walk.fault?.level, walk.physical], [answer.fault, answer.level, null], text);
  } else {
    t.deepEqual([walk.fault, walk.physical, walk.pageSize], [null, answer.paddr, answer.pageSize], text);
    t.deepEqual(
      walk.steps.map(({ level }) => level),
      answer.levels,
      text,
    );
  }
  // Not walked before, then from the cache.
  for (const times of [1, 2]) {
    const paddr = table(pgd).translate(address, fault);
    t.is(paddr, 'fault' in answer ? -1 : answer.paddr, `${text}, time ${times}`);
    if ('fault' in answer) t.deepEqual([fault.reason, fault.address], [answer.fault, address], text);
    else t.true(table(pgd).reach > 0 && answer.paddr % answer.pageSize <= answer.pageSize - table(pgd).reach, text);
  }
}

function orders({ order, arch }: Fixture): readonly boolean[] {
  if (order === 'memory') return [true, false];
  return [arch !== 's390x'];
}

for (const name of fixtureNames) {
  for (const littleEndian of orders(readFixture(name))) {
    test(`${name}, ${littleEndian ? 'little' : 'big'}-endian memory`, t => {
      const opened = open(t, name, littleEndian);
      t.true(opened.fixture.questions.length >= 2);
      for (const question of opened.fixture.questions) ask(t, opened, question);
      // In another order, with whatever the cache has then.
      for (const question of opened.fixture.questions.toReversed()) ask(t, opened, question);
    });
  }

  test(`${name}: what maps the pages is found, and nothing else is`, t => {
    const opened = open(t, name, orders(readFixture(name))[0]);
    for (const { text, pgd, address, answer } of opened.fixture.questions) {
      if ('fault' in answer) continue;
      const found = [...reverseByTables(opened.table(pgd), answer.paddr, 1, new Issues())];
      const walked = opened.table(pgd).walk(address).walked;
      t.true(
        found.some(({ vaddr, physical }) => vaddr === walked && physical === answer.paddr),
        text,
      );
      for (const { vaddr } of found) t.is(opened.table(pgd).walk(vaddr).physical, answer.paddr, text);
    }
  });

  test(`${name}: all that is mapped walks to where it is said to be`, t => {
    const { fixture, table } = open(t, name, orders(readFixture(name))[0]);
    const roots = new Set([null, ...fixture.questions.map(({ pgd }) => pgd)]);
    let found = 0;
    for (const pgd of roots) {
      let last = -1n;
      for (const { vaddr, physical, pageSize, level, size } of mappings(table(pgd))) {
        found++;
        t.true(vaddr > last, 'in order');
        last = vaddr;
        const walk = table(pgd).walk(vaddr + BigInt(size - 1));
        t.is(walk.physical, physical + size - 1);
        t.is(walk.pageSize, pageSize);
        t.is(walk.steps[walk.steps.length - 1].level, level);
      }
    }
    t.true(found >= 1);
  });
}

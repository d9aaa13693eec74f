// How the kernel's tables are found, proven and used through the address map, on memory made by hand: four levels of x86-64 that map an image and a vmalloc page.
import test from 'ava';
import {
  attachPageTables,
  type KernelMap,
  kernelTranslator,
  PageTable,
  reverseByTables,
  tablesDeny,
  vtopKernel,
} from 'kdumpling/analysis/vtop';
import { FaultRecord, Issues } from 'kdumpling/reader';
import { type Architecture, architectureByName, x86_64Mode } from 'kdumpling/reader/arch';
import type { Note } from 'kdumpling/reader/formats/notes';
import { dumpOf, GOOD, IMAGE, IMAGE_PADDR, INFO, memory, PAGE, ROOT, TOP, table, VMALLOC } from './small-kernel.js';

test('an address that no range holds is read through tables that the image confirmed', t => {
  const dump = dumpOf(memory(GOOD), INFO + ROOT, true);
  const translator = attachPageTables(dump);
  t.is(kernelTranslator(dump.virtual), translator);
  t.is(dump.virtual.u8(VMALLOC + 4095n), 0x77);
  // Two pages that are neighbours by address only.
  t.deepEqual([...dump.virtual.bytes(VMALLOC + 4094n, 4)], [0x77, 0x77, 0x88, 0x88]);
  t.is(dump.virtual.translate(VMALLOC + 0x2000n), -1);
  t.is(dump.virtual.fault.reason, 'not-present');
  t.is(dump.virtual.fault.detail, 'the pte entry is 0');
  t.is(translator.map?.confirmedBy, 'init_uts_ns');
  t.deepEqual(translator.issues, []);
});

test('stretches without a translation are one run as far as the reason is one', t => {
  const dump = dumpOf(memory(GOOD), INFO + ROOT, true);
  attachPageTables(dump);
  const runs = [...dump.virtual.runs(VMALLOC - 0x4000_0000n, VMALLOC + 0x4_0000_0000n)];
  t.deepEqual(
    runs.map(({ start, end, state, paddr }) => [start - VMALLOC, end - VMALLOC, state, paddr]),
    [
      [-0x4000_0000n, 0n, 'not-present', -1],
      [0n, 0x1000n, 'data', 0x7000],
      [0x1000n, 0x2000n, 'data', 0x8000],
      [0x2000n, 0x3000n, 'not-present', -1],
      [0x3000n, 0x4000n, 'hole', 0x9000],
      [0x4000n, 0x4_0000_0000n, 'not-present', -1],
    ].map(([from, to, ...rest]) => [BigInt(from as bigint), BigInt(to as bigint), ...rest]),
  );
});

test('tables that lead from a known address to another place are not used, and that is told', t => {
  const dump = dumpOf(memory(0x40_01e3n), INFO + ROOT, true);
  const translator = attachPageTables(dump);
  t.is(translator.map, null);
  t.deepEqual(
    translator.issues.map(({ code, address }) => [code, address]),
    [['page-tables-unconfirmed', TOP]],
  );
  t.regex(translator.issues[0].message, /from init_uts_ns \(0xffffffff81000100\) to physical 0x400100/);
  t.is(dump.virtual.translate(VMALLOC), -1);
  t.regex(dump.virtual.fault.detail, /are not used/);
  // What the ranges hold is still there.
  t.is(dump.virtual.translate(IMAGE), IMAGE_PADDR);
});

test('without a map of the image the release tells, through tables that CR3 of a QEMU note names', t => {
  const state = new DataView(new ArrayBuffer(440));
  state.setBigUint64(392 + 24, BigInt(TOP), true);
  const note = { name: 'QEMU', type: 0, descriptor: new Uint8Array(state.buffer) } as Note;
  const dump = dumpOf(memory(GOOD), INFO, false, [note]);
  const translator = attachPageTables(dump);
  t.is(translator.map?.tables.from, 'CR3');
  t.is(translator.map?.confirmedBy, 'init_uts_ns');
  t.is(dump.virtual.translate(IMAGE + 0x123n), IMAGE_PADDR + 0x123);
  t.is(dump.virtual.translate(VMALLOC), 0x7000);
});

test('nothing names the top table: symbols are asked, and what is missing is told', t => {
  let asked = 0;
  const dump = dumpOf(memory(GOOD), INFO, true);
  const translator = attachPageTables(dump, () => {
    asked++;
    return null;
  });
  t.is(dump.virtual.translate(IMAGE), IMAGE_PADDR);
  t.is(asked, 0, 'not before it is needed');
  t.is(dump.virtual.translate(VMALLOC), -1);
  t.is(dump.virtual.translate(VMALLOC), -1);
  t.is(asked, 1, 'and once');
  t.regex(translator.issues[0].message, /nothing names swapper_pg_dir/);
});

test('an architecture whose tables are not known here says so', t => {
  const dump = { ...dumpOf(memory(GOOD), INFO + ROOT, true), arch: architectureByName('mips64') as Architecture };
  t.deepEqual(
    attachPageTables(dump).issues.map(({ code }) => code),
    ['no-page-tables'],
  );
});

test('vtop: by tables, by the map where there are none, and what is odd about it', t => {
  const dump = dumpOf(memory(GOOD), INFO + ROOT, true);
  const map = attachPageTables(dump).map;
  const codes = (address: bigint, tables = map) =>
    vtopKernel(dump.virtual, tables, address).issues.map(({ code }) => code);
  t.deepEqual(vtopKernel(dump.virtual, map, VMALLOC + 5n), {
    address: VMALLOC + 5n,
    physical: 0x7005,
    pageSize: PAGE,
    steps: [
      { level: 'pgd', entryAddress: 0x1000 + 8 * 402, entry: 0x2067n },
      { level: 'pud', entryAddress: 0x2000, entry: 0x3067n },
      { level: 'pmd', entryAddress: 0x3000, entry: 0x6067n },
      { level: 'pte', entryAddress: 0x6000, entry: 0x7163n },
    ],
    issues: [],
  });
  t.deepEqual(codes(VMALLOC + 0x3000n), ['page-not-in-dump']);
  t.deepEqual(codes(VMALLOC + 0x2000n), ['not-translated']);
  // The range goes on where the tables end: they count, since the processor asks them alone.
  const beyond = vtopKernel(dump.virtual, map, IMAGE + 0x20_0000n);
  t.deepEqual([beyond.physical, beyond.pageSize], [null, null]);
  t.deepEqual(
    beyond.issues.map(({ code, message }) => `${code}: ${message}`),
    [
      `not-mapped: page tables do not map it (the pmd entry is 0); by the image at 0xffffffff80e00000 it would be physical 0x${(IMAGE_PADDR + 0x20_0000).toString(16)}`,
    ],
  );
  const row = vtopKernel(dump.virtual, null, IMAGE);
  t.deepEqual([row.physical, row.pageSize, row.steps, row.issues], [IMAGE_PADDR, null, [], []]);
  t.deepEqual(codes(VMALLOC, null), ['not-translated']);
});

test('tables that cannot be read say nothing of an address: a map that has it does', t => {
  const physical = memory(GOOD);
  // The page table behind the image is not in the dump.
  physical.pieces[4].bytes.set(table({ 8: GOOD, 9: 0xa067n }));
  const dump = dumpOf(physical, INFO + ROOT, true);
  const map = attachPageTables(dump).map as KernelMap;
  const row = vtopKernel(dump.virtual, map, IMAGE + 0x20_0000n);
  t.deepEqual([row.physical, row.pageSize, row.issues[0].code], [IMAGE_PADDR + 0x20_0000, null, 'not-in-page-tables']);
  t.regex(
    row.issues[0].message,
    /page tables do not tell of it \(the pte entry at physical 0xa000 is needed: .*\): by the image/,
  );
  t.deepEqual(
    [IMAGE, IMAGE + 0x20_0000n, IMAGE + 0x40_0000n].map(address => tablesDeny(map, address)),
    [false, false, true],
  );
});

test('what maps a page: a table that many entries lead to is told at each place, and only so often', t => {
  const physical = memory(GOOD);
  // Every entry of the pgd, pud and pmd leads to the same tables: 2^27 places.
  const everywhere = (target: bigint) => {
    const entries: Record<number, bigint> = {};
    for (let i = 0; i < 512; i++) entries[i] = target;
    return table(entries);
  };
  physical.pieces[0].bytes.set(everywhere(0x2067n));
  physical.pieces[1].bytes.set(everywhere(0x3067n));
  physical.pieces[2].bytes.set(everywhere(0x6067n));
  const tables = { mode: x86_64Mode(4), root: TOP, from: 'swapper_pg_dir' };
  const again = new PageTable(physical, tables, 'kernel');
  const issues = new Issues();
  const places = [...reverseByTables(again, 0x7000, PAGE, issues)];
  t.is(places.length, 65536);
  t.deepEqual(
    [...issues].map(({ code }) => code),
    ['reverse-stopped'],
  );
  // What is nowhere is looked for in each table once.
  t.deepEqual([...reverseByTables(again, 0x5000_0000, PAGE, new Issues())], []);
  t.is(again.translate(VMALLOC, new FaultRecord()), 0x7000);
});

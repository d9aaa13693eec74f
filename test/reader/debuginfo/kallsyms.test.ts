import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { AddressMap, Issues } from 'kdumpling/reader';
import { Kallsyms, kallsymsByScan, openKallsyms, tablesFromVmcoreinfo } from 'kdumpling/reader/debuginfo';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth } from '../../real.js';
import { PiecesMemory } from '../pieces-memory.js';
import { type MadeOptions, type MadeSymbol, makeKallsyms } from './made-kallsyms.js';

const VADDR = 0xffff_ffff_8200_0000n;
const STEXT = 0xffff_ffff_8100_0000n;

function open(options: MadeOptions, stext: bigint | undefined = STEXT) {
  const made = makeKallsyms(options);
  const issues = new Issues();
  const text = stext === undefined ? '' : `SYMBOL(_stext)=${stext.toString(16)}\n`;
  const vmcoreinfo = new Vmcoreinfo(`${text}${made.lines}`);
  const tables = tablesFromVmcoreinfo(made.virtual, vmcoreinfo, issues);
  const kallsyms = tables === null ? null : Kallsyms.open(made.virtual, tables, stext, issues);
  return { made, kallsyms, issues };
}

const LONG = `_RNv${'x'.repeat(200)}`;

/** Per-CPU symbols first, as absolute addresses; all others relative_base - 1 - offset. relative_base is _stext. */
const PERCPU: readonly MadeSymbol[] = [
  { type: 'A', name: '__per_cpu_start', stored: 0 },
  { type: 'A', name: 'runqueues', stored: 0x1000 },
  { type: 'A', name: '__per_cpu_end', stored: 0x2000 },
  { type: 'T', name: '_text', stored: -1 },
  { type: 'T', name: '_stext', stored: -1 },
  { type: 'T', name: 'schedule', stored: -1 - 0x100 },
  { type: 't', name: LONG, stored: -1 - 0x180 },
  { type: 'D', name: 'init_task', stored: -1 - 0x200 },
  { type: 'B', name: '_end', stored: -1 - 0x1000 },
];

test('addresses below relative_base: per-CPU variables stay absolute', t => {
  const { kallsyms, issues } = open({ vaddr: VADDR, symbols: PERCPU, relativeBase: STEXT });
  t.deepEqual(issues.list(), []);
  t.is(kallsyms?.addresses.encoding, 'absolute-percpu');
  const found = kallsyms?.resolve(['runqueues', 'schedule', LONG, 'init_task', 'not there']);
  t.deepEqual(found?.get('runqueues'), {
    name: 'runqueues',
    type: 'A',
    address: 0x1000n,
    size: 0x1000,
    sizeFrom: 'neighbour',
    perCpu: true,
    module: null,
  });
  t.is(found?.get('schedule')?.address, STEXT + 0x100n);
  t.is(found?.get('schedule')?.size, 0x80);
  t.is(found?.get('schedule')?.perCpu, false);
  t.is(found?.get(LONG)?.address, STEXT + 0x180n);
  t.is(found?.get('init_task')?.type, 'D');
  t.false(found?.has('not there'));
  t.is(kallsyms?.at(STEXT + 0x17fn)?.name, 'schedule');
  t.is(kallsyms?.at(STEXT)?.name, '_text');
  t.deepEqual([kallsyms?.at(STEXT + 0x1000n)?.name, kallsyms?.at(STEXT + 0x1000n)?.sizeFrom], ['_end', 'none']);
  t.is(kallsyms?.at(STEXT + 0x1001n), null);
  t.is(kallsyms?.at(STEXT - 1n), null);
  t.is(kallsyms?.at(0x1004n)?.name, 'runqueues');
});

test('of a table whose names are there in part, none is given what lies between per-CPU variables and the image', t => {
  const many = Array.from({ length: 400 }, (_, i) => ({ type: 't', name: `function_${i}`, stored: -0x300 - 16 * i }));
  const symbols = [...PERCPU.slice(0, -1), ...many, { type: 'B', name: '_end', stored: -0x4001 }];
  const { made, kallsyms: whole } = open({ vaddr: VADDR, symbols, relativeBase: STEXT });
  const tables = tablesFromVmcoreinfo(made.virtual, new Vmcoreinfo(made.lines), new Issues());
  if (tables === null) return t.fail();
  // All but the last 64 bytes of the names' second block; what ends the kernel is among them.
  const [{ paddr, bytes }] = made.physical.pieces;
  const cut = Number((tables.markers?.address ?? 0n) - VADDR) - 64;
  const physical = new PiecesMemory([
    { paddr, bytes: bytes.slice(0, cut) },
    { paddr: paddr + cut + 64, bytes: bytes.slice(cut + 64) },
  ]);
  const virtual = new AddressMap(physical, made.virtual.ranges);
  const part = Kallsyms.open(virtual, tables, STEXT, new Issues());
  const linear = 0xffff_8a5d_8305_0000n;
  for (const kallsyms of [whole, part]) {
    t.is(kallsyms?.at(STEXT + 0x100n)?.name, 'schedule');
    t.is(kallsyms?.at(linear), null);
  }
  t.is(whole?.at(STEXT + 0x101n)?.name, 'schedule');
  t.is(part?.at(STEXT + 0x101n), null);
});

const BASED: readonly MadeSymbol[] = [
  { type: 'T', name: '_stext', stored: 0 },
  { type: 'T', name: 'schedule', stored: 0x100 },
  { type: 'T', name: '_etext', stored: 0x200 },
  { type: 't', name: 'far', stored: 0x8000_0100 | 0 },
];

for (const [littleEndian, word, base] of [
  [true, 8, 0xffff_8000_0801_0000n],
  [false, 8, 0x10_0000n],
  [true, 4, 0xc100_0000n - 0x8000_0000n],
] as const) {
  test(`addresses from relative_base on, ${word * 8} bits, ${littleEndian ? 'little' : 'big'} endian`, t => {
    const { kallsyms } = open(
      { vaddr: base + 0x10_0000n, symbols: BASED, relativeBase: base, littleEndian, word },
      base,
    );
    t.is(kallsyms?.addresses.encoding, 'base');
    t.is(kallsyms?.resolve(['schedule']).get('schedule')?.address, base + 0x100n);
    t.is(kallsyms?.symbol(3)?.address, base + 0x8000_0100n);
    // Without data symbols, what is behind the text is nobody's.
    t.is(kallsyms?.at(base + 0x1ffn)?.name, 'schedule');
    t.is(kallsyms?.at(base + 0x200n)?.name, '_etext');
    t.is(kallsyms?.at(base + 0x201n), null);
  });
}

test('addresses relative to their own entry', t => {
  // Offsets lie behind the token index: 4096 + (num_syms 4, padded 8) + names 7 + 9 + 5, padded to 4128; a marker, padded to 4136; tokens 511, padded to 4648; index 512.
  const offsetsAt = 4096 + 8 + 24 + 8 + 512 + 512;
  const entry = (index: number, distance: number) => distance - offsetsAt - 4 * index;
  const symbols: MadeSymbol[] = [
    { type: 'T', name: '_stext', stored: entry(0, -0x100_0000) },
    { type: 'T', name: 'schedule', stored: entry(1, -0x100_0000 + 0x40) },
    { type: 'B', name: '_end', stored: entry(2, 0x10_0000) },
  ];
  const { kallsyms, made } = open({ vaddr: VADDR, symbols, relativeBase: null, late: true, sorted: [2, 0, 1] });
  t.is(made.place['offsets'], VADDR + BigInt(offsetsAt));
  t.is(kallsyms?.addresses.encoding, 'entry');
  t.is(kallsyms?.resolve(['schedule']).get('schedule')?.address, STEXT + 0x40n);
  t.is(kallsyms?.resolve(['_end']).get('_end')?.address, VADDR + 0x10_0000n);
});

test("the kernel's table of sorted names is used where it is sound, and not where it is not", t => {
  const symbols: MadeSymbol[] = Array.from({ length: 600 }, (_, i) => ({
    type: 'T',
    name: i === 0 ? '_stext' : `f${String((i * 7) % 600).padStart(3, '0')}`,
    stored: -1 - 16 * i,
  }));
  const order = symbols.map((_, i) => i).sort((a, b) => (symbols[a].name < symbols[b].name ? -1 : 1));
  for (const sorted of [order, order.map((_, i) => (i * 11) % 600), order.map(() => 0)]) {
    const { kallsyms, made } = open({ vaddr: VADDR, symbols, relativeBase: STEXT, late: true, sorted });
    t.is(kallsyms?.tables.sorted, made.place['seqs_of_names']);
    t.is(kallsyms?.tables.markers?.address, made.place['markers']);
    for (const i of [1, 255, 256, 257, 511, 512, 599]) {
      t.is(kallsyms?.resolve([symbols[i].name]).get(symbols[i].name)?.address, STEXT + BigInt(16 * i));
    }
    t.is(kallsyms?.resolve(['f999', 'a']).size, 0);
  }
});

test('a stale copy, whose addresses do not give _stext, is not taken', t => {
  const { kallsyms, issues } = open({ vaddr: VADDR, symbols: PERCPU, relativeBase: STEXT + 0x1000n });
  t.is(kallsyms, null);
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['kallsyms-unreadable'],
  );
});

test('a count that cannot be, or tables that are not there, are told and not followed', t => {
  const made = makeKallsyms({ vaddr: VADDR, symbols: PERCPU, relativeBase: STEXT });
  const issues = new Issues();
  const wrong = made.lines.replace(
    /SYMBOL\(kallsyms_num_syms\)=\w+/,
    `SYMBOL(kallsyms_num_syms)=${VADDR.toString(16)}`,
  );
  t.is(tablesFromVmcoreinfo(made.virtual, new Vmcoreinfo(wrong), issues), null);
  const absent = made.lines.replace(/SYMBOL\(kallsyms_num_syms\)=\w+/, 'SYMBOL(kallsyms_num_syms)=1000');
  t.is(tablesFromVmcoreinfo(made.virtual, new Vmcoreinfo(absent), issues), null);
  t.is(issues.count, 2);
  t.is(tablesFromVmcoreinfo(made.virtual, new Vmcoreinfo('OSRELEASE=5.10.0\n'), issues), null);
  t.is(issues.count, 2);
});

test('whatever bytes change in the tables, answers or an issue come back', t => {
  const change = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) });
  const names = ['schedule', LONG, 'init_task', '_end'];
  fc.assert(
    fc.property(fc.boolean(), fc.array(change, { minLength: 1, maxLength: 6 }), (late, changes) => {
      const made = makeKallsyms({ vaddr: VADDR, symbols: PERCPU, relativeBase: STEXT, late, sorted: [2, 0, 8] });
      // All tables lie within 2 KiB behind the first 4096 bytes.
      const bytes = made.physical.pieces[0].bytes;
      for (const { at, value } of changes) bytes[4096 + (at % 2048)] = value;
      const issues = new Issues();
      const tables = tablesFromVmcoreinfo(made.virtual, new Vmcoreinfo(made.lines), issues);
      const kallsyms = tables === null ? null : Kallsyms.open(made.virtual, tables, undefined, issues);
      if (kallsyms === null) return issues.count > 0;
      kallsyms.resolve(names);
      kallsyms.at(STEXT + 0x180n);
      kallsyms.symbol(kallsyms.count - 1);
      return true;
    }),
    { numRuns: 500, seed: 7 },
  );
  t.pass();
});

function scannable(late: boolean): MadeOptions {
  const symbols: MadeSymbol[] = Array.from({ length: 1500 }, (_, i) => ({
    type: 'T',
    name: i === 0 ? '_stext' : `function_${i}`,
    stored: -1 - 16 * i,
  }));
  return { vaddr: VADDR, symbols, relativeBase: VADDR, late };
}

for (const late of [false, true]) {
  test(`found by content alone, offsets ${late ? 'behind' : 'before'} the names`, t => {
    const made = makeKallsyms(scannable(late));
    const issues = new Issues();
    const space = { physical: made.physical, virtual: made.virtual };
    for (const text of [`SYMBOL(_stext)=${VADDR.toString(16)}\n`, null]) {
      const vmcoreinfo = text === null ? null : new Vmcoreinfo(text);
      const kallsyms = kallsymsByScan({ ...space, vmcoreinfo }, issues);
      t.deepEqual(issues.list(), []);
      t.is(kallsyms?.count, 1500);
      t.is(kallsyms?.resolve(['function_1234']).get('function_1234')?.address, VADDR + 16n * 1234n);
    }
  });
}

test('where there is no token table, that is said', t => {
  const made = makeKallsyms(scannable(false));
  const issues = new Issues();
  const stext = VADDR + 0x4000n;
  const vmcoreinfo = new Vmcoreinfo(`SYMBOL(_stext)=${stext.toString(16)}\n`);
  t.is(kallsymsByScan({ physical: made.physical, virtual: made.virtual, vmcoreinfo }, issues), null);
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['no-kallsyms'],
  );
});

interface GuestSymbol {
  readonly address: bigint;
  readonly type: string;
  readonly name: string;
}

/** /proc/kallsyms of the guest, modules left out. */
function guestSymbols(text: string): GuestSymbol[] {
  return text
    .split('\n')
    .map(line => /^([0-9a-f]+) (\S) (\S+)$/.exec(line))
    .filter(match => match !== null)
    .map(([, address, type, name]) => ({ address: BigInt(`0x${address}`), type, name }));
}

const GUESTS: readonly (readonly [dump: string, file: string])[] = [
  ['x86_64-6.1', 'x86_64-6.1/guest/guest/proc/kallsyms'],
  ['x86_64-7.3', 'x86_64-7.3/guest/guest/proc/kallsyms'],
  ['trace-6.1', 'trace-6.1/guest/kallsyms'],
];

for (const [name, file] of GUESTS) {
  realTest(
    `kallsyms of ${name} is /proc/kallsyms of the guest`,
    [realDump(`${name}.elf`), realTruth(file)],
    async t => {
      const dump = await openFile(realDump(`${name}.elf`));
      const issues = new Issues();
      const kallsyms = openKallsyms(dump, issues);
      const guest = guestSymbols(readFileSync(realTruth(file), 'utf8'));
      t.deepEqual(issues.list(), []);
      t.is(kallsyms?.count, guest.length);
      // The first of every 37 by index, and by name in one call.
      const asked = guest.filter((_, i) => i % 37 === 0);
      for (let i = 0; i < guest.length; i += 37) {
        const symbol = kallsyms?.symbol(i);
        t.is(symbol?.name, guest[i].name);
        t.is(symbol?.address, guest[i].address);
        t.is(symbol?.type, guest[i].type);
      }
      const found = kallsyms?.resolve(asked.map(one => one.name));
      const lowest = new Map(guest.toReversed().map(one => [one.name, one.address]));
      for (const one of asked) t.is(found?.get(one.name)?.address, lowest.get(one.name), one.name);
      for (const one of asked.slice(0, 500)) {
        t.is(kallsyms?.at(one.address)?.address, one.address, one.name);
        const all = guest.filter(({ name }) => name === one.name).map(({ address }) => address);
        t.deepEqual(
          kallsyms?.all(one.name).map(({ address }) => address),
          all,
          one.name,
        );
      }
      const line = ({ name, address, type }: GuestSymbol) => `${address.toString(16)} ${type} ${name}`;
      const wanted = (name: string) => name.startsWith('tcp_');
      t.deepEqual([...(kallsyms?.search(wanted) ?? [])].map(line), guest.filter(one => wanted(one.name)).map(line));
      dump.close();
    },
  );
}

interface SymbolTruth {
  readonly symbols: readonly { name: string; proc_kallsyms: [string, string][] }[];
  readonly address_to_symbol: readonly { addr: string; elf_symbol: string; symbol_addr?: string }[];
}

realTest(
  'names and addresses of x86_64-6.1 are those that drgn and the guest gave',
  [realDump('x86_64-6.1.elf'), realTruth('x86_64-6.1/json/kallsyms.json')],
  async t => {
    const dump = await openFile(realDump('x86_64-6.1.elf'));
    const truth = JSON.parse(readFileSync(realTruth('x86_64-6.1/json/kallsyms.json'), 'utf8')) as SymbolTruth;
    const kallsyms = openKallsyms(dump, new Issues());
    const found = kallsyms?.resolve(truth.symbols.map(one => one.name));
    for (const one of truth.symbols) {
      // Some names are macros or were dropped by the linker.
      if (one.proc_kallsyms.length === 0) {
        t.false(found?.has(one.name), one.name);
        continue;
      }
      const addresses = one.proc_kallsyms.map(([address]) => BigInt(address));
      t.true(addresses.includes(found?.get(one.name)?.address ?? -1n), one.name);
    }
    for (const one of truth.address_to_symbol) {
      // Between two symbols, where the ELF file's sizes leave a gap, kallsyms has the one before.
      if (one.symbol_addr === undefined) continue;
      t.is(kallsyms?.at(BigInt(one.addr))?.address, BigInt(one.symbol_addr), one.elf_symbol);
    }
    dump.close();
  },
);

for (const name of ['arm64-6.1', 'i386-6.1', 'ppc64le-6.1', 's390x-6.1']) {
  const files = [realDump(`${name}.elf`), realTruth(`${name}/serial.log`)];
  realTest(`kallsyms of ${name}, text symbols only, is what the guest printed of it`, files, async t => {
    const dump = await openFile(files[0]);
    const log = readFileSync(files[1], 'utf8').replaceAll('\r', '');
    const printed = guestSymbols(/=== kallsyms\n([^=]*)===/.exec(log)?.[1] ?? '');
    t.true(printed.length >= 5);
    for (const kallsyms of [
      openKallsyms(dump, new Issues()),
      kallsymsByScan(
        { ...space(dump), vmcoreinfo: new Vmcoreinfo(withoutTables(dump.vmcoreinfo?.text)) },
        new Issues(),
      ),
    ]) {
      const found = kallsyms?.resolve(printed.map(one => one.name));
      for (const one of printed) {
        const symbol = found?.get(one.name);
        t.is(symbol?.address, one.address, one.name);
        t.is(symbol?.type, one.type);
      }
      // Data are nobody's: not the last function's.
      const data = dump.vmcoreinfo?.symbol('init_uts_ns') ?? 0n;
      t.is(kallsyms?.at(data), null);
    }
    dump.close();
  });
}

const space = ({ physical, virtual }: Awaited<ReturnType<typeof openFile>>) => ({ physical, virtual });
const withoutTables = (text = '') => text.replaceAll(/^SYMBOL\(kallsyms_\w+\)=.*\n/gm, '');

realTest('three look-ups leave most names alone', [realDump('x86_64-7.3.elf')], async t => {
  const dump = await openFile(realDump('x86_64-7.3.elf'));
  const { virtual } = dump;
  const kallsyms = openKallsyms({ ...space(dump), vmcoreinfo: dump.vmcoreinfo }, new Issues());
  let bytes = 0;
  const locate = virtual.locate.bind(virtual);
  virtual.locate = (address, length) => {
    bytes += length;
    return locate(address, length);
  };
  t.is(kallsyms?.resolve(['init_task', 'schedule', 'runqueues']).size, 3);
  // 5 names with those that tell what is per-CPU, 18 steps each, and 32 samples, in blocks of 256 names; all names together have 3.2 MB.
  t.true(bytes < 1_000_000, `${bytes} bytes`);
  dump.close();
});

// BTF found in memory: made memory with false headers before the true one, and real dumps, where a vmlinux and bpftool tell what is right.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'ava';
import { AddressMap, type Dump, Issues, MemorySource, openDump } from 'kdumpling/reader';
import {
  type BtfTypes,
  btfOfDump,
  btfOfElf,
  LayeredSymbols,
  modulesWithBtf,
  openElfFile,
  openSymbols,
  type Symbols,
  SystemMap,
  VmcoreinfoSymbols,
} from 'kdumpling/reader/debuginfo';
import { FileSource } from 'kdumpling/reader/node';
import { peer } from '../../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../../real.js';
import { realPeerTest } from '../../real-peer.js';
import { type Piece, PiecesMemory } from '../pieces-memory.js';
import { type MadeType, makeBtf } from './made-btf.js';

const VADDR = 0xffff_ffff_8100_0000n;
const PADDR = 0x20_0000;
const NODE: MadeType = { name: 'node', kind: 4, vlen: 1, third: 8, rest: ['next', 2, 0] };
const TYPES: readonly MadeType[] = [NODE, { kind: 2, third: 1 }];

interface Space {
  readonly physical: PiecesMemory;
  readonly virtual: AddressMap;
  readonly vmcoreinfo: null;
}

function spaceOf(pieces: readonly Piece[], mapped = true, littleEndian = true): Space {
  const physical = new PiecesMemory(pieces, littleEndian);
  const range = { name: 'image', method: 'linear', first: VADDR, last: VADDR + 0xfff_ffffn, target: PADDR } as const;
  const ranges = mapped ? [{ ...range, confirmedBy: '', partial: false }] : [];
  return { physical, virtual: new AddressMap(physical, ranges), vmcoreinfo: null };
}

/** Symbols of a made System.map. */
function symbolsOf(symbols: Readonly<Record<string, bigint>>): Symbols {
  const lines = Object.entries({ _stext: VADDR, ...symbols }).map(([name, at]) => `${at.toString(16)} T ${name}\n`);
  return SystemMap.open(new MemorySource(new TextEncoder().encode(lines.join('')), 'System.map'));
}

/** Memory of 64 KiB with what is given at its offsets. */
function memoryWith(parts: readonly (readonly [number, Uint8Array])[], length = 0x1_0000): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xcc);
  for (const [at, part] of parts) bytes.set(part, at);
  return bytes;
}

for (const littleEndian of [true, false]) {
  const order = littleEndian ? 'little' : 'big';

  test(`${order}-endian: found where the symbols say, and read as far as they say`, t => {
    const btf = makeBtf(TYPES, { littleEndian });
    const space = spaceOf([{ paddr: PADDR, bytes: memoryWith([[0x1004, btf]]) }], true, littleEndian);
    const issues = new Issues();
    const start = VADDR + 0x1004n;
    const symbols = symbolsOf({ __start_BTF: start, __stop_BTF: start + BigInt(btf.length) });
    const types = btfOfDump(space, symbols, issues);
    t.is(types?.find('struct', 'node')?.size, 8);
    t.deepEqual(issues.list(), []);
    const short = symbolsOf({ __start_BTF: start, __stop_BTF: start + BigInt(btf.length - 4) });
    btfOfDump(space, short, issues);
    t.true(issues.has('btf-unreadable'), 'sections that pass the end that the kernel gives');
  });

  test(`${order}-endian: found by its magic number, false headers passed over`, t => {
    const true_ = makeBtf(TYPES, { littleEndian });
    const view = new DataView(true_.buffer);
    // A copy of the header with garbage behind, as struct btf has it.
    const copy = true_.slice(0, 24);
    const noEmptyString = true_.slice();
    noEmptyString[24 + view.getUint32(16, littleEndian)] = 0x41;
    const badKind = true_.slice();
    badKind[24 + (littleEndian ? 7 : 4)] = 0x7f;
    const split = makeBtf([{ kind: 2, third: 5000 }], { littleEndian });
    const other = makeBtf([NODE, { kind: 2, third: 1 }], { littleEndian: !littleEndian });
    const bytes = memoryWith([
      [0x100, copy],
      [0x200, noEmptyString],
      [0x304, badKind],
      [0x402, true_],
      [0x500, split],
      [0x600, other],
      [0x3e8 * 4, true_],
    ]);
    const issues = new Issues();
    const types = btfOfDump(spaceOf([{ paddr: PADDR, bytes }], true, littleEndian), symbolsOf({}), issues);
    t.is(types?.find('struct', 'node')?.size, 8);
    t.deepEqual(issues.list(), [], 'its place is in the running image');
    const none = memoryWith([
      [0x100, copy],
      [0x304, badKind],
      [0x402, true_],
    ]);
    t.is(btfOfDump(spaceOf([{ paddr: PADDR, bytes: none }], true, littleEndian), symbolsOf({}), issues), null);
    t.true(issues.has('no-btf'));
  });
}

test('what lies before the image, or in an image that nothing places', t => {
  const bytes = memoryWith([[0x1000, makeBtf(TYPES)]]);
  const pieces = [{ paddr: PADDR - 0x1_0000, bytes }];
  const issues = new Issues();
  const image = spaceOf([...pieces, { paddr: PADDR, bytes: memoryWith([]) }]);
  t.is(btfOfDump(image, symbolsOf({}), issues), null, 'an image of another boot');
  const unknown = btfOfDump(spaceOf(pieces, false), symbolsOf({}), issues);
  t.is(unknown?.count, 2);
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [
      ['no-btf', null],
      ['btf-unplaced', PADDR - 0x1_0000 + 0x1000],
    ],
  );
});

test('symbols that know of read-only data and not of BTF: there is none, and nothing is searched', t => {
  const space = spaceOf([{ paddr: PADDR, bytes: memoryWith([[0x1000, makeBtf(TYPES)]]) }]);
  const issues = new Issues();
  t.is(btfOfDump(space, symbolsOf({ __start_rodata: VADDR + 0x800n }), issues), null);
  t.true(issues.has('no-btf'));
});

const MANY: readonly MadeType[] = Array.from({ length: 600 }, (_, i) => ({ name: `s${i}`, kind: 4, third: i }));

/** What is found where memory ends after `length` bytes of BTF that begins a page. */
function cutAt(length: number): { types: BtfTypes | null; issues: Issues } {
  const btf = makeBtf(MANY);
  const at = VADDR + 0x1000n;
  const symbols = symbolsOf({ __start_BTF: at, __stop_BTF: at + BigInt(btf.length) });
  const bytes = memoryWith([[0x1000, btf]]).slice(0, 0x1000 + length);
  const issues = new Issues();
  return { types: btfOfDump(spaceOf([{ paddr: PADDR, bytes }]), symbols, issues), issues };
}

test('memory that ends within the types: those before are known by their ids', t => {
  const { types, issues } = cutAt(0x1000);
  t.is(types?.count, Math.floor((0x1000 - 24) / 12));
  t.is(types?.type(3).kind, 'struct');
  t.is(types?.find('struct', 's1'), null, 'no names are there');
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['btf-cut', 'btf-cut', 'btf-damaged', 'btf-bad-name'],
  );
});

test('memory that ends within the names: those before are known', t => {
  const { types, issues } = cutAt(0x2000);
  t.is(types?.count, 600);
  t.is(types?.find('struct', 's1')?.size, 1);
  t.is(types?.find('struct', 's599'), null);
  const known = [...(types?.names('struct') ?? [])];
  t.deepEqual(known, MANY.map(type => type.name).slice(0, known.length));
  t.true(known.length > 100 && known.length < 600);
  t.deepEqual(
    issues
      .list()
      .slice(0, 2)
      .map(issue => issue.code),
    ['btf-cut', 'btf-bad-name'],
  );
});

test('BTF of modules: the list of the kernel, damaged or not', t => {
  const { space, symbols, base } = madeModules();
  const issues = new Issues();
  const modules = modulesWithBtf(space.virtual, symbols, base, issues);
  t.deepEqual(
    modules.map(({ name, size, startId }) => [name, startId, size]),
    [
      ['first', base.count + 1, modules[0].size],
      ['second', base.count + 1, modules[1].size],
    ],
  );
  t.is(modules[0].types()?.find('struct', 'of_first')?.members[0].type, base.find('struct', 'list_head') as never);
  t.is(modules[1].types(), null, 'its data is not there');
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['module-btf-unreadable'],
  );
  const damaged = madeModules(true);
  const found = new Issues();
  t.deepEqual(
    modulesWithBtf(damaged.space.virtual, damaged.symbols, damaged.base, found).map(module => module.name),
    ['first'],
  );
  t.deepEqual(
    found.list().map(issue => issue.code),
    ['module-btf-list'],
  );
});

/** Two modules in a list whose entries are at 0x100 and 0x200; struct btf has five members. */
function madeModules(damaged = false): { space: Space; symbols: Symbols; base: BtfTypes } {
  const types: MadeType[] = [
    { name: 'list_head', kind: 4, vlen: 2, third: 16, rest: ['next', 2, 0, 'prev', 2, 64] }, // 1
    { kind: 2, third: 1 }, // 2
    { name: 'btf_module', kind: 4, vlen: 2, third: 24, rest: ['list', 1, 64, 'btf', 4, 0] }, // 3
    { kind: 2, third: 5 }, // 4
    {
      name: 'btf', // 5
      kind: 4,
      vlen: 5,
      third: 80,
      rest: ['data', 2, 0, 'data_size', 6, 64, 'start_id', 6, 96, 'start_str_off', 6, 128, 'name', 7, 160],
    },
    { name: 'unsigned int', kind: 1, third: 4, rest: [32] }, // 6
    { kind: 3, rest: [8, 6, 56] }, // 7
    { name: 'char', kind: 1, third: 1, rest: [8] }, // 8
  ];
  const btf = makeBtf(types);
  const strings = new DataView(btf.buffer).getUint32(20, true);
  const module = makeBtf([{ name: 'of_first', kind: 4, vlen: 1, third: 16, rest: ['list', 1, 0] }], {
    stringsFrom: strings,
  });
  const bytes = new Uint8Array(0x4000);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: bigint) => view.setBigUint64(at, value, true);
  const head = 0x80;
  const entries = [0x100, 0x200];
  for (const [i, at] of [head, ...entries.map(entry => entry + 8)].entries()) {
    const ring = [head, ...entries.map(entry => entry + 8)];
    word(at, VADDR + BigInt(ring[(i + 1) % 3]));
    word(at + 8, VADDR + BigInt(ring[(i + 2) % 3]));
  }
  if (damaged) word(0x210, 0x1234n);
  for (const [i, entry] of entries.entries()) {
    const object = 0x400 + i * 0x100;
    word(entry, VADDR + BigInt(object));
    word(object, i === 0 ? VADDR + 0x1000n : 0xdead_0000n);
    view.setUint32(object + 8, module.length, true);
    view.setUint32(object + 12, types.length + 1, true);
    view.setUint32(object + 16, strings, true);
    bytes.set(new TextEncoder().encode(['first', 'second'][i]), object + 20);
  }
  bytes.set(module, 0x1000);
  bytes.set(btf, 0x2000);
  const space = spaceOf([{ paddr: PADDR, bytes }]);
  const start = VADDR + 0x2000n;
  const symbols = symbolsOf({
    btf_modules: VADDR + BigInt(head),
    __start_BTF: start,
    __stop_BTF: start + BigInt(btf.length),
  });
  return { space, symbols, base: btfOfDump(space, symbols, new Issues()) as BtfTypes };
}

const openReal = (file: string): Promise<Dump> => openDump([new FileSource(realDump(file))]);

/** The bytes of a vmlinux's types by its own .BTF section. */
function linkedTypes(name: string): BtfTypes {
  const source = new FileSource(realVmlinux(name));
  const types = btfOfElf(openElfFile(source), new Issues());
  source.close();
  return types as BtfTypes;
}

const bytesOf = ({ records: { view } }: BtfTypes): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

for (const [name, file] of [
  ['x86_64-6.1', 'x86_64-6.1.elf'],
  ['x86_64-7.3', 'x86_64-7.3.elf'],
  ['x86_64-7.3', 'x86_64-7.3.zstd-d31.kdump'],
  ['arm64-6.1', 'arm64-6.1.elf'],
] as const) {
  realTest(
    `${file}: by symbols and by searching the same as in the vmlinux`,
    [realDump(file), realVmlinux(name)],
    async t => {
      const dump = await openReal(file);
      const expected = linkedTypes(name);
      const { vmcoreinfo } = dump;
      if (vmcoreinfo === null) {
        t.fail('no VMCOREINFO');
        return;
      }
      const few = new LayeredSymbols([new VmcoreinfoSymbols(vmcoreinfo)]);
      for (const symbols of [openSymbols(dump).symbols, few]) {
        const issues = new Issues();
        const types = btfOfDump(dump, symbols, issues);
        t.deepEqual(issues.list(), []);
        t.is(types?.count, expected.count);
        t.is(Buffer.compare(bytesOf(types as BtfTypes), bytesOf(expected)), 0);
        t.deepEqual([...(types as BtfTypes).names('struct')], [...expected.names('struct')]);
      }
      dump.close();
    },
  );
}

for (const file of ['s390x-6.1.elf', 'i386-6.1.elf', 'ppc64le-6.1.elf']) {
  realTest(`${file}: a kernel without BTF`, [realDump(file)], async t => {
    const dump = await openReal(file);
    const issues = new Issues();
    t.is(btfOfDump(dump, openSymbols(dump).symbols, issues), null);
    t.deepEqual(
      issues.list().map(issue => issue.code),
      ['no-btf'],
    );
    dump.close();
  });
}

interface Told {
  readonly types: readonly { id: number; kind: string; name: string; size?: number; vlen?: number }[];
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const truth = realTruth(`${name}/json/modules.json`);
  const files = [realDump(`${name}.elf`), realVmlinux(name), truth];
  realPeerTest(`${name}: BTF of the modules as bpftool reads it`, files, ['bpftool'], async (t, folder) => {
    const dump = await openReal(`${name}.elf`);
    const { symbols } = openSymbols(dump);
    const issues = new Issues();
    const base = btfOfDump(dump, symbols, issues) as BtfTypes;
    const modules = modulesWithBtf(dump.virtual, symbols, base, issues);
    const loaded = (JSON.parse(readFileSync(truth, 'utf8')) as { name: string }[]).map(module => module.name);
    t.deepEqual(
      modules.map(module => module.name),
      loaded,
    );
    for (const module of modules) {
      const path = join(folder, `${module.name}.btf`);
      writeFileSync(path, dump.virtual.bytes(module.data, module.size));
      const args = ['-j', '-B', realVmlinux(name), 'btf', 'dump', 'file', path];
      const told = JSON.parse(peer('bpftool', args, [folder, dirname(realVmlinux(name))]).stdout) as Told;
      const types = module.types();
      t.is(types?.count, told.types.length, module.name);
      for (const { id, kind, name: label, size, vlen } of told.types) {
        if (kind !== 'STRUCT' || label === '(anon)') continue;
        const type = types?.type(id);
        if (type?.kind !== 'struct') {
          t.fail(`${module.name}: type ${id}`);
          continue;
        }
        t.deepEqual([type.name, type.size, type.members.length], [label, size, vlen]);
        t.true(types?.all('struct', label).includes(type));
      }
    }
    t.deepEqual(issues.list(), []);
    dump.close();
  });
}

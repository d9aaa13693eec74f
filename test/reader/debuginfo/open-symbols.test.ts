import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { InputError, MemorySource } from 'kdumpling/reader';
import {
  bytesAtAddress,
  ElfSymbols,
  elfBuildId,
  LayeredSymbols,
  openSymbols,
  SystemMap,
  VmcoreinfoSymbols,
} from 'kdumpling/reader/debuginfo';
import {
  encodeElfHeader,
  encodeSectionHeader,
  type SectionHeader,
  SHT_NOBITS,
  SHT_NOTE,
  SHT_PROGBITS,
  SHT_STRTAB,
  SHT_SYMTAB,
} from 'kdumpling/reader/formats/elf';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { FileSource, openFile } from 'kdumpling/reader/node';
import { hasPeer, peer } from '../../peer.js';
import { realDump, realTest, realTruth, realVmlinux } from '../../real.js';
import { makeKallsyms } from './made-kallsyms.js';

/** [name's offset in the string table, st_info, st_shndx, st_value, st_size] */
type Entry = readonly [name: number, info: number, section: number, value: bigint, size: number];

/** Section 1 .text, 2 .data, 3 .bss, 4 .data..percpu at 0, 5 .symtab, 6 .strtab, 7 .shstrtab, 8 .notes with a build ID. */
function makeElf(bits: 32 | 64, littleEndian: boolean, strings: string, entries: readonly Entry[]): Uint8Array {
  const entry = bits === 64 ? 24 : 16;
  const symbols = new Uint8Array((entries.length + 1) * entry);
  const view = new DataView(symbols.buffer);
  for (const [i, [name, info, section, value, size]] of entries.entries()) {
    const at = (i + 1) * entry;
    view.setUint32(at, name, littleEndian);
    if (bits === 64) {
      view.setUint8(at + 4, info);
      view.setUint16(at + 6, section, littleEndian);
      view.setBigUint64(at + 8, value, littleEndian);
      view.setBigUint64(at + 16, BigInt(size), littleEndian);
    } else {
      view.setUint32(at + 4, Number(value), littleEndian);
      view.setUint32(at + 8, size, littleEndian);
      view.setUint8(at + 12, info);
      view.setUint16(at + 14, section, littleEndian);
    }
  }
  const names = Buffer.from('\0.text\0.data\0.bss\0.data..percpu\0.symtab\0.strtab\0.shstrtab\0.notes\0');
  const note = new Uint8Array(12 + 4 + 4);
  const noteView = new DataView(note.buffer);
  noteView.setUint32(0, 4, littleEndian);
  noteView.setUint32(4, 4, littleEndian);
  noteView.setUint32(8, 3, littleEndian);
  note.set(Buffer.from('GNU\0'), 12);
  note.set([0xde, 0xad, 0xbe, 0xef], 16);
  const strtab = Buffer.from(strings, 'latin1');
  const headerSize = bits === 64 ? 64 : 52;
  let at = headerSize;
  const place = (bytes: Uint8Array) => {
    const offset = at;
    at += bytes.length;
    return { offset, size: bytes.length };
  };
  const named = (text: string) => names.indexOf(`\0${text}\0`) + 1;
  const section = (name: string, type: number, more: Partial<SectionHeader>): SectionHeader => ({
    name: named(name),
    type,
    flags: 0,
    addr: 0n,
    offset: 0,
    size: 0,
    link: 0,
    info: 0,
    addralign: 1,
    entsize: 0,
    ...more,
  });
  const sections = [
    { ...section('', 0, {}), name: 0 },
    section('.text', SHT_PROGBITS, { flags: 6, addr: 0xc000_0000n, size: 0x1000 }),
    section('.data', SHT_PROGBITS, { flags: 3, addr: 0xc000_1000n, size: 0x1000 }),
    section('.bss', SHT_NOBITS, { flags: 3, addr: 0xc000_2000n, size: 0x1000 }),
    section('.data..percpu', SHT_PROGBITS, { flags: 3, addr: 0n, size: 0x2000 }),
    section('.symtab', SHT_SYMTAB, { ...place(symbols), link: 6, entsize: entry }),
    section('.strtab', SHT_STRTAB, place(strtab)),
    section('.shstrtab', SHT_STRTAB, place(names)),
    section('.notes', SHT_NOTE, place(note)),
  ];
  const size = bits === 64 ? 64 : 40;
  const file = new Uint8Array(at + sections.length * size);
  const kind = { bits, littleEndian };
  const header = { osabi: 0, abiVersion: 0, type: 2, machine: 62, entry: 0n, phoff: 0, shoff: at, flags: 0 };
  const counts = { ehsize: headerSize, phentsize: 0, phnum: 0, shentsize: size, shnum: sections.length, shstrndx: 7 };
  file.set(encodeElfHeader({ ...kind, ...header, ...counts }));
  for (const [i, bytes] of [symbols, strtab, names, note].entries()) file.set(bytes, sections[5 + i].offset);
  const fileView = new DataView(file.buffer);
  for (const [i, one] of sections.entries()) encodeSectionHeader(one, kind, fileView, at + i * size);
  return file;
}

//                 0 1       8            21      29         40  44        54
const STRINGS = '\0_stext\0vfs_schedule\0runq\0$x\0__per_cpu_start\0__per_cpu_end\0_end\0data\0';
const at = (name: string): number => STRINGS.indexOf(`${name}\0`);
const FUNC = 0x12;
const OBJECT = 0x11;
const LOCAL = 0x00;
const ENTRIES: readonly Entry[] = [
  [at('_stext'), 0x10, 1, 0xc000_0000n, 0],
  [at('vfs_schedule'), FUNC, 1, 0xc000_0100n, 0x40],
  // The tail of vfs_schedule, as linkers share it.
  [at('schedule'), 0x02, 1, 0xc000_0200n, 0x40],
  [at('$x'), LOCAL, 1, 0xc000_0210n, 0],
  [at('__per_cpu_start'), 0x10, 4, 0n, 0],
  [at('runq'), OBJECT, 4, 0x80n, 0x100],
  [at('__per_cpu_end'), 0x10, 4, 0x2000n, 0],
  [at('data'), OBJECT, 2, 0xc000_1010n, 8],
  [at('_end'), 0x10, 3, 0xc000_3000n, 0],
];

for (const [bits, littleEndian] of [
  [64, true],
  [64, false],
  [32, true],
  [32, false],
] as const) {
  test(`symbol table, ${bits} bits, ${littleEndian ? 'little' : 'big'} endian`, t => {
    const symbols = ElfSymbols.open(new MemorySource(makeElf(bits, littleEndian, STRINGS, ENTRIES), 'vmlinux'));
    symbols.shift = 0x20_0000n;
    const found = symbols.resolve(['schedule', 'vfs_schedule', 'runq', 'data', 'stext']);
    t.deepEqual([...found.keys()].sort(), ['data', 'runq', 'schedule', 'vfs_schedule']);
    t.deepEqual(found.get('schedule'), {
      name: 'schedule',
      address: 0xc020_0200n,
      size: 0x40,
      sizeFrom: 'exact',
      type: 't',
      perCpu: false,
      module: null,
    });
    t.is(found.get('vfs_schedule')?.type, 'T');
    t.is(found.get('data')?.type, 'D');
    // A template linked at 0 does not move.
    t.is(found.get('runq')?.address, 0x80n);
    t.true(found.get('runq')?.perCpu);
    t.is(symbols.at(0xc020_0215n)?.name, 'schedule');
    t.is(symbols.at(0xc020_0240n), null);
    t.is(symbols.at(0xc020_0000n)?.sizeFrom, 'neighbour');
    t.is(symbols.at(0xc020_0000n)?.size, 0x100);
    t.is(symbols.at(0xc020_3000n), null);
    t.is(symbols.at(0x17fn)?.name, 'runq');
  });
}

test('names are found wherever a window of the string table ends', t => {
  // 300,000 bytes of string table: the names asked for lie around the border at 2^18.
  const names = Array.from({ length: 25000 }, (_, i) => `symbol_${i}${'x'.repeat(i % 5)}`);
  const strings = `\0${names.join('\0')}\0`;
  let offset = 1;
  const offsets = names.map(name => {
    const start = offset;
    offset += name.length + 1;
    return start;
  });
  const border = offsets.findIndex(one => one > 1 << 18);
  const entries = [border - 2, border - 1, border, border + 1].map(
    (i): Entry => [offsets[i], FUNC, 1, 0xc000_0000n + BigInt(i), 1],
  );
  const symbols = ElfSymbols.open(new MemorySource(makeElf(64, true, strings, entries), 'vmlinux'));
  for (let i = border - 2; i <= border + 1; i++) {
    t.is(symbols.resolve([names[i]]).get(names[i])?.address, 0xc000_0000n + BigInt(i), names[i]);
  }
});

test('files that have no symbols are refused with a sentence', t => {
  const good = makeElf(64, true, STRINGS, ENTRIES);
  const stripped = Uint8Array.from(good);
  const shoff = Number(new DataView(good.buffer).getBigUint64(40, true));
  new DataView(stripped.buffer).setUint32(shoff + 5 * 64 + 4, SHT_PROGBITS, true);
  t.throws(() => ElfSymbols.open(new MemorySource(stripped, 'vmlinux')), {
    instanceOf: InputError,
    message: /no symbol table/,
  });
  const short = good.slice(0, good.length - 1);
  t.throws(() => ElfSymbols.open(new MemorySource(short, 'vmlinux')), { instanceOf: InputError, message: /e_shnum/ });
  const passing = Uint8Array.from(good);
  new DataView(passing.buffer).setBigUint64(shoff + 5 * 64 + 32, 1n << 40n, true);
  t.throws(() => ElfSymbols.open(new MemorySource(passing, 'vmlinux')), {
    instanceOf: InputError,
    message: /passes the end of the file/,
  });
});

test('whatever bytes change in a symbol file, it is read or refused', t => {
  const good = [makeElf(64, true, STRINGS, ENTRIES), makeElf(32, false, STRINGS, ENTRIES)];
  const change = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff) });
  fc.assert(
    fc.property(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 6 }), (file, changes) => {
      const bytes = Uint8Array.from(file);
      for (const { at: place, value } of changes) bytes[place % bytes.length] = value;
      try {
        const symbols = ElfSymbols.open(new MemorySource(bytes, 'vmlinux'));
        symbols.resolve(['schedule', 'runq', 'data']);
        symbols.at(0xc000_0210n);
        elfBuildId(symbols.file);
        bytesAtAddress(symbols.file, 0xc000_0000n, 16);
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
      }
    }),
    { numRuns: 2000, seed: 7 },
  );
  t.pass();
});

const MAP = `0000000000000000 D __per_cpu_start
0000000000000080 D runq
0000000000002000 D __per_cpu_end
ffffffff81000000 T _text
ffffffff81000000 T _stext
ffffffff81000100 t helper
ffffffff81000180 T schedule
ffffffff82000000 D init_task
ffffffff82001000 B _end
`;

test('System.map, moved by KASLR', t => {
  const map = SystemMap.open(new MemorySource(Buffer.from(MAP), 'System.map'));
  map.shift = 0x100_0000n;
  t.is(map.count, 9);
  const found = map.resolve(['schedule', 'runq', 'nothing']);
  t.is(found.get('schedule')?.address, 0xffff_ffff_8200_0180n);
  t.is(found.get('schedule')?.type, 'T');
  t.is(found.get('runq')?.address, 0x80n);
  t.true(found.get('runq')?.perCpu);
  t.is(map.at(0xffff_ffff_8200_017fn)?.name, 'helper');
  t.is(map.at(0xffff_ffff_8200_0000n)?.name, '_text');
  t.is(map.at(0xffff_ffff_8300_1000n), null);
  t.deepEqual(map.linked(['_stext']), new Map([['_stext', 0xffff_ffff_8100_0000n]]));
  t.throws(() => SystemMap.open(new MemorySource(Buffer.from('hello\n'), 'notes.txt')), { instanceOf: InputError });
});

test('SYMBOL() lines that are no addresses are no symbols', t => {
  const symbols = new VmcoreinfoSymbols(
    new Vmcoreinfo('SYMBOL(prb)=c1000010\nSYMBOL(mem_section)=c2000000\nSYMBOL(vmemmap)=c3000000\nNUMBER(PG_lru)=4\n'),
  );
  t.is(symbols.count, 1);
  t.is(symbols.resolve(['prb', 'mem_section', 'vmemmap']).size, 1);
  t.is(symbols.at(0xc100_0010n)?.name, 'prb');
  t.is(symbols.at(0xc100_0011n), null);
});

test('layers answer what those before them could not', t => {
  const first = SystemMap.open(new MemorySource(Buffer.from(MAP), 'System.map'));
  const second = new VmcoreinfoSymbols(new Vmcoreinfo('SYMBOL(prb)=ffffffff82005000\nSYMBOL(schedule)=1\n'));
  const both = new LayeredSymbols([first, second]);
  t.is(both.source, 'system-map,vmcoreinfo');
  const found = both.resolve(['prb', 'schedule']);
  t.is(found.get('schedule')?.address, 0xffff_ffff_8100_0180n);
  t.is(found.get('prb')?.address, 0xffff_ffff_8200_5000n);
  t.is(both.at(0xffff_ffff_8200_5000n)?.name, 'prb');
});

function made(buildId: string | null) {
  const symbols = [
    { type: 'T', name: '_stext', stored: 0 },
    { type: 'T', name: 'schedule', stored: 0x200 },
    { type: 'B', name: '_end', stored: 0x4000 },
  ];
  const built = makeKallsyms({ vaddr: 0xc050_0000n, symbols, relativeBase: 0xc020_0000n });
  const id = buildId === null ? '' : `BUILD-ID=${buildId}\n`;
  const vmcoreinfo = new Vmcoreinfo(`OSRELEASE=6.1.0\n${id}SYMBOL(_stext)=c0200000\n${built.lines}`);
  return { physical: built.physical, virtual: built.virtual, vmcoreinfo };
}

test('a vmlinux of the same build ID is moved to where the kernel runs', t => {
  const vmlinux = new MemorySource(makeElf(64, true, STRINGS, ENTRIES), 'vmlinux');
  const { symbols, issues } = openSymbols(made('DEADBEEF'), { vmlinux });
  t.deepEqual(issues.list(), []);
  t.is(symbols.source, 'symtab,kallsyms,vmcoreinfo');
  t.is(symbols.resolve(['data']).get('data')?.address, 0xc020_1010n);
});

test('a vmlinux of another kernel is refused with both build IDs, unless forced', t => {
  const vmlinux = new MemorySource(makeElf(64, true, STRINGS, ENTRIES), 'vmlinux');
  t.throws(() => openSymbols(made('0123456789'), { vmlinux }), {
    instanceOf: InputError,
    message: /deadbeef.*0123456789/,
  });
  const { symbols, issues } = openSymbols(made('0123456789'), { vmlinux, force: true });
  t.true(issues.has('vmlinux-forced'));
  t.is(symbols.resolve(['data']).get('data')?.address, 0xc020_1010n);
  const unchecked = openSymbols(made(null), { vmlinux });
  t.true(unchecked.issues.has('vmlinux-unchecked'));
});

test('a dump with nothing in it has no symbols, and says so', t => {
  const { physical, virtual } = made(null);
  const { symbols, issues } = openSymbols({ physical, virtual, vmcoreinfo: null });
  t.is(symbols.count, 0);
  t.is(symbols.source, '');
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['no-kallsyms', 'no-symbols'],
  );
});

/** Names that readelf gives one address, by name. */
function readelfSymbols(file: string): Map<string, { value: bigint; size: number }> {
  const { stdout } = peer('readelf', ['-sW', file], [dirname(file)]);
  const found = new Map<string, { value: bigint; size: number } | null>();
  for (const line of stdout.split('\n')) {
    const [, value, size, type, , , section, name] =
      /^\s*\d+: (\w+)\s+(\w+) (\w+)\s+(\w+)\s+(\w+)\s+(\w+) (\S+)/.exec(line) ?? [];
    if (name === undefined || section === 'UND' || section === 'ABS' || type === 'FILE' || type === 'SECTION') continue;
    found.set(name, found.has(name) ? null : { value: BigInt(`0x${value}`), size: Number(size) });
  }
  return new Map([...found].filter((one): one is [string, { value: bigint; size: number }] => one[1] !== null));
}

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'arm64-6.1', 'i386-6.1', 'ppc64le-6.1', 's390x-6.1']) {
  const files = [realDump(`${name}.elf`), realVmlinux(name)];
  realTest(`symbols of the vmlinux of ${name} lie where kallsyms and readelf say`, files, async t => {
    if (!hasPeer('readelf')) {
      t.fail('readelf is missing');
      return;
    }
    const dump = await openFile(files[0]);
    const vmlinux = new FileSource(files[1]);
    const { symbols, issues } = openSymbols(dump, { vmlinux });
    const [elf, kallsyms] = symbols.layers;
    t.deepEqual(issues.list(), []);
    t.is(symbols.source, 'symtab,kallsyms,vmcoreinfo');
    const truth = [...readelfSymbols(files[1])].filter((_, i) => i % 211 === 0);
    const names = truth.map(([one]) => one);
    const { shift } = elf as ElfSymbols;
    t.is(elf.resolve(['_stext']).get('_stext')?.address, dump.vmcoreinfo?.symbol('_stext'));
    const found = elf.resolve(names);
    const inDump = kallsyms.resolve(names);
    let both = 0;
    for (const [one, { value, size }] of truth) {
      const symbol = found.get(one);
      t.is(symbol?.size, size, one);
      // Per-CPU templates linked at 0 do not move.
      const moved = symbol?.perCpu && value < 0x10_0000n ? value : BigInt.asUintN(64, value + shift);
      t.is(symbol?.address, moved, one);
      if (!inDump.has(one)) continue;
      both++;
      t.is(inDump.get(one)?.address, moved, one);
    }
    t.true(both > 20, `${both} of ${truth.length} are in both`);
    vmlinux.close();
    dump.close();
  });
}

realTest(
  'addresses of x86_64-6.1 belong to the symbols that drgn names',
  [realDump('x86_64-6.1.elf'), realVmlinux('x86_64-6.1'), realTruth('x86_64-6.1/json/kallsyms.json')],
  async t => {
    const dump = await openFile(realDump('x86_64-6.1.elf'));
    const vmlinux = new FileSource(realVmlinux('x86_64-6.1'));
    const truth = JSON.parse(readFileSync(realTruth('x86_64-6.1/json/kallsyms.json'), 'utf8')) as {
      address_to_symbol: { addr: string; elf_symbol?: string; symbol_addr?: string }[];
    };
    const [elf] = openSymbols(dump, { vmlinux }).symbols.layers;
    for (const { addr, symbol_addr: start } of truth.address_to_symbol) {
      t.is(elf.at(BigInt(addr))?.address ?? null, start === undefined ? null : BigInt(start), addr);
    }
    vmlinux.close();
    dump.close();
  },
);

realTest(
  'the vmlinux of another kernel is refused',
  [realDump('x86_64-7.3.elf'), realVmlinux('x86_64-6.1')],
  async t => {
    const dump = await openFile(realDump('x86_64-7.3.elf'));
    const vmlinux = new FileSource(realVmlinux('x86_64-6.1'));
    t.throws(() => openSymbols(dump, { vmlinux }), {
      instanceOf: InputError,
      message: /3b43fad5034874490492495d552c0af6a5fab235.*1fe9968467f2755292a45806719b9bba136b0cc8/,
    });
    vmlinux.close();
    dump.close();
  },
);

import { readFileSync } from 'node:fs';
import test from 'ava';
import {
  AddressMap,
  type AddressRange,
  Attributes,
  buildAddressMap,
  type FaultRecord,
  formatRanges,
  Issues,
  MemoryFault,
} from 'kdumpling/reader';
import { architectureByName } from 'kdumpling/reader/arch';
import { NO_PADDR, type ProgramHeader, PT_LOAD } from 'kdumpling/reader/formats/elf';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { openFile } from 'kdumpling/reader/node';
import { realDump, realTest, realTruth } from '../real.js';
import { PiecesMemory } from './pieces-memory.js';

const counting = (length: number, first: number) => Uint8Array.from({ length }, (_, i) => (first + i) & 0xff);

function range(first: bigint, length: number, target: number, method: AddressRange['method'] = 'segment') {
  return { name: 'r', method, first, last: first + BigInt(length) - 1n, target, confirmedBy: '', partial: false };
}

function segment(part: Partial<ProgramHeader>): ProgramHeader {
  const filesz = part.filesz ?? 0;
  return { type: PT_LOAD, flags: 7, offset: 0, vaddr: 0n, paddr: 0, filesz, memsz: filesz, align: 0, ...part };
}

function build(physical: PiecesMemory, segments: readonly ProgramHeader[], more = {}) {
  const attributes = new Attributes();
  const issues = new Issues();
  const map = buildAddressMap({
    physical,
    segments,
    arch: null,
    vmcoreinfo: null,
    attributes,
    issues,
    ...more,
  });
  return { map, attributes, issues };
}

const bytesAt = (map: AddressMap, vaddr: bigint, length: number): number[] | string => {
  const at = map.locate(vaddr, length);
  return at < 0 ? map.fault.reason : [...map.arena.subarray(at, at + length)];
};

test('two segments at one physical address answer at both virtual addresses', t => {
  const physical = new PiecesMemory([{ paddr: 0x1000, bytes: counting(64, 1) }]);
  const { map } = build(physical, [
    segment({ vaddr: 0xffff_8000_0000_1000n, paddr: 0x1000, filesz: 64 }),
    segment({ vaddr: 0xffff_ffff_8100_0000n, paddr: 0x1000, filesz: 64 }),
  ]);
  t.deepEqual(bytesAt(map, 0xffff_8000_0000_1008n, 3), [9, 10, 11]);
  t.deepEqual(bytesAt(map, 0xffff_ffff_8100_0008n, 3), [9, 10, 11]);
  t.is(map.translate(0xffff_ffff_8100_003fn), 0x103f);
  t.is(map.translate(0xffff_ffff_8100_0040n), -1);
  t.is(map.fault.reason, 'not-present');
  t.is(map.fault.space, 'virtual');
});

test('bytes across segments that are apart in physical memory are put together', t => {
  const physical = new PiecesMemory([
    { paddr: 0x9000, bytes: counting(16, 0) },
    { paddr: 0x2000, bytes: counting(16, 100) },
    { paddr: 0x5000, bytes: counting(16, 200) },
  ]);
  const { map } = build(physical, [
    segment({ vaddr: 0xc000_0000n, paddr: 0x9000, filesz: 16 }),
    segment({ vaddr: 0xc000_0010n, paddr: 0x2000, filesz: 16 }),
    segment({ vaddr: 0xc000_0020n, paddr: 0x5000, filesz: 16 }),
  ]);
  const expected = [14, 15, ...counting(16, 100), 200, 201];
  t.deepEqual(bytesAt(map, 0xc000_000en, 20), expected);
  t.deepEqual([...map.bytes(0xc000_000en, 20)], expected);
  t.is(map.u32(0xc000_000en), 0x65640f0e);
  t.is(bytesAt(map, 0xc000_002en, 4), 'not-present');
  const error = t.throws(() => map.read(0xc000_002en, new Uint8Array(4)), { instanceOf: MemoryFault });
  t.is(error?.address, 0xc000_0030n);
});

test('text ends at a NUL, or where memory ends, to the byte', t => {
  const bytes = new Uint8Array(205);
  bytes.fill(0x61);
  const physical = new PiecesMemory([
    { paddr: 0x1000, bytes },
    { paddr: 0x3000, bytes: Buffer.from('short\0rest') },
  ]);
  const map = new AddressMap(physical, [range(0x1000n, 205, 0x1000), range(0x3000n, 10, 0x3000)]);
  t.is(map.text(0x1000n, 4096), 'a'.repeat(205));
  t.is(map.text(0x1000n, 100), 'a'.repeat(100));
  t.is(map.text(0x3000n, 4096), 'short');
  t.is(physical.text(0x10cc, 64), 'a');
  t.throws(() => map.text(0x2000n, 64), { instanceOf: MemoryFault });
});

test('of ranges that overlap the first wins, and the other keeps the rest', t => {
  const physical = new PiecesMemory([{ paddr: 0, bytes: counting(256, 0) }]);
  const map = new AddressMap(physical, [range(0x1010n, 16, 100), range(0x1000n, 64, 0), range(0x1008n, 4, 200)]);
  t.is(map.translate(0x1008n), 8);
  t.is(map.translate(0x1010n), 100);
  t.is(map.translate(0x101fn), 115);
  t.is(map.translate(0x1020n), 32);
  t.is(map.translate(0x103fn), 63);
  t.is(map.translate(0x1040n), -1);
});

test('addresses are exact up to the last of 64 bits', t => {
  const physical = new PiecesMemory([{ paddr: 0x7000, bytes: counting(256, 0) }]);
  const map = new AddressMap(physical, [
    range(0xffff_ffff_ffff_ff00n, 256, 0x7000),
    range(0xffff_ffff_0000_0000n, 8, 0x7010),
  ]);
  t.is(map.translate(0xffff_ffff_ffff_ffffn), 0x70ff);
  t.is(map.translate(0xffff_ffff_ffff_feffn), -1);
  t.is(map.translate(0xffff_ffff_0000_0007n), 0x7017);
  t.is(map.translate(0xffff_fffe_ffff_ffffn), -1);
});

test('what a segment claims beyond its file size never hides bytes of another', t => {
  const physical = new PiecesMemory([{ paddr: 0x1000, bytes: counting(32, 0) }]);
  const { map } = build(physical, [
    segment({ vaddr: 0xc000_0000n, paddr: 0x1000, filesz: 16, memsz: 2 ** 40 }),
    segment({ vaddr: 0xc000_0010n, paddr: 0x1010, filesz: 16, memsz: 2 ** 64 - 4096 }),
  ]);
  t.deepEqual(bytesAt(map, 0xc000_0010n, 2), [16, 17]);
  t.is(bytesAt(map, 0xc000_0020n, 2), 'hole');
  t.is(map.translate(0xc000_0020n), 0x1020);
});

test('a segment without a virtual address of its own claims none', t => {
  const physical = new PiecesMemory([{ paddr: 0x1000, bytes: counting(16, 0) }]);
  const { map } = build(physical, [
    segment({ vaddr: 0n, paddr: 0x1000, filesz: 16 }),
    segment({ vaddr: 0x1000n, paddr: 0x1000, filesz: 16 }),
  ]);
  t.deepEqual(map.ranges, []);
  t.is(bytesAt(map, 0x1000n, 1), 'not-present');
});

test('a core without physical addresses is read by file offset, and says that it has none', t => {
  const physical = new PiecesMemory([]);
  const file = new PiecesMemory([{ paddr: 0x200, bytes: counting(32, 7) }]);
  const { map } = build(physical, [segment({ vaddr: 0xc000_0000n, paddr: NO_PADDR, offset: 0x200, filesz: 32 })], {
    file,
  });
  t.deepEqual(bytesAt(map, 0xc000_0001n, 2), [8, 9]);
  t.is(map.translate(0xc000_0001n), -1);
  t.regex(map.fault.toError().message, /no physical addresses/);
  t.deepEqual(formatRanges(map.ranges), ['0xc0000000-0xc000001f file segment -> file offset 0x200']);
});

test('addresses of a region core that no region holds are unregistered', t => {
  const physical = new PiecesMemory([{ paddr: 0x1000, bytes: counting(16, 0) }]);
  const { map } = build(physical, [segment({ vaddr: 0xc000_0000n, paddr: 0x1000, filesz: 16 })], {
    missing: 'unregistered',
  });
  t.is(bytesAt(map, 0xd000_0000n, 1), 'unregistered');
});

test('a translator is asked for what no range holds, page by page', t => {
  const physical = new PiecesMemory([
    { paddr: 0x3000, bytes: counting(4096, 1) },
    { paddr: 0x8000, bytes: counting(4096, 2) },
  ]);
  const map = new AddressMap(physical, []);
  let reach = 0;
  map.translator = {
    translate(vaddr: bigint, fault: FaultRecord): number {
      const page = vaddr >> 12n;
      const into = Number(vaddr & 0xfffn);
      reach = 4096 - into;
      if (page === 5n) return 0x3000 + into;
      if (page === 6n) return 0x8000 + into;
      return fault.set('virtual', vaddr, 1, 'not-present', 'pte');
    },
    get reach() {
      return reach;
    },
  };
  t.deepEqual(bytesAt(map, 0x5ffen, 4), [255, 0, 2, 3]);
  t.is(bytesAt(map, 0x6fffn, 2), 'not-present');
});

const KERNEL_TEXT = (release: string) => {
  const bytes = new Uint8Array(4096);
  bytes.set(Buffer.from('Linux'), 0x100);
  bytes.set(Buffer.from(release), 0x100 + 2 * 65);
  return bytes;
};

const I386 = (stext: string, symbol: string) =>
  new Vmcoreinfo(
    `OSRELEASE=6.1.0\nPAGESIZE=4096\nSYMBOL(_stext)=${stext}\nSYMBOL(init_uts_ns)=${symbol}\nOFFSET(uts_namespace.name)=0\n`,
  );

test('a linear map is used once the release was read through it', t => {
  const physical = new PiecesMemory([{ paddr: 0x100_0000, bytes: KERNEL_TEXT('6.1.0') }], true, 4);
  const arch = architectureByName('i386');
  const { map, issues } = build(physical, [], { arch, vmcoreinfo: I386('c1000000', 'c1000100') });
  t.is(map.translate(0xc100_0100n), 0x100_0100);
  t.is(map.ranges[0].confirmedBy, 'init_uts_ns');
  t.deepEqual(issues.list(), []);
  // The same kernel split at 2 GiB: the candidate is another.
  const split = build(physical, [], { arch, vmcoreinfo: I386('81000000', '81000100') });
  t.is(split.map.translate(0x8100_0100n), 0x100_0100);
});

test('a linear map through which something else is read is not used, and that is told', t => {
  const physical = new PiecesMemory([{ paddr: 0x100_0000, bytes: KERNEL_TEXT('5.10.0') }], true, 4);
  const { map, issues } = build(physical, [], {
    arch: architectureByName('i386'),
    vmcoreinfo: I386('c1000000', 'c1000100'),
  });
  t.deepEqual(map.ranges, []);
  t.deepEqual(
    issues.list().map(issue => issue.code),
    ['map-unconfirmed'],
  );
  t.regex(issues.list()[0].message, /not the kernel release/);
});

test('what the user says of a map needs no proof', t => {
  const physical = new PiecesMemory([{ paddr: 0x100_0000, bytes: KERNEL_TEXT('5.10.0') }], true, 4);
  const { map } = build(physical, [], {
    arch: architectureByName('i386'),
    vmcoreinfo: I386('c1000000', 'c1000100'),
    attributes: new Attributes(new Map([['map.linear.offset', '0xc0000000']])),
  });
  t.is(map.translate(0xc100_0100n), 0x100_0100);
  t.is(map.ranges[0].confirmedBy, 'the user');
});

const X86 = (lines: string) =>
  new Vmcoreinfo(
    `OSRELEASE=6.1.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\nSYMBOL(init_uts_ns)=ffffffff81000100\nNUMBER(phys_base)=-15728640\n${lines}`,
  );

test('x86-64: the image by a negative phys_base, the linear map by the sections that the kernel points at', t => {
  // phys_base -15 MiB puts _stext at 1 MiB. mem_section at 3 GiB + 0x2000 of a linear map from 0xffff900040000000: one table at +0x3000, its first section present.
  const gib = 2 ** 30;
  const root = new Uint8Array(4096);
  new DataView(root.buffer).setBigUint64(8, 0xffff_9001_0000_3000n, true);
  const sections = new Uint8Array(4096);
  new DataView(sections.buffer).setBigUint64(0, 0xffff_ea00_0000_0003n, true);
  const physical = new PiecesMemory([
    { paddr: 0x10_0000, bytes: KERNEL_TEXT('6.1.0') },
    { paddr: 3 * gib + 0x2000, bytes: root },
    { paddr: 3 * gib + 0x3000, bytes: sections },
  ]);
  const { map, issues, attributes } = build(physical, [], {
    arch: architectureByName('x86_64'),
    vmcoreinfo: X86(
      'SYMBOL(mem_section)=ffff900100002000\nLENGTH(mem_section)=2\nSIZE(mem_section)=16\nOFFSET(mem_section.section_mem_map)=0\n',
    ),
  });
  t.deepEqual(issues.list(), []);
  t.is(map.translate(0xffff_ffff_8100_0100n), 0x10_0100);
  t.is(map.translate(0xffff_9000_4000_0000n), 0);
  t.is(map.translate(0xffff_9001_0000_2000n), 3 * gib + 0x2000);
  t.deepEqual(attributes.get('map.linear.offset'), {
    value: 0xffff_9000_4000_0000n,
    from: 'VMCOREINFO, confirmed by mem_section',
  });
});

test('x86-64: a region core whose regions tell the maps confirms both', t => {
  const physical = new PiecesMemory([{ paddr: 0x30_0000, bytes: counting(64, 0) }]);
  const { map, issues } = build(
    physical,
    [
      segment({ vaddr: 0xffff_ffff_8120_0000n, paddr: 0x30_0000, filesz: 32 }),
      segment({ vaddr: 0xffff_8880_0030_0020n, paddr: 0x30_0020, filesz: 32 }),
    ],
    { arch: architectureByName('x86_64'), vmcoreinfo: X86(''), missing: 'unregistered' },
  );
  t.deepEqual(issues.list(), []);
  t.deepEqual(bytesAt(map, 0xffff_8880_0030_0000n, 2), [0, 1]);
  t.deepEqual(bytesAt(map, 0xffff_ffff_8120_0030n, 2), [48, 49]);
});

for (const name of ['x86_64-6.1', 'x86_64-7.3', 'trace-6.1', 'arm64-6.1', 'i386-6.1', 'ppc64le-6.1', 's390x-6.1']) {
  realTest(`the image and linear maps of ${name} are confirmed`, [realDump(`${name}.elf`)], async t => {
    const dump = await openFile(realDump(`${name}.elf`));
    t.deepEqual(dump.issues.list(), []);
    const maps = dump.virtual.ranges.filter(({ method }) => method === 'linear');
    const both = name.startsWith('x86') || name.startsWith('trace') || name.startsWith('arm64');
    t.deepEqual(
      maps.map(({ name: map }) => map),
      both ? ['image', 'linear'] : ['linear'],
    );
    // swapper_pg_dir is page-aligned and within the image.
    const pgd = dump.vmcoreinfo?.symbol('swapper_pg_dir') ?? 0n;
    t.true(dump.virtual.translate(pgd) > 0);
    t.is(dump.virtual.translate(pgd) % 4096, 0);
    dump.close();
  });
}

interface KernelTranslation {
  readonly kind: string;
  readonly va: string;
  readonly phys: string | null;
  readonly bytes: string | null;
}

for (const name of ['x86_64-6.1', 'x86_64-7.3']) {
  const files = [
    realDump(`${name}.elf`),
    realTruth(`${name}/json/vtop_kernel.json`),
    realTruth(`${name}/json/meta.json`),
  ];
  realTest(`maps of ${name} translate as page tables do, walked by drgn`, files, async t => {
    const dump = await openFile(files[0]);
    const truth = JSON.parse(readFileSync(files[1], 'utf8')) as KernelTranslation[];
    let compared = 0;
    for (const { va, phys, bytes } of truth) {
      const paddr = dump.virtual.translate(BigInt(va));
      if (paddr < 0) continue;
      compared++;
      t.is(paddr, Number(phys), va);
      t.is(Buffer.from(dump.virtual.bytes(BigInt(va), 16)).toString('hex'), bytes ?? '', va);
    }
    t.true(compared > 20, `${compared} of ${truth.length} addresses are in a map`);
    const meta = JSON.parse(readFileSync(files[2], 'utf8')) as { page_offset_base: string };
    t.is(dump.attributes.get('map.linear.offset')?.value, BigInt(meta.page_offset_base));
    dump.close();
  });
}

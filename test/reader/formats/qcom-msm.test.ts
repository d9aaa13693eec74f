// Downstream header blobs: where everything lies by the reference, what readelf sees, and what damage does.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Parser } from 'binary-parser';
import { InputError, Issues } from 'kdumpling/reader';
import {
  decodeMsmHeader,
  encodeMsmHeader,
  isMsmHeader,
  MSM_SHAPES,
  type MsmDescription,
  type MsmShape,
} from 'kdumpling/reader/formats/qcom-msm';
import { dir } from 'tmp-promise';
import { hex, patched } from '../../hex.js';
import { peer, peerTest } from '../../peer.js';

const BANNER = 'Linux version 5.15.0-msm #1\n';
const REGIONS = [
  { name: 'KDATABSS', vaddr: 0xffff_ffc0_0a00_0000n, paddr: 0xa000_0000, size: 0x10_0000 },
  { name: 'KSTACK0_1', vaddr: 0xffff_ff80_1234_5000n, paddr: 0x1_2345_6000, size: 4096 },
];
const DESCRIPTION: MsmDescription = {
  bits: 64,
  littleEndian: true,
  machine: 183,
  shape: 'table-banner',
  slots: 201,
  banner: { text: new TextEncoder().encode(BANNER), vaddr: 0xffff_ffc0_0900_0000n, paddr: 0x9000_0000 },
  tableAddress: 0xffff_ffc0_0b00_0000n,
  regions: REGIONS,
};
const TOTAL = Math.ceil((64 + 3216 + BANNER.length + 1 + 120 * 205) / 4) * 4;
/** Sections before the first region's, by shape: [name, offset, size]. */
const FIXED: Readonly<Record<MsmShape, readonly (readonly [string, number, number])[]>> = {
  'table-banner': [
    ['', 0, 0],
    ['STR_TBL', 24184, 3216],
    ['minidump_table', 0, 0],
    ['linux_banner', 27400, BANNER.length + 1],
  ],
  banner: [
    ['', 0, 0],
    ['STR_TBL', 24184, 3216],
    ['linux_banner', 27400, BANNER.length + 1],
  ],
  'table-at-banner': [
    ['', 0, 0],
    ['STR_TBL', 24184, 3216],
    ['minidump_table', 27400, BANNER.length + 1],
    ['', 0, 0],
  ],
};

for (const shape of MSM_SHAPES) {
  test(`${shape}: every record at its place, by an independent decoder`, t => {
    const bytes = encodeMsmHeader({ ...DESCRIPTION, shape });
    t.is(bytes.length, TOTAL);
    const section = new Parser()
      .endianness('little')
      .uint32('name')
      .uint32('type')
      .uint64('flags')
      .uint64('addr')
      .uint64('offset')
      .uint64('size')
      .seek(24);
    const segment = new Parser()
      .endianness('little')
      .uint32('type')
      .uint32('flags')
      .uint64('offset')
      .uint64('vaddr')
      .uint64('paddr')
      .uint64('filesz')
      .uint64('memsz')
      .uint64('align');
    const file = new Parser()
      .endianness('little')
      .seek(16)
      .uint16('type')
      .uint16('machine')
      .seek(12)
      .uint64('phoff')
      .uint64('shoff')
      .seek(6)
      .uint16('phentsize')
      .uint16('phnum')
      .uint16('shentsize')
      .uint16('shnum')
      .uint16('shstrndx')
      .array('sections', { type: section, length: 201 })
      .array('segments', { type: segment, length: 201 });
    type Record64 = Record<'name' | 'type' | 'flags', number> & Record<'addr' | 'offset' | 'size', bigint>;
    type Segment64 = Record<'type' | 'flags', number> & Record<'offset' | 'vaddr' | 'paddr' | 'filesz', bigint>;
    const elf = file.parse(bytes) as Record<string, number> & { sections: Record64[]; segments: Segment64[] };
    t.is(elf['type'], 4);
    t.is(BigInt(elf['phoff']), 12928n);
    t.is(BigInt(elf['shoff']), 64n);
    t.is(elf['shstrndx'], 1);
    const fixed = FIXED[shape];
    t.is(elf['shnum'], fixed.length + 2);
    t.is(elf['phnum'], 3);
    const text = Buffer.from(bytes);
    const nameOf = (each: Record64) => {
      const at = 24184 + each.name;
      return text.toString('latin1', at, text.indexOf(0, at));
    };
    const wanted = [...fixed, ['KDATABSS', TOTAL, 0x10_0000], ['KSTACK0_1', TOTAL + 0x10_0000, 4096]];
    t.deepEqual(
      elf.sections.slice(0, elf['shnum']).map(each => [nameOf(each), Number(each.offset), Number(each.size)]),
      wanted as (string | number)[][],
    );
    t.deepEqual(
      elf.segments.slice(0, 4).map(({ type, offset, paddr, filesz }) => [type, offset, paddr, filesz]),
      [
        [1, 27400n, 0x9000_0000n, BigInt(BANNER.length + 1)],
        [1, BigInt(TOTAL), 0xa000_0000n, 0x10_0000n],
        [1, BigInt(TOTAL + 0x10_0000), 0x1_2345_6000n, 4096n],
        [0, 0n, 0n, 0n],
      ],
    );
    t.is(text.toString('latin1', 27400, 27400 + BANNER.length), BANNER);
  });

  test(`${shape}: decoding ties sections to segments by place, never by index`, t => {
    const bytes = encodeMsmHeader({ ...DESCRIPTION, shape });
    t.true(isMsmHeader(bytes));
    const issues = new Issues();
    const header = decodeMsmHeader(bytes, { source: 'md_KELF_HDR.BIN', record: 'header' }, issues);
    t.deepEqual(issues.list(), []);
    t.is(header.banner?.text, BANNER);
    t.deepEqual(
      header.regions.map(({ segment, name }) => [name, header.segments[segment].paddr]),
      [
        ['KDATABSS', 0xa000_0000],
        ['KSTACK0_1', 0x1_2345_6000],
      ],
    );
  });
}

test('other numbers of entries, and a 32-bit kernel', t => {
  const small = encodeMsmHeader({ ...DESCRIPTION, slots: 6 });
  t.is(Buffer.from(small).readBigUInt64LE(32), BigInt(64 + 64 * 6));
  t.is(small.length, Math.ceil((64 + 16 * 6 + BANNER.length + 1 + 120 * 10) / 4) * 4);
  t.throws(() => encodeMsmHeader({ ...DESCRIPTION, slots: 5 }), { instanceOf: RangeError });
  const arm = encodeMsmHeader({
    ...DESCRIPTION,
    bits: 32,
    machine: 40,
    regions: [{ name: 'KDATABSS', vaddr: 0xc100_0000n, paddr: 0x8100_0000, size: 64 }],
  });
  t.is(Buffer.from(arm).readUInt32LE(28), 52 + 40 * 201);
  const header = decodeMsmHeader(arm, { source: 'x', record: 'header' }, new Issues());
  t.deepEqual(header.regions, [{ segment: 1, name: 'KDATABSS' }]);
});

test('damage: what is out of bounds is told, what is no header is refused', t => {
  const bytes = encodeMsmHeader(DESCRIPTION);
  const place = { source: 'md_KELF_HDR.BIN', record: 'header', base: 0x100 };
  const decode = (at: number, value: string) => {
    const issues = new Issues();
    return { header: decodeMsmHeader(patched(bytes, at, hex(value)), place, issues), issues };
  };
  const phnum = decode(56, 'ffff');
  t.true(phnum.issues.has('header-segments'));
  t.true(phnum.header.segments.length < 300);
  t.true(decode(60, 'ffff').issues.has('header-sections'));
  t.is(decode(64 + 4 * 64, 'ffffffff').header.sections[4].text, '');
  t.is(decode(64 + 4 * 64 + 24, '01').header.regions[0].name, null);
  t.throws(() => decode(54, '2000'), { instanceOf: InputError, message: /e_phentsize/ });
  t.throws(() => decode(16, '02'), { instanceOf: InputError });
  t.throws(() => decode(0, '00'), { instanceOf: InputError });
  t.false(isMsmHeader(patched(bytes, 24184 + 1, hex('"X"'))));
  t.false(isMsmHeader(bytes.subarray(0, 60)));
  t.false(isMsmHeader(new Uint8Array(0)));
});

peerTest('readelf reads sections and segments of each shape', ['readelf'], async t => {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  try {
    for (const shape of MSM_SHAPES) {
      const file = join(path, `${shape}.bin`);
      const bytes = encodeMsmHeader({ ...DESCRIPTION, shape });
      const core = Buffer.alloc(bytes.length + 0x10_0000 + 4096);
      core.set(bytes);
      writeFileSync(file, core);
      const { stdout, stderr } = peer('readelf', ['-hlSW', file], [path]);
      t.is(stderr, '', shape);
      t.regex(stdout, /Type:\s+CORE/);
      t.regex(stdout, /STR_TBL\s+STRTAB\s+0000000000000000 005e78 000c90/);
      t.regex(stdout, /KDATABSS\s+PROGBITS\s+ffffffc00a000000/);
      t.regex(stdout, /KSTACK0_1\s+PROGBITS\s+ffffff8012345000/);
      t.regex(stdout, /LOAD\s+0x[0-9a-f]+ 0xffffffc00a000000 0x00000000a0000000 0x100000 0x100000 RW/);
    }
  } finally {
    await cleanup();
  }
});

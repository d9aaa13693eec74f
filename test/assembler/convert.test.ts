// The converter on dumps made in memory; what it wrote is taken apart by code that shares nothing with it.
import test from 'ava';
import { convertDump } from 'kdumpling/assembler';
import { Issues, MemorySink } from 'kdumpling/reader';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { takeApart } from './kdump-bytes.js';
import { data, madeDump, noise, type Piece, text } from './made-dump.js';

const PAGE = 4096;

/** The pages of all kinds: noise, text, zeros as data, zeros by state, excluded, a hole, and one past 4 GiB. */
const pieces: Piece[] = [
  data(0x1000, noise(PAGE, 1)),
  data(0x2000, text(3 * PAGE, 'kdumpling ')),
  data(0x5000, new Uint8Array(2 * PAGE)),
  { start: 0x7000, end: 0x9000, state: 'zero' },
  { start: 0x9000, end: 0xc000, state: 'excluded' },
  data(0x10000, text(PAGE, 'behind a hole ')),
  data(0x1_0000_0000, noise(PAGE, 2)),
];

async function converted(
  dump: ReturnType<typeof madeDump>,
  options: Partial<Parameters<typeof convertDump>[1]> & Pick<Parameters<typeof convertDump>[1], 'format'>,
) {
  const issues = new Issues();
  const sinks: MemorySink[] = [];
  const openSink = () => {
    const sink = new MemorySink();
    sinks.push(sink);
    return sink;
  };
  const result = await convertDump(dump, { issues, openSink, ...options });
  return { result, issues: issues.list(), sinks, bytes: sinks[sinks.length - 1].bytes() };
}

test('kdump-zlib: headers, bitmaps, descriptors and pages are where makedumpfile puts them', async t => {
  const vmcoreinfo = new Vmcoreinfo('OSRELEASE=6.1.0-made\nPAGESIZE=4096\nNUMBER(phys_base)=-4096\n');
  const descriptor = new TextEncoder().encode(vmcoreinfo.text);
  const notes = [
    { name: 'CORE', type: 1, descriptor: noise(336, 3) },
    { name: 'CORE', type: 1, descriptor: noise(336, 4) },
    { name: 'VMCOREINFO', type: 0, descriptor },
  ];
  const eraseinfo = new TextEncoder().encode('erased 1 2 3\n');
  const dump = madeDump(pieces, { vmcoreinfo, notes, eraseinfo });
  const { bytes, result, issues } = await converted(dump, { format: 'kdump-zlib' });
  t.deepEqual(issues, []);
  t.deepEqual([result.bytes, result.excludedBytes, result.lostBytes], [10 * PAGE, 3 * PAGE, 0]);
  t.is(dump.physical.scanned, 8 * PAGE, 'every byte is read once');
  const kdump = takeApart(bytes);
  t.is(kdump.header.signature, 'KDUMP   ');
  t.is(kdump.header.version, 6);
  t.deepEqual(
    kdump.header.utsname.map(field => field.text),
    ['Linux', '', '6.1.0-made', '', 'x86_64', ''],
  );
  t.is(kdump.header.status, 1);
  t.is(kdump.header.blockSize, PAGE);
  t.is(kdump.header.cpus, 2);
  t.is(kdump.sub['physBase'], -4096n);
  t.is(kdump.sub['maxMapnr'], 0x100001n);
  t.is(kdump.header.maxMapnr, 0x100001);
  const part = (at: string, size: string) =>
    bytes.subarray(Number(kdump.sub[at]), Number(kdump.sub[at]) + Number(kdump.sub[size]));
  t.deepEqual(Buffer.from(part('vmcoreinfoAt', 'vmcoreinfoSize')), Buffer.from(descriptor));
  t.deepEqual(Buffer.from(part('eraseinfoAt', 'eraseinfoSize')), Buffer.from(eraseinfo));
  t.is(part('notesAt', 'notesSize').length, 2 * (12 + 8 + 336) + 12 + 12 + Math.ceil(descriptor.length / 4) * 4);
  const dumped = [1, 2, 3, 4, 5, 6, 7, 8, 16, 0x100000];
  t.deepEqual(kdump.dumped, dumped);
  t.deepEqual(kdump.exists, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 0x100000]);
  t.deepEqual(kdump.page(1), Buffer.from(noise(PAGE, 1)));
  t.is(kdump.descriptors[0].flags, 0, 'what does not shrink is stored as it is');
  t.deepEqual(
    Buffer.concat([2, 3, 4].map(pfn => kdump.page(pfn) as Uint8Array)),
    Buffer.from(text(3 * PAGE, 'kdumpling ')),
  );
  t.is(kdump.descriptors[1].flags, 1);
  const zeros = [5, 6, 7, 8].map(pfn => kdump.descriptors[dumped.indexOf(pfn)].offset);
  t.is(new Set(zeros).size, 1, 'pages of zeros share one');
  t.deepEqual(kdump.page(5), Buffer.alloc(PAGE));
  t.deepEqual(kdump.page(0x100000), Buffer.from(noise(PAGE, 2)));
});

test('a flattened stream, put together by hand, is the file; every byte is in one record', async t => {
  for (const format of ['kdump-none', 'elf'] as const) {
    const plain = await converted(madeDump(pieces), { format });
    const flat = await converted(madeDump(pieces), { format, flat: true });
    const stream = Buffer.from(flat.bytes);
    t.is(stream.toString('latin1', 0, 12), 'makedumpfile');
    t.is(stream.readBigInt64BE(16), 1n);
    t.is(stream.readBigInt64BE(24), 1n);
    const file = Buffer.alloc(plain.bytes.length, 0x5a);
    let at = 4096;
    let covered = 0;
    for (;;) {
      const offset = stream.readBigInt64BE(at);
      const size = Number(stream.readBigInt64BE(at + 8));
      at += 16;
      if (offset === -1n) {
        t.is(size, -1);
        break;
      }
      stream.copy(file, Number(offset), at, at + size);
      covered += size;
      at += size;
    }
    t.is(at, stream.length);
    t.is(covered, file.length, 'no byte twice, none missing');
    t.true(file.equals(plain.bytes));
  }
});

test('memory that cannot be decoded: an empty descriptor in kdump, another attempt without it for ELF', async t => {
  const damaged: Piece[] = [
    data(0x1000, text(PAGE, 'one ')),
    { ...data(0x2000, text(PAGE, 'lost ')), undecodable: true },
    { start: 0x3000, end: 0x4000, state: 'truncated' },
    data(0x4000, text(PAGE, 'four ')),
  ];
  const kdump = await converted(madeDump(damaged), { format: 'kdump-zlib' });
  const parts = takeApart(kdump.bytes);
  t.is(parts.header.status, 1 | 8, 'incomplete');
  t.deepEqual(parts.dumped, [1, 2, 3, 4]);
  t.deepEqual(parts.descriptors[1], { offset: 0, size: 0, flags: 0 });
  t.is(parts.page(3), null);
  t.deepEqual(parts.page(4), Buffer.from(text(PAGE, 'four ')));
  t.deepEqual(kdump.result.lostBytes, 2 * PAGE);
  t.deepEqual(
    kdump.issues.map(issue => [issue.code, issue.address]),
    [
      ['memory-lost', 0x3000],
      ['memory-lost', 0x2000],
    ],
  );

  const elf = await converted(madeDump(damaged), { format: 'elf' });
  t.is(elf.sinks.length, 2);
  t.false(elf.sinks[0].finished);
  t.deepEqual(loads(elf.bytes), [
    { paddr: 0x1000, filesz: PAGE, memsz: PAGE, bytes: Buffer.from(text(PAGE, 'one ')) },
    { paddr: 0x4000, filesz: PAGE, memsz: PAGE, bytes: Buffer.from(text(PAGE, 'four ')) },
  ]);
});

/** The PT_LOADs of an ELF64 little-endian core, by hand. */
function loads(bytes: Uint8Array) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const phoff = Number(buffer.readBigUInt64LE(32));
  const found = [];
  for (let i = 0; i < buffer.readUInt16LE(56); i++) {
    const at = phoff + i * 56;
    if (buffer.readUInt32LE(at) !== 1) continue;
    const word = (offset: number) => Number(buffer.readBigUInt64LE(at + offset));
    found.push({
      paddr: word(24),
      filesz: word(32),
      memsz: word(40),
      bytes: buffer.subarray(word(8), word(8) + word(32)),
    });
  }
  return found;
}

test('elf: what was filtered out shows as p_memsz past p_filesz, a hole in nothing', async t => {
  const { bytes, issues } = await converted(madeDump(pieces), { format: 'elf' });
  t.deepEqual(issues, []);
  const found = loads(bytes);
  t.deepEqual(
    found.map(({ paddr, filesz, memsz }) => [paddr, filesz, memsz]),
    [
      [0x1000, 8 * PAGE, 11 * PAGE],
      [0x10000, PAGE, PAGE],
      [0x1_0000_0000, PAGE, PAGE],
    ],
  );
  t.deepEqual(found[0].bytes.subarray(0, PAGE), Buffer.from(noise(PAGE, 1)));
  t.deepEqual(found[0].bytes.subarray(4 * PAGE), Buffer.alloc(4 * PAGE));
  t.deepEqual(found[2].bytes, Buffer.from(noise(PAGE, 2)));
});

test('regions smaller than a page: exact in ELF, whole pages with a note in kdump', async t => {
  const regions: Piece[] = [
    data(0x1010, text(8, 'aaaaaaaa')),
    { start: 0x1018, end: 0x1020, state: 'unregistered' },
    data(0x1020, text(0x1000, 'b')),
    data(0x5ff8, text(0x10, 'c')),
  ];
  const elf = await converted(madeDump(regions), { format: 'elf' });
  t.deepEqual(
    loads(elf.bytes).map(({ paddr, bytes }) => [paddr, bytes.toString('latin1')]),
    [
      [0x1010, 'aaaaaaaa'],
      [0x1020, 'b'.repeat(0x1000)],
      [0x5ff8, 'c'.repeat(0x10)],
    ],
  );
  const kdump = await converted(madeDump(regions), { format: 'kdump-none' });
  const parts = takeApart(kdump.bytes);
  t.deepEqual(parts.dumped, [1, 2, 5, 6]);
  const page = Buffer.alloc(PAGE);
  page.fill('a', 0x10, 0x18);
  page.fill('b', 0x20);
  t.deepEqual(parts.page(1), page);
  t.deepEqual(parts.page(6), Buffer.concat([Buffer.from('cccccccc'), Buffer.alloc(PAGE - 8)]));
  t.deepEqual(
    kdump.issues.map(issue => issue.code),
    ['partial-pages'],
  );
  const note = Buffer.from(kdump.bytes).subarray(Number(parts.sub['notesAt']));
  t.is(note.toString('latin1', 12, 21), 'KDUMPLING');
  const pairs = [];
  for (let at = 24 + 8; at < Number(parts.sub['notesSize']); at += 16)
    pairs.push([Number(note.readBigUInt64LE(at)), Number(note.readBigUInt64LE(at + 8))]);
  t.deepEqual(pairs, [
    [0x1010, 0x1018],
    [0x1020, 0x2020],
    [0x5ff8, 0x6008],
  ]);
});

test('raw: the file begins at the first page; what is lost is told', async t => {
  const dump = madeDump(pieces.slice(0, 6), {
    notes: [{ name: 'CORE', type: 1, descriptor: new Uint8Array(4) }],
    eraseinfo: new Uint8Array([1]),
  });
  const { bytes, result, issues } = await converted(dump, { format: 'raw' });
  t.is(result.base, 0x1000);
  t.is(bytes.length, 0x10000);
  t.deepEqual(Buffer.from(bytes.subarray(0, PAGE)), Buffer.from(noise(PAGE, 1)));
  t.deepEqual(Buffer.from(bytes.subarray(0xf000)), Buffer.from(text(PAGE, 'behind a hole ')));
  t.deepEqual(
    issues.map(issue => issue.code),
    ['notes-lost', 'eraseinfo-lost', 'holes-lost'],
  );
});

test('a level that the codec lacks is refused before anything is opened', async t => {
  await t.throwsAsync(() => converted(madeDump(pieces), { format: 'kdump-zlib', level: 10 }), {
    instanceOf: RangeError,
    message: /level 10/,
  });
});

test('a flattened core of gigabytes of zeros is no lie', async t => {
  const zeros: Piece = { start: 0x2000, end: 0x2000 + 2 ** 31, state: 'zero' };
  const out = new CountedSink();
  const dump = madeDump([data(0x1000, text(PAGE, 'one ')), zeros]);
  await convertDump(dump, { format: 'elf', flat: true, issues: new Issues(), openSink: () => out });
  t.true(out.position > 2 ** 31);
  t.true(out.finished);
});

/** Counts what it is given. */
class CountedSink extends MemorySink {
  override write(bytes: Uint8Array): void {
    this.position += bytes.length;
  }
}

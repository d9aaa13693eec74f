// What goes along with memory when a dump is converted: notes, eraseinfo, device dumps, VMCOREINFO, segments by virtual address, very many segments.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { type ConvertFormat, convertDump } from 'kdumpling/assembler';
import { type Dump, Issues, LongNote, MemorySink, MemorySource, openDump } from 'kdumpling/reader';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { dir } from 'tmp-promise';
import { ElfWalk } from '../elf-walk.js';
import { peer, peerTest } from '../peer.js';
import { takeApart } from './kdump-bytes.js';
import { data, madeDump, noise, type Piece, text } from './made-dump.js';

const PAGE = 4096;
const memory: Piece[] = [data(0x1000, text(PAGE, 'memory '))];

async function converted(dump: Dump, format: ConvertFormat): Promise<{ bytes: Buffer; codes: string[] }> {
  const issues = new Issues();
  const sink = new MemorySink();
  await convertDump(dump, { format, issues, openSink: () => sink });
  return { bytes: Buffer.from(sink.bytes()), codes: issues.list().map(issue => issue.code) };
}

/** Notes by hand: [name, type, descriptor]. */
function notesAt(bytes: Buffer, at: number, end: number): [string, number, string][] {
  const found: [string, number, string][] = [];
  while (at < end) {
    const [nameSize, size, type] = [0, 4, 8].map(offset => bytes.readUInt32LE(at + offset));
    const name = bytes.toString('latin1', at + 12, at + 12 + nameSize - 1);
    const from = at + 12 + Math.ceil(nameSize / 4) * 4;
    found.push([name, type, bytes.toString('latin1', from, from + size)]);
    at = from + Math.ceil(size / 4) * 4;
  }
  return found;
}

function elfNotes(bytes: Buffer): [string, number, string][] {
  const note = new ElfWalk(bytes).segments[0];
  return note.type === 4 ? notesAt(bytes, note.offset, note.offset + note.filesz) : [];
}

const latin1 = (value: string) => Buffer.from(value, 'latin1');

test('eraseinfo: the last note of an ELF core, a place of its own in kdump', async t => {
  const eraseinfo = latin1('erased a.b 1 2\n');
  const notes = [{ name: 'CORE', type: 1, descriptor: latin1('registers') }];
  const elf = await converted(madeDump(memory, { notes, eraseinfo }), 'elf');
  const expected: [string, number, string][] = [
    ['CORE', 1, 'registers'],
    ['ERASEINFO', 0, 'erased a.b 1 2\n'],
  ];
  t.deepEqual(elfNotes(elf.bytes), expected);
  const kdump = await converted(await openDump([new MemorySource(elf.bytes)]), 'kdump-none');
  const { sub } = takeApart(kdump.bytes);
  const piece = (at: string, size: string) => [Number(sub[at]), Number(sub[at]) + Number(sub[size])] as const;
  t.deepEqual(notesAt(kdump.bytes, ...piece('notesAt', 'notesSize')), expected.slice(0, 1));
  t.is(kdump.bytes.toString('latin1', ...piece('eraseinfoAt', 'eraseinfoSize')), 'erased a.b 1 2\n');
  const back = await converted(await openDump([new MemorySource(kdump.bytes)]), 'elf');
  t.deepEqual(elfNotes(back.bytes), expected);
});

test('a long device dump goes from file to file a piece at a time', async t => {
  const descriptor = noise(3_000_001, 5);
  const file = new MemorySource(descriptor);
  const note = new LongNote('LINUX', 0x700, file, 0, descriptor.length);
  t.is(note.size, descriptor.length);
  const { bytes } = await converted(madeDump(memory, { notes: [note] }), 'elf');
  const [[name, type, written]] = elfNotes(bytes);
  t.deepEqual([name, type], ['LINUX', 0x700]);
  t.true(latin1(written).equals(Buffer.from(descriptor)));
});

test("VMCOREINFO that is no note becomes one; one of the user's replaces the note in its place", async t => {
  const vmcoreinfo = new Vmcoreinfo('OSRELEASE=6.1\n');
  const added = await converted(madeDump(memory, { vmcoreinfo }), 'elf');
  t.deepEqual(added.codes, ['vmcoreinfo-added']);
  t.deepEqual(elfNotes(added.bytes), [['VMCOREINFO', 0, 'OSRELEASE=6.1\n']]);
  const notes = [
    { name: 'VMCOREINFO', type: 0, descriptor: latin1('OSRELEASE=5.0\n\0\0') },
    { name: 'OTHER', type: 7, descriptor: latin1('x') },
  ];
  const replaced = await converted(madeDump(memory, { vmcoreinfo, notes }), 'elf');
  t.deepEqual(replaced.codes, ['vmcoreinfo-replaced']);
  t.deepEqual(elfNotes(replaced.bytes), [
    ['VMCOREINFO', 0, 'OSRELEASE=6.1\n'],
    ['OTHER', 7, 'x'],
  ]);
  // Padding is no difference.
  const same = await converted(madeDump(memory, { vmcoreinfo: new Vmcoreinfo('OSRELEASE=5.0\n'), notes }), 'elf');
  t.deepEqual(same.codes, []);
  t.is(elfNotes(same.bytes)[0][2], 'OSRELEASE=5.0\n\0\0');
});

/** An ELF64 core of two PT_LOADs by hand, the second without a physical address. */
function twoKinds(): Buffer {
  const bytes = Buffer.alloc(0x3000);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(4, 16);
  bytes.writeUInt16LE(62, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(2, 56);
  const load = (at: number, offset: bigint, vaddr: bigint, paddr: bigint) => {
    bytes.writeUInt32LE(1, at);
    bytes.writeUInt32LE(5, at + 4);
    [offset, vaddr, paddr, 0x1000n, 0x1000n].forEach((value, i) => {
      bytes.writeBigUInt64LE(value, at + 8 + 8 * i);
    });
  };
  load(64, 0x1000n, 0xffff888000010000n, 0x10000n);
  load(120, 0x2000n, 0xffffffff81000000n, 0xffffffffffffffffn);
  bytes.set(text(PAGE, 'by physical address '), 0x1000);
  bytes.set(text(PAGE, 'by virtual address '), 0x2000);
  return bytes;
}

test('segments without a physical address: kept in ELF, told where they cannot be', async t => {
  const open = () => openDump([new MemorySource(twoKinds())]);
  const { bytes } = await converted(await open(), 'elf');
  const walk = new ElfWalk(bytes);
  t.deepEqual(
    walk.loads.map(({ vaddr, paddr, offset, filesz }) => [
      vaddr,
      paddr,
      bytes.toString('latin1', offset, offset + filesz),
    ]),
    [
      [0xffff888000010000n, 0x10000n, Buffer.from(text(PAGE, 'by physical address ')).toString('latin1')],
      [0xffffffff81000000n, 0xffffffffffffffffn, Buffer.from(text(PAGE, 'by virtual address ')).toString('latin1')],
    ],
  );
  t.true((await converted(await open(), 'kdump-none')).codes.includes('virtual-only-lost'));
  t.true((await converted(await open(), 'raw')).codes.includes('virtual-only-lost'));
});

peerTest('more segments than e_phnum can say (PN_XNUM)', ['readelf'], async t => {
  const count = 70_000;
  const page = text(PAGE, 'page ');
  const { bytes } = await converted(madeDump(Array.from({ length: count }, (_, i) => data(i * 2 * PAGE, page))), 'elf');
  t.is(bytes.readUInt16LE(56), 0xffff);
  const dump = await openDump([new MemorySource(bytes)]);
  t.is(dump.segments.length, count);
  t.is(dump.physical.presentBytes, count * PAGE);
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  writeFileSync(join(path, 'core'), bytes);
  const { stdout, stderr } = peer('readelf', ['-hW', join(path, 'core')], [path]);
  await cleanup();
  t.is(stderr, '');
  t.regex(stdout, /Number of program headers: +65535 \(70000\)/);
});

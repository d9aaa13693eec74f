// The registered layout: what putting the blobs one behind the other gives, and what becomes of it where some are lost.
import test from 'ava';
import { assemble } from 'kdumpling/assembler';
import { MemorySink } from 'kdumpling/reader';
import { type Placement, placeFolder } from 'kdumpling/reader/minidump';
import { ElfWalk } from '../elf-walk.js';
import { placeMade } from './damage.js';
import { fileName, filesOf, folderOf, infoLine, type MadeRegion, madeMinidump } from './made-minidump.js';

function core(placement: Placement): Buffer {
  const sink = new MemorySink();
  assemble(placement, sink, { mode: 'exact' });
  return Buffer.from(sink.bytes());
}

test('a complete dump is what cat makes of its blobs, but for the padding that VMCOREINFO claims', t => {
  const made = madeMinidump();
  const cat = Buffer.concat(made.entries.map(({ bytes }) => bytes));
  const got = core(placeMade(made));
  // The note's n_descsz is the registered size rounded up; the core has the length of the text.
  const at = cat.indexOf('VMCOREINFO\0') - 8;
  t.is(cat.readUInt32LE(at), made.entries[1].bytes.length);
  t.not(made.vmcoreinfo.length, made.entries[1].bytes.length);
  cat.writeUInt32LE(made.vmcoreinfo.length, at);
  t.true(got.equals(cat));
});

test('lost regions leave every other one where it was in the file', t => {
  const made = madeMinidump();
  const whole = new ElfWalk(core(placeMade(made)));
  const files = filesOf(made.entries);
  for (const i of [0, 7, 15]) files.delete(fileName(made.regions[i]));
  const got = new ElfWalk(core(placeFolder(folderOf(files, made.entries.map(infoLine).join('')))));
  t.is(got.segments.length, whole.segments.length);
  got.segments.forEach(({ type, offset, paddr, vaddr, filesz, memsz }, i) => {
    const before = whole.segments[i];
    t.deepEqual([type, offset, paddr, vaddr], [before.type, before.offset, before.paddr, before.vaddr]);
    t.true(type === 4 || filesz === memsz);
    const lost = type === 1 && [0, 7, 15].includes(i - 1);
    t.is(filesz, lost ? 0 : before.filesz);
  });
});

test('one blob serves several program headers; its bytes are written once', t => {
  const alias = (regions: readonly MadeRegion[]): MadeRegion[] => [
    ...regions,
    { ...regions[11], seq: 70, vaddr: regions[11].vaddr - 0xffff_8000_0800_0000n + 0xffff_0000_0000_0000n },
  ];
  const made = madeMinidump({ headerOrder: alias });
  const got = new ElfWalk(core(placeMade(made)));
  const views = got.loads.filter(({ paddr }) => paddr === BigInt(made.regions[11].paddr));
  t.is(views.length, 2);
  t.is(new Set(views.map(({ vaddr }) => vaddr)).size, 2);
  t.is(views[0].offset, views[1].offset);
});

test('a damaged size of a lost region does not make the core long', t => {
  const made = madeMinidump();
  const header = made.entries[0].bytes.slice();
  const view = new DataView(header.buffer);
  // Both sizes of the last program header, which nothing stands behind: 2^45 bytes.
  for (const at of [32, 40]) view.setBigUint64(64 + 56 * made.regions.length + at, 1n << 45n, true);
  const files = filesOf(made.entries);
  files.set(fileName(made.entries[0]), header);
  const last = made.regions[made.regions.length - 1];
  files.delete(fileName(last));
  const info = made.entries.slice(0, -1).map(infoLine).join('');
  const got = core(placeFolder(folderOf(files, info)));
  t.true(got.length < 1 << 20);
  t.is(new ElfWalk(got).physical(BigInt(last.paddr), 1), null);
});

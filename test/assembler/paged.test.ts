// Cores of whole pages: every real byte at its place, zeros around, and a note that tells which is which, honoured by our own reader.
import test from 'ava';
import { assemble } from 'kdumpling/assembler';
import { MemoryFault, MemorySink, MemorySource, openDump } from 'kdumpling/reader';
import { placeFolder } from 'kdumpling/reader/minidump';
import { ElfWalk } from '../elf-walk.js';
import { placeMade } from './damage.js';
import { noise } from './made-dump.js';
import { fileName, filesOf, folderOf, infoLine, type MadeMinidump, madeMinidump, RAM } from './made-minidump.js';

function paged(made: MadeMinidump): Buffer {
  const sink = new MemorySink();
  assemble(placeMade(made), sink, { mode: 'paged' });
  return Buffer.from(sink.bytes());
}

test('every region, whole pages, zeros between them', t => {
  const made = madeMinidump();
  const core = new ElfWalk(paged(made));
  const real = new Map<number, number>();
  for (const { paddr, bytes } of made.regions) bytes.forEach((byte, i) => void real.set(paddr + i, byte));
  for (const { paddr, vaddr, offset, filesz, memsz } of core.loads) {
    t.deepEqual([Number(paddr) % 4096, Number(vaddr % 4096n), offset % 4096, filesz % 4096], [0, 0, 0, 0]);
    t.is(memsz, filesz);
    for (let i = 0; i < filesz; i++) {
      const expected = real.get(Number(paddr) + i) ?? 0;
      if (core.core[offset + i] !== expected) t.fail(`0x${(Number(paddr) + i).toString(16)}`);
    }
  }
  for (const { name, vaddr, bytes } of made.regions) {
    const load = core.loads.find(each => each.vaddr <= vaddr && vaddr < each.vaddr + BigInt(each.filesz));
    const at = (load?.offset ?? 0) + Number(vaddr - (load?.vaddr ?? 0n));
    t.deepEqual(core.core.subarray(at, at + bytes.length), Buffer.from(bytes), `${name} by virtual address`);
  }
  t.deepEqual(core.notes('VMCOREINFO'), [made.vmcoreinfo]);
});

test('our reader tells filling from memory', async t => {
  const made = madeMinidump();
  const dump = await openDump([new MemorySource(paged(made), 'core')]);
  for (const { name, paddr, bytes } of made.regions) {
    t.deepEqual(Buffer.from(dump.physical.bytes(paddr, bytes.length)), Buffer.from(bytes), name);
    const fault = t.throws(() => dump.physical.read(paddr + bytes.length, new Uint8Array(1)), {
      instanceOf: MemoryFault,
    });
    t.is(fault?.reason, 'unregistered');
  }
  dump.close();
});

test('a page under two virtual addresses is written once', t => {
  const made = madeMinidump();
  const core = new ElfWalk(paged(made));
  // The first page of the regions holds CONFIG (linear map) and objects of the image.
  const views = core.loads.filter(
    ({ paddr, filesz }) => paddr <= BigInt(RAM + 0x1_0000) && BigInt(RAM + 0x1_0000) < paddr + BigInt(filesz),
  );
  t.is(new Set(views.map(({ vaddr, paddr }) => vaddr - paddr)).size, 2);
  t.is(new Set(views.map(({ offset, paddr }) => offset - Number(paddr))).size, 1);
});

test('what is lost is no page of zeros', t => {
  const made = madeMinidump();
  const gone = made.regions[11];
  const files = filesOf(made.entries);
  files.delete(fileName(gone));
  const sink = new MemorySink();
  assemble(placeFolder(folderOf(files, made.entries.map(infoLine).join(''))), sink, { mode: 'paged' });
  const core = new ElfWalk(Buffer.from(sink.bytes()));
  // Its second page holds nothing else.
  const page = BigInt(Math.ceil(gone.paddr / 4096) * 4096);
  t.true(Number(page) + 4096 <= gone.paddr + gone.bytes.length);
  t.false(core.loads.some(({ paddr, filesz }) => paddr <= page && page < paddr + BigInt(filesz)));
});

test('zero blocks of large regions become holes', t => {
  const made = madeMinidump();
  const zeros = { name: 'Kzeros', seq: 70, paddr: RAM + 0x100_0000, bytes: new Uint8Array(4 << 20), valid: 0x56414c49 };
  zeros.bytes.set(noise(4096, 1), 2 << 20);
  made.entries.push(zeros);
  class Counting extends MemorySink {
    written = 0;
    override write(bytes: Uint8Array): void {
      this.written += bytes.length;
      super.write(bytes);
    }
  }
  const sink = new Counting();
  assemble(placeMade(made), sink, { mode: 'exact' });
  t.deepEqual(
    new ElfWalk(Buffer.from(sink.bytes())).physical(BigInt(zeros.paddr), zeros.bytes.length),
    Buffer.from(zeros.bytes),
  );
  t.true(sink.written < 2 << 20);
});

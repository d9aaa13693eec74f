// The core image's bytes: sizes as the reference has them, growth and shrinkage, readelf as judge for both word sizes and byte orders.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { CoreImage, coreImagePlaces, OverlayMemory, type Region } from 'kdumpling/producer';
import { Issues } from 'kdumpling/reader';
import { type Architecture, architectureByName } from 'kdumpling/reader/arch';
import { dir } from 'tmp-promise';
import { peer, peerTest } from '../peer.js';
import { Ram } from './ram.js';

const KINDS = {
  'ELF64 little-endian': { name: 'arm64', littleEndian: true, header: ['ELF64', 'little endian', 'AArch64'] },
  'ELF64 big-endian': { name: 's390x', littleEndian: false, header: ['ELF64', 'big endian', 'IBM S/390'] },
  'ELF32 little-endian': { name: 'i386', littleEndian: true, header: ['ELF32', 'little endian', 'Intel 80386'] },
  'ELF32 big-endian': { name: 'arm', littleEndian: false, header: ['ELF32', 'big endian', 'ARM'] },
} as const;

const VMCOREINFO = 'OSRELEASE=6.1.0\nPAGESIZE=4096\nX=1\n';

function arch(name: string): Architecture {
  const found = architectureByName(name);
  if (found === null) throw new Error(`no architecture ${name}`);
  return found;
}

function region(id: number, vaddr: bigint, paddr: number, size: number): Region {
  return { id, name: `r${id}`, vaddr, paddr, size };
}

function image(kind: (typeof KINDS)[keyof typeof KINDS], issues = new Issues()) {
  const facts = arch(kind.name);
  const base = new Ram(kind.littleEndian, facts.bits === 64 ? 8 : 4);
  base.arena.set(new TextEncoder().encode(VMCOREINFO), 0x8000);
  const memory = new OverlayMemory(base, 4096);
  const core = new CoreImage({
    arch: facts,
    littleEndian: kind.littleEndian,
    memory,
    linearAddress: paddr => BigInt(paddr) + 0x80000000n,
    vmcoreinfo: { vaddr: 0x80008000n, paddr: 0x40008000, size: VMCOREINFO.length },
    commandLine: 'console=ttyS0 root=/dev/vda',
    issues,
  });
  return { core, memory, issues };
}

test('arm64, VMCOREINFO of 3048 bytes: header 14908 bytes before the note, 15500 in all', t => {
  t.deepEqual(coreImagePlaces(arch('arm64'), 3048), { notesOffset: 14908, notesSize: 592 + 3048, size: 15500 });
});

test('sizes for any VMCOREINFO: 11859 and its size rounded up, 592 bytes of notes (arm64)', t => {
  // The dumps' arm64 kernel registers 3463 bytes.
  t.deepEqual(coreImagePlaces(arch('arm64'), 3463), { notesOffset: 15324, notesSize: 4056, size: 15324 + 592 });
});

test('a header in a buffer of 201 program headers, zeros behind those in use', t => {
  const { core, memory } = image(KINDS['ELF64 little-endian']);
  const made = core.prepare();
  if ('errno' in made) return t.fail(made.message);
  const at = made.header.paddr;
  t.true(at >= 0x40100000, 'beside the memory');
  t.is(made.header.vaddr, BigInt(at) + 0x80000000n);
  t.is(made.vmcoreinfo?.size, 36);
  core.add(region(3, 0x80000010n, 0x40000010, 5));
  core.add(region(4, 0x80000020n, 0x40000020, 8));
  core.add(region(5, 0x80000030n, 0x40000030, 1));
  const places = coreImagePlaces(arch('arm64'), VMCOREINFO.length);
  const bytes = memory.bytes(at, places.size);
  const view = new DataView(bytes.buffer);
  const first = places.notesOffset + places.notesSize;
  const phdr = (i: number) => {
    const p = 64 + 56 * i;
    const word = (offset: number) => Number(view.getBigUint64(p + offset, true));
    return [
      view.getUint32(p, true),
      view.getUint32(p + 4, true),
      word(8),
      word(16),
      word(24),
      word(32),
      word(40),
      word(48),
    ];
  };
  t.is(view.getUint16(56, true), 4, 'e_phnum');
  t.is(Number(view.getBigUint64(32, true)), 64, 'e_phoff');
  t.deepEqual(phdr(0), [4, 0, places.notesOffset, 0, 0, places.notesSize, 0, 0]);
  t.deepEqual(phdr(1), [1, 6, first, 0x80000010, 0x40000010, 8, 8, 0]);
  t.deepEqual(phdr(2), [1, 6, first + 8, 0x80000020, 0x40000020, 8, 8, 0]);
  t.deepEqual(phdr(3), [1, 6, first + 16, 0x80000030, 0x40000030, 4, 4, 0]);
  // Removal: what is behind moves up, and its p_offset with it; what was the last is zeros.
  t.true(core.remove(region(3, 0n, 0x40000010, 6)), 'address and rounded size decide');
  t.false(core.remove(region(9, 0n, 0x40000010, 4)));
  memory.read(at, bytes);
  t.is(view.getUint16(56, true), 3);
  t.deepEqual(phdr(1), [1, 6, first, 0x80000020, 0x40000020, 8, 8, 0]);
  t.deepEqual(phdr(2), [1, 6, first + 8, 0x80000030, 0x40000030, 4, 4, 0]);
  t.deepEqual(phdr(3), [0, 0, 0, 0, 0, 0, 0, 0]);
  // The notes by their own bytes: no registers, state R, VMCOREINFO without its descriptor.
  const notes = bytes.subarray(places.notesOffset);
  const noteView = new DataView(bytes.buffer, places.notesOffset);
  t.is(notes.length, 592);
  t.deepEqual(
    [0, 4, 8].map(i => noteView.getUint32(i, true)),
    [5, 392, 1],
  );
  t.true(notes.subarray(20, 412).every(byte => byte === 0));
  t.deepEqual(
    [412, 416, 420].map(i => noteView.getUint32(i, true)),
    [5, 136, 3],
  );
  t.is(notes[412 + 20 + 1], 'R'.charCodeAt(0));
  const text = (from: number, length: number) => new TextDecoder().decode(notes.subarray(from, from + length));
  t.is(text(432 + 40, 8), 'vmlinux\0');
  t.is(text(432 + 56, 28), 'console=ttyS0 root=/dev/vda\0');
  t.deepEqual(
    [568, 572, 576].map(i => noteView.getUint32(i, true)),
    [11, 36, 0],
  );
  t.is(text(580, 12), 'VMCOREINFO\0\0');
});

test('the 201st region has no program header', t => {
  const { core, issues } = image(KINDS['ELF64 little-endian']);
  core.prepare();
  for (let i = 0; i < 201; i++) core.add(region(i, BigInt(i), 0x40000000 + i * 8, 8));
  t.is(core.segments.length, 200);
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['core-image-full'],
  );
});

test('allocations lie beside memory, apart from each other, and hide nothing', t => {
  const base = new Ram(true, 8);
  const memory = new OverlayMemory(base, 4096);
  const first = memory.allocate(5000);
  const second = memory.allocate(1);
  t.is(first, 0x40101000);
  t.is(second, 0x40104000);
  memory.write(first + 4999, new Uint8Array([7]));
  t.is(memory.u8(first + 4999), 7);
  t.is(memory.u8(0x40000005), 5);
  t.throws(() => memory.read(first - 1, new Uint8Array(2)), { message: /never held it/ });
  t.throws(() => memory.write(0x40000000, new Uint8Array(1)), { instanceOf: RangeError });
  t.deepEqual(
    [...memory.runs(0x400ff000, 0x40105000)].map(run => [run.start, run.end, run.state]),
    [
      [0x400ff000, 0x40101000, 'hole'],
      [0x40101000, 0x40103000, 'data'],
      [0x40103000, 0x40104000, 'hole'],
      [0x40104000, 0x40105000, 'data'],
    ],
  );
  const scanned: [number, number][] = [];
  memory.scan(0, 0x50000000, (paddr, bytes) => {
    scanned.push([paddr, bytes.length]);
    return undefined;
  });
  t.deepEqual(scanned, [
    [0x40000000, 1 << 20],
    [first, 8192],
    [second, 4096],
  ]);
  t.deepEqual([...memory.extents.starts], [0x40000000, first, second]);
});

for (const [title, kind] of Object.entries(KINDS)) {
  peerTest(
    `${title}: header, VMCOREINFO and regions one behind the other are a core to readelf`,
    ['readelf'],
    async t => {
      const { core, memory } = image(kind);
      const made = core.prepare();
      if ('errno' in made || made.vmcoreinfo === null) return t.fail('no core image');
      const regions = [
        region(11, 0xc0000010n, 0x40000010, 13),
        region(44, 0xc0000100n, 0x40000100, 64),
        region(45, 0x80000100n, 0x40000100, 64),
      ];
      for (const each of regions) core.add(each);
      const blobs = [made.header, made.vmcoreinfo, ...regions].map(({ paddr, size }) =>
        memory.bytes(paddr, Math.ceil(size / 4) * 4),
      );
      const folder = await dir({ unsafeCleanup: true });
      try {
        const file = join(folder.path, 'core');
        writeFileSync(file, Buffer.concat(blobs));
        const { stdout, stderr, status } = peer('readelf', ['-hlnW', file], [folder.path]);
        t.is(status, 0);
        t.is(stderr, '');
        t.notRegex(stdout, /warning/i);
        for (const word of kind.header) t.true(stdout.includes(word), `${word} in\n${stdout}`);
        t.regex(stdout, /Type:\s+CORE/);
        t.regex(stdout, /NT_PRSTATUS/);
        t.regex(stdout, /NT_PRPSINFO/);
        t.regex(stdout, /VMCOREINFO\s+0x00000024/);
        const loads = stdout.split('\n').filter(line => line.trim().startsWith('LOAD'));
        const fields = loads.map(line => line.trim().split(/\s+/).slice(2, 6).map(Number));
        t.deepEqual(fields, [
          [0xc0000010, 0x40000010, 16, 16],
          [0xc0000100, 0x40000100, 64, 64],
          [0x80000100, 0x40000100, 64, 64],
        ]);
        const offsets = loads.map(line => Number(line.trim().split(/\s+/)[1]));
        t.is(offsets[0], blobs[0].length + blobs[1].length);
        t.deepEqual(
          offsets.map(offset => offset - offsets[0]),
          [0, 16, 80],
        );
      } finally {
        await folder.cleanup();
      }
    },
  );
}

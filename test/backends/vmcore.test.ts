// The kdump back-end on made memory: what fs/proc/vmcore.c would show, taken apart by hand and by readelf.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { BackendOptionError, openBackend, writeVmcore } from 'kdumpling/backends';
import { InputError, Issues, MemoryFolder, MemorySink } from 'kdumpling/reader';
import { dir } from 'tmp-promise';
import { data, MadeMemory, noise, type Piece } from '../assembler/made-dump.js';
import { hex } from '../hex.js';
import { peer, peerTest } from '../peer.js';
import { type MadeKernel, type MadeKernelOptions, madeKernel } from './made-kernel.js';

const LOW = noise(0x9_fc00, 3);
const RAM = noise(0x30_0000, 4);
RAM.fill(0, 0x8_0000, 0x10_0000);
const ROM = noise(0x1000, 5);
const X86_PIECES: readonly Piece[] = [data(0, LOW), data(0x10_0000, RAM), data(0xfffc_0000, ROM)];
const DIRECT = 0xffff_8880_0000_0000n;
const KERNEL_MAP = 0xffff_ffff_8000_0000n;
/** phys_base: the image's first page lies at 2 MiB. */
const TEXT = KERNEL_MAP + 0x120_0000n;
const X86: MadeKernelOptions = {
  arch: 'x86_64',
  pieces: X86_PIECES,
  symbols: { _text: TEXT, _end: TEXT + 0x1_2345n },
  ranges: [
    { name: 'image', first: KERNEL_MAP, last: KERNEL_MAP + 0x3fff_ffffn, offset: TEXT - 0x20_0000n },
    { name: 'linear', first: DIRECT, last: DIRECT + 0x3fff_ffff_ffffn, offset: DIRECT },
  ],
  notes: [
    { name: 'CORE', type: 1, descriptor: new Uint8Array(336).fill(0x11) },
    { name: 'CORE', type: 2, descriptor: new Uint8Array(16).fill(0x12) },
    { name: 'CORE', type: 1, descriptor: new Uint8Array(336).fill(0x22) },
  ],
  vmcoreinfo: 'OSRELEASE=6.1.0-vmcore\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81200000\n',
};

interface Phdr {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly filesz: number;
}

function phdrs(core: Buffer): Phdr[] {
  const wide = core[4] === 2;
  const count = core.readUInt16LE(wide ? 56 : 44);
  const big = (at: number) => core.readBigUInt64LE(at);
  return Array.from({ length: count }, (_, i) => {
    const at = wide ? 64 + 56 * i : 52 + 32 * i;
    const type = core.readUInt32LE(at);
    return wide
      ? {
          type,
          offset: Number(big(at + 8)),
          vaddr: big(at + 16),
          paddr: Number(big(at + 24)),
          filesz: Number(big(at + 32)),
        }
      : {
          type,
          offset: core.readUInt32LE(at + 4),
          vaddr: BigInt(core.readUInt32LE(at + 8)),
          paddr: core.readUInt32LE(at + 12),
          filesz: core.readUInt32LE(at + 16),
        };
  });
}

function dump(kernel: MadeKernel, options = {}) {
  const out = new MemoryFolder();
  const issues = new Issues();
  const files = openBackend('vmcore', options).dump(kernel, out, issues);
  const core = Buffer.from(out.files.get('vmcore')?.bytes() ?? []);
  return { core, issues, files, headers: phdrs(core) };
}

/** Name, type and first byte of each note. */
function notesOf(core: Buffer, { offset, filesz }: Phdr): [string, number, number, number][] {
  const notes: [string, number, number, number][] = [];
  for (let at = offset; at < offset + filesz; ) {
    const [nameSize, size, type] = [0, 4, 8].map(skip => core.readUInt32LE(at + skip));
    const name = core.toString('latin1', at + 12, at + 12 + nameSize - 1);
    at += 12 + Math.ceil(nameSize / 4) * 4;
    notes.push([name, type, size, core[at]]);
    at += Math.ceil(size / 4) * 4;
  }
  return notes;
}

test('x86_64: notes merged, the image first, then memory in whole pages, every byte as it was', t => {
  const { core, issues, headers, files } = dump(madeKernel(X86));
  t.deepEqual(issues.list(), []);
  t.deepEqual(files, [{ name: 'vmcore', size: core.length }]);
  t.is(headers[0].offset, 0x1000);
  t.deepEqual(notesOf(core, headers[0]), [
    ['CORE', 1, 336, 0x11],
    ['CORE', 2, 16, 0x12],
    ['CORE', 1, 336, 0x22],
    ['VMCOREINFO', 0, 69, 'O'.charCodeAt(0)],
  ]);
  t.deepEqual(
    headers.map(({ type, vaddr, paddr, filesz }) => [type, vaddr, paddr, filesz]),
    [
      [4, 0n, 0, headers[0].filesz],
      [1, TEXT, 0x20_0000, 0x1_3000],
      [1, DIRECT, 0, 0x9_fc00],
      [1, DIRECT + 0x10_0000n, 0x10_0000, 0x30_0000],
      [1, DIRECT + 0xfffc_0000n, 0xfffc_0000, 0x1000],
    ],
  );
  for (const { type, offset, paddr, filesz } of headers) {
    if (type !== 1) continue;
    t.is(offset % 4096, 0);
    const piece = X86_PIECES.find(({ start, end }) => paddr >= start && paddr < end);
    const wanted = piece?.bytes?.subarray(paddr - piece.start, paddr - piece.start + filesz) ?? new Uint8Array(0);
    t.true(core.subarray(offset, offset + filesz).equals(wanted), `segment at ${paddr.toString(16)}`);
  }
});

/** Hand-made old memory: low memory that the crash kernel has overwritten, its copy elsewhere, and the elfcorehdr that says so. */
const OVERWRITTEN = new Uint8Array(0x2000).fill(0xee);
const COPY = noise(0x2000, 6);
const ELFCOREHDR = hex(`
  7f "ELF" 02 01 01 *9 0400 3e00 01000000 *8 4000000000000000 *8 00000000 4000 3800 0400 0000 0000 0000
  04000000 00000000 0080000000000000 *8 0080000000000000 4000000000000000 4000000000000000 *8
  04000000 00000000 4080000000000000 *8 4080000000000000 4000000000000000 4000000000000000 *8
  01000000 07000000 0000010000000000 00000000 8088ffff 0000000000000000 0020000000000000 0020000000000000 *8
  01000000 07000000 0040000000000000 00400000 8088ffff 0040000000000000 000c000000000000 000c000000000000 *8`);
/** A note, the empty one that ends the CPU's, and garbage that is none; then a PT_NOTE whose last note claims too much. */
const NOTES = hex(`
  05000000 04000000 01000000 "CORE" 00000000 "cpu0" *12 ffffffffffffffff *20
  05000000 04000000 01000000 "CORE" 00000000 "cpu1" 05000000 ffffff7f 01000000 "CORE" 00000000 *8`);

function oldMemory(header = ELFCOREHDR): MadeMemory {
  const page = noise(0x1000, 8);
  const notes = new Uint8Array(0x1000);
  notes.set(NOTES);
  return new MadeMemory([
    data(0, OVERWRITTEN),
    data(0x4000, page),
    data(0x8000, notes),
    data(
      0x9000,
      Uint8Array.from({ length: 0x1000 }, (_, i) => header[i] ?? 0),
    ),
    data(0x1_0000, COPY),
  ]);
}

test('low memory is read through the backup region that the elfcorehdr points to', t => {
  const sink = new MemorySink();
  const issues = new Issues();
  const size = writeVmcore(oldMemory(), 0x9000, 4096, sink, issues);
  const core = Buffer.from(sink.bytes());
  t.is(size, core.length);
  const [notes, low, page] = phdrs(core);
  t.deepEqual(notesOf(core, notes), [
    ['CORE', 1, 4, 'c'.charCodeAt(0)],
    ['CORE', 1, 4, 'c'.charCodeAt(0)],
  ]);
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['note-cut-short'],
  );
  t.deepEqual([low.paddr, low.vaddr, low.filesz], [0, DIRECT, 0x2000]);
  t.true(core.subarray(low.offset, low.offset + 0x2000).equals(COPY));
  t.false(core.includes(Buffer.from(OVERWRITTEN.subarray(0, 64))));
  t.deepEqual([page.paddr, page.filesz], [0x4000, 0xc00]);
  // The page is there to its end, the segment claims what its header says.
  t.true(core.subarray(page.offset, page.offset + 0x1000).equals(noise(0x1000, 8)));
  t.is(core.length, page.offset + 0x1000);
});

test('an elfcorehdr that is none is refused; memory that it has not is told', t => {
  const broken = (at: number, bytes: string) => {
    const header = Uint8Array.from(ELFCOREHDR);
    header.set(hex(bytes), at);
    const issues = new Issues();
    writeVmcore(oldMemory(header), 0x9000, 4096, new MemorySink(), issues);
    return issues.list().map(({ code, address }) => [code, address]);
  };
  t.throws(() => broken(16, '02'), { instanceOf: InputError, message: /no elfcorehdr/ });
  t.throws(() => broken(56, '0000'), { instanceOf: InputError });
  t.throws(() => broken(54, '20'), { instanceOf: InputError });
  // The page's segment becomes one of 8 KiB: its second page is not in memory.
  t.deepEqual(broken(64 + 3 * 56 + 33, '20 *6 0020'), [
    ['note-cut-short', 0x8040],
    ['missing-memory', 0x5000],
  ]);
});

const I386: MadeKernelOptions = {
  arch: 'i386',
  pieces: [data(0x1000, LOW.subarray(0, 0x9_e000)), data(0x10_0000, RAM)],
  symbols: { _text: 0xc020_0000n, _end: 0xc028_0000n },
  // Lowmem ends at 3 MiB: what lies above has no kernel address.
  ranges: [{ name: 'linear', first: 0xc000_0000n, last: 0xc02f_ffffn, offset: 0xc000_0000n }],
  notes: [{ name: 'CORE', type: 1, descriptor: new Uint8Array(144).fill(0x33) }],
};

test('i386: ELF32, no second map of the image, highmem without an address', t => {
  const { core, headers } = dump(madeKernel(I386));
  t.is(core[4], 1);
  t.deepEqual(
    headers.slice(1).map(({ vaddr, paddr, filesz }) => [vaddr, paddr, filesz]),
    [
      [0xc000_1000n, 0x1000, 0x9_e000],
      [0xc010_0000n, 0x10_0000, 0x20_0000],
      [0xffff_ffffn, 0x30_0000, 0x10_0000],
    ],
  );
  for (const { offset, paddr, filesz } of headers.slice(1)) {
    const wanted =
      paddr < 0x10_0000 ? LOW.subarray(0, filesz) : RAM.subarray(paddr - 0x10_0000, paddr - 0x10_0000 + filesz);
    t.true(core.subarray(offset, offset + filesz).equals(wanted));
  }
});

test('ELF32 ends at 4 GiB', t => {
  const large = madeKernel({ ...I386, pieces: [data(0x10_0000, RAM), data(0x1_0000_0000, ROM)] });
  t.is(dump(large).core[4], 2, 'ELF64 where nothing was asked for');
  t.throws(() => dump(large, { layout: 'elf32' }), {
    instanceOf: BackendOptionError,
    message: /memory reaches to 0x100001000, but an ELF32 header ends at 4 GiB/,
  });
  t.throws(() => dump(madeKernel(X86), { layout: 'elf32' }), { instanceOf: BackendOptionError, message: /x86_64/ });
  t.is(dump(madeKernel(I386), { layout: 'elf64' }).core[4], 2);
});

test('what is not known is told: notes, VMCOREINFO, the end of the image', t => {
  const { issues, headers } = dump(
    madeKernel({ ...X86, notes: [], vmcoreinfo: null, symbols: { _stext: TEXT + 0x40n } }),
  );
  t.deepEqual(
    issues.list().map(({ code }) => code),
    ['missing-notes', 'missing-vmcoreinfo', 'missing-symbol'],
  );
  t.deepEqual([headers[0].type, headers[0].vaddr, headers[0].filesz], [1, TEXT, 0x1000]);
  // With VMCOREINFO the image reaches at least to what it names.
  const named = dump(
    madeKernel({
      ...X86,
      symbols: { _stext: TEXT },
      vmcoreinfo: `OSRELEASE=6.1\nSYMBOL(swapper_pg_dir)=${(TEXT + 0x2_0000n).toString(16)}\n`,
    }),
  );
  t.is(named.headers[1].filesz, 0x2_1000);
});

test('memory that cannot be decoded is a hole of the file, told with its address', t => {
  const pieces: Piece[] = [
    data(0x10_0000, RAM.subarray(0, 0x2000)),
    { start: 0x10_2000, end: 0x10_3000, state: 'data', undecodable: true },
    { start: 0x10_3000, end: 0x10_4000, state: 'zero' },
    data(0x10_4000, RAM.subarray(0, 0x1000)),
  ];
  const { core, issues, headers } = dump(madeKernel({ ...X86, pieces, symbols: {} }));
  t.deepEqual(
    issues.list().map(({ code, address }) => [code, address]),
    [['missing-memory', 0x10_2000]],
  );
  const { offset, filesz } = headers[1];
  t.is(filesz, 0x5000);
  t.true(core.subarray(offset + 0x4000, offset + 0x5000).equals(RAM.subarray(0, 0x1000)));
});

peerTest('readelf is content with ELF64 and ELF32', ['readelf'], async t => {
  const { path, cleanup } = await dir({ unsafeCleanup: true });
  try {
    for (const [name, options] of [
      ['x86_64', X86],
      ['i386', I386],
    ] as const) {
      const file = join(path, name);
      writeFileSync(file, dump(madeKernel(options)).core);
      const { stdout, stderr } = peer('readelf', ['-hlnW', file], [path]);
      t.is(stderr, '', name);
      t.regex(stdout, /Type:\s+CORE/);
      t.regex(stdout, /VMCOREINFO/);
      t.notRegex(stdout, /[Ww]arning/);
    }
  } finally {
    await cleanup();
  }
});

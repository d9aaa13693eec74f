// What openDump makes of other inputs: raw images, formats that it refuses by name, VMCOREINFO without a note, CPUs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { InputError, type MemoryFault, MemorySource, openDump } from 'kdumpling/reader';
import { openFile } from 'kdumpling/reader/node';
import { withDir } from 'tmp-promise';
import { concat, madeElf, madeNote, PAGE, PoisonSource, pattern } from './made-files.js';

test('raw images lie where they are said to; of overlapping ones the first counts', async t => {
  const sources = [pattern(1, 5000), pattern(2, 3 * PAGE), new Uint8Array(0)].map(
    (bytes, i) => new PoisonSource(bytes, `ram${i}`),
  );
  const dump = await openDump(sources, { raw: [0x10000, 0xf000, 0] });
  const { physical } = dump;
  t.deepEqual(physical.bytes(0x10000, 5000), Uint8Array.from(pattern(1, 5000)));
  t.deepEqual(physical.bytes(0xf000, PAGE), Uint8Array.from(pattern(2, 3 * PAGE).subarray(0, PAGE)));
  t.deepEqual(
    physical.bytes(0x10000 + 4990, 20),
    Uint8Array.from(concat([pattern(1, 5000).subarray(4990), pattern(2, 3 * PAGE).subarray(PAGE + 5000, PAGE + 5010)])),
  );
  t.is((t.throws(() => physical.u8(0x12000)) as MemoryFault).reason, 'hole');
  t.true(dump.issues.has('empty-image'));
  await t.throwsAsync(openDump([sources[0]], { raw: [2 ** 52] }), { instanceOf: InputError });
});

test('raw images by path', async t => {
  await withDir(
    async ({ path }) => {
      await writeFile(join(path, 'a@b.bin'), pattern(1));
      await writeFile(join(path, 'c.bin'), pattern(2));
      const dump = await openFile(`${join(path, 'a@b.bin')}@0x40000000,${join(path, 'c.bin')}@4096`);
      t.deepEqual(dump.physical.bytes(0x4000_0000, PAGE), Uint8Array.from(pattern(1)));
      t.deepEqual(dump.physical.bytes(4096, PAGE), Uint8Array.from(pattern(2)));
      t.is(dump.container.format, 'raw');
      t.deepEqual(dump.attributes.get('raw.1.paddr'), { value: 4096, from: 'user' });
      dump.close();
      await t.throwsAsync(openFile(`${join(path, 'c.bin')}@4T`), { instanceOf: RangeError });
      // A file whose whole name is given is that file.
      await t.throwsAsync(openFile(join(path, 'a@b.bin')), {
        instanceOf: InputError,
        message: /no dump that is known here.*FILE@PADDR/,
      });
      await t.throwsAsync(openFile(join(path, 'none')), { instanceOf: InputError, message: /none: cannot be opened/ });
    },
    { unsafeCleanup: true },
  );
});

const KNOWN: readonly (readonly [string, Buffer, RegExp])[] = [
  ['LKCD', Buffer.from('ed238f61730119a8', 'hex'), /LKCD.*crash/],
  ['s390 stand-alone', Buffer.from('a8190173618f23fd', 'hex'), /s390.*zgetdump/],
  ['sadump', Buffer.from('sadump\0\0'), /sadump.*makedumpfile/],
  ['VMware vmss', Buffer.from('d2bed2be', 'hex'), /VMware.*vmss2core/],
  ['savevm', Buffer.from('QEVM'), /migration.*dump-guest-memory/],
  ['libvirt', Buffer.from('LibvirtQemudSave'), /libvirt.*virsh dump/],
  ['LiME', Buffer.from('EMiL'), /LiME.*FILE@PADDR/],
  ['Windows', Buffer.from('PAGEDU64'), /Windows/],
  ['diskdump', Buffer.from('DISKDUMP'), /diskdump.*crash/],
  ['gzip', Buffer.from('1f8b', 'hex'), /gzip.*unpack it first/],
  ['zstd', Buffer.from('28b52ffd', 'hex'), /Zstandard.*unpack it first/],
  ['xz', Buffer.from('fd377a585a00', 'hex'), /xz.*unpack it first/],
];

for (const [name, magic, sentence] of KNOWN) {
  test(`refused by name: ${name}`, async t => {
    const file = concat([magic, new Uint8Array(100)]);
    await t.throwsAsync(openDump([new MemorySource(file, 'file')]), { instanceOf: InputError, message: sentence });
    // A format begins with all of its bytes, or is something else.
    const other = Uint8Array.from(file);
    other[magic.length - 1] ^= 0x55;
    await t.throwsAsync(openDump([new MemorySource(other, 'file')]), {
      instanceOf: InputError,
      message: /no dump that is known here/,
    });
  });
}

test('what is no dump is told by its first bytes, in two sentences at most', async t => {
  const text = await t.throwsAsync(
    openDump([new MemorySource(Buffer.from('no dump\u0001 of mine, and more'), 'text')]),
    {
      instanceOf: InputError,
    },
  );
  t.is(
    text?.message,
    'text: first bytes: magic at offset 0x0: it is no dump that is known here: it begins with 6e 6f 20 64 75 6d 70 01 20 6f 66 20 6d 69 6e 65 ("no dump. of mine"); raw memory is given as FILE@PADDR, the physical address of its first byte',
  );
  await t.throwsAsync(openDump([new MemorySource(new Uint8Array(0), 'empty')]), { message: /the file is empty$/ });
  await t.throwsAsync(openDump([new MemorySource(new Uint8Array(9), 'a.txt')], { folder: 'folder' }), {
    message:
      'folder: folder: it is no dump that is known here: the folder has neither md_*.BIN files nor a dump_info.txt',
  });
});

test('refused by its file name: a VMware guest dump', async t => {
  await t.throwsAsync(openDump([new MemorySource(new Uint8Array(64), 'vm.guest')]), { message: /VMware guest dump/ });
});

test('an empty file is refused, and so is a Xen core', async t => {
  await t.throwsAsync(openDump([new MemorySource(new Uint8Array(0), 'empty')]), {
    instanceOf: InputError,
    message: /^empty: /,
  });
  const core = madeElf({ segments: [{ paddr: 0n, bytes: pattern(1) }] });
  const names = Buffer.from('\0.xen_prstatus\0');
  const sections = Buffer.alloc(2 * 64);
  sections.writeUInt32LE(1, 64);
  sections.writeBigUInt64LE(BigInt(core.length), 64 + 24);
  sections.writeBigUInt64LE(BigInt(names.length), 64 + 32);
  const file = Buffer.from(concat([core, names, sections]));
  file.writeBigUInt64LE(BigInt(core.length + names.length), 40);
  for (const [i, half] of [64, 2, 1].entries()) file.writeUInt16LE(half, 58 + 2 * i);
  await t.throwsAsync(openDump([new MemorySource(file, 'core')]), { message: /Xen domain/ });
});

const TEXT = 'OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\n';

test('VMCOREINFO without a note is found where it begins a page', async t => {
  const memory = new Uint8Array(16 * PAGE);
  // A copy off a page's start, a page that only begins like it, and the text itself.
  memory.set(Buffer.from(TEXT.replace('6.1.0', '5.0.0')), 2 * PAGE + 16);
  memory.set(Buffer.from('OSRELEASE=%s\n'), 3 * PAGE);
  memory.set(Buffer.from(TEXT), 9 * PAGE);
  const dump = await openDump([new PoisonSource(madeElf({ segments: [{ paddr: 0x100000n, bytes: memory }] }))]);
  t.is(dump.vmcoreinfo?.release, '6.1.0-test');
  t.deepEqual(dump.attributes.get('linux.vmcoreinfo.paddr')?.value, 0x100000 + 9 * PAGE);
  t.is(dump.attributes.get('linux.vmcoreinfo.from')?.value, 'memory');
  const said = await openDump([new PoisonSource(madeElf({ segments: [{ paddr: 0n, bytes: memory }] }))], {
    vmcoreinfo: 'OSRELEASE=user\n',
  });
  t.is(said.vmcoreinfo?.release, 'user');
  const none = await openDump([new PoisonSource(madeElf({ segments: [{ paddr: 0n, bytes: new Uint8Array(PAGE) }] }))]);
  t.is(none.vmcoreinfo, null);
  t.true(none.issues.has('no-vmcoreinfo'));
});

for (const littleEndian of [true, false]) {
  test(`a ${littleEndian ? 'little' : 'big'}-endian ppc64 guest in a big-endian file, by the note in its memory`, async t => {
    const memory = new Uint8Array(8 * 65536);
    memory.set(madeNote('VMCOREINFO', 0, Buffer.from(TEXT.replace('4096', '65536')), littleEndian), 5 * 65536);
    const dump = await openDump([
      new PoisonSource(madeElf({ littleEndian: false, machine: 21, segments: [{ paddr: 0n, bytes: memory }] })),
    ]);
    t.is(dump.physical.littleEndian, littleEndian);
    t.is(dump.attributes.get('arch.byte_order')?.value, littleEndian ? 'little' : 'big');
    t.is(dump.pageSize, 65536);
    t.is(dump.vmcoreinfo?.release, '6.1.0-test');
  });
}

test('on s390x the lowcore points at the VMCOREINFO note', async t => {
  const memory = new Uint8Array(16 * PAGE);
  memory.set(Buffer.from(TEXT.replace('6.1.0', '5.0.0')), 2 * PAGE);
  memory.set(madeNote('VMCOREINFO', 0, Buffer.from(TEXT), false), 7 * PAGE + 40);
  new DataView(memory.buffer).setBigUint64(0xe0c, BigInt(7 * PAGE + 40), false);
  const dump = await openDump([
    new PoisonSource(madeElf({ littleEndian: false, machine: 22, segments: [{ paddr: 0n, bytes: memory }] })),
  ]);
  t.is(dump.vmcoreinfo?.release, '6.1.0-test');
});

test('CPUs: registers of NT_PRSTATUS, and what QEMU adds', async t => {
  const prstatus = (pid: number, seed: number) => {
    const note = Buffer.alloc(336);
    note.writeInt32LE(pid, 32);
    for (let i = 0; i < 27; i++) note.writeBigUInt64LE(BigInt(seed + i), 112 + 8 * i);
    return madeNote('CORE', 1, note);
  };
  const qemu = Buffer.alloc(440);
  qemu.writeUInt32LE(1, 0);
  qemu.writeUInt32LE(440, 4);
  // gs is the fifth of the segments behind 18 general registers; cr3 is the fourth control register.
  qemu.writeBigUInt64LE(0xffff_8880_0000_1000n, 8 + 144 + 4 * 24 + 16);
  qemu.writeBigUInt64LE(0x1234000n, 8 + 144 + 240 + 24);
  const notes = concat([
    prstatus(1, 100),
    prstatus(2, 200),
    madeNote('QEMU', 0, qemu),
    madeNote('QEMU', 0, Buffer.alloc(440)),
  ]);
  const dump = await openDump([new PoisonSource(madeElf({ segments: [{ type: 4, paddr: 0n, bytes: notes }] }))]);
  t.deepEqual(
    dump.cpus.map(({ index, pid }) => [index, pid]),
    [
      [0, 1],
      [1, 2],
    ],
  );
  // struct user_regs_struct: r15 first, rip seventeenth, rsp twentieth.
  const registers = new Map(dump.cpus[1].registers);
  t.deepEqual([registers.get('r15'), registers.get('rip'), registers.get('rsp')], [200n, 216n, 219n]);
  t.is(dump.attributes.get('cpu.0.reg.rip')?.value, 116n);
  t.is(dump.attributes.get('cpu.0.qemu.gs_base')?.value, 0xffff_8880_0000_1000n);
  t.is(dump.attributes.get('cpu.0.qemu.cr3')?.value, 0x1234000n);
  t.deepEqual(
    dump.cpus[0].notes.map(({ name }) => name),
    ['CORE', 'QEMU'],
  );
  t.deepEqual(dump.cpus[1].systemRegisters, []);
});

/** Layouts of struct user_fpsimd_state (arm64), user_vfp (arm), the ppc64 regsets: where a register of each lies. */
const REGISTER_NOTES: readonly (readonly [
  label: string,
  machine: number,
  status: number,
  type: number,
  size: number,
  places: readonly (readonly [name: string, offset: number, size: number])[],
])[] = [
  [
    'NT_FPREGSET',
    183,
    392,
    2,
    528,
    [
      ['v0', 0, 16],
      ['v31', 496, 16],
      ['fpsr', 512, 4],
      ['fpcr', 516, 4],
    ],
  ],
  [
    'NT_ARM_PAC_MASK',
    183,
    392,
    0x406,
    16,
    [
      ['pauth_dmask', 0, 8],
      ['pauth_cmask', 8, 8],
    ],
  ],
  [
    'NT_ARM_VFP',
    40,
    148,
    0x400,
    260,
    [
      ['d0', 0, 8],
      ['d31', 248, 8],
      ['fpscr', 256, 4],
    ],
  ],
  [
    'NT_FPREGSET',
    21,
    504,
    2,
    264,
    [
      ['f0', 0, 8],
      ['f31', 248, 8],
      ['fpscr', 256, 8],
    ],
  ],
  [
    'NT_PPC_VMX',
    21,
    504,
    0x100,
    544,
    [
      ['vr0', 0, 16],
      ['vr31', 496, 16],
      ['vscr', 512, 16],
    ],
  ],
  [
    'NT_PPC_VSX',
    21,
    504,
    0x102,
    256,
    [
      ['vs0h', 0, 8],
      ['vs31h', 248, 8],
    ],
  ],
];

for (const littleEndian of [true, false]) {
  for (const [label, machine, status, type, size, places] of REGISTER_NOTES) {
    test(`CPUs: ${label} of machine ${machine}, ${littleEndian ? 'little' : 'big'}-endian`, async t => {
      const descriptor = pattern(type, size);
      const notes = concat([
        madeNote('CORE', 1, Buffer.alloc(status), littleEndian),
        madeNote(type === 2 ? 'CORE' : 'LINUX', type, descriptor, littleEndian),
        // Of the same type, but short: what it does not reach is left out.
        madeNote(type === 2 ? 'CORE' : 'LINUX', type, descriptor.subarray(0, places[0][2]), littleEndian),
      ]);
      const segments = [{ type: 4, paddr: 0n, bytes: notes }];
      const bits = machine === 40 ? 32 : 64;
      const dump = await openDump([new PoisonSource(madeElf({ bits, machine, littleEndian, segments }))]);
      const [whole, short] = dump.cpus[0].registerSets;
      t.is(whole.note, label);
      const found = new Map(whole.registers);
      for (const [name, offset, length] of places) {
        const bytes = [...descriptor.subarray(offset, offset + length)];
        const digits = (littleEndian ? bytes.toReversed() : bytes).map(byte => byte.toString(16).padStart(2, '0'));
        t.is(found.get(name), BigInt(`0x${digits.join('')}`), name);
      }
      t.deepEqual(
        short.registers.map(([name]) => name),
        [places[0][0]],
      );
    });
  }
}

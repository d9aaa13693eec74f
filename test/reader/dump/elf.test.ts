// ELF cores written by hand: where bytes are taken from, and why others are not there.
import test from 'ava';
import { InputError, type MemoryFault, type MemoryRun, MemorySource, openDump } from 'kdumpling/reader';
import { concat, madeElf, madeNote, PAGE, PoisonSource, pattern } from './made-files.js';

const source = (bytes: Uint8Array, name = 'core') => new PoisonSource(bytes, name);
const reason = (read: () => unknown): string => {
  try {
    read();
  } catch (error) {
    return (error as MemoryFault).reason;
  }
  return 'read';
};
const VMCOREINFO = madeNote('VMCOREINFO', 0, Buffer.from(`OSRELEASE=6.1.0\nPAGESIZE=${PAGE}\n`));
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;

for (const bits of [32, 64] as const) {
  for (const littleEndian of [true, false]) {
    test(`segments of an ELF${bits} core, ${littleEndian ? 'little' : 'big'}-endian`, async t => {
      const segments = [
        { paddr: 0x3000n, bytes: pattern(1, 2 * PAGE) },
        { paddr: 0x8000n, bytes: pattern(2) },
      ];
      const dump = await openDump([source(madeElf({ bits, littleEndian, machine: littleEndian ? 40 : 22, segments }))]);
      t.deepEqual(dump.physical.bytes(0x3000, 2 * PAGE), Uint8Array.from(pattern(1, 2 * PAGE)));
      t.deepEqual(dump.physical.bytes(0x8000, PAGE), Uint8Array.from(pattern(2)));
      t.is(dump.physical.presentBytes, 3 * PAGE);
      t.deepEqual(dump.physical.bounds, { start: 0x3000, end: 0x9000 });
      t.is(
        reason(() => dump.physical.u8(0x2fff)),
        'hole',
      );
      t.is(
        reason(() => dump.physical.u8(0x5000)),
        'hole',
      );
      t.deepEqual([dump.container.bits, dump.container.littleEndian], [bits, littleEndian]);
    });
  }
}

test('of overlapping segments the first counts, and the other keeps the rest', async t => {
  const segments = [
    { paddr: 0x2000n, bytes: pattern(1, 2 * PAGE) },
    { paddr: 0x1000n, bytes: pattern(2, 4 * PAGE) },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))]);
  const expected = concat([
    pattern(2, 4 * PAGE).subarray(0, PAGE),
    pattern(1, 2 * PAGE),
    pattern(2, 4 * PAGE).subarray(3 * PAGE),
  ]);
  t.deepEqual(physical.bytes(0x1000, 4 * PAGE), Uint8Array.from(expected));
  const located = physical.locate(0x1ff8, 16);
  t.deepEqual(physical.arena.slice(located, located + 16), Uint8Array.from(expected.subarray(0xff8, 0x1008)));
});

test('what p_memsz claims beyond p_filesz was filtered out, unless no machine has such addresses', async t => {
  const segments = [
    { paddr: 0x1000n, bytes: pattern(1), memsz: 0x3000n },
    { paddr: 0x10000n, bytes: pattern(2), memsz: NO_ADDRESS - 0xfffn },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))]);
  t.is(
    reason(() => physical.u8(0x2000)),
    'excluded',
  );
  t.is(
    reason(() => physical.u8(0x3fff)),
    'excluded',
  );
  t.is(
    reason(() => physical.u8(0x4000)),
    'hole',
  );
  t.is(
    reason(() => physical.u8(0x11000)),
    'hole',
  );
  t.deepEqual([...physical.runs(0, 0x12000)], [
    { start: 0, end: 0x1000, state: 'hole' },
    { start: 0x1000, end: 0x2000, state: 'data' },
    { start: 0x2000, end: 0x4000, state: 'excluded' },
    { start: 0x4000, end: 0x10000, state: 'hole' },
    { start: 0x10000, end: 0x11000, state: 'data' },
    { start: 0x11000, end: 0x12000, state: 'hole' },
  ] satisfies MemoryRun[]);
});

test('a core cut short opens with what it has', async t => {
  const whole = madeElf({ segments: [{ paddr: 0n, bytes: pattern(1, 3 * PAGE) }] });
  const dump = await openDump([source(whole.subarray(0, whole.length - PAGE - 100))]);
  t.deepEqual(
    dump.physical.bytes(0, 2 * PAGE - 100),
    Uint8Array.from(pattern(1, 3 * PAGE).subarray(0, 2 * PAGE - 100)),
  );
  t.is(
    reason(() => dump.physical.u8(2 * PAGE - 100)),
    'truncated',
  );
  t.is(dump.physical.locate(2 * PAGE - 104, 8), -1);
  t.is(dump.physical.fault.address, 2 * PAGE - 100);
  t.is(dump.physical.fault.length, 4);
  t.true(dump.issues.has('truncated'));
});

test('a page that is there only in part is never read as a whole one', async t => {
  const segments = [
    { type: 4, paddr: 0n, bytes: VMCOREINFO },
    { paddr: 0x1010n, bytes: pattern(1, 0x20) },
    { paddr: 0x1100n, bytes: pattern(2, 0x80) },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))]);
  t.deepEqual(physical.bytes(0x1010, 0x20), Uint8Array.from(pattern(1, 0x20)));
  // All of the file is in one cached block by now.
  t.is(
    reason(() => physical.u8(0x1000)),
    'unregistered',
  );
  t.is(
    reason(() => physical.u8(0x1030)),
    'unregistered',
  );
  t.is(
    reason(() => physical.u64(0x102c)),
    'unregistered',
  );
  t.deepEqual(physical.bytes(0x1100, 0x80), Uint8Array.from(pattern(2, 0x80)));
  t.is(physical.presentBytes, 0xa0);
});

test('filling that a note tells of is not memory', async t => {
  const descriptor = new Uint8Array(8 + 16 * 2);
  const view = new DataView(descriptor.buffer);
  view.setUint32(0, 1, true);
  [0x1010n, 0x1020n, 0x1ff0n, 0x2004n].forEach((word, i) => {
    view.setBigUint64(8 + 8 * i, word, true);
  });
  const segments = [
    { type: 4, paddr: 0n, bytes: concat([VMCOREINFO, madeNote('KDUMPLING', 0x4b44, descriptor)]) },
    { paddr: 0x1000n, bytes: pattern(1, 3 * PAGE) },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))]);
  t.deepEqual([...physical.runs(0x1000, 0x4000)], [
    { start: 0x1000, end: 0x1010, state: 'unregistered' },
    { start: 0x1010, end: 0x1020, state: 'data' },
    { start: 0x1020, end: 0x1ff0, state: 'unregistered' },
    { start: 0x1ff0, end: 0x2004, state: 'data' },
    { start: 0x2004, end: 0x3000, state: 'unregistered' },
    { start: 0x3000, end: 0x4000, state: 'data' },
  ] satisfies MemoryRun[]);
  t.is(physical.presentBytes, 0x10 + 0x14 + PAGE);
  t.is(
    reason(() => physical.u8(0x1020)),
    'unregistered',
  );
  t.is(
    reason(() => physical.u32(0x101e)),
    'unregistered',
  );
  t.is(physical.fault.address, 0x1020);
  t.is(
    reason(() => physical.bytes(0x1010, 0x11)),
    'unregistered',
  );
  const expected = pattern(1, 3 * PAGE);
  t.deepEqual(physical.bytes(0x1ff0, 0x14), Uint8Array.from(expected.subarray(0xff0, 0x1004)));
  const scanned: [number, number][] = [];
  physical.scan(0, 0x10000, (paddr, bytes) => {
    scanned.push([paddr, bytes.length]);
    return true;
  });
  t.deepEqual(scanned, [
    [0x1010, 0x10],
    [0x1ff0, 0x14],
    [0x3000, PAGE],
  ]);
});

test('segments without physical addresses are read by virtual address', async t => {
  const segments = [
    { vaddr: 0xffff_8000_0000_0000n, paddr: NO_ADDRESS, bytes: pattern(1) },
    { vaddr: 0xffff_8000_0001_0000n, paddr: NO_ADDRESS, bytes: pattern(2) },
  ];
  const dump = await openDump([source(madeElf({ segments }))]);
  t.is(dump.physical.presentBytes, 0);
  t.deepEqual(dump.virtual.bytes(0xffff_8000_0001_0000n, PAGE), Uint8Array.from(pattern(2)));
  t.deepEqual(dump.virtual.bytes(0xffff_8000_0000_0ff0n, 16), Uint8Array.from(pattern(1).subarray(0xff0)));
  t.true(dump.issues.has('no-physical-address'));
});

test('several segments that all claim physical address 0 have none', async t => {
  const segments = [
    { vaddr: 0x400000n, paddr: 0n, bytes: pattern(1) },
    { vaddr: 0x600000n, paddr: 0n, bytes: pattern(2) },
  ];
  const dump = await openDump([source(madeElf({ segments }))]);
  t.is(dump.physical.presentBytes, 0);
  t.deepEqual(dump.virtual.bytes(0x600000n, PAGE), Uint8Array.from(pattern(2)));
});

test('reads across blocks and segments that touch', async t => {
  const segments = [
    { paddr: 0x1000n, bytes: pattern(1, 5000) },
    { paddr: 0x1000n + 5000n, bytes: pattern(2, 70000) },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))], { cacheBytes: 65536 });
  const expected = concat([pattern(1, 5000), pattern(2, 70000)]);
  for (const [from, length] of [
    [4990, 20],
    [0, 65536],
    [9000, 65536],
    [4096, 1],
    [74999, 1],
  ]) {
    const at = physical.locate(0x1000 + from, length);
    t.deepEqual(physical.arena.slice(at, at + length), Uint8Array.from(expected.subarray(from, from + length)));
  }
  t.deepEqual(physical.bytes(0x1000, 75000), Uint8Array.from(expected));
});

test('a scan passes every byte once, in order, and stops when told', async t => {
  const segments = [
    { paddr: 0x100000n, bytes: pattern(2, 3 * PAGE) },
    { paddr: 0x1000n, bytes: pattern(1, (1 << 20) - 0x1000 + 5) },
  ];
  const { physical } = await openDump([source(madeElf({ segments }))]);
  let at = 0x1000;
  const seen: Uint8Array[] = [];
  physical.scan(0, 0x101000, (paddr, bytes) => {
    t.is(paddr, at);
    at += bytes.length;
    seen.push(bytes.slice());
    return true;
  });
  t.is(at, 0x101000);
  t.deepEqual(concat(seen), Uint8Array.from(concat([pattern(1, (1 << 20) - 0x1000), pattern(2, PAGE)])));
  let visits = 0;
  physical.scan(0, 0x200000, () => {
    visits++;
    return false;
  });
  t.is(visits, 1);
});

test('device dumps are listed and extracted', async t => {
  const data = pattern(9, 3000);
  const name = new Uint8Array(44);
  name.set(Buffer.from('cxgb4_0000:01:00.4'));
  const notes = concat([VMCOREINFO, madeNote('LINUX', 0x700, concat([name, data]))]);
  const dump = await openDump([source(madeElf({ segments: [{ type: 4, paddr: 0n, bytes: notes }] }))]);
  t.deepEqual(
    dump.deviceDumps.map(({ name: device, size }) => [device, size]),
    [['cxgb4_0000:01:00.4', 3000]],
  );
  t.is(dump.attributes.get('device_dump.0.size')?.value, 3000);
});

const refused = async (bytes: Uint8Array): Promise<InputError> => {
  try {
    await openDump([new MemorySource(bytes, 'file')]);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('it was opened');
};

test('a 32-bit MIPS core is not one of 64-bit MIPS, which has the same e_machine', async t => {
  const open = (bits: 32 | 64) =>
    openDump([source(madeElf({ bits, machine: 8, segments: [{ paddr: 0n, bytes: pattern(1) }] }))]);
  t.is((await open(64)).arch?.name, 'mips64');
  const dump = await open(32);
  t.is(dump.arch, null);
  t.regex(
    dump.issues.list().find(({ code }) => code === 'unknown-architecture')?.message ?? '',
    /8, 32-bit, in the header.*--set arch\.name/,
  );
});

test('refusals name the field', async t => {
  const good = madeElf({ segments: [{ paddr: 0n, bytes: pattern(1) }] });
  const at = (offset: number, ...bytes: number[]) => {
    const copy = Uint8Array.from(good);
    copy.set(bytes, offset);
    return copy;
  };
  t.like((await refused(at(16, 2))).place, { field: 'e_type', offset: 16, value: 2 });
  t.regex((await refused(at(16, 2))).message, /executable, not a dump.*--vmlinux/);
  t.like((await refused(at(54, 3))).place, { field: 'e_phentsize', value: 3 });
  t.like((await refused(at(4, 7))).place, { field: 'EI_CLASS', offset: 4, value: 7 });
  t.like((await refused(at(56, 0xff, 0xff))).place, { field: 'e_shoff' });
  t.regex((await refused(good.subarray(0, 30))).message, /only 6 are there/);
  const cut = await refused(good.subarray(0, 64));
  t.like(cut.place, { record: 'program header', offset: 64, field: 'p_type' });
  t.regex(
    cut.message,
    /1 program headers are claimed, but the file ends at 64 and none of them lie in it; the file was cut/,
  );
  t.like((await refused(at(56, 0, 0))).place, { field: 'e_phnum', offset: 56, value: 0 });
});

for (const bits of [32, 64] as const) {
  test(`notes behind the end are named, ELF${bits}; with segments the core opens`, async t => {
    const note = { paddr: 0n, type: 4, bytes: VMCOREINFO };
    const [headerSize, entrySize, fields] = bits === 64 ? [64, 56, [8, 32]] : [52, 32, [4, 16]];
    const far = bits === 64 ? 0xfedc_ba98_7654_3211n : 0xfedc_ba98n;
    const damaged = (core: Uint8Array, at: number) => {
      const file = Buffer.from(core);
      if (bits === 64) file.writeBigUInt64LE(far, at);
      else file.writeUInt32LE(Number(far), at);
      return file;
    };
    const alone = madeElf({ bits, segments: [note] });
    t.is((await openDump([source(alone)])).notes.length, 1);
    for (const [i, field] of ['p_offset', 'p_filesz'].entries()) {
      const at = headerSize + fields[i];
      const file = damaged(alone, at);
      // Notes that only end behind the file are used as far as they go.
      if (field === 'p_filesz') file.fill(0, file.length - VMCOREINFO.length);
      const error = await t.throwsAsync(openDump([source(file)]), { instanceOf: InputError });
      const start = `core: program header: ${field} at offset 0x${at.toString(16)} is 0x${far.toString(16)}: the notes would`;
      t.is(error?.message.slice(0, start.length), start);
    }
    const whole = madeElf({ bits, segments: [{ paddr: 0x1000n, bytes: pattern(1) }, note] });
    const dump = await openDump([source(damaged(whole, headerSize + entrySize + fields[0]))]);
    t.deepEqual(dump.physical.bytes(0x1000, PAGE), Uint8Array.from(pattern(1)));
    t.regex(
      dump.issues
        .list()
        .map(({ message }) => message)
        .join(),
      new RegExp(`notes at file offset 0x${far.toString(16)} `),
    );
  });
}

test('the attributes of a core, and what the user says instead', async t => {
  const file = madeElf({
    machine: 183,
    segments: [
      { paddr: 0n, bytes: pattern(1) },
      { type: 4, paddr: 0n, bytes: VMCOREINFO },
    ],
  });
  const dump = await openDump([source(file)]);
  t.is(dump.arch?.name, 'arm64');
  t.deepEqual(dump.attributes.get('arch.page_size'), { value: 4096, from: 'VMCOREINFO' });
  t.deepEqual(dump.attributes.get('linux.vmcoreinfo.lines.OSRELEASE'), { value: '6.1.0', from: 'VMCOREINFO' });
  t.deepEqual(dump.attributes.get('linux.uts.release')?.value, '6.1.0');
  const set = new Map([
    ['arch.name', 'ppc64'],
    ['arch.byte_order', 'big'],
    ['arch.page_size', '65536'],
    ['linux.phys_base', '-4096'],
    ['linux.vmcoreinfo.lines.OSRELEASE', '9.9.9'],
  ]);
  const said = await openDump([source(file)], { set });
  t.is(said.arch?.name, 'ppc64');
  t.is(said.pageSize, 65536);
  t.false(said.physical.littleEndian);
  t.is(said.physical.u16(0), new DataView(pattern(1).buffer).getUint16(0, false));
  t.is(said.vmcoreinfo?.release, '9.9.9');
  t.is(said.vmcoreinfo?.number('phys_base'), -4096n);
  t.deepEqual(said.attributes.get('arch.page_size'), { value: 65536, from: 'user' });
  t.deepEqual(said.attributes.unused(), []);
  await t.throwsAsync(openDump([source(file)], { set: new Map([['arch.name', 'pdp11']]) }), { instanceOf: RangeError });
  await t.throwsAsync(openDump([source(file)], { set: new Map([['arch.byte_order', 'up']]) }), {
    instanceOf: RangeError,
  });
  await t.throwsAsync(openDump([source(file)], { set: new Map([['arch.page_size', '5000']]) }), {
    instanceOf: RangeError,
  });
  for (const [key, value] of [
    ['kdump.block_size', '65536'],
    ['memory.start', '0'],
    ['cpu.0.reg.rip', '0'],
    ['linux.phys_bose', '0'],
    ['linux.phys_base', 'zz'],
    ['map.linear.offset', '1.5'],
  ] as const) {
    const error = await t.throwsAsync(openDump([source(file)], { set: new Map([[key, value]]) }), {
      instanceOf: RangeError,
    });
    t.true(error?.message.startsWith(`${key}`), 'what has no effect is refused, by its name');
  }
});

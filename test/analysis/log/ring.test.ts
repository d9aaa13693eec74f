import { readFileSync } from 'node:fs';
import test from 'ava';
import fc from 'fast-check';
import { dmesgLines, type LogRecord, readLog } from 'kdumpling/analysis/log';
import { AddressMap, Issues, type VirtualMemory } from 'kdumpling/reader';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { openFile } from 'kdumpling/reader/node';
import { PiecesMemory } from '../../reader/pieces-memory.js';
import { realDump, realTest, realTruth } from '../../real.js';
import { Writer } from './writer.js';

/** What 6.1 says on 64 bits; on 32 bits all that is a long or a pointer is half as wide. */
const LAYOUT: Record<4 | 8, string> = {
  8: `SIZE(printk_ringbuffer)=88
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=48
OFFSET(printk_ringbuffer.fail)=80
SIZE(prb_desc_ring)=48
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=8
OFFSET(prb_desc_ring.infos)=16
OFFSET(prb_desc_ring.head_id)=24
OFFSET(prb_desc_ring.tail_id)=32
SIZE(prb_desc)=24
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=8
SIZE(prb_data_blk_lpos)=16
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=8
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(printk_info.dev_info)=24
SIZE(prb_data_ring)=32
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=8
OFFSET(prb_data_ring.head_lpos)=16
OFFSET(prb_data_ring.tail_lpos)=24
SIZE(atomic_long_t)=8
OFFSET(atomic_long_t.counter)=0
`,
  4: `SIZE(printk_ringbuffer)=44
OFFSET(printk_ringbuffer.desc_ring)=0
OFFSET(printk_ringbuffer.text_data_ring)=24
OFFSET(printk_ringbuffer.fail)=40
SIZE(prb_desc_ring)=24
OFFSET(prb_desc_ring.count_bits)=0
OFFSET(prb_desc_ring.descs)=4
OFFSET(prb_desc_ring.infos)=8
OFFSET(prb_desc_ring.head_id)=12
OFFSET(prb_desc_ring.tail_id)=16
SIZE(prb_desc)=12
OFFSET(prb_desc.state_var)=0
OFFSET(prb_desc.text_blk_lpos)=4
SIZE(prb_data_blk_lpos)=8
OFFSET(prb_data_blk_lpos.begin)=0
OFFSET(prb_data_blk_lpos.next)=4
SIZE(printk_info)=88
OFFSET(printk_info.seq)=0
OFFSET(printk_info.ts_nsec)=8
OFFSET(printk_info.text_len)=16
OFFSET(printk_info.caller_id)=20
OFFSET(printk_info.dev_info)=24
SIZE(prb_data_ring)=16
OFFSET(prb_data_ring.size_bits)=0
OFFSET(prb_data_ring.data)=4
OFFSET(prb_data_ring.head_lpos)=8
OFFSET(prb_data_ring.tail_lpos)=12
SIZE(atomic_long_t)=4
OFFSET(atomic_long_t.counter)=0
`,
};

const START = 0xc100_0000n;
/** Offsets of the variable prb, the ring, 8 descriptors, 8 infos, 64 bytes of text. */
const PRB = 0;
const RING = 0x100;
const DESCS = 0x200;
const INFOS = 0x400;
const TEXT = 0x800;
const LENGTH = 0x900;

/** Seven records whose ids pass the end of their range: reusable, two texts, an empty line, one that was lost, one not yet written, one that wraps. */
function makeRing(littleEndian: boolean, word: 4 | 8) {
  const memory = new Writer(START, LENGTH, littleEndian, word);
  const { view } = memory;
  const place = (at: number) => START + BigInt(at);
  const ids = 1n << BigInt(word * 8 - 2);
  const text = RING + (word === 8 ? 48 : 24);
  memory.number(PRB, place(RING));
  memory.number(RING, 3, 4);
  memory.number(RING + word, place(DESCS));
  memory.number(RING + 2 * word, place(INFOS));
  memory.number(RING + 3 * word, 3);
  memory.number(RING + 4 * word, ids - 3n);
  memory.number(text, 6, 4);
  memory.number(text + word, place(TEXT));
  const desc = (index: number, state: number, id: bigint, begin: number, next: number) => {
    const at = DESCS + index * 3 * word;
    memory.number(at, (BigInt(state) << BigInt(word * 8 - 2)) | id);
    memory.number(at + word, begin);
    memory.number(at + 2 * word, next);
  };
  const info = (
    index: number,
    seq: number,
    time: bigint,
    length: number,
    facility: number,
    bits: number,
    who: number,
  ) => {
    const at = INFOS + index * 88;
    memory.number(at, seq, 8);
    memory.number(at + 8, time, 8);
    memory.number(at + 16, length, 2);
    view.setUint8(at + 18, facility);
    view.setUint8(at + 19, bits);
    memory.number(at + 20, who, 4);
  };
  // Level 6, flags 2 (LOG_NEWLINE): the level has the high bits on little-endian machines, the low ones on big-endian.
  const bits = (level: number) => (littleEndian ? (level << 5) | 2 : (2 << 3) | level);
  desc(5, 3, ids - 3n, 64, 80);
  info(5, 9, 0n, 3, 0, bits(6), 0);
  desc(6, 2, ids - 2n, 80, 96);
  info(6, 10, 1_234_567_890n, 7, 0, bits(6), 7);
  memory.number(TEXT + 16, ids - 2n);
  memory.text(TEXT + 16 + word, 'zwei é');
  desc(7, 1, ids - 1n, 96, 112);
  info(7, 11, 2_000_000_999n, 4, 3, bits(3), 0x8000_0001);
  memory.text(INFOS + 7 * 88 + 24, DEVICE.SUBSYSTEM);
  memory.text(INFOS + 7 * 88 + 40, DEVICE.DEVICE);
  memory.number(TEXT + 32, ids - 1n);
  memory.text(TEXT + 32 + word, 'a\nbc');
  desc(0, 2, 0n, 3, 3);
  info(0, 12, 3_000_000_000n, 0, 0, bits(4), 7);
  desc(1, 2, 1n, 1, 1);
  info(1, 13, 3_000_000_001n, 5, 0, bits(4), 7);
  desc(2, 0, 2n, 112, 120);
  desc(3, 2, 3n, 112, 128 + 16);
  info(3, 15, 123_456_000_000_000n, 8, 0, bits(0), 0);
  memory.number(TEXT, 3n);
  memory.text(TEXT + word, 'panicked');
  const vmcoreinfo = new Vmcoreinfo(`${LAYOUT[word]}SYMBOL(prb)=${place(PRB).toString(16)}\n`);
  return { memory, vmcoreinfo };
}

const none = () => null;

function read(virtual: VirtualMemory, vmcoreinfo: Vmcoreinfo, symbol: (name: string) => bigint | null = none) {
  const issues = new Issues();
  const records = [...readLog(virtual, vmcoreinfo, symbol, issues)];
  return { records, codes: issues.list().map(issue => issue.code) };
}

const DEVICE = { SUBSYSTEM: 'pci', DEVICE: '+pci:0000:00:1f.3' };

const EXPECTED: LogRecord[] = [
  { seq: 10, timestampNs: 1_234_567_890n, level: 6, facility: 0, caller: 'T7', text: 'zwei é', dictionary: null },
  { seq: 11, timestampNs: 2_000_000_999n, level: 3, facility: 3, caller: 'C1', text: 'a\nbc', dictionary: DEVICE },
  { seq: 12, timestampNs: 3_000_000_000n, level: 4, facility: 0, caller: 'T7', text: '', dictionary: null },
  {
    seq: 15,
    timestampNs: 123_456_000_000_000n,
    level: 0,
    facility: 0,
    caller: 'T0',
    text: 'panicked',
    dictionary: null,
  },
];

for (const [littleEndian, word] of [
  [true, 8],
  [false, 8],
  [true, 4],
  [false, 4],
] as const) {
  test(`ring of ${word * 8} bits, ${littleEndian ? 'little' : 'big'} endian`, t => {
    const { memory, vmcoreinfo } = makeRing(littleEndian, word);
    const { records, codes } = read(memory.memory(), vmcoreinfo);
    t.deepEqual(records, EXPECTED);
    t.deepEqual(codes, []);
  });
}

test('lines as dmesg shows them: every line of a record has the time', t => {
  t.deepEqual(
    [...dmesgLines(EXPECTED)],
    ['[    1.234567] zwei é', '[    2.000000] a', '[    2.000000] bc', '[    3.000000] ', '[123456.000000] panicked'],
  );
});

test('what is not in the dump is told, and the rest is given', t => {
  const { memory, vmcoreinfo } = makeRing(true, 8);
  // The information of record 10.
  const withoutInfo = read(memory.memory([[INFOS + 6 * 88, INFOS + 7 * 88]]), vmcoreinfo);
  t.deepEqual(withoutInfo.records, EXPECTED.slice(1));
  t.deepEqual(withoutInfo.codes, ['log-record-lost']);
  // All texts.
  const withoutText = read(memory.memory([[TEXT, LENGTH]]), vmcoreinfo);
  t.deepEqual(withoutText.records, [EXPECTED[2]]);
  t.deepEqual(withoutText.codes, ['log-record-lost', 'log-record-lost', 'log-record-lost']);
  const withoutRing = read(memory.memory([[RING, DESCS]]), vmcoreinfo);
  t.deepEqual(withoutRing.records, []);
  t.deepEqual(withoutRing.codes, ['log-unreadable']);
});

test('prb comes from symbols where VMCOREINFO lacks it, and printk_rb_static stands in for what cannot be read', t => {
  const { memory } = makeRing(true, 8);
  const symbols: Record<string, bigint> = { prb: START + BigInt(PRB), printk_rb_static: START + BigInt(RING) };
  const virtual = memory.memory();
  t.deepEqual(read(virtual, new Vmcoreinfo(LAYOUT[8]), name => symbols[name] ?? null).records, EXPECTED);
  const early = read(memory.memory([[0, 8]]), new Vmcoreinfo(LAYOUT[8]), name => symbols[name] ?? null);
  t.deepEqual(early.records, EXPECTED);
  t.deepEqual(early.codes, ['log-unreadable']);
  const nothing = read(virtual, new Vmcoreinfo(LAYOUT[8]));
  t.deepEqual(nothing.records, []);
  t.deepEqual(nothing.codes, ['log-symbol']);
});

test('numbers that cannot be end in an issue, not in a walk', t => {
  const { memory, vmcoreinfo } = makeRing(true, 8);
  const changed = (at: number, value: bigint, size: 4 | 8) => {
    const { memory: other } = makeRing(true, 8);
    other.number(at, value, size);
    return read(other.memory(), vmcoreinfo);
  };
  t.deepEqual(changed(RING, 60n, 4).codes, ['log-unreadable']);
  t.deepEqual(changed(RING + 48, 0n, 4).codes, ['log-unreadable']);
  // A head far ahead: only the last eight ids can be there, and none is.
  const far = changed(RING + 24, 1n << 40n, 8);
  t.deepEqual(far.records, []);
  t.deepEqual(far.codes, ['log-corrupt']);
  // A text whose block belongs to another record.
  const stolen = changed(TEXT + 16, 5n, 8);
  t.deepEqual(stolen.records, EXPECTED.slice(1));
  t.deepEqual(stolen.codes, ['log-corrupt']);
  // A block larger than the ring.
  t.deepEqual(changed(DESCS + 6 * 24 + 16, 1n << 50n, 8).records, EXPECTED.slice(1));
  t.deepEqual(
    read(memory.memory(), new Vmcoreinfo(vmcoreinfo.text.replace('OFFSET(prb_desc.state_var)=0\n', ''))).codes,
    ['log-layout'],
  );
  t.deepEqual(read(memory.memory(), new Vmcoreinfo('OSRELEASE=6.1\n')).codes, ['log-layout']);
});

test('whatever bytes change in a ring, the walk ends without an error', t => {
  const change = fc.record({ at: fc.nat(LENGTH - 1), value: fc.constantFrom(0, 1, 0x18, 0x7f, 0x80, 0xff) });
  fc.assert(
    fc.property(fc.boolean(), fc.constantFrom(4, 8), fc.array(change, { maxLength: 8 }), (little, word, changes) => {
      const { memory, vmcoreinfo } = makeRing(little, word as 4 | 8);
      for (const { at, value } of changes) memory.bytes[at] = value;
      return read(memory.memory(), vmcoreinfo).records.length <= 8;
    }),
    { numRuns: 1000, seed: 7 },
  );
  t.pass();
});

interface DrgnRecord {
  readonly seq: number;
  readonly ts: number;
  readonly level: number;
  readonly facility: number;
  readonly tid: number | null;
  readonly cpu: number | null;
  readonly text: string;
  readonly context: Readonly<Record<string, string>>;
}

for (const [dump, truth] of [
  ['x86_64-6.1.elf', 'x86_64-6.1'],
  ['x86_64-7.3.elf', 'x86_64-7.3'],
  ['x86_64-7.3.zstd-d31.kdump', 'x86_64-7.3'],
] as const) {
  const files = [realDump(dump), realTruth(`${truth}/json/dmesg.json`)];
  realTest(`records of ${dump} are those that drgn reads`, files, async t => {
    const opened = await openFile(files[0]);
    const { records, codes } = read(opened.virtual, opened.vmcoreinfo ?? new Vmcoreinfo(''));
    const drgn = JSON.parse(readFileSync(files[1], 'utf8')) as { records: DrgnRecord[] };
    t.deepEqual(codes, []);
    t.deepEqual(
      records,
      drgn.records.map(one => ({
        seq: one.seq,
        timestampNs: BigInt(one.ts),
        level: one.level,
        facility: one.facility,
        caller: one.cpu === null ? `T${one.tid}` : `C${one.cpu}`,
        text: one.text,
        dictionary: Object.keys(one.context).length === 0 ? null : one.context,
      })),
    );
    opened.close();
  });
}

/** What the console did not get any more: the machine was on its way into the crash kernel. */
const UNPRINTED: Record<string, number> = { 'ppc64le-6.1': 3 };

for (const name of ['arm64-6.1', 'i386-6.1', 'ppc64le-6.1', 's390x-6.1']) {
  const files = [realDump(`${name}.elf`), realTruth(`${name}/serial.log`)];
  realTest(`lines of ${name} are those of its console`, files, async t => {
    const dump = await openFile(files[0]);
    const { records, codes } = read(dump.virtual, dump.vmcoreinfo ?? new Vmcoreinfo(''));
    const console = new Set(
      readFileSync(files[1], 'utf8')
        .replaceAll('\r', '')
        .split('\n')
        .map(line => line.trimEnd()),
    );
    const lines = [...dmesgLines(records)].map(line => line.trimEnd());
    t.deepEqual(codes, []);
    t.true(lines.length > 150);
    const absent = lines.filter(line => !console.has(line));
    t.deepEqual(absent, lines.slice(lines.length - (UNPRINTED[name] ?? 0)));
    dump.close();
  });
}

for (const name of ['x86_64-6.1', 'arm64-6.1', 's390x-6.1', 'i386-6.1']) {
  realTest(`the log of ${name} from its five regions alone`, [realDump(`${name}.elf`)], async t => {
    const dump = await openFile(realDump(`${name}.elf`));
    const info = dump.vmcoreinfo ?? new Vmcoreinfo('');
    const { virtual } = dump;
    const prb = info.symbol('prb') ?? 0n;
    const ring = virtual.pointer(prb);
    const word = virtual.pointerSize;
    const texts = ring + BigInt(info.offset('printk_ringbuffer', 'text_data_ring') ?? 0);
    const count = 2 ** virtual.u32(ring);
    const regions: [bigint, number][] = [
      [prb, word],
      [ring, info.size('printk_ringbuffer') ?? 0],
      [virtual.pointer(ring + BigInt(word)), count * (info.size('prb_desc') ?? 0)],
      [virtual.pointer(ring + BigInt(2 * word)), count * (info.size('printk_info') ?? 0)],
      [virtual.pointer(texts + BigInt(word)), 2 ** virtual.u32(texts)],
    ];
    const full = read(virtual, info).records;
    const core = (some: readonly [bigint, number][]) => {
      const pieces = some.map(([at, size], i) => ({ paddr: 0x1000_0000 * (i + 1), bytes: virtual.bytes(at, size) }));
      const ranges = some.map(([first, size], i) => {
        const range = { name: 'segment', method: 'segment', first, last: first + BigInt(size) - 1n } as const;
        return { ...range, target: pieces[i].paddr, confirmedBy: '', partial: false };
      });
      return new AddressMap(new PiecesMemory(pieces, virtual.littleEndian, word), ranges, null, 'unregistered');
    };
    const whole = read(core(regions), info);
    t.deepEqual(whole.records, full);
    t.deepEqual(whole.codes, []);
    const lacking = read(core(regions.slice(0, 4)), info);
    t.deepEqual(
      lacking.records,
      full.filter(record => record.text === ''),
    );
    t.true(lacking.codes.includes('log-record-lost'));
    dump.close();
  });
}

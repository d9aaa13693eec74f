import test from 'ava';
import { type LogRecord, readLog } from 'kdumpling/analysis/log';
import { Issues } from 'kdumpling/reader';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { Writer } from './writer.js';

const START = 0xffff_ffff_8100_0000n;
/** Offsets of variables and of the buffer. */
const LOG_BUF = 0;
const LENGTH = 8;
const FIRST = 12;
const NEXT = 16;
const END = 20;
const LOGGED = 24;
const FIRST_SEQ = 32;
const BUFFER = 0x100;

const line = (name: string, at: number) => `SYMBOL(${name})=${(START + BigInt(at)).toString(16)}\n`;

function read(memory: Writer, text: string, holes: readonly (readonly [number, number])[] = []) {
  const issues = new Issues();
  const symbols: Record<string, bigint> = { log_first_seq: START + BigInt(FIRST_SEQ) };
  const records = [...readLog(memory.memory(holes), new Vmcoreinfo(text), name => symbols[name] ?? null, issues)];
  return { records, codes: issues.list().map(issue => issue.code) };
}

interface Stored {
  readonly at: number;
  readonly length: number;
  readonly time: bigint;
  readonly level: number;
  readonly flags: number;
  readonly text: string;
  readonly caller?: number;
  readonly dictionary?: string;
}

const SYMBOLS =
  line('log_buf', LOG_BUF) + line('log_buf_len', LENGTH) + line('log_first_idx', FIRST) + line('log_next_idx', NEXT);
const OFFSETS = (type: string) =>
  `OFFSET(${type}.ts_nsec)=0\nOFFSET(${type}.len)=8\nOFFSET(${type}.text_len)=10\nOFFSET(${type}.dict_len)=12\n`;

function structured(littleEndian: boolean, header: number, first: number, next: number, records: readonly Stored[]) {
  const memory = new Writer(START, 0x200, littleEndian, 8);
  memory.number(LOG_BUF, START + BigInt(BUFFER), 8);
  memory.number(LENGTH, 0x100, 4);
  memory.number(FIRST, first, 4);
  memory.number(NEXT, next, 4);
  memory.number(FIRST_SEQ, 41, 8);
  for (const { at, length, time, level, flags, text, caller, dictionary = '' } of records) {
    const place = BUFFER + at;
    memory.number(place, time, 8);
    memory.number(place + 8, length, 2);
    memory.number(place + 10, Buffer.byteLength(text), 2);
    memory.number(place + 14, 0, 1);
    memory.number(place + 15, littleEndian ? (level << 5) | flags : (flags << 3) | level, 1);
    if (caller !== undefined) memory.number(place + 16, caller, 4);
    memory.text(place + header, text);
    memory.number(place + 12, Buffer.byteLength(dictionary), 2);
    memory.text(place + header + Buffer.byteLength(text), dictionary);
  }
  return memory;
}

for (const littleEndian of [true, false]) {
  test(`records in a buffer (5.4), ${littleEndian ? 'little' : 'big'} endian: caller, wrap, continuation`, t => {
    // LOG_NEWLINE 2, LOG_PREFIX 4, LOG_CONT 8. The record at 0xc0 is followed by one of length 0: the next is at 0.
    const memory = structured(littleEndian, 20, 0x90, 0x68, [
      { at: 0x90, length: 48, time: 1_000_000_000n, level: 6, flags: 4, text: 'Freeing memory: ', caller: 1 },
      { at: 0xc0, length: 32, time: 1_000_000_500n, level: 6, flags: 10, text: '512K é', caller: 1 },
      {
        at: 0x00,
        length: 0x38,
        time: 2_000_000_000n,
        level: 4,
        flags: 2,
        text: 'second',
        caller: 0x8000_0003,
        dictionary: 'SUBSYSTEM=usb\0DEVICE=c189:1',
      },
      { at: 0x38, length: 48, time: 3_000_000_000n, level: 0, flags: 2, text: '', caller: 9 },
    ]);
    const { records, codes } = read(memory, `SIZE(printk_log)=20\n${OFFSETS('printk_log')}${SYMBOLS}`);
    const seq = 41;
    const expected: LogRecord[] = [
      {
        seq,
        timestampNs: 1_000_000_000n,
        level: 6,
        facility: 0,
        caller: 'T1',
        text: 'Freeing memory: 512K é',
        dictionary: null,
      },
      {
        seq: seq + 2,
        timestampNs: 2_000_000_000n,
        level: 4,
        facility: 0,
        caller: 'C3',
        text: 'second',
        dictionary: { SUBSYSTEM: 'usb', DEVICE: 'c189:1' },
      },
      { seq: seq + 3, timestampNs: 3_000_000_000n, level: 0, facility: 0, caller: 'T9', text: '', dictionary: null },
    ];
    t.deepEqual(codes, []);
    t.deepEqual(records, expected);
  });
}

test('records in a buffer before 3.11, without a caller', t => {
  const memory = structured(true, 16, 0, 0x20, [
    { at: 0, length: 32, time: 5n, level: 5, flags: 2, text: 'Linux version' },
  ]);
  const { records, codes } = read(memory, `SIZE(log)=16\n${OFFSETS('log')}${SYMBOLS}`);
  t.deepEqual(codes, []);
  t.deepEqual(records, [
    { seq: 41, timestampNs: 5n, level: 5, facility: 0, caller: null, text: 'Linux version', dictionary: null },
  ]);
});

test('a record that passes its own end, or one that never ends the walk, is told', t => {
  const text = `SIZE(log)=16\n${OFFSETS('log')}${SYMBOLS}`;
  const long = structured(true, 16, 0, 0x20, [
    { at: 0, length: 20, time: 5n, level: 5, flags: 2, text: 'Linux version' },
  ]);
  t.deepEqual(read(long, text), { records: [], codes: ['log-corrupt'] });
  // Nothing but zeros, and an end that no record reaches: each turn goes back to 0.
  const round = structured(true, 16, 0, 0x33, []);
  t.deepEqual(read(round, text), { records: [], codes: [] });
  const outside = structured(true, 16, 0xffff_ff00, 0x33, []);
  t.deepEqual(read(outside, text), { records: [], codes: ['log-corrupt'] });
  const missing = structured(true, 16, 0, 0x20, []);
  t.deepEqual(read(missing, text, [[BUFFER, 0x200]]), { records: [], codes: ['log-record-lost'] });
  t.deepEqual(read(missing, text, [[LENGTH, LENGTH + 4]]).codes, ['log-symbol', 'log-unreadable']);
});

const LEGACY =
  line('log_buf', LOG_BUF) + line('log_buf_len', LENGTH) + line('log_end', END) + line('logged_chars', LOGGED);

function legacy(size: number, end: number, logged: number) {
  const memory = new Writer(START, BUFFER + size, true, 8);
  memory.number(LOG_BUF, START + BigInt(BUFFER), 8);
  memory.number(LENGTH, size, 4);
  memory.number(END, end, 4);
  memory.number(LOGGED, logged, 4);
  return memory;
}

test('plain text (2.6.32): a ring whose oldest line is behind the newest', t => {
  const first = '<6>[    1.500000] one\n<4>[   12.000001] two é\n';
  const second = '<0>Kernel panic - not syncing: no time\n[    2.000000] no level';
  const size = 128;
  const text = Buffer.from(first + second);
  const start = 100;
  const memory = legacy(size, size + ((start + text.length) % size), text.length);
  for (const [i, byte] of text.entries()) memory.bytes[BUFFER + ((start + i) % size)] = byte;
  const { records, codes } = read(memory, LEGACY);
  t.deepEqual(codes, []);
  const common = { facility: 0, caller: null, dictionary: null };
  t.deepEqual(records, [
    { ...common, seq: 0, timestampNs: 1_500_000_000n, level: 6, text: 'one' },
    { ...common, seq: 1, timestampNs: 12_000_001_000n, level: 4, text: 'two é' },
    { ...common, seq: 2, timestampNs: 0n, level: 0, text: 'Kernel panic - not syncing: no time' },
    { ...common, seq: 3, timestampNs: 2_000_000_000n, level: 4, text: 'no level' },
  ]);
});

test('plain text of which more was said to be written than fits, and a buffer that cannot be', t => {
  const memory = legacy(64, 64, 0xffff_ffff);
  memory.text(BUFFER, '<6>'.padEnd(63, 'x'));
  t.deepEqual(
    read(memory, LEGACY).records.map(record => record.text),
    [`${'x'.repeat(60)}\0`],
  );
  const huge = legacy(64, 64, 64);
  huge.number(LENGTH, 0xffff_ffff, 4);
  t.deepEqual(read(huge, LEGACY), { records: [], codes: ['log-corrupt'] });
});

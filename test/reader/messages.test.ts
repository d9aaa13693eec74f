// What the two errors say, and how findings are counted.
import test from 'ava';
import fc from 'fast-check';
import { type FaultReason, FaultRecord, hex, InputError, Issues, MemoryFault } from 'kdumpling/reader';

const REASONS: readonly FaultReason[] = ['hole', 'excluded', 'unregistered', 'truncated', 'not-present', 'corrupt'];

test('a fault is a sentence with length, space, address and reason', t => {
  const sentences = new Set<string>();
  for (const reason of REASONS) {
    const { message } = new MemoryFault('physical', 0x1234, 8, reason);
    t.regex(message, /^8 bytes at physical address 0x1234 cannot be read: [a-z]/);
    sentences.add(message);
  }
  t.is(sentences.size, REASONS.length, 'each reason has its own words');
  t.is(
    new MemoryFault('virtual', 0xffffffff81000000n, 1, 'hole', 'why').message.slice(0, 48),
    '1 byte at virtual address 0xffffffff81000000 can',
  );
  t.true(new MemoryFault('virtual', 0n, 1, 'hole', 'why').message.endsWith('(why)'));
});

test('a fault has no stack of its own and leaves the limit as it was', t => {
  const limit = Error.stackTraceLimit;
  const { stack } = new MemoryFault('physical', 0, 1, 'hole');
  t.false((stack ?? '').includes('messages.test'));
  t.is(Error.stackTraceLimit, limit);
  t.true(new MemoryFault('physical', 0, 1, 'hole') instanceof Error);
});

test('a record of a fault says the same as the error', t => {
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.nat(),
      fc.constantFrom(...REASONS),
      fc.string(),
      (address, length, reason, detail) => {
        const record = new FaultRecord();
        const copied = new FaultRecord();
        if (record.set('file', address, length, reason, detail) !== -1 || copied.copy(record) !== -1) return false;
        return copied.toError().message === new MemoryFault('file', address, length, reason, detail).message;
      },
    ),
  );
  t.pass();
});

test('hexadecimal of both kinds of address', t => {
  t.deepEqual(
    [hex(0), hex(255), hex(-16), hex(0xffffffffffffffffn), hex(-1n)],
    ['0x0', '0xff', '-0x10', '0xffffffffffffffff', '-0x1'],
  );
});

test('a refusal names source, record, field, offset, value, reason and advice', t => {
  const place = { source: 'core', record: 'ELF header', offset: 54, field: 'e_phentsize', value: 7 };
  t.is(
    new InputError(place, 'too small', 'get another').message,
    'core: ELF header: e_phentsize at offset 0x36 is 0x7: too small; get another',
  );
  t.is(
    new InputError({ source: 'core', nowhere: 'system', offset: 16 }, 'cut short').message,
    'core: at offset 0x10: cut short',
  );
  t.is(new InputError({ source: 'core', nowhere: 'absent' }, 'no dump').message, 'core: no dump');
  t.is(
    new InputError({ ...place, value: 'a\nb' }, 'bad').message,
    'core: ELF header: e_phentsize at offset 0x36 is "a\\nb": bad',
  );
});

test('of one kind of finding the first hundred are kept and all are counted', t => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 150 })), { maxLength: 6 }),
      runs => {
        const issues = new Issues();
        const counts = new Map<string, number>();
        for (const [code, times] of runs) {
          for (let i = 0; i < times; i++) issues.add(code, `finding ${i}`, i);
          counts.set(code, (counts.get(code) ?? 0) + times);
        }
        const list = issues.list();
        for (const [code, count] of counts) {
          const kept = list.filter(issue => issue.code === code);
          if (kept.length !== Math.min(count, 101)) return false;
          if (count > 100 && !kept[100].message.startsWith(`${count - 100} `)) return false;
          if (!issues.has(code)) return false;
        }
        return (
          issues.count === [...counts.values()].reduce((sum, n) => sum + n, 0) && [...issues].length === list.length
        );
      },
    ),
  );
  t.pass();
});

// Buffers of messages that never came to the log, in memory written by hand: struct printk_safe_seq_buf of 4.10 to 5.14 and struct nmi_seq_buf of 4.7 to 4.9.
import test from 'ava';
import { unflushedMessages } from 'kdumpling/analysis/log';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { BIG, LITTLE, type Machine, MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const SIZE = 256;
const BUFFER_AT = 40;
const ATOMIC = compound('struct', 'atomic_t', 4, [['counter', INT, 0]]);
const members = [
  ['len', ATOMIC, 0],
  ['message_lost', ATOMIC, 32],
  ['buffer', { kind: 'array', element: int('unsigned char', 1, false), length: SIZE - BUFFER_AT }, BUFFER_AT * 8],
] as const;
const CPUMASK = compound('struct', 'cpumask', 8, [['bits', { kind: 'array', element: U64, length: 1 }, 0]]);
const SAFE: readonly Type[] = [compound('struct', 'printk_safe_seq_buf', SIZE, members), CPUMASK];
const NMI: readonly Type[] = [compound('struct', 'nmi_seq_buf', SIZE, members), CPUMASK];

/** Two CPUs with both buffers. */
class MadeBuffers {
  readonly memory: MadeMemory;
  readonly symbols: Record<string, bigint>;
  readonly area = 0x1000n;

  constructor(machine: Machine = LITTLE) {
    this.memory = new MadeMemory(1 << 15, machine);
    const { memory } = this;
    const [offsets, mask] = [memory.take(16), memory.take(8)];
    memory.words(offsets, 0n, this.area);
    memory.words(mask, 3n);
    this.symbols = {
      safe_print_seq: memory.take(SIZE, 256),
      nmi_print_seq: memory.take(SIZE, 256),
      __per_cpu_offset: offsets,
      __cpu_possible_mask: mask,
    };
  }

  at(buffer: string, cpu: number): bigint {
    return this.symbols[buffer] + this.area * BigInt(cpu);
  }

  write(buffer: string, cpu: number, text: string, lost = 0, length = text.length): void {
    const { memory } = this;
    const at = this.at(buffer, cpu);
    memory.u32(at, length);
    memory.u32(at + 4n, lost);
    memory.u8(at + BigInt(BUFFER_AT), ...new TextEncoder().encode(text));
  }

  ask(types = SAFE, holes: readonly bigint[] = []) {
    const issues = new Issues();
    const found = unflushedMessages(this.memory.kernel(types, this.symbols, holes), issues);
    return {
      found,
      codes: issues.list().map(({ code }) => code),
      messages: issues.list().map(({ message }) => message),
    };
  }
}

for (const [name, machine] of [
  ['little-endian', LITTLE],
  ['big-endian', BIG],
] as const) {
  test(`messages of both buffers of each CPU, ${name}`, t => {
    const made = new MadeBuffers(machine);
    made.write('safe_print_seq', 0, '\u00016first\n\u00013second\n');
    made.write('nmi_print_seq', 1, '\u00010NMI watchdog\nwithout a level\n');
    const { found, codes } = made.ask();
    t.deepEqual(codes, []);
    t.deepEqual(found, [
      { cpu: 0, buffer: 'safe_print_seq', level: 6, text: 'first' },
      { cpu: 0, buffer: 'safe_print_seq', level: 3, text: 'second' },
      { cpu: 1, buffer: 'nmi_print_seq', level: 0, text: 'NMI watchdog' },
      { cpu: 1, buffer: 'nmi_print_seq', level: 4, text: 'without a level' },
    ]);
  });
}

test('continued lines, missing newlines, empty lines and a header at the end', t => {
  const made = new MadeBuffers();
  made.write('safe_print_seq', 0, '\u00014a \u0001cb\u0001cc\n\n\u00015no newline\u00012next\u00017');
  const { found } = made.ask();
  t.deepEqual(
    found.map(({ level, text }) => [level, text]),
    [
      [4, 'a bc'],
      [4, ''],
      [5, 'no newline'],
      [2, 'next'],
    ],
  );
});

test('before 4.10, and kernels without such buffers', t => {
  const made = new MadeBuffers();
  made.write('nmi_print_seq', 0, '\u00011old\n');
  t.deepEqual(
    made.ask(NMI).found.map(({ text }) => text),
    ['old'],
  );
  const none = new MadeBuffers();
  t.deepEqual(unflushedMessages(none.memory.kernel(SAFE, {}), new Issues()), []);
});

test('what was lost is told', t => {
  const made = new MadeBuffers();
  made.write('nmi_print_seq', 0, '\u00016kept\n', 7);
  const { found, codes, messages } = made.ask();
  t.is(found.length, 1);
  t.deepEqual(codes, ['log-record-lost']);
  t.regex(messages[0], /^7 messages did not fit into nmi_print_seq of CPU 0/);
});

test('without types empty buffers are known to be empty, and others are not read', t => {
  const made = new MadeBuffers();
  t.deepEqual(made.ask([CPUMASK]).codes, []);
  made.write('safe_print_seq', 1, 'x\n');
  const { found, codes } = made.ask([CPUMASK]);
  t.deepEqual(found, []);
  t.deepEqual(codes, ['missing-type']);
});

test('damage: a length that no buffer has, and memory that is not in the dump', t => {
  const made = new MadeBuffers();
  made.write('safe_print_seq', 0, 'kept\n');
  made.write('safe_print_seq', 1, 'x', 0, 0xffff_ffff);
  t.deepEqual(made.ask().codes, ['log-corrupt']);
  t.deepEqual(
    made.ask().found.map(({ text }) => text),
    ['kept'],
  );
  const { found, codes } = made.ask(SAFE, [made.at('safe_print_seq', 1)]);
  t.deepEqual(codes, ['log-record-lost']);
  t.is(found.length, 1);
});

test('rubbish in any words', t =>
  survives(t, () => {
    const made = new MadeBuffers();
    made.write('safe_print_seq', 0, '\u00016first\n\u00013second\n');
    made.write('nmi_print_seq', 1, '\u00010watchdog\n', 1);
    return made;
  }));

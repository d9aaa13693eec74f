// Timers in memory written by hand: the wheel of 4.8 and later, the one before, high-resolution timers, and damage.
import { performance } from 'node:perf_hooks';
import test from 'ava';
import { timers } from 'kdumpling/analysis/timers';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const U32 = int('unsigned int', 4, false);
const S64 = int('long long', 8, true);
const POINTER = pointerTo({ kind: 'void' });
const array = (element: Type, length: number): Type => ({ kind: 'array', element, length });
const HNODE = compound('struct', 'hlist_node', 16, [
  ['next', POINTER, 0],
  ['pprev', POINTER, 64],
]);
const LIST = compound('struct', 'list_head', 16, [
  ['next', POINTER, 0],
  ['prev', POINTER, 64],
]);
const HEAD = compound('struct', 'hlist_head', 8, [['first', POINTER, 0]]);
const NODE = compound('struct', 'rb_node', 24, [['__rb_parent_color', U64, 0]]);
const BUCKETS = 576;
const BITS_AT = 64;
const VECTORS_AT = BITS_AT + BUCKETS / 8;
const BASE_SIZE = Math.ceil((VECTORS_AT + BUCKETS * 8) / 64) * 64;
const CLOCK_SIZE = 64;
const CLOCKS_AT = 64;
const FOUR = 4;
const timerList = (entry: Type): Type =>
  compound('struct', 'timer_list', 40, [
    ['entry', entry, 0],
    ['expires', U64, 128],
    ['function', POINTER, 192],
    ['flags', U32, 256],
  ]);
const TYPES: readonly Type[] = [
  timerList(HNODE),
  compound('struct', 'timer_base', BASE_SIZE, [
    ['running_timer', POINTER, 64],
    ['clk', U64, 128],
    ['cpu', U32, 192],
    ['pending_map', array(U64, BUCKETS / 64), BITS_AT * 8],
    ['vectors', array(HEAD, BUCKETS), VECTORS_AT * 8],
  ]),
  compound('struct', 'hrtimer', 80, [
    [
      'node',
      compound('struct', 'timerqueue_node', 32, [
        ['node', NODE, 0],
        ['expires', S64, 192],
      ]),
      0,
    ],
    ['_softexpires', S64, 256],
    ['function', POINTER, 320],
    ['base', POINTER, 384],
  ]),
  compound('struct', 'hrtimer_clock_base', CLOCK_SIZE, [
    ['clockid', INT, 64],
    ['active', compound('struct', 'timerqueue_head', 16, []), 128],
    ['offset', S64, 256],
  ]),
  compound('struct', 'hrtimer_cpu_base', 64 + FOUR * CLOCK_SIZE, [
    ['active_bases', U32, 64],
    ['clock_base', array(compound('struct', 'hrtimer_clock_base', CLOCK_SIZE, []), FOUR), CLOCKS_AT * 8],
  ]),
  compound('struct', 'timekeeper', 64, [
    [
      'tkr_mono',
      compound('struct', 'tk_read_base', 16, [
        ['shift', U32, 0],
        ['xtime_nsec', U64, 64],
      ]),
      0,
    ],
    ['xtime_sec', U64, 128],
    ['offs_real', S64, 192],
    ['offs_boot', S64, 256],
  ]),
  compound('struct', 'cpumask', 8, [['bits', array(U64, 1), 0]]),
];
const JIFFIES = 1000n;
const RUN = 0xffff_ffff_8100_0000n;

const CROWD = 8192;

/** One CPU, one wheel and rubbish behind it, four clocks. */
class MadeTimers {
  readonly memory = new MadeMemory(1 << 17);
  readonly bases: bigint;
  readonly clocks: bigint;
  readonly symbols: Record<string, bigint>;
  readonly #last = new Map<bigint, bigint>();

  constructor(bases = 1) {
    const { memory } = this;
    const [offsets, mask, jiffies, keeper] = [memory.take(8), memory.take(8), memory.take(8), memory.take(80)];
    memory.words(mask, 1n);
    memory.words(jiffies, JIFFIES);
    // 5 s of CLOCK_MONOTONIC: 105 s of wall-clock time, of which 100 were before the boot.
    memory.words(keeper + 8n + 16n, 105n, 100_000_000_000n, 0n);
    this.bases = memory.take(BASE_SIZE * 3, 256);
    for (let i = 0; i < bases; i++) memory.words(this.base(i) + 16n, JIFFIES - 1n);
    for (let i = bases; i < 3; i++) memory.u8(this.base(i), ...new Uint8Array(256).fill(0x5a));
    this.clocks = memory.take(64 + FOUR * CLOCK_SIZE, 64);
    for (const [i, id] of [1, 0, 7, 11].entries()) {
      memory.u32(this.clock(i) + 8n, id);
      memory.words(this.clock(i) + 32n, i === 1 ? 100_000_000_000n : 0n);
    }
    this.symbols = {
      timer_bases: this.bases,
      hrtimer_bases: this.clocks,
      jiffies_64: jiffies,
      tk_core: keeper,
      __per_cpu_offset: offsets,
      __cpu_possible_mask: mask,
      __cpu_online_mask: mask,
      run: RUN,
    };
  }

  base(index: number): bigint {
    return this.bases + BigInt(BASE_SIZE * index);
  }

  clock(index: number): bigint {
    return this.clocks + BigInt(CLOCKS_AT + CLOCK_SIZE * index);
  }

  /** Puts a timer behind those that are in the bucket. */
  timer(base: number, bucket: number, expires: bigint, flags = bucket << 22): bigint {
    const { memory } = this;
    const timer = memory.take(40);
    const head = this.base(base) + BigInt(VECTORS_AT + 8 * bucket);
    const from = this.#last.get(head) ?? head;
    memory.words(timer, 0n, from, expires, RUN);
    memory.u32(timer + 32n, flags >>> 0);
    memory.words(from, timer);
    this.#last.set(head, timer);
    const word = this.base(base) + BigInt(BITS_AT + 8 * (bucket >> 6));
    memory.words(word, memory.word(word) | (1n << BigInt(bucket & 63)));
    return timer;
  }

  /** Up to three timers in a clock's tree, the middle one its root. */
  hrtimers(clock: number, ...expiries: bigint[]): bigint[] {
    const { memory } = this;
    const all = expiries.map(expires => {
      const timer = memory.take(80);
      memory.words(timer + 24n, expires, expires - 50n, RUN, this.clock(clock));
      return timer;
    });
    const [left, top, right] = all.length === 3 ? all : [0n, all[0], all[1] ?? 0n];
    memory.words(this.clock(clock) + 16n, top);
    memory.words(top, 1n, right, left);
    for (const child of [left, right]) if (child !== 0n) memory.words(child, top, 0n, 0n);
    const active = this.clocks + 8n;
    memory.u32(active, Number(memory.word(active) & 0xffn) | (1 << clock));
    return all;
  }

  /** As if there were as many CPUs as there can be, all of them in the same memory. */
  crowd(): Record<string, bigint> {
    const { memory } = this;
    const [offsets, mask] = [memory.take(8 * CROWD), memory.take(CROWD / 8)];
    memory.u8(mask, ...new Uint8Array(CROWD / 8).fill(0xff));
    return { ...this.symbols, __per_cpu_offset: offsets, __cpu_possible_mask: mask, __cpu_online_mask: mask };
  }

  ask(types = TYPES, symbols = this.symbols, holes: readonly bigint[] = []) {
    const issues = new Issues();
    const found = timers(this.memory.kernel(types, symbols, holes), { wheel: true, hrtimers: true }, issues);
    return { ...found, cpu: found.cpus[0], codes: issues.list().map(({ code }) => code), issues };
  }
}

const brief = (cpu: ReturnType<MadeTimers['ask']>['cpu']) =>
  cpu.wheels?.map(({ base, timers: all }) => [base, ...all.map(({ expires, remaining }) => [expires, remaining])]);

test('a wheel without timers', t => {
  const { cpu, codes, jiffies } = new MadeTimers().ask();
  t.deepEqual(codes, []);
  t.is(jiffies, JIFFIES);
  t.deepEqual(brief(cpu), [['all']]);
});

test('wheels are told by how many there are', t => {
  t.deepEqual(brief(new MadeTimers(2).ask().cpu), [['standard'], ['deferrable']]);
  const made = new MadeTimers(3);
  made.timer(1, 9, 1010n);
  const { cpu, codes } = made.ask();
  t.deepEqual(codes, []);
  t.deepEqual(brief(cpu), [['local'], ['global', [1010n, 10n]], ['deferrable']]);
});

test('timers of all buckets, by when they are due, with what they run', t => {
  const made = new MadeTimers();
  const late = made.timer(0, 70, 1500n);
  made.timer(0, 3, 1004n);
  const second = made.timer(0, 3, 1003n);
  made.timer(0, 0, 999n);
  made.memory.words(made.bases + 8n, second);
  const { cpu, codes } = made.ask();
  t.deepEqual(codes, []);
  t.deepEqual(brief(cpu), [['all', [999n, -1n], [1003n, 3n], [1004n, 4n], [1500n, 500n]]]);
  t.is(cpu.wheels?.[0].running, second);
  const last = cpu.wheels?.[0].timers.at(-1);
  t.deepEqual([last?.timer, last?.function?.symbol, last?.function?.address], [late, 'run', RUN]);
});

test('jiffies wrap around', t => {
  const made = new MadeTimers();
  made.memory.words(made.symbols['jiffies_64'], 2n ** 64n - 5n);
  made.memory.words(made.bases + 16n, 2n ** 64n - 5n);
  made.timer(0, 1, 7n);
  made.timer(0, 2, 2n ** 64n - 2n);
  t.deepEqual(brief(made.ask().cpu), [['all', [2n ** 64n - 2n, 3n], [7n, 12n]]]);
});

test('damage of the wheel: a bit without timers, timers without a bit, a timer of another bucket, a circle', t => {
  const bit = new MadeTimers();
  bit.memory.words(bit.bases + BigInt(BITS_AT), 2n);
  t.deepEqual(bit.ask().codes, ['damaged-timer-wheel']);

  const none = new MadeTimers();
  none.timer(0, 5, 1100n);
  none.memory.words(none.bases + BigInt(BITS_AT), 0n);
  const { cpu, codes } = none.ask();
  t.deepEqual(codes, ['damaged-timer-wheel']);
  t.deepEqual(brief(cpu), [['all', [1100n, 100n]]]);

  const other = new MadeTimers();
  other.timer(0, 5, 1100n, 6 << 22);
  t.deepEqual(other.ask().codes, ['damaged-timer-wheel']);

  const circle = new MadeTimers();
  const first = circle.timer(0, 5, 1100n);
  const second = circle.timer(0, 5, 1101n);
  circle.memory.words(second, first);
  const round = circle.ask();
  t.true(round.codes.includes('damaged-hlist'));
  t.is(round.cpu.wheels?.[0].timers.length, 2);
});

test('memory that is missing leaves the rest', t => {
  const made = new MadeTimers();
  made.timer(0, 1, 1001n);
  made.hrtimers(0, 6_000_000_000n);
  const { cpu, codes } = made.ask(TYPES, made.symbols, [made.bases]);
  t.is(cpu.wheels, null);
  t.deepEqual(codes, ['unreadable-memory']);
  t.is(cpu.clocks?.[0].timers.length, 1);
  const { timer_bases: _, ...symbols } = made.symbols;
  t.deepEqual(made.ask(TYPES, symbols).codes, ['missing-symbol']);
});

test('high-resolution timers: each clock counts from its own start', t => {
  const made = new MadeTimers();
  const all = made.hrtimers(0, 4_000_000_000n, 5_000_000_100n, 9_000_000_000n);
  made.hrtimers(1, 106_000_000_000n);
  const { cpu, codes, monotonic } = made.ask();
  t.deepEqual(codes, []);
  t.is(monotonic, 5_000_000_000n);
  t.deepEqual(
    cpu.clocks?.map(({ clock, soft, timers: found }) => [clock, soft, ...found.map(({ remaining }) => remaining)]),
    [
      ['CLOCK_MONOTONIC', false, -1_000_000_000n, 100n, 4_000_000_000n],
      ['CLOCK_REALTIME', false, 1_000_000_000n],
      ['CLOCK_BOOTTIME', false],
      ['CLOCK_TAI', false],
    ],
  );
  const [first] = cpu.clocks?.[0].timers ?? [];
  t.deepEqual([first.timer, first.softExpires, first.function?.symbol], [all[0], 3_999_999_950n, 'run']);
});

test('damage of high-resolution timers: order, owner, the bits of clocks', t => {
  const order = new MadeTimers();
  order.hrtimers(0, 9n, 5n);
  t.deepEqual(order.ask().codes, ['damaged-hrtimers']);

  const owner = new MadeTimers();
  const [timer] = owner.hrtimers(0, 9n);
  owner.memory.words(timer + 48n, owner.clock(2));
  t.deepEqual(owner.ask().codes, ['damaged-hrtimers']);

  const bits = new MadeTimers();
  bits.memory.u32(bits.clocks + 8n, 4);
  t.deepEqual(bits.ask().codes, ['damaged-hrtimers']);

  const round = new MadeTimers();
  const [left, top] = round.hrtimers(0, 1n, 2n, 3n);
  round.memory.words(left + 8n, top);
  const { cpu, codes } = round.ask();
  t.true(codes.includes('damaged-rbtree'));
  t.is(cpu.clocks?.[0].timers.length, 3);
});

test('what a timer is for, where its function serves many', t => {
  const made = new MadeTimers();
  const { memory } = made;
  const types = [
    ...TYPES,
    compound('struct', 'delayed_work', 56, [
      ['work', compound('struct', 'work_struct', 8, [['func', POINTER, 0]]), 0],
      ['timer', compound('struct', 'timer_list', 40, []), 64],
    ]),
    compound('struct', 'process_timer', 48, [
      ['timer', compound('struct', 'timer_list', 40, []), 0],
      ['task', POINTER, 320],
    ]),
    compound('struct', 'task_struct', 32, [
      ['pid', INT, 0],
      ['comm', array(int('char', 1, true), 16), 64],
    ]),
  ];
  const [work, sleep] = [RUN + 0x100n, RUN + 0x200n];
  const symbols = { ...made.symbols, delayed_work_timer_fn: work, process_timeout: sleep, do_it: RUN + 0x300n };
  // The work stands before its timer, the task behind: room for both.
  memory.take(16);
  const delayed = made.timer(0, 1, 1001n);
  const sleeper = made.timer(0, 2, 1002n);
  memory.take(16);
  const task = memory.take(32);
  memory.words(delayed + 24n, work);
  memory.words(delayed - 8n, RUN + 0x300n);
  memory.words(sleeper + 24n, sleep);
  memory.words(sleeper + 40n, task);
  memory.u32(task, 77);
  memory.u8(task + 8n, 0x7a, 0x7a);
  const { cpu, codes } = made.ask(types, symbols);
  t.deepEqual(codes, []);
  t.deepEqual(
    cpu.wheels?.[0].timers.map(({ purpose }) => [purpose?.work?.symbol, purpose?.thread]),
    [
      ['do_it', null],
      [undefined, { pid: 77, comm: 'zz', task }],
    ],
  );
  // Without the types the timers are told all the same.
  const bare = made.ask(TYPES, symbols);
  t.deepEqual(bare.codes, []);
  t.deepEqual(
    bare.cpu.wheels?.[0].timers.map(({ purpose }) => purpose),
    [null, null],
  );
});

const VEC = 16;
/** A tvec_base with arrays of 16 lists each; the kernel's have 256 and 64. */
const oldTypes = (head: Type, size: number, entry: Type): Type[] => [
  timerList(entry),
  compound('struct', 'tvec_base', 64 + 5 * VEC * size, [
    ['running_timer', POINTER, 64],
    ['timer_jiffies', U64, 128],
    ...[1, 2, 3, 4, 5].map(
      (n, i) =>
        [
          `tv${n}`,
          compound('struct', 'tvec', VEC * size, [['vec', array(head, VEC), 0]]),
          (64 + i * VEC * size) * 8,
        ] as const,
    ),
  ]),
  ...TYPES.filter(type => !('name' in type && (type.name === 'timer_list' || type.name === 'timer_base'))),
];

test('the wheel up to 4.1: lists, behind a per-CPU pointer', t => {
  const made = new MadeTimers();
  const { memory } = made;
  const base = memory.take(64 + 5 * VEC * 16);
  memory.words(base + 16n, 990n);
  for (let i = 0; i < 5 * VEC; i++) {
    const head = base + 64n + BigInt(16 * i);
    memory.words(head, head, head);
  }
  for (const [list, expires] of [
    [2, 1002n],
    [4 * VEC, 5000n],
  ] as const) {
    const timer = memory.take(40);
    const head = base + 64n + BigInt(16 * list);
    memory.words(timer, head, head, expires, RUN);
    memory.words(head, timer, timer);
  }
  const pointer = memory.take(8);
  memory.words(pointer, base);
  const { timer_bases: _, ...rest } = made.symbols;
  const types = oldTypes(LIST, 16, LIST);
  const { cpu, codes } = made.ask(types, { ...rest, tvec_bases: pointer, boot_tvec_bases: base });
  t.deepEqual(codes, []);
  t.deepEqual(brief(cpu), [['all', [1002n, 2n], [5000n, 4000n]]]);
  t.deepEqual([cpu.wheels?.[0].address, cpu.wheels?.[0].clock], [base, 990n]);
});

test('the wheel of 4.2 to 4.7: hash lists, in a per-CPU variable', t => {
  const made = new MadeTimers();
  const { memory } = made;
  const base = memory.take(64 + 5 * VEC * 8);
  const timer = memory.take(40);
  const head = base + 64n + 8n * BigInt(VEC + 1);
  memory.words(timer, 0n, head, 1300n, RUN);
  memory.words(head, timer);
  const { timer_bases: _, ...rest } = made.symbols;
  const { cpu, codes } = made.ask(oldTypes(HEAD, 8, HNODE), { ...rest, tvec_bases: base });
  t.deepEqual(codes, []);
  t.deepEqual(brief(cpu), [['all', [1300n, 300n]]]);
});

test('of a list that is cut nothing is counted', t => {
  const made = new MadeTimers();
  made.memory.take(256, 256);
  const timer = made.timer(0, 5, 1100n);
  made.memory.take(256, 256);
  const { cpu, codes } = made.ask(TYPES, made.symbols, [timer]);
  t.deepEqual(codes, ['unreadable-hlist']);
  t.deepEqual(brief(cpu), [['all']]);
});

test('8192 CPUs in one damaged memory end soon', t => {
  const made = new MadeTimers();
  made.memory.u8(made.bases + BigInt(BITS_AT), ...new Uint8Array(BASE_SIZE - BITS_AT).fill(0x88));
  const types = TYPES.map(type =>
    'name' in type && type.name === 'cpumask'
      ? compound('struct', 'cpumask', CROWD / 8, [['bits', array(U64, CROWD / 64), 0]])
      : type,
  );
  const start = performance.now();
  const { cpus, codes } = made.ask(types, made.crowd());
  t.true(performance.now() - start < 2000);
  t.true(cpus.length < CROWD);
  t.true(codes.includes('damaged-timers'));
});

test('rubbish in any words', t =>
  survives(t, () => {
    const made = new MadeTimers(3);
    made.timer(0, 5, 1100n);
    made.timer(0, 5, 1101n);
    made.timer(1, 70, 1200n);
    made.hrtimers(0, 1n, 2n, 3n);
    made.hrtimers(1, 5n);
    return made;
  }));

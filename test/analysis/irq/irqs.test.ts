// Interrupts in memory written by hand: descriptors in an array and in a radix tree, shared interrupts, and damage.
import test from 'ava';
import { type ArchCounter, archCounters, countedCpus, irqs, isShown } from 'kdumpling/analysis/irq';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { LITTLE, MadeMemory } from '../collections/made-memory.js';
import { markedRadixTypes } from '../collections/made-types.js';
import { compound, int, pointerTo, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const U32 = int('unsigned int', 4, false);
const POINTER = pointerTo({ kind: 'void' });
const DESCRIPTOR = 256;
const TYPES: readonly Type[] = [
  ...markedRadixTypes(LITTLE),
  compound('struct', 'irq_desc', DESCRIPTOR, [
    [
      'irq_common_data',
      compound('struct', 'irq_common_data', 16, [
        ['state_use_accessors', U32, 0],
        ['affinity', { kind: 'array', element: compound('struct', 'cpumask', 8, []), length: 1 }, 64],
      ]),
      0,
    ],
    [
      'irq_data',
      compound('struct', 'irq_data', 48, [
        ['irq', U32, 0],
        ['hwirq', U64, 64],
        ['chip', POINTER, 128],
        ['domain', POINTER, 192],
      ]),
      128,
    ],
    ['kstat_irqs', POINTER, 512],
    ['handle_irq', POINTER, 576],
    ['action', POINTER, 640],
    ['status_use_accessors', U32, 704],
    ['name', POINTER, 768],
  ]),
  compound('struct', 'irqaction', 64, [
    ['handler', POINTER, 0],
    ['next', POINTER, 64],
    ['thread_fn', POINTER, 128],
    ['name', POINTER, 192],
  ]),
  compound('struct', 'irq_chip', 8, [['name', POINTER, 0]]),
  compound('struct', 'irq_domain', 8, [['name', POINTER, 0]]),
  compound('struct', 'cpumask', 8, [['bits', { kind: 'array', element: U64, length: 1 }, 0]]),
];

class MadeIrqs {
  readonly memory = new MadeMemory(1 << 17);
  readonly array: bigint;
  readonly symbols: Record<string, bigint>;

  constructor(count: number) {
    const { memory } = this;
    const offsets = memory.take(16);
    memory.words(offsets, 0n, 0x4000n);
    const mask = memory.take(8);
    memory.words(mask, 3n);
    this.array = memory.take(DESCRIPTOR * count, 256);
    const number = memory.take(8);
    memory.u32(number, count);
    this.symbols = {
      irq_desc: this.array,
      nr_irqs: number,
      __per_cpu_offset: offsets,
      __cpu_possible_mask: mask,
      __cpu_present_mask: mask,
      handler_one: 0xffff_ffff_8100_0000n,
      handler_two: 0xffff_ffff_8100_1000n,
      bad_chained_irq: 0xffff_ffff_8100_2000n,
    };
    for (let irq = 0; irq < count; irq++) memory.u32(this.at(irq) + 16n, irq);
  }

  at(irq: number): bigint {
    return this.array + BigInt(DESCRIPTOR * irq);
  }

  text(text: string): bigint {
    const at = this.memory.take(text.length + 1);
    this.memory.u8(at, ...new TextEncoder().encode(text));
    return at;
  }

  named(text: string): bigint {
    const at = this.memory.take(8);
    this.memory.words(at, this.text(text));
    return at;
  }

  action(handler: bigint, name: string, thread = 0n): bigint {
    const at = this.memory.take(64);
    this.memory.words(at, handler, 0n, thread, this.text(name));
    return at;
  }

  /** Chip, counts and actions of an interrupt. */
  fill(irq: number, chip: string, counts: readonly number[], actions: readonly bigint[]): void {
    const { memory } = this;
    const at = this.at(irq);
    memory.words(at + 8n, 2n);
    memory.words(at + 16n + 8n, BigInt(100 + irq), this.named(chip), this.named('domain'));
    const counter = memory.take(8);
    memory.words(at + 64n, counter);
    for (const [cpu, count] of counts.entries()) memory.u32(counter + 0x4000n * BigInt(cpu), count);
    memory.words(at + 80n, actions[0] ?? 0n);
    for (const [i, action] of actions.entries()) memory.words(action + 8n, actions[i + 1] ?? 0n);
  }

  ask(symbols = this.symbols, holes: readonly bigint[] = []) {
    const issues = new Issues();
    const kernel = this.memory.kernel(TYPES, symbols, holes);
    const found = [...irqs(kernel, countedCpus(kernel), issues)];
    return { found, issues, codes: issues.list().map(({ code }) => code) };
  }
}

const HANDLERS = { one: 0xffff_ffff_8100_0000n, two: 0xffff_ffff_8100_1000n, chained: 0xffff_ffff_8100_2000n };

function made(): MadeIrqs {
  const irq = new MadeIrqs(4);
  irq.fill(1, 'CHIP', [5, 7], [irq.action(HANDLERS.one, 'first'), irq.action(0n, 'second', HANDLERS.two)]);
  irq.fill(2, 'CHIP', [0, 0], [irq.action(HANDLERS.chained, '')]);
  irq.memory.u32(irq.at(1), 1 << 13);
  irq.memory.words(irq.at(1) + 96n, irq.text('edge'));
  return irq;
}

test('an array of descriptors: names, counts by CPU, handlers of a shared interrupt and its thread', t => {
  const { found, codes } = made().ask();
  t.deepEqual(codes, []);
  t.deepEqual(
    found.map(({ irq }) => irq),
    [0, 1, 2, 3],
  );
  const [unused, one, chained] = found;
  t.deepEqual(
    [one.chip, one.hardwareIrq, one.domain, one.flow, one.level, one.counts, one.affinity],
    ['CHIP', 101n, 'domain', 'edge', true, [5, 7], [1]],
  );
  t.deepEqual(
    one.actions?.map(({ name, handler, thread }) => [name, handler?.symbol, thread?.symbol]),
    [
      ['first', 'handler_one', undefined],
      ['second', undefined, 'handler_two'],
    ],
  );
  t.deepEqual([unused.chip, unused.hardwareIrq, unused.counts, unused.actions], [null, null, null, []]);
  t.deepEqual([isShown(unused), isShown(one), isShown(chained)], [false, true, false]);
});

test('hidden interrupts are not shown; chained ones once they happened', t => {
  const irq = made();
  irq.memory.u32(irq.at(1) + 88n, 1 << 20);
  irq.fill(2, 'CHIP', [0, 1], [irq.action(HANDLERS.chained, '')]);
  const { found } = irq.ask();
  t.deepEqual(found.map(isShown), [false, false, true, false]);
  t.is(found[1].hidden, true);
});

test('a radix tree of descriptors, up to 6.4', t => {
  const irq = made();
  const { memory } = irq;
  const [root, node] = [memory.take(16), memory.take(72 * 8)];
  // An internal node has bit 0 of its pointer set.
  memory.words(root + 8n, node | 1n);
  for (const slot of [1, 2]) memory.words(node + 40n + 8n * BigInt(slot), irq.at(slot));
  const { irq_desc: _, ...symbols } = irq.symbols;
  const { found, codes } = irq.ask({ ...symbols, irq_desc_tree: root });
  t.deepEqual(codes, []);
  t.deepEqual(
    found.map(row => [row.irq, row.descriptor]),
    [1, 2].map(number => [number, irq.at(number)]),
  );
});

test('two interrupts with one descriptor are one', t => {
  const irq = made();
  const [root, node] = [irq.memory.take(16), irq.memory.take(72 * 8)];
  irq.memory.words(root + 8n, node | 1n);
  for (const slot of [1, 2]) irq.memory.words(node + 40n + 8n * BigInt(slot), irq.at(1));
  const { irq_desc: _, ...symbols } = irq.symbols;
  const { found, codes } = irq.ask({ ...symbols, irq_desc_tree: root });
  t.deepEqual(codes, ['damaged-irq']);
  t.is(found.length, 1);
});

test('damage: actions in a circle, a descriptor of another number, names that are not there', t => {
  const circle = made();
  const first = circle.memory.word(circle.at(1) + 80n);
  circle.memory.words(circle.memory.word(first + 8n) + 8n, first);
  const { found, codes } = circle.ask();
  t.deepEqual(codes, ['damaged-chain']);
  t.is(found[1].actions?.length, 2);

  const other = made();
  other.memory.u32(other.at(3) + 16n, 9);
  t.deepEqual(other.ask().codes, ['damaged-irq']);

  const lost = made();
  lost.memory.words(lost.at(1) + 16n + 16n, 0xffff_8880_7000_0000n);
  const answer = lost.ask();
  t.deepEqual(answer.codes, ['unreadable-memory']);
  t.is(answer.found[1].chip, null);
  t.is(answer.found[1].actions?.length, 2);
});

test('a descriptor that is not in the dump leaves the others', t => {
  const irq = made();
  const { found, codes } = irq.ask(irq.symbols, [irq.at(2)]);
  t.true(codes.every(code => code === 'unreadable-memory'));
  t.deepEqual([found[2].chip, found[2].counts, found[2].actions], [null, null, null]);
  t.true(isShown(found[2]));
  const action = made();
  action.memory.words(action.at(2) + 80n, 0xffff_8880_7000_0000n);
  t.is(action.ask().found[2].actions, null);
  t.deepEqual(found[1].counts, [5, 7]);
});

const bare = (counters: readonly ArchCounter[] | null) => counters?.map(({ label, counts }) => [label, counts]);

test('counters of x86: members that the kernel has; some only where the machine has them', t => {
  const irq = made();
  const { memory } = irq;
  const types = [
    ...TYPES,
    compound('struct', 'irq_cpustat_t', 32, [
      ['__nmi_count', U32, 0],
      ['x86_platform_ipis', U32, 32],
      ['irq_hv_callback_count', U32, 64],
      ['hyperv_stimer0_count', U32, 96],
    ]),
  ];
  const [stat, callback, vectors, errors] = [memory.take(32), memory.take(8), memory.take(32), memory.take(8)];
  for (const cpu of [0n, 1n]) {
    for (let i = 0; i < 4; i++) memory.u32(stat + 0x4000n * cpu + BigInt(4 * i), 10 * (i + 1) + Number(cpu));
  }
  // Bit 0xf3 of system_vectors: the hypervisor's callback.
  memory.words(vectors + 24n, 1n << (0xf3n - 192n));
  memory.u32(errors, 3);
  const symbols = { ...irq.symbols, irq_stat: stat, x86_platform_ipi_callback: callback, system_vectors: vectors };
  const ask = () => archCounters(memory.kernel(types, { ...symbols, irq_err_count: errors }), [0, 1], new Issues());
  t.deepEqual(bare(ask()), [
    ['NMI', [10, 11]],
    ['HYP', [30, 31]],
    ['ERR', [3]],
  ]);
  memory.words(callback, 1n);
  t.deepEqual(bare(ask())?.[1], ['PLT', [20, 21]]);
});

test('counters by enum: those that are shown, by their numbers', t => {
  const irq = made();
  const { memory } = irq;
  const types: Type[] = [
    ...TYPES,
    compound('struct', 'irq_cpustat_t', 16, [['counts', { kind: 'array', element: U32, length: 3 }, 32]]),
    {
      kind: 'enum',
      name: 'irq_stat_counts',
      size: 4,
      signed: false,
      enumerators: [
        { name: 'IRQ_COUNT_NMI', value: 0n },
        { name: 'IRQ_COUNT_SPURIOUS', value: 1n },
        { name: 'IRQ_COUNT_NEWER', value: 2n },
        { name: 'IRQ_COUNT_MAX', value: 3n },
      ],
    },
  ];
  const [stat, shown] = [memory.take(16), memory.take(8)];
  for (let i = 0; i < 3; i++) memory.u32(stat + BigInt(4 + 4 * i), 7 + i);
  memory.words(shown, 0b101n);
  const kernel = memory.kernel(types, { ...irq.symbols, irq_stat: stat, irq_stat_count_show: shown });
  t.deepEqual(bare(archCounters(kernel, [0], new Issues())), [
    ['NMI', [7]],
    ['IRQ_COUNT_NEWER', [9]],
  ]);
});

test('rubbish in any words', t => survives(t, made));

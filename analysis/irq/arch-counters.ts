// What architectures count apart from the interrupts that have descriptors: timers, interrupts between CPUs, errors. Source: arch/{x86,arm64,arm,powerpc,s390}/kernel/{irq,smp}.c
// (arch_show_interrupts), 5.4 to 7.3.
import type { Issues } from 'kdumpling/reader';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { hasStruct, type Struct, struct } from '../object/index.js';
import { type CounterFact, PPC64_COUNTERS, X86_COUNTERS, X86_NAMES } from './counter-facts.js';
import { descriptors } from './descriptors.js';
import { orUnreadable } from './irqs.js';

/** A line of /proc/interrupts. */
export interface ArchCounter {
  readonly label: string;
  readonly text: string | null;
  /** By the place of the CPU in the answer's list; one number for what is not counted by CPU. */
  readonly counts: readonly number[];
}

type Reader = (kernel: Kernel, cpus: readonly number[], issues: Issues) => Iterable<ArchCounter>;

const READERS: Readonly<Record<string, Reader>> = {
  x86_64: x86,
  i386: x86,
  arm64: interProcessor,
  arm: interProcessor,
  ppc64: (kernel, cpus) => byMember(kernel, cpus, PPC64_COUNTERS),
  s390x: s390,
};

/** In the order of /proc/interrupts; null for architectures whose counters are not known here. @throws Missing, MemoryFault */
export function archCounters(kernel: Kernel, cpus: readonly number[], issues: Issues): ArchCounter[] | null {
  const reader = READERS[kernel.arch.name];
  return reader === undefined ? null : [...reader(kernel, cpus, issues)];
}

const MOST_TEXT = 128;

/** Counters are an array by enum in 7.3, and members of their own up to 6.12 at least. */
function x86(kernel: Kernel, cpus: readonly number[]): Iterable<ArchCounter> {
  return struct(kernel, 'irq_cpustat_t').has('counts') ? byEnum(kernel, cpus) : byMember(kernel, cpus, X86_COUNTERS);
}

function* byEnum(kernel: Kernel, cpus: readonly number[]): Generator<ArchCounter, void> {
  const layout = struct(kernel, 'irq_cpustat_t');
  const numbers = kernel.types?.find('enum', 'irq_stat_counts') ?? null;
  if (numbers === null) throw new Missing('type', 'enum irq_stat_counts', 'a vmlinux with DWARF tells it (--vmlinux)');
  const counts = BigInt(layout.offset('counts'));
  const length = layout.sizeOf('counts') / 4;
  const shown = bitsOf(kernel, 'irq_stat_count_show');
  for (const { name, value } of numbers.enumerators) {
    const named = X86_NAMES[name.replace(/^IRQ_COUNT_/, '')];
    const index = Number(value);
    if (index >= length) continue;
    const found = variable(kernel, cpus, 'irq_stat', counts + BigInt(4 * index));
    const is = shown === null ? found.some(count => count > 0) : shown(index);
    if (is) yield { label: named?.[0] ?? name, text: named?.[1] ?? null, counts: found };
  }
}

function* byMember(
  kernel: Kernel,
  cpus: readonly number[],
  facts: readonly CounterFact[],
): Generator<ArchCounter, void> {
  const layout = struct(kernel, 'irq_cpustat_t');
  for (const fact of facts) {
    const counts = countsOf(kernel, cpus, layout, fact);
    if (counts !== null && isShown(kernel, fact, counts)) yield { label: fact.label, text: fact.text, counts };
  }
}

/** Null for what this kernel does not count. */
function countsOf(kernel: Kernel, cpus: readonly number[], layout: Struct, fact: CounterFact): number[] | null {
  const { name } = fact;
  if (fact.where === 'member') {
    return layout.has(name) ? variable(kernel, cpus, 'irq_stat', BigInt(layout.offset(name))) : null;
  }
  const symbol = kernel.symbol(name);
  if (symbol === null) return null;
  return fact.where === 'global' ? [kernel.memory.u32(symbol.address)] : variable(kernel, cpus, name, 0n);
}

/** Some lines are there only where the machine has what they count. */
function isShown(kernel: Kernel, { vector, pointer }: CounterFact, counts: readonly number[]): boolean {
  if (vector !== undefined) return bitsOf(kernel, 'system_vectors')?.(vector) ?? counts.some(count => count > 0);
  if (pointer === undefined) return true;
  const symbol = kernel.symbol(pointer);
  return symbol === null ? counts.some(count => count > 0) : kernel.memory.pointer(symbol.address) !== 0n;
}

function variable(kernel: Kernel, cpus: readonly number[], name: string, offset: bigint): number[] {
  const copies = perCpu(kernel);
  const template = kernel.address(name);
  return cpus.map(cpu => kernel.memory.u32(copies.address(template, cpu) + offset));
}

/** A bitmap that is a variable; null without its symbol. */
function bitsOf(kernel: Kernel, name: string): ((bit: number) => boolean) | null {
  const symbol = kernel.symbol(name);
  if (symbol === null) return null;
  const { memory } = kernel;
  const word = 8 * memory.pointerSize;
  return bit => {
    const at = symbol.address + BigInt(Math.floor(bit / word) * memory.pointerSize);
    return ((memory.pointer(at) >> BigInt(bit % word)) & 1n) === 1n;
  };
}

/** More than any architecture has. */
const MOST_KINDS = 64;

/** arm64 and arm: interrupts between CPUs have names and descriptors, which the CPUs share (6.1) or which each has (7.3). */
function* interProcessor(kernel: Kernel, cpus: readonly number[], issues: Issues): Generator<ArchCounter, void> {
  kernel.expect(['ipi_types', 'ipi_desc', 'pcpu_ipi_desc', 'irq_err_count']);
  const { memory } = kernel;
  const word = BigInt(memory.pointerSize);
  const names = kernel.address('ipi_types');
  const own = kernel.symbol('pcpu_ipi_desc');
  const shared = own === null ? kernel.address('ipi_desc') : 0n;
  const count = kindsOf(kernel, own === null ? 'ipi_desc' : 'pcpu_ipi_desc');
  const copies = perCpu(kernel);
  const table = (cpu: number): bigint => (own === null ? shared : copies.address(own.address, cpu));
  for (let kind = 0; kind < count; kind++) {
    const name = memory.pointer(names + BigInt(kind) * word);
    if (name === 0n) break;
    const text = orUnreadable(issues, `the name of IPI ${kind}`, () => memory.text(name, MOST_TEXT));
    const counts = cpus.map(cpu => countOf(kernel, memory.pointer(table(cpu) + BigInt(kind) * word), cpu));
    yield { label: `IPI${kind}`, text, counts };
  }
  const errors = kernel.symbol('irq_err_count');
  if (errors !== null) yield { label: 'Err', text: null, counts: [Number(memory.pointer(errors.address))] };
}

/** How many pointers an array has, at most: its symbol's size says. */
function kindsOf(kernel: Kernel, name: string): number {
  const size = kernel.symbol(name)?.size ?? 0;
  return size === 0 ? MOST_KINDS : Math.min(MOST_KINDS, Math.floor(size / kernel.memory.pointerSize));
}

/** irq_desc_kstat_cpu(). */
function countOf(kernel: Kernel, descriptor: bigint, cpu: number): number {
  if (descriptor === 0n) return 0;
  const counter = struct(kernel, 'irq_desc').word('kstat_irqs')(descriptor);
  const offset = hasStruct(kernel, 'irqstat') ? BigInt(struct(kernel, 'irqstat').offset('cnt')) : 0n;
  return counter === 0n ? 0 : kernel.memory.u32(perCpu(kernel).address(counter, cpu) + offset);
}

/** s390x: two tables of struct irq_class name them. The first few are interrupts with descriptors, which count all of a class. */
function* s390(kernel: Kernel, cpus: readonly number[], issues: Issues): Generator<ArchCounter, void> {
  const stat = struct(kernel, 'irq_stat');
  const irqs = BigInt(stat.offset('irqs'));
  const most = stat.sizeOf('irqs') / 4;
  const found = new Map([...descriptors(kernel, issues)].map(({ irq, descriptor }) => [irq, descriptor]));
  yield* classes(kernel, 'irqclass_main_desc', most, issues, irq => {
    const descriptor = found.get(irq);
    return descriptor === undefined ? null : cpus.map(cpu => countOf(kernel, descriptor, cpu));
  });
  yield* classes(kernel, 'irqclass_sub_desc', most, issues, irq =>
    irq < most ? variable(kernel, cpus, 'irq_stat', irqs + BigInt(4 * irq)) : null,
  );
}

function* classes(
  kernel: Kernel,
  table: string,
  most: number,
  issues: Issues,
  counts: (irq: number) => number[] | null,
): Generator<ArchCounter, void> {
  const layout = struct(kernel, 'irq_class');
  const irq = layout.number('irq');
  const name = layout.word('name');
  const text = layout.word('desc');
  const start = kernel.address(table);
  const { size } = kernel.symbol(table) ?? { size: 0 };
  const length = size === 0 ? most : Math.min(most, Math.floor(size / layout.size));
  const read = (pointer: bigint): string | null => (pointer === 0n ? null : kernel.memory.text(pointer, MOST_TEXT));
  for (let i = 0; i < length; i++) {
    const at = start + BigInt(i * layout.size);
    const line = orUnreadable(issues, `class ${i} of ${table}`, () => {
      const label = read(name(at));
      const index = irq(at);
      const found = label === null || index < 0 ? null : counts(index);
      return label === null || found === null ? null : { label, text: read(text(at)), counts: found };
    });
    if (line !== null) yield line;
  }
}

// Interrupts: chip, handlers and counts of each. Source: include/linux/{irqdesc,irq,interrupt}.h, kernel/irq/proc.c (show_interrupts; 2.6.39 to 7.3).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { chainNodes, cpuMask, cpus, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';
import { descriptors } from './descriptors.js';

/** What is unknown, or not there, is null. */
export interface Irq {
  readonly irq: number;
  /** The address of its irq_desc. */
  readonly descriptor: bigint;
  readonly chip: string | null;
  /** The chip's own number of it; null for what is in no domain. */
  readonly hardwareIrq: bigint | null;
  readonly domain: string | null;
  /** irq_desc.name: how it is handled, for instance `edge` or `fasteoi`. */
  readonly flow: string | null;
  /** handle_irq: the flow handler. */
  readonly handle: SymbolPlace | null;
  readonly level: boolean | null;
  /** IRQ_HIDDEN: not in /proc/interrupts. */
  readonly hidden: boolean | null;
  /** How often, by the place of the CPU in the answer's list. */
  readonly counts: readonly number[] | null;
  /** CPUs that may take it. */
  readonly affinity: readonly number[] | null;
  /** Null where they cannot be told. */
  readonly actions: readonly IrqAction[] | null;
}

export interface IrqAction {
  /** Of its irqaction. */
  readonly address: bigint;
  readonly name: string | null;
  readonly handler: SymbolPlace | null;
  /** What its thread runs; null without one. */
  readonly thread: SymbolPlace | null;
}

/** include/linux/irq.h. */
const IRQD_LEVEL = 1 << 13;
const IRQ_HIDDEN = 1 << 20;
const MOST_NAME = 256;

/** The CPUs that are there, whose counts mean something: a panic takes them offline. @throws Missing, MemoryFault */
export function countedCpus(kernel: Kernel): number[] {
  const present = new Set(cpus(kernel, 'present'));
  return perCpu(kernel).possible.filter(cpu => present.has(cpu));
}

/**
 * By number.
 * @param counted possible CPUs, whose counts are told
 * @throws Missing where descriptors are not to be found
 */
export function* irqs(kernel: Kernel, counted: readonly number[], issues: Issues): Generator<Irq, void> {
  const read = irqReader(kernel, counted, issues);
  for (const { irq, descriptor } of descriptors(kernel, issues)) yield read(irq, descriptor);
}

type Text = (pointer: bigint) => string | null;

function irqReader(kernel: Kernel, counted: readonly number[], issues: Issues) {
  const layout = struct(kernel, 'irq_desc');
  const columns = new Columns('interrupt', issues);
  const text: Text = pointer => (pointer === 0n ? null : kernel.memory.text(pointer, MOST_NAME));
  const place = (pointer: bigint) => (pointer === 0n ? null : symbolPlace(kernel, pointer));
  const member = (path: string, then: (pointer: bigint) => string | null): Get<string | null> => {
    const pointer = layout.word(path);
    return at => then(pointer(at));
  };
  const chip = columns.add('chip', () => member('irq_data.chip', named(kernel, 'irq_chip', text)));
  // Without CONFIG_IRQ_DOMAIN there are none.
  const hasDomain = layout.has('irq_data.domain');
  const domain = columns.optional('domain', hasDomain, () =>
    member('irq_data.domain', named(kernel, 'irq_domain', text)),
  );
  const domainAt = columns.optional('domain', hasDomain, () => layout.word('irq_data.domain'));
  const hardware = columns.optional('hwirq', layout.has('irq_data.hwirq'), () => layout.word('irq_data.hwirq'));
  const flow = columns.add('name', () => member('name', text));
  const handle = columns.add('handle_irq', () => layout.word('handle_irq'));
  const state = columns.add('state', () => layout.number(statePath(layout)));
  const settings = columns.add('status', () => layout.number('status_use_accessors'));
  const number = columns.add('irq', () => layout.number('irq_data.irq'));
  const counts = columns.add('counts', () => countsOf(kernel, layout, counted, issues));
  const affinity = columns.add('affinity', () => affinityOf(kernel, layout, issues));
  const first = columns.add('action', () => layout.word('action'));
  const action = actionReader(kernel, issues, text, place);
  return (irq: number, at: bigint): Irq => {
    const handler = handle(at);
    const bits = state(at);
    const status = settings(at);
    const own = number(at);
    const row = {
      irq,
      descriptor: at,
      chip: chip(at),
      hardwareIrq: domainAt(at) === 0n ? null : hardware(at),
      domain: domain(at),
      flow: flow(at),
      handle: handler === null ? null : place(handler),
      level: bits === null ? null : (bits & IRQD_LEVEL) !== 0,
      hidden: status === null ? null : (status & IRQ_HIDDEN) !== 0,
      counts: counts(at),
      affinity: affinity(at),
      actions: actionsOf(kernel, first(at), irq, issues)?.map(action) ?? null,
    };
    columns.tell(at);
    if (own !== null && own !== irq)
      issues.add('damaged-irq', `the descriptor of IRQ ${irq} says that it is ${own}`, at);
    return row;
  };
}

/** The name that a struct points at with its member `name`. */
function named(kernel: Kernel, type: string, text: Text): Text {
  const name = struct(kernel, type).word('name');
  return pointer => (pointer === 0n ? null : text(name(pointer)));
}

/** In irq_common_data since 4.3, of which irq_data has the address. */
function statePath(layout: Struct): string {
  return layout.which('irq_common_data.state_use_accessors', 'irq_data.state_use_accessors');
}

/** Of a machine as large as any, a few thousand interrupts on a few thousand CPUs; what is beyond stays unknown. */
const MOST_COUNTS = 1 << 23;

/** irqstat.cnt since 6.10 (commit 86d2a2f51fba), a bare counter before. */
function countsOf(kernel: Kernel, layout: Struct, counted: readonly number[], issues: Issues): Get<number[] | null> {
  const pointer = layout.word('kstat_irqs');
  const offset = hasStruct(kernel, 'irqstat') ? BigInt(struct(kernel, 'irqstat').offset('cnt')) : 0n;
  const copies = perCpu(kernel);
  let left = MOST_COUNTS;
  return at => {
    const counter = pointer(at);
    if (counter === 0n) return null;
    if (left < counted.length) {
      issues.add('too-many-counts', `more than ${MOST_COUNTS} counts: those of further interrupts are left out`);
      return null;
    }
    left -= counted.length;
    return counted.map(cpu => kernel.memory.u32(copies.address(counter, cpu) + offset));
  };
}

/** A cpumask_var_t: a pointer with CONFIG_CPUMASK_OFFSTACK, else the mask itself. */
function affinityOf(kernel: Kernel, layout: Struct, issues: Issues): Get<number[] | null> {
  const path = layout.which('irq_common_data.affinity', 'irq_data.affinity');
  const inPlace = plainType(layout.place(path).type).kind === 'array';
  const mask = inPlace ? layout.address(path) : layout.word(path);
  let left = MOST_COUNTS;
  return at => {
    const address = mask(at);
    if (address === 0n) return null;
    if (left <= 0) {
      issues.add('too-many-counts', 'the affinities of further interrupts are left out');
      return null;
    }
    const found = [...cpuMask(kernel, address)];
    left -= found.length;
    return found;
  };
}

/** Null where not even the first can be read. */
function actionsOf(kernel: Kernel, first: bigint | null, irq: number, issues: Issues): bigint[] | null {
  if (first === null) return null;
  if (first === 0n) return [];
  const before = issues.count;
  const offset = struct(kernel, 'irqaction').offset('next');
  const found = [...chainNodes(kernel, first, issues, { offset, name: `actions of IRQ ${irq}` })];
  return found.length === 0 && issues.count > before ? null : found;
}

function actionReader(
  kernel: Kernel,
  issues: Issues,
  text: Text,
  place: (pointer: bigint) => SymbolPlace | null,
): Get<IrqAction> {
  const layout = struct(kernel, 'irqaction');
  const columns = new Columns('action of an interrupt', issues);
  const name = columns.add('name', () => {
    const pointer = layout.word('name');
    return at => text(pointer(at));
  });
  const handler = columns.add('handler', () => layout.word('handler'));
  const thread = columns.add('thread_fn', () => layout.word('thread_fn'));
  return address => {
    const row = {
      address,
      name: name(address),
      handler: place(handler(address) ?? 0n),
      thread: place(thread(address) ?? 0n),
    };
    columns.tell(address);
    return row;
  };
}

/** Whether /proc/interrupts has it: hidden ones never, those without a handler of their own only once they have happened. What is not known is shown. */
export function isShown({ hidden, actions, counts }: Irq): boolean {
  if (hidden === true) return false;
  // chained_action stands for the interrupts of another chip.
  if (actions === null) return true;
  const own = actions.some(({ handler }) => handler?.symbol !== 'bad_chained_irq');
  return own || (counts ?? []).some(count => count > 0);
}

/** Where a fault may stand in the way of a whole answer. */
export function orUnreadable<T>(issues: Issues, what: string, answer: () => T): T | null {
  try {
    return answer();
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
    issues.add('unreadable-memory', `${what} cannot be told: ${error.message}`, error.address);
    return null;
  }
}

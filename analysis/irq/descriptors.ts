// Where the kernel keeps the descriptors of interrupts. Source: kernel/irq/irqdesc.c (2.6.39 to 7.3).
import { hex, type Issues } from 'kdumpling/reader';
import { MapleWalk, radixTree } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';

export interface DescriptorPlace {
  readonly irq: number;
  /** The address of its irq_desc. */
  readonly descriptor: bigint;
}

/** Interrupt numbers are ints. */
const MOST_IRQ = 0x7fff_ffffn;
/** NR_IRQS of kernels without sparse interrupts is some thousands at most. */
const MOST_IN_ARRAY = 65536;

/** In the order of their numbers. @throws Missing */
export function* descriptors(kernel: Kernel, issues: Issues): Generator<DescriptorPlace, void> {
  kernel.expect(['sparse_irqs', 'irq_desc_tree', 'irq_desc', 'nr_irqs', 'total_nr_irqs']);
  const maple = kernel.symbol('sparse_irqs');
  const radix = kernel.symbol('irq_desc_tree');
  // A maple tree since 6.5 (commit 721255b9826b), a radix tree before; kernels without CONFIG_SPARSE_IRQ have an array.
  const seen = new Set<bigint>();
  if (maple !== null) {
    const walk = new MapleWalk(kernel, maple.address, issues, { name: 'sparse_irqs' });
    for (const descriptor of walk) yield* place(walk.first, descriptor, seen, issues);
  } else if (radix !== null) {
    const walk = radixTree(kernel, radix.address, issues, { name: 'irq_desc_tree' });
    for (const descriptor of walk) yield* place(walk.index, descriptor, seen, issues);
  } else {
    yield* inArray(kernel);
  }
}

/** An interrupt has a number, and a descriptor of its own. */
function* place(
  index: bigint,
  descriptor: bigint,
  seen: Set<bigint>,
  issues: Issues,
): Generator<DescriptorPlace, void> {
  if (index > MOST_IRQ) issues.add('damaged-irq', `an interrupt cannot have the number ${hex(index)}`, descriptor);
  else if (seen.has(descriptor)) {
    issues.add('damaged-irq', `IRQ ${index} has the descriptor of another, ${hex(descriptor)}`, descriptor);
  } else {
    seen.add(descriptor);
    yield { irq: Number(index), descriptor };
  }
}

function* inArray(kernel: Kernel): Generator<DescriptorPlace, void> {
  const array = kernel.symbol('irq_desc');
  if (array === null) {
    throw new Missing('symbol', 'sparse_irqs or irq_desc_tree', 'give the vmlinux of this kernel with --vmlinux');
  }
  const { size } = struct(kernel, 'irq_desc');
  // nr_irqs up to 6.12, total_nr_irqs in 7.3.
  const count = kernel.symbol('total_nr_irqs') ?? kernel.symbol('nr_irqs');
  const fits = array.size === 0 ? MOST_IN_ARRAY : Math.floor(array.size / size);
  const said = count === null ? fits : kernel.memory.u32(count.address);
  const most = Math.min(said, fits, MOST_IN_ARRAY);
  for (let irq = 0; irq < most; irq++) yield { irq, descriptor: array.address + BigInt(irq) * BigInt(size) };
}

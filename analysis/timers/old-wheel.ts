// The cascading wheel that was before: five arrays of lists, tv1 to tv5. Source: kernel/timer.c, kernel/time/timer.c (2.6.x to 4.7).
import { hex, type Issues } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { hlistNodes, listNodes } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Struct, struct } from '../object/index.js';
import { byExpiry, type Timer, timerReader } from './timer.js';
import type { Wheel } from './wheel.js';

const ARRAYS = ['tv1', 'tv2', 'tv3', 'tv4', 'tv5'];
const MOST_LISTS = 1024;
const BOOT_BASES = 'boot_tvec_bases';

/**
 * A per-CPU variable since 4.2 (commit b337a9380f7e), before that a per-CPU pointer, of the first CPU to boot_tvec_bases.
 * @param variable the CPU's copy of tvec_bases
 * @throws Missing, MemoryFault
 */
export function oldWheel(kernel: Kernel, variable: bigint, cpu: number, now: bigint | null, issues: Issues): Wheel {
  const { memory } = kernel;
  const layout = struct(kernel, 'tvec_base');
  const address = isPointer(kernel) ? memory.pointer(variable) : variable;
  const read = timerReader(kernel, now, issues);
  const timers: Timer[] = [];
  for (const [head, name] of heads(kernel, layout, address)) {
    for (const timer of timersOf(kernel, head, `${name} of CPU ${cpu}`, issues)) timers.push(read(timer));
  }
  const running = layout.word('running_timer')(address);
  return {
    base: 'all',
    address,
    clock: layout.word('timer_jiffies')(address),
    running: running === 0n ? null : running,
    timers: timers.sort(byExpiry(now, kernel.arch.bits)),
  };
}

function isPointer(kernel: Kernel): boolean {
  const type = kernel.types?.variable('tvec_bases') ?? null;
  if (type !== null) return plainType(type).kind === 'pointer';
  return kernel.symbol(BOOT_BASES) !== null;
}

function* heads(kernel: Kernel, layout: Struct, address: bigint): Generator<readonly [bigint, string], void> {
  const hashed = isHashed(kernel);
  const size = (hashed ? 1 : 2) * kernel.memory.pointerSize;
  for (const array of ARRAYS) {
    const start = layout.address(`${array}.vec`)(address);
    const count = Math.min(layout.sizeOf(`${array}.vec`) / size, MOST_LISTS);
    for (let i = 0; i < count; i++) yield [start + BigInt(i * size), `${array}.vec[${i}]`];
  }
}

/** Hash lists since 4.2 (commit 1dabbcec2c0a), told by the node in each timer. */
function isHashed(kernel: Kernel): boolean {
  const entry = plainType(struct(kernel, 'timer_list').place('entry').type);
  return entry.kind === 'struct' && entry.name === 'hlist_node';
}

function* timersOf(kernel: Kernel, head: bigint, name: string, issues: Issues): Generator<bigint, void> {
  const container = struct(kernel, 'timer_list').container('entry');
  const nodes = isHashed(kernel)
    ? hlistNodes(kernel, head, issues, { name })
    : listNodes(kernel, head, issues, { name });
  for (const node of nodes) {
    if (node === 0n) issues.add('damaged-timer-wheel', `${name} leads to ${hex(node)}`, head);
    else yield container(node);
  }
}

// Tasks of the other classes of a CPU that can run: real-time by priority, deadline by deadline, sched_ext as its list has them. Source: kernel/sched/{sched.h,rt.c,deadline.c,ext.c}
// (3.14 to 7.3). What runs stays in its queue.
import { hex, type Issues, type VirtualMemory } from 'kdumpling/reader';
import { Bitmap, listEntries, rbEntries } from '../collections/index.js';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { type Struct, struct } from '../object/index.js';

export interface RealTimeEntity {
  readonly task: bigint;
  /** 0 runs first. */
  readonly queue: number;
}

const MOST_QUEUES = 1024;
const MOST_DEPTH = 64;

/** By priority, then in the order of the queue. @throws Missing, MemoryFault */
export function* realTimeTasks(kernel: Kernel, root: bigint, issues: Issues): Generator<RealTimeEntity, void> {
  const walk = new RealTimeWalk(kernel, issues);
  yield* walk.below(root, new Set([root]), 0);
}

class RealTimeWalk {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  readonly #queue: Struct;
  readonly #entity: Struct;
  readonly #queues: number;

  constructor(kernel: Kernel, issues: Issues) {
    this.#kernel = kernel;
    this.#issues = issues;
    this.#queue = struct(kernel, 'rt_rq');
    this.#entity = struct(kernel, 'sched_rt_entity');
    this.#queues = Math.min(this.#queue.sizeOf('active.queue') / (2 * kernel.memory.pointerSize), MOST_QUEUES);
  }

  *below(rtRq: bigint, seen: Set<bigint>, depth: number): Generator<RealTimeEntity, void> {
    const { memory } = this.#kernel;
    const bitmap = new Bitmap(memory, this.#queue.address('active.bitmap')(rtRq), this.#queues);
    const heads = this.#queue.address('active.queue')(rtRq);
    const ofEntity = struct(this.#kernel, 'task_struct').container('rt');
    const group = this.#entity.has('my_q') ? this.#entity.word('my_q') : null;
    for (let queue = 0; queue < this.#queues; queue++) {
      const head = heads + BigInt(2 * memory.pointerSize * queue);
      if (!bitmap.has(queue) && isEmpty(memory, head)) continue;
      const name = `queue ${queue} of the rt_rq at ${hex(rtRq)}`;
      const before = this.#issues.count;
      let count = 0;
      for (const entity of listEntries(this.#kernel, head, this.#entity, 'run_list', this.#issues, { name })) {
        count++;
        const inner = group?.(entity) ?? 0n;
        if (inner === 0n) yield { task: ofEntity(entity), queue };
        else if (seen.has(inner) || depth >= MOST_DEPTH) {
          this.#issues.add('damaged-run-queue', `${name}: the group at ${hex(entity)} leads nowhere new`, entity);
        } else {
          seen.add(inner);
          yield* this.below(inner, seen, depth + 1);
        }
      }
      const cut = this.#issues.count > before;
      if (!cut && bitmap.has(queue) !== count > 0) {
        const said = bitmap.has(queue) ? 'has a task' : 'is empty';
        this.#issues.add('damaged-run-queue', `${name}: the bitmap says that it ${said}, but it has ${count}`, head);
      }
    }
  }
}

/** An empty list's head points at itself, both ways. */
function isEmpty(memory: VirtualMemory, head: bigint): boolean {
  const at = memory.locate(head, 2 * memory.pointerSize);
  return at >= 0 && wordAt(memory, at) === head && wordAt(memory, at + memory.pointerSize) === head;
}

export interface DeadlineEntity {
  readonly task: bigint;
  readonly deadline: bigint;
}

/** By deadline. Servers of the other classes (6.8, commit 63ba8422f876) are no tasks and left out; `entities` counts them. @throws Missing, MemoryFault */
export function deadlineTasks(
  kernel: Kernel,
  queue: bigint,
  issues: Issues,
): { tasks: DeadlineEntity[]; entities: number } {
  const layout = struct(kernel, 'dl_rq');
  const entity = struct(kernel, 'sched_dl_entity');
  const ofEntity = struct(kernel, 'task_struct').container('dl');
  const deadline = entity.word('deadline');
  const server = entity.has('dl_server') ? entity.number('dl_server') : null;
  // rb_root with rb_leftmost beside it up to 4.13 (commit 2161573ecd69).
  const root = layout.address(layout.which('root', 'rb_root'))(queue);
  const tasks: DeadlineEntity[] = [];
  let entities = 0;
  for (const found of rbEntries(kernel, root, entity, 'rb_node', issues, { name: `of the dl_rq at ${hex(queue)}` })) {
    entities++;
    if ((server?.(found) ?? 0) === 0) tasks.push({ task: ofEntity(found), deadline: deadline(found) });
  }
  return { tasks, entities };
}

/** Tasks of a BPF scheduler (6.12 and later, commit f0e1a0643a59) in no order: that is the scheduler's. @throws Missing, MemoryFault */
export function* extTasks(kernel: Kernel, queue: bigint, issues: Issues): Generator<bigint, void> {
  const head = struct(kernel, 'scx_rq').address('runnable_list')(queue);
  const task = struct(kernel, 'task_struct');
  yield* listEntries(kernel, head, task, 'scx.runnable_node', issues, {
    name: `runnable_list of the scx_rq at ${hex(queue)}`,
  });
}

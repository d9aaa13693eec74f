// The fair class's tasks of a CPU: a tree of entities, each a task or a group with a tree of its own. Source: kernel/sched/fair.c, kernel/sched/sched.h (struct cfs_rq), include/linux/sched.h
// (struct sched_entity), 3.x to 7.3. The tree holds what waits; what runs is cfs_rq.curr.
import { hex, type Issues } from 'kdumpling/reader';
import { listEntries, rbEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Get, type Struct, struct } from '../object/index.js';

/** A task that waits, or that its group's quota keeps from waiting. */
export interface FairEntity {
  readonly task: bigint;
  readonly vruntime: bigint;
  /** Since 6.6 (commit 147f3efaa241): by when it should have run; null before. */
  readonly deadline: bigint | null;
  /** Asleep, but queued until it has paid back what it ran too long (6.12, commit 152e11f6df29). */
  readonly delayed: boolean;
  /** Its group has used up its quota. */
  readonly throttled: boolean;
}

/** cgroups may be nested deeper, but no one's are. */
const MOST_DEPTH = 64;

export class FairQueues {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  readonly #entity: Struct;
  readonly #queue: Struct;
  readonly #ofEntity: Get<bigint>;
  readonly #group: Get<bigint> | null;
  readonly #vruntime: Get<bigint>;
  readonly #deadline: Get<bigint> | null;
  readonly #delayed: Get<number> | null;
  readonly #current: Get<bigint>;
  readonly #timeline: Get<bigint>;
  readonly #key: Get<bigint>;

  /** @throws Missing */
  constructor(kernel: Kernel, issues: Issues) {
    const entity = struct(kernel, 'sched_entity');
    const queue = struct(kernel, 'cfs_rq');
    this.#kernel = kernel;
    this.#issues = issues;
    this.#entity = entity;
    this.#queue = queue;
    this.#ofEntity = struct(kernel, 'task_struct').container('se');
    // Without CONFIG_FAIR_GROUP_SCHED there are no groups.
    this.#group = entity.has('my_q') ? entity.word('my_q') : null;
    this.#vruntime = entity.word('vruntime');
    this.#deadline = entity.has('deadline') ? entity.word('deadline') : null;
    this.#delayed = entity.has('sched_delayed') ? entity.number('sched_delayed') : null;
    this.#current = queue.word('curr');
    this.#timeline = queue.address('tasks_timeline');
    // Sorted by deadline since 6.8 (commit 2227a957e1d5), which also made the tree keep the least vruntime below each entity.
    const byDeadline = entity.has('min_vruntime') && entity.has('deadline');
    this.#key = entity.word(byDeadline ? 'deadline' : 'vruntime');
  }

  /** In the order of the tree, a group's tasks in its place; a running group's before the others. @throws MemoryFault */
  *waiting(root: bigint): Generator<FairEntity, void> {
    yield* this.#below(root, new Set([root]), 0);
  }

  *#below(queue: bigint, seen: Set<bigint>, depth: number): Generator<FairEntity, void> {
    const running = this.#current(queue);
    if (running !== 0n) yield* this.#inGroup(running, seen, depth);
    let last: bigint | null = null;
    const name = `tasks_timeline of the cfs_rq at ${hex(queue)}`;
    for (const entity of rbEntries(this.#kernel, this.#timeline(queue), this.#entity, 'run_node', this.#issues, {
      name,
    })) {
      const key = this.#key(entity);
      // Both wrap around.
      if (last !== null && BigInt.asIntN(64, key - last) < 0n) {
        this.#issues.add(
          'damaged-run-queue',
          `${name}: the entity ${hex(entity)} is not behind the one before`,
          entity,
        );
      }
      last = key;
      if (this.#groupOf(entity) === 0n) yield this.#row(entity, false);
      else yield* this.#inGroup(entity, seen, depth);
    }
  }

  #groupOf(entity: bigint): bigint {
    return this.#group?.(entity) ?? 0n;
  }

  *#inGroup(entity: bigint, seen: Set<bigint>, depth: number): Generator<FairEntity, void> {
    const group = this.#groupOf(entity);
    if (group === 0n) return;
    if (seen.has(group) || depth >= MOST_DEPTH) {
      const what = seen.has(group) ? 'leads back to a queue that was walked' : `lies deeper than ${MOST_DEPTH}`;
      this.#issues.add('damaged-run-queue', `the group at ${hex(entity)} ${what}: ${hex(group)}`, entity);
      return;
    }
    seen.add(group);
    yield* this.#below(group, seen, depth + 1);
  }

  #row(entity: bigint, throttled: boolean): FairEntity {
    return {
      task: this.#ofEntity(entity),
      vruntime: this.#vruntime(entity),
      deadline: this.#deadline?.(entity) ?? null,
      delayed: (this.#delayed?.(entity) ?? 0) !== 0,
      throttled,
    };
  }

  /**
   * Tasks on the run queue's own list (rq.cfs_tasks, on SMP) that the tree does not lead to: of groups without quota, or of a tree that is damaged.
   * @param known the tasks that were found, the running one included
   */
  *beside(rq: Struct, address: bigint, known: ReadonlySet<bigint>): Generator<FairEntity, void> {
    if (!rq.has('cfs_tasks')) return;
    const head = rq.address('cfs_tasks')(address);
    const owner = this.#entity.has('cfs_rq') ? this.#entity.word('cfs_rq') : null;
    const throttled = this.#queue.has('throttle_count') ? this.#queue.number('throttle_count') : null;
    for (const entity of listEntries(this.#kernel, head, this.#entity, 'group_node', this.#issues, {
      name: `cfs_tasks of the rq at ${hex(address)}`,
    })) {
      const task = this.#ofEntity(entity);
      if (known.has(task)) continue;
      const isThrottled = owner !== null && throttled !== null && throttled(owner(entity)) > 0;
      if (!isThrottled) {
        const message = `the task ${hex(task)} is on the list of the rq at ${hex(address)}, but its tree does not lead to it`;
        this.#issues.add('damaged-run-queue', message, task);
      }
      yield this.#row(entity, isThrottled);
    }
  }
}

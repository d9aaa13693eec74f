// Run queues written by hand: groups, quota, the real-time, deadline and sched_ext classes, and damage. Members lie where this file puts them; links are those of include/linux/{list,rbtree_types}.h.
import test from 'ava';
import { runQueues } from 'kdumpling/analysis/cpus';
import { Issues } from 'kdumpling/reader';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';
import { survives } from '../spoil.js';

const U32 = int('unsigned int', 4, false);
const U8 = int('unsigned char', 1, false);
const S64 = int('long long', 8, true);
const POINTER = pointerTo({ kind: 'void' });
const array = (element: Type, length: number): Type => ({ kind: 'array', element, length });
const LIST = compound('struct', 'list_head', 16, [
  ['next', POINTER, 0],
  ['prev', POINTER, 64],
]);
const NODE = compound('struct', 'rb_node', 24, [
  ['__rb_parent_color', U64, 0],
  ['rb_right', POINTER, 64],
  ['rb_left', POINTER, 128],
]);
const ROOT = compound('struct', 'rb_root_cached', 16, [
  ['rb_root', compound('struct', 'rb_root', 8, [['rb_node', POINTER, 0]]), 0],
]);
const ENTITY = compound('struct', 'sched_entity', 128, [
  ['run_node', NODE, 0],
  ['group_node', LIST, 24 * 8],
  ['vruntime', U64, 40 * 8],
  ['deadline', U64, 48 * 8],
  ['min_vruntime', U64, 56 * 8],
  ['sched_delayed', U8, 64 * 8],
  ['cfs_rq', POINTER, 72 * 8],
  ['my_q', POINTER, 80 * 8],
]);
const RT_ENTITY = compound('struct', 'sched_rt_entity', 16, [['run_list', LIST, 0]]);
const DL_ENTITY = compound('struct', 'sched_dl_entity', 40, [
  ['rb_node', NODE, 0],
  ['deadline', S64, 24 * 8],
  ['dl_server', U32, 32 * 8, 1],
]);
const TASK = compound('struct', 'task_struct', 512, [
  ['on_rq', INT, 0],
  ['prio', INT, 32],
  ['pid', INT, 64],
  ['comm', array(int('char', 1, true), 16), 128],
  ['se', ENTITY, 64 * 8],
  ['rt', RT_ENTITY, 192 * 8],
  ['dl', DL_ENTITY, 208 * 8],
  ['scx', compound('struct', 'sched_ext_entity', 16, [['runnable_node', LIST, 0]]), 256 * 8],
]);
const CFS = compound('struct', 'cfs_rq', 64, [
  ['tasks_timeline', ROOT, 0],
  ['curr', POINTER, 16 * 8],
  ['throttle_count', INT, 24 * 8],
]);
const QUEUES = 100;
const RT_AT = 192n;
const DL_AT = RT_AT + 16n + 16n * BigInt(QUEUES);
const SCX_AT = DL_AT + 32n;
const TYPES: readonly Type[] = [
  TASK,
  ENTITY,
  RT_ENTITY,
  DL_ENTITY,
  CFS,
  compound('struct', 'rt_rq', 16 + 16 * QUEUES, [
    [
      'active',
      compound('struct', 'rt_prio_array', 16 + 16 * QUEUES, [
        ['bitmap', array(U64, 2), 0],
        ['queue', array(LIST, QUEUES), 128],
      ]),
      0,
    ],
  ]),
  compound('struct', 'dl_rq', 32, [
    ['root', ROOT, 0],
    ['dl_nr_running', U64, 16 * 8],
  ]),
  compound('struct', 'scx_rq', 16, [['runnable_list', LIST, 0]]),
  compound('struct', 'rq', 4096, [
    ['nr_running', U32, 0],
    ['curr', POINTER, 64],
    ['idle', POINTER, 128],
    ['stop', POINTER, 192],
    ['cfs_tasks', LIST, 256],
    ['cfs', compound('struct', 'cfs_rq', 64, []), 128 * 8],
    ['rt', compound('struct', 'rt_rq', 0, []), Number(RT_AT) * 8],
    ['dl', compound('struct', 'dl_rq', 0, []), Number(DL_AT) * 8],
    ['scx', compound('struct', 'scx_rq', 0, []), Number(SCX_AT) * 8],
  ]),
  compound('struct', 'cpumask', 8, [['bits', array(U64, 1), 0]]),
];
const SE = 64n;
const RT = 192n;
const DL = 208n;
const SCX = 256n;
const CFS_AT = 128n;

/** The run queue of one CPU, empty: the idle task runs. */
class MadeQueue {
  readonly memory = new MadeMemory(1 << 17);
  readonly rq: bigint;
  readonly idle: bigint;
  readonly #symbols: Record<string, bigint>;

  constructor() {
    const { memory } = this;
    this.rq = memory.take(4096, 256);
    const offsets = memory.take(8);
    const mask = memory.take(8);
    memory.words(mask, 1n);
    this.#symbols = {
      runqueues: this.rq,
      __per_cpu_offset: offsets,
      __cpu_possible_mask: mask,
      __cpu_online_mask: mask,
    };
    for (const head of [32n, SCX_AT, ...Array.from({ length: QUEUES }, (_, i) => RT_AT + 16n + 16n * BigInt(i))]) {
      this.ring(this.rq + head, []);
    }
    this.idle = this.task(0, 120);
    memory.words(this.rq + 8n, this.idle, this.idle);
  }

  task(pid: number, priority: number, onQueue = 1): bigint {
    const { memory } = this;
    const task = memory.take(512, 256);
    memory.u32(task, onQueue);
    memory.u32(task + 4n, priority);
    memory.u32(task + 8n, pid);
    memory.u8(task + 16n, ...new TextEncoder().encode(`t${pid}`));
    return task;
  }

  /** A task of the fair class; `queue` is its cfs_rq. */
  fair(pid: number, deadline: bigint, queue = this.cfs, delayed = 0): bigint {
    const task = this.task(pid, 120);
    this.memory.words(task + SE + 40n, deadline - 5n, deadline);
    this.memory.u8(task + SE + 64n, delayed);
    this.memory.words(task + SE + 72n, queue);
    return task;
  }

  /** A group's entity, and the queue that it has. */
  group(deadline: bigint, throttled = 0): { entity: bigint; queue: bigint } {
    const entity = this.memory.take(128);
    const queue = this.memory.take(64);
    this.memory.words(entity + 48n, deadline);
    this.memory.words(entity + 80n, queue);
    this.memory.u32(queue + 24n, throttled);
    return { entity, queue };
  }

  get cfs(): bigint {
    return this.rq + CFS_AT;
  }

  /** A tree of up to three nodes, in order: the middle one is the root. */
  tree(root: bigint, nodes: readonly bigint[]): void {
    const { memory } = this;
    const [left, top, right] = nodes.length === 3 ? nodes : [0n, nodes[0] ?? 0n, nodes[1] ?? 0n];
    memory.words(root, top);
    if (top === 0n) return;
    memory.words(top, 1n, right, left);
    for (const child of [left, right]) if (child !== 0n) memory.words(child, top, 0n, 0n);
  }

  ring(head: bigint, nodes: readonly bigint[]): void {
    const all = [head, ...nodes];
    for (const [i, node] of all.entries()) {
      const next = all[(i + 1) % all.length];
      this.memory.words(node, next);
      this.memory.words(next + 8n, node);
    }
  }

  listed(...tasks: bigint[]): void {
    this.ring(
      this.rq + 32n,
      tasks.map(task => task + SE + 24n),
    );
  }

  realTime(queue: number, ...tasks: bigint[]): void {
    const { memory } = this;
    const word = this.rq + RT_AT + 8n * BigInt(queue >> 6);
    memory.words(word, memory.word(word) | (1n << BigInt(queue & 63)));
    this.ring(
      this.rq + RT_AT + 16n + 16n * BigInt(queue),
      tasks.map(task => task + RT),
    );
  }

  run(task: bigint): void {
    this.memory.words(this.rq + 8n, task);
  }

  count(running: number): void {
    this.memory.u32(this.rq, running);
  }

  /** As if there were two CPUs in the same memory. */
  share(): void {
    this.memory.words(this.#symbols['__cpu_possible_mask'], 3n);
  }

  ask(holes: readonly bigint[] = [], types = TYPES) {
    const issues = new Issues();
    const [queue, other] = runQueues(this.memory.kernel(types, this.#symbols, holes), issues);
    const codes = issues.list().map(({ code }) => code);
    return { queue, other, codes, messages: issues.list().map(({ message }) => message) };
  }
}

const pids = (tasks: readonly { readonly pid: number | null }[] | undefined) => tasks?.map(({ pid }) => pid);

test('an idle CPU', t => {
  const { queue, codes } = new MadeQueue().ask();
  t.deepEqual(codes, []);
  t.deepEqual([queue.cpu, queue.idle, queue.current?.pid, queue.nrRunning, queue.online], [0, true, 0, 0, true]);
  t.deepEqual(
    [queue.deadline, queue.realTime, queue.ext, queue.fair].map(one => one?.tasks),
    [[], [], [], []],
  );
});

test('all classes at once, in the order in which each has its tasks', t => {
  const made = new MadeQueue();
  const running = made.task(9, 10);
  const [other, low] = [made.task(8, 10), made.task(7, 98)];
  made.realTime(10, running, other);
  made.realTime(98, low);
  made.run(running);
  const [soon, later, server] = [made.task(20, -1), made.task(21, -1), made.memory.take(48)];
  made.memory.words(soon + DL + 24n, 1000n);
  made.memory.words(later + DL + 24n, 3000n);
  made.memory.words(server + 24n, 2000n, 1n);
  made.tree(made.rq + DL_AT, [soon + DL, server, later + DL]);
  made.memory.words(made.rq + DL_AT + 16n, 3n);
  const ext = made.task(30, 120);
  made.ring(made.rq + SCX_AT, [ext + SCX]);
  const fair = [made.fair(40, 100n), made.fair(41, 200n, made.cfs, 1), made.fair(42, 300n)];
  made.tree(
    made.cfs,
    fair.map(task => task + SE),
  );
  made.listed(...fair.toReversed());
  made.count(9);
  const { queue, codes } = made.ask();
  t.deepEqual(codes, []);
  t.is(queue.idle, false);
  t.deepEqual(queue.current, { pid: 9, comm: 't9', task: running, priority: 10 });
  t.deepEqual(
    queue.realTime?.tasks.map(({ pid, queue: of }) => [pid, of]),
    [
      [9, 10],
      [8, 10],
      [7, 98],
    ],
  );
  t.deepEqual(
    queue.deadline?.tasks.map(({ pid, deadline }) => [pid, deadline]),
    [
      [20, 1000n],
      [21, 3000n],
    ],
  );
  t.is(queue.deadline?.servers, 1);
  // Up to 6.16 the server is counted, too.
  made.count(10);
  t.deepEqual(made.ask().codes, []);
  made.count(11);
  t.deepEqual(made.ask().codes, ['run-queue-count']);
  t.deepEqual(pids(queue.ext?.tasks), [30]);
  t.deepEqual(
    queue.fair?.tasks.map(({ pid, vruntime, deadline, delayed }) => [pid, vruntime, deadline, delayed]),
    [
      [40, 95n, 100n, false],
      [41, 195n, 200n, true],
      [42, 295n, 300n, false],
    ],
  );
});

/** Two groups, one of them running, and one whose quota is used up. */
function grouped(): MadeQueue {
  const made = new MadeQueue();
  const [running, waits, quota] = [made.group(50n), made.group(20n), made.group(0n, 1)];
  const current = made.fair(1, 10n, running.queue);
  const [beside, first, second, alone, stopped] = [
    made.fair(2, 60n, running.queue),
    made.fair(3, 70n, waits.queue),
    made.fair(4, 80n, waits.queue),
    made.fair(5, 30n),
    made.fair(6, 90n, quota.queue),
  ];
  made.run(current);
  made.memory.words(made.cfs + 16n, running.entity);
  made.memory.words(running.queue + 16n, current + SE);
  made.tree(running.queue, [beside + SE]);
  made.tree(waits.queue, [first + SE, second + SE]);
  made.tree(quota.queue, [stopped + SE]);
  made.tree(made.cfs, [waits.entity, alone + SE]);
  made.listed(current, beside, first, second, alone, stopped);
  made.count(5);
  return made;
}

test("groups: the running group's tasks, then the others in their places, then those without quota", t => {
  const { queue, codes } = grouped().ask();
  t.deepEqual(codes, []);
  t.deepEqual(
    queue.fair?.tasks.map(({ pid, throttled }) => [pid, throttled]),
    [
      [2, false],
      [3, false],
      [4, false],
      [5, false],
      [6, true],
    ],
  );
});

test('a group that contains itself is walked once', t => {
  const made = grouped();
  const [outer, inner] = [made.group(1n), made.group(2n)];
  made.tree(made.cfs, [outer.entity]);
  made.tree(outer.queue, [inner.entity]);
  made.memory.words(inner.entity + 80n, outer.queue);
  const { queue, codes, messages } = made.ask();
  t.true(codes.every(code => code === 'damaged-run-queue'));
  t.true(messages.some(message => message.includes('leads back to a queue that was walked')));
  t.deepEqual(new Set(pids(queue.fair?.tasks)), new Set([2, 3, 4, 5, 6]));
});

test('what the tree lost is found on the list, and told', t => {
  const made = grouped();
  made.memory.words(made.cfs, 0n);
  const { queue, messages } = made.ask();
  t.deepEqual(pids(queue.fair?.tasks), [2, 3, 4, 5, 6]);
  t.is(messages.filter(message => message.includes('its tree does not lead to it')).length, 3);
});

test('an entity out of its order, a bit that no queue has, a wrong count', t => {
  const made = new MadeQueue();
  const tasks = [made.fair(1, 500n), made.fair(2, 400n)];
  made.tree(
    made.cfs,
    tasks.map(task => task + SE),
  );
  made.listed(...tasks);
  t.deepEqual(made.ask().codes, ['damaged-run-queue']);

  const bit = new MadeQueue();
  bit.realTime(3);
  t.deepEqual(bit.ask().codes, ['damaged-run-queue']);

  const count = new MadeQueue();
  count.count(2);
  t.deepEqual(count.ask().codes, ['run-queue-count']);
  const deadline = new MadeQueue();
  deadline.memory.words(deadline.rq + DL_AT + 16n, 1n);
  t.deepEqual(deadline.ask().codes, ['run-queue-count']);
});

test('deadlines wrap around', t => {
  const made = new MadeQueue();
  const tasks = [made.fair(1, 2n ** 64n - 10n), made.fair(2, 7n)];
  made.tree(
    made.cfs,
    tasks.map(task => task + SE),
  );
  made.listed(...tasks);
  made.count(2);
  t.deepEqual(made.ask().codes, []);
});

test('a task is on one queue: what another CPU has too is told once', t => {
  const made = new MadeQueue();
  const task = made.task(8, 10);
  made.realTime(10, task);
  made.count(1);
  made.share();
  const { queue, other, codes } = made.ask();
  t.deepEqual([pids(queue.realTime?.tasks), pids(other.realTime?.tasks)], [[8], []]);
  t.deepEqual(codes, ['damaged-run-queue']);
});

test('memory that is missing takes no more than what lies in it', t => {
  const made = grouped();
  const { queue, codes } = made.ask([made.idle]);
  t.deepEqual(codes, []);
  t.is(queue.fair?.tasks.length, 5);
  const lost = made.ask([made.rq]);
  t.is(lost.queue.current, null);
  t.is(lost.queue.fair, null);
  t.true(
    lost.codes.every(
      code => code === 'unreadable-memory' || code === 'unreadable-rbtree' || code === 'unreadable-list',
    ),
  );
  t.true(lost.codes.length > 0);
});

test('kernels without groups, deadlines and sched_ext', t => {
  const made = new MadeQueue();
  const tasks = [made.fair(1, 100n), made.fair(2, 200n)];
  made.tree(
    made.cfs,
    tasks.map(task => task + SE),
  );
  made.run(tasks[0]);
  made.tree(made.cfs, [tasks[1] + SE]);
  made.count(2);
  const old = [
    compound('struct', 'sched_entity', 128, [
      ['run_node', NODE, 0],
      ['vruntime', U64, 40 * 8],
    ]),
    compound('struct', 'cfs_rq', 64, [
      ['tasks_timeline', ROOT, 0],
      ['curr', POINTER, 16 * 8],
    ]),
    compound('struct', 'rq', 4096, [
      ['nr_running', U32, 0],
      ['curr', POINTER, 64],
      ['idle', POINTER, 128],
      ['cfs', compound('struct', 'cfs_rq', 64, []), 128 * 8],
      ['rt', compound('struct', 'rt_rq', 0, []), Number(RT_AT) * 8],
    ]),
  ];
  const types = [...old, ...TYPES.filter(type => !old.some(one => 'name' in type && one.name === type.name))];
  const { queue, codes } = made.ask([], types);
  t.deepEqual(codes, []);
  t.deepEqual([queue.deadline, queue.ext], [null, null]);
  t.deepEqual(
    queue.fair?.tasks.map(({ pid, vruntime, deadline }) => [pid, vruntime, deadline]),
    [[2, 195n, null]],
  );
});

test('rubbish in any words', t => survives(t, grouped));

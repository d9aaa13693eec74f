// The run queue of each CPU: what runs, and what waits in each scheduling class. Source: kernel/sched/sched.h (struct rq, 3.14 to 7.3).
import { hex, Issues } from 'kdumpling/reader';
import { type Ask, asking } from '../asking.js';
import { MOST_FINDINGS } from '../collections/damage.js';
import { cpus, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, type Struct, struct } from '../object/index.js';
import { FairQueues } from './fair-queue.js';
import { deadlineTasks, extTasks, realTimeTasks } from './other-queues.js';

/** What is unknown is null. */
export interface QueuedTask {
  readonly pid: number | null;
  readonly comm: string | null;
  readonly task: bigint;
  /** task_struct.prio: below 0 deadline, below 100 real-time, 100 + 20 + nice. */
  readonly priority: number | null;
}

export interface FairTask extends QueuedTask {
  readonly vruntime: bigint;
  readonly deadline: bigint | null;
  readonly delayed: boolean;
  readonly throttled: boolean;
}

export interface Queue<T> {
  readonly address: bigint;
  readonly tasks: readonly T[];
}

export interface RunQueue {
  readonly cpu: number;
  /** Of its struct rq. */
  readonly runqueue: bigint;
  readonly online: boolean | null;
  /** What the kernel counts: tasks that run or wait, of groups without quota none. */
  readonly nrRunning: number | null;
  readonly current: QueuedTask | null;
  /** The CPU runs its idle task. */
  readonly idle: boolean | null;
  /** What runs stands in these three, with what waits; null where a queue cannot be read or the kernel has no such class. */
  readonly deadline: DeadlineQueue | null;
  readonly realTime: Queue<QueuedTask & { readonly queue: number }> | null;
  readonly ext: Queue<QueuedTask> | null;
  /** What waits, in the order in which the tree has it. */
  readonly fair: Queue<FairTask> | null;
}

export interface DeadlineQueue extends Queue<QueuedTask & { readonly deadline: bigint }> {
  /** How many queued entities are servers, which run tasks of other classes. */
  readonly servers: number;
}

/** By CPU, possible ones all. @throws Missing, MemoryFault where there are no run queues to be found */
export function runQueues(kernel: Kernel, issues: Issues): RunQueue[] {
  kernel.expect(['runqueues', '__per_cpu_offset', '__cpu_possible_mask', '__cpu_online_mask', 'nr_cpu_ids']);
  const rq = struct(kernel, 'rq');
  const queues = kernel.address('runqueues');
  const copies = perCpu(kernel);
  const ask = asking(issues);
  const online = ask('which CPUs were online', () => new Set(cpus(kernel, 'online')));
  const read = queuedTask(kernel, issues);
  const rows: RunQueue[] = [];
  const seen = new Set<bigint>();
  const before = issues.count;
  for (const cpu of copies.possible) {
    if (issues.count - before > MOST_FINDINGS) {
      issues.add('damaged-run-queue', `so much is damaged that the run queues from CPU ${cpu} on are left out`);
      break;
    }
    const queue = new OneQueue(kernel, rq, copies.address(queues, cpu), cpu, { read, ask, seen, issues });
    rows.push({ ...queue.read(), online: online?.has(cpu) ?? null });
  }
  return rows;
}

function queuedTask(kernel: Kernel, issues: Issues): Get<QueuedTask> {
  const layout = struct(kernel, 'task_struct');
  const columns = new Columns('task', issues);
  const pid = columns.add('pid', () => layout.number('pid'));
  const comm = columns.add('comm', () => layout.text('comm'));
  const priority = columns.add('prio', () => layout.number('prio'));
  return task => {
    const row = { pid: pid(task), comm: comm(task), task, priority: priority(task) };
    columns.tell(task);
    return row;
  };
}

/** What the queues of all CPUs share. */
interface Shared {
  readonly read: Get<QueuedTask>;
  readonly ask: Ask;
  /** A task is on one queue. */
  readonly seen: Set<bigint>;
  readonly issues: Issues;
}

class OneQueue {
  readonly #kernel: Kernel;
  readonly #rq: Struct;
  readonly #address: bigint;
  readonly #cpu: number;
  readonly #shared: Shared;
  /** Of this queue alone: where something was damaged, counts say nothing. */
  readonly #found = new Issues();

  constructor(kernel: Kernel, rq: Struct, address: bigint, cpu: number, shared: Shared) {
    this.#kernel = kernel;
    this.#rq = rq;
    this.#address = address;
    this.#cpu = cpu;
    this.#shared = shared;
  }

  read(): Omit<RunQueue, 'online'> {
    const at = this.#address;
    const number = (path: string) => this.#tell(path, () => this.#rq.number(path)(at));
    const pointer = (path: string) => this.#tell(path, () => this.#rq.word(path)(at));
    const task = pointer('curr');
    const idle = pointer('idle');
    const row = {
      cpu: this.#cpu,
      runqueue: at,
      nrRunning: number('nr_running'),
      current: task === null || task === 0n ? null : this.#shared.read(task),
      idle: task === null || idle === null ? null : task === idle,
      deadline: this.#rq.has('dl') ? this.#tell('the deadline queue', () => this.#deadline()) : null,
      realTime: this.#tell('the real-time queue', () => this.#realTime()),
      ext: this.#rq.has('scx') ? this.#tell('the queue of sched_ext', () => this.#ext()) : null,
      fair: this.#tell('the fair queue', () => this.#fair(task)),
    };
    if (this.#found.count === 0) this.#tell('whether all were found', () => this.#compare(row));
    this.#shared.issues.addAll(this.#found);
    return row;
  }

  #tell<T>(what: string, answer: () => T): T | null {
    return this.#shared.ask(`${what} of CPU ${this.#cpu}`, answer);
  }

  /** Without what another queue has. */
  #own<T extends { readonly task: bigint }>(tasks: readonly T[]): T[] {
    const { seen } = this.#shared;
    return tasks.filter(({ task }) => {
      const isNew = !seen.has(task);
      seen.add(task);
      if (isNew) return true;
      const message = `the task ${hex(task)} is on the run queue of CPU ${this.#cpu}, and on another`;
      this.#found.add('damaged-run-queue', message, task);
      return false;
    });
  }

  #fair(running: bigint | null): RunQueue['fair'] {
    const address = this.#rq.address('cfs')(this.#address);
    const queues = new FairQueues(this.#kernel, this.#found);
    const tasks = [...queues.waiting(address)];
    const known = new Set([...tasks.map(({ task }) => task), running ?? 0n]);
    tasks.push(...queues.beside(this.#rq, this.#address, known));
    return { address, tasks: this.#own(tasks).map(one => ({ ...this.#shared.read(one.task), ...one })) };
  }

  #realTime(): RunQueue['realTime'] {
    const address = this.#rq.address('rt')(this.#address);
    const found = this.#own([...realTimeTasks(this.#kernel, address, this.#found)]);
    return { address, tasks: found.map(({ task, queue }) => ({ ...this.#shared.read(task), queue })) };
  }

  #deadline(): RunQueue['deadline'] {
    const address = this.#rq.address('dl')(this.#address);
    const { tasks, entities } = deadlineTasks(this.#kernel, address, this.#found);
    const count = struct(this.#kernel, 'dl_rq').number('dl_nr_running')(address);
    if (count !== entities && this.#found.count === 0) {
      this.#miscounted(`dl_nr_running is ${count}, but ${entities} were found`);
    }
    const rows = this.#own(tasks).map(({ task, deadline }) => ({ ...this.#shared.read(task), deadline }));
    return { address, tasks: rows, servers: entities - tasks.length };
  }

  #ext(): RunQueue['ext'] {
    const address = this.#rq.address('scx')(this.#address);
    const found = [...extTasks(this.#kernel, address, this.#found)].map(task => ({ task }));
    return { address, tasks: this.#own(found).map(({ task }) => this.#shared.read(task)) };
  }

  /**
   * rq.nr_running counts every task that is queued and the one that runs (unless it was on its way to sleep); up to 6.16 the servers among the deadline entities too (commit
   * 52d15521eb75).
   */
  #compare({ nrRunning, current, idle, deadline, realTime, ext, fair }: Omit<RunQueue, 'online'>): void {
    if (nrRunning === null || idle === null || realTime === null || fair === null) return;
    const queued = new Set(
      [deadline?.tasks, realTime.tasks, ext?.tasks, fair.tasks.filter(({ throttled }) => !throttled)].flatMap(tasks =>
        (tasks ?? []).map(({ task }) => task),
      ),
    );
    const onQueue = struct(this.#kernel, 'task_struct').number('on_rq');
    const stop = this.#rq.has('stop') ? this.#rq.word('stop')(this.#address) : 0n;
    for (const task of [idle ? 0n : (current?.task ?? 0n), stop]) {
      if (task !== 0n && onQueue(task) === QUEUED) queued.add(task);
    }
    const servers = deadline?.servers ?? 0;
    if (nrRunning === queued.size || nrRunning === queued.size + servers) return;
    this.#miscounted(`nr_running is ${nrRunning}, but ${queued.size} were found`);
  }

  #miscounted(what: string): void {
    this.#found.add(
      'run-queue-count',
      `the run queue of CPU ${this.#cpu}, ${hex(this.#address)}: ${what}`,
      this.#address,
    );
  }
}

/** TASK_ON_RQ_QUEUED. */
const QUEUED = 1;

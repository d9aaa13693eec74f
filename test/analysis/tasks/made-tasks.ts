// A kernel of the 4.8 kind with tasks written by hand: state in `state`, threads in thread_group, PIDs in a hash, the CPU in the thread_info at the stack's end.
import type { Kernel } from 'kdumpling/analysis';
import type { Type } from 'kdumpling/reader/debuginfo';
import { MadeMemory } from '../collections/made-memory.js';
import { compound, INT, int, pointerTo, U64 } from '../made-kernel.js';

const U32 = int('unsigned int', 4, false);
const POINTER = pointerTo({ kind: 'void' });
const array = (element: Type, length: number): Type => ({ kind: 'array', element, length });
const HEAD = compound('struct', 'list_head', 16, [
  ['next', POINTER, 0],
  ['prev', POINTER, 64],
]);
const NODE = compound('struct', 'hlist_node', 16, [
  ['next', POINTER, 0],
  ['pprev', POINTER, 64],
]);
const FIRST = compound('struct', 'hlist_head', 8, [['first', POINTER, 0]]);
const LINK = compound('struct', 'pid_link', 24, [
  ['node', NODE, 0],
  ['pid', POINTER, 128],
]);
const UPID = compound('struct', 'upid', 32, [
  ['nr', INT, 0],
  ['ns', POINTER, 64],
  ['pid_chain', NODE, 128],
]);
const PID = compound('struct', 'pid', 72, [
  ['tasks', array(FIRST, 4), 0],
  ['numbers', array(UPID, 1), 320],
]);
export const TASK = compound('struct', 'task_struct', 256, [
  ['state', U64, 0],
  ['exit_state', INT, 64],
  ['flags', U32, 96],
  ['stack', POINTER, 128],
  ['pid', INT, 192],
  ['tgid', INT, 224],
  ['real_parent', POINTER, 256],
  ['tasks', HEAD, 320],
  ['thread_group', HEAD, 448],
  ['pids', array(LINK, 3), 576],
  ['comm', array(int('char', 1, true), 16), 1152],
]);
export const TYPES: readonly Type[] = [
  TASK,
  PID,
  UPID,
  compound('struct', 'pid_namespace', 8, [['level', U32, 0]]),
  compound('struct', 'thread_info', 16, [
    ['task', POINTER, 0],
    ['flags', U32, 64],
    ['cpu', U32, 96],
  ]),
];

const OFFSET = { stack: 16n, pid: 24n, tgid: 28n, parent: 32n, tasks: 40n, group: 56n, node: 72n, comm: 144n };

export interface MadeTask {
  readonly pid: number;
  readonly tgid?: number;
  readonly comm: string;
  readonly state?: number;
  readonly exitState?: number;
  readonly kernelThread?: boolean;
  /** null: no stack. */
  readonly cpu?: number | null;
}

export class MadeTasks {
  readonly memory = new MadeMemory(1 << 16);
  /** By PID. */
  readonly tasks = new Map<number, bigint>();
  /** The struct pid of each. */
  readonly pids = new Map<number, bigint>();
  readonly #symbols: Record<string, bigint>;
  readonly #table: bigint;
  readonly #namespace: bigint;

  /** The first is init_task. A task whose tgid is another's pid is a thread of that. */
  constructor(made: readonly MadeTask[]) {
    const { memory } = this;
    this.#namespace = memory.take(16);
    this.#table = memory.take(16 * 8);
    const pidHash = memory.take(8);
    memory.words(pidHash, this.#table);
    const shift = memory.take(8);
    memory.u32(shift, 4);
    for (const task of made) this.#add(task);
    const all = [...this.tasks];
    const init = all[0][1];
    for (const [, task] of all) memory.words(task + OFFSET.parent, init);
    const leaders = made.filter(({ pid, tgid = pid }) => pid === tgid).map(({ pid }) => this.task(pid));
    this.#ring(leaders.map(task => task + OFFSET.tasks));
    for (const leader of made) {
      const group = made.filter(({ pid, tgid = pid }) => tgid === leader.pid && pid !== leader.pid);
      if ((leader.tgid ?? leader.pid) !== leader.pid) continue;
      this.#ring([leader, ...group].map(({ pid }) => this.task(pid) + OFFSET.group));
    }
    this.#symbols = { init_task: init, init_pid_ns: this.#namespace, pid_hash: pidHash, pidhash_shift: shift };
  }

  task(pid: number): bigint {
    const task = this.tasks.get(pid);
    if (task === undefined) throw new RangeError(`no task ${pid} was made`);
    return task;
  }

  kernel(holes: readonly bigint[] = [], types: readonly Type[] = TYPES): Kernel {
    return this.memory.kernel(types, this.#symbols, holes);
  }

  /** Takes a process out of the list, as rootkits do. */
  unlink(pid: number): void {
    const { memory } = this;
    const node = this.task(pid) + OFFSET.tasks;
    const next = memory.word(node);
    const prev = memory.word(node + 8n);
    memory.words(prev, next);
    memory.words(next + 8n, prev);
  }

  /** Takes a number out of the hash. */
  unhash(pid: number): void {
    this.memory.words(this.#table + BigInt(pid % 16) * 8n, 0n);
  }

  #add({ pid, tgid = pid, comm, state = 0, exitState = 0, kernelThread = false, cpu = 0 }: MadeTask): void {
    const { memory } = this;
    const task = memory.take(256, 256);
    this.tasks.set(pid, task);
    memory.words(task, BigInt(state));
    memory.u32(task + 8n, exitState);
    memory.u32(task + 12n, kernelThread ? 0x20_0000 : 0);
    if (cpu !== null) {
      const stack = memory.take(16);
      memory.u32(stack + 12n, cpu);
      memory.words(task + OFFSET.stack, stack);
    }
    memory.u32(task + OFFSET.pid, pid);
    memory.u32(task + OFFSET.tgid, tgid);
    memory.u8(task + OFFSET.comm, ...new TextEncoder().encode(comm));
    if (pid === 0) return;
    const number = memory.take(72);
    this.pids.set(pid, number);
    memory.words(number, task + OFFSET.node);
    memory.words(task + OFFSET.node, 0n, number);
    memory.u32(number + 40n, pid);
    const chain = this.#table + BigInt(pid % 16) * 8n;
    memory.words(number + 48n, this.#namespace, 0n, chain);
    memory.words(chain, number + 56n);
  }

  #ring(nodes: readonly bigint[]): void {
    for (const [i, node] of nodes.entries()) {
      const next = nodes[(i + 1) % nodes.length];
      this.memory.words(node, next);
      this.memory.words(next + 8n, node);
    }
  }
}

// What a timer is for, where its function serves many: the work that is queued when it is due, or the thread that it wakes. Source: include/linux/{workqueue,hrtimer}.h,
// kernel/time/timer.c (struct process_timer, 4.15, commit 58e1177b4cd1, to 7.3).
import { MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, struct } from '../object/index.js';
import { type SymbolPlace, symbolPlace } from '../symbols/index.js';

export interface Purpose {
  /** The function of a delayed work. */
  readonly work: SymbolPlace | null;
  /** The thread that sleeps. */
  readonly thread: { readonly pid: number; readonly comm: string; readonly task: bigint } | null;
}

/** Which struct each function's timer is in, and what the struct says. */
const KINDS: Readonly<Partial<Record<string, readonly [type: string, timer: string, work: string, task: string]>>> = {
  delayed_work_timer_fn: ['delayed_work', 'timer', 'work.func', ''],
  process_timeout: ['process_timer', 'timer', '', 'task'],
  hrtimer_wakeup: ['hrtimer_sleeper', 'timer', '', 'task'],
};

/** Null where the function says all, or what the timer is in cannot be read. */
export class Purposes {
  readonly #kernel: Kernel;
  readonly #readers = new Map<string, Get<Purpose> | null>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  of(run: SymbolPlace | null, timer: bigint): Purpose | null {
    const name = run?.offset === 0 ? run.symbol : null;
    if (name === null || !Object.hasOwn(KINDS, name)) return null;
    let read = this.#readers.get(name);
    if (read === undefined) {
      read = attempt(() => reader(this.#kernel, name));
      this.#readers.set(name, read);
    }
    return read === null ? null : attempt(() => read(timer));
  }
}

function attempt<T>(answer: () => T): T | null {
  try {
    return answer();
  } catch (error) {
    if (error instanceof Missing || error instanceof MemoryFault) return null;
    throw error;
  }
}

function reader(kernel: Kernel, name: string): Get<Purpose> | null {
  const kind = KINDS[name];
  if (kind === undefined) return null;
  const [type, member, workPath, taskPath] = kind;
  const layout = struct(kernel, type);
  const owner = layout.container(member);
  if (workPath !== '') {
    const work = layout.word(workPath);
    return timer => ({ work: symbolPlace(kernel, work(owner(timer))), thread: null });
  }
  const task = layout.word(taskPath);
  const thread = struct(kernel, 'task_struct');
  const pid = thread.number('pid');
  const comm = thread.text('comm');
  return timer => {
    const at = task(owner(timer));
    return { work: null, thread: at === 0n ? null : { pid: pid(at), comm: comm(at), task: at } };
  };
}

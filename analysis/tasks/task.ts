// One thread as a row, from its task_struct. Source: include/linux/sched.h, fs/proc/array.c (do_task_stat, 6.1 to 7.3).
import type { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Columns, type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { stateLetter } from './state.js';

/** A thread. What is unknown is null. */
export interface Task {
  readonly pid: number | null;
  /** The process: the PID of its first thread. */
  readonly tgid: number | null;
  /** The process that started this one or took it over; 0 for what the kernel started. */
  readonly ppid: number | null;
  /** task_struct.comm: without the suffixes that /proc adds to workers. */
  readonly comm: string | null;
  /** /proc's letter. */
  readonly state: string | null;
  /** The CPU that it runs on, or ran on last. */
  readonly cpu: number | null;
  /** The address of its task_struct. */
  readonly task: bigint;
  readonly kernelThread: boolean | null;
}

const PF_KTHREAD = 0x0020_0000;

/** Reads a row at a task_struct's address; what cannot be had is null, and told in `issues`. @throws Missing for a kernel without task_struct */
export function taskReader(kernel: Kernel, issues: Issues): (task: bigint) => Task {
  const layout = struct(kernel, 'task_struct');
  const columns = new Columns('task', issues);
  const pid = columns.add('pid', () => layout.number('pid'));
  const tgid = columns.add('tgid', () => layout.number('tgid'));
  const ppid = columns.add('ppid', () => parentOf(layout));
  const comm = columns.add('comm', () => layout.text('comm'));
  const state = columns.add('state', () => stateOf(layout));
  const cpu = columns.add('cpu', () => cpuOf(kernel, layout));
  const flags = columns.add('kernelThread', () => layout.number('flags'));
  return task => {
    const bits = flags(task);
    const row = {
      pid: pid(task),
      tgid: tgid(task),
      ppid: ppid(task),
      comm: comm(task),
      state: state(task),
      cpu: cpu(task),
      task,
      kernelThread: bits === null ? null : (bits & PF_KTHREAD) !== 0,
    };
    columns.tell(task);
    return row;
  };
}

function parentOf(layout: Struct): Get<number> {
  const parent = layout.word('real_parent');
  const tgid = layout.number('tgid');
  return task => tgid(parent(task));
}

function stateOf(layout: Struct): Get<string> {
  // __state since 5.14 (commit 2f064a59a11f).
  const state = layout.number(layout.which('__state', 'state'));
  const exitState = layout.number('exit_state');
  return task => stateLetter(state(task), exitState(task));
}

function cpuOf(kernel: Kernel, layout: Struct): Get<number | null> {
  // In thread_info again since 5.16 (commit bcf9033e5449); in between, where thread_info is a part of the task, beside it (4.9, commit c65eacbe290b).
  for (const path of ['thread_info.cpu', 'cpu']) if (layout.has(path)) return layout.number(path);
  const info = hasStruct(kernel, 'thread_info') ? struct(kernel, 'thread_info') : null;
  // Without CONFIG_SMP there is one CPU.
  if (info === null || !info.has('cpu') || layout.has('thread_info')) return () => 0;
  // At the stack's end before; a thread that has exited has no stack.
  const stack = layout.word('stack');
  const cpu = info.number('cpu');
  return task => {
    const at = stack(task);
    return at === 0n ? null : cpu(at);
  };
}

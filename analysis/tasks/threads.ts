// All threads by the kernel's own list: processes from init_task.tasks, the threads of each from its signal_struct. Source: include/linux/sched/signal.h (for_each_process,
// for_each_thread, 6.1 to 7.3).
import { FAULT_SENTENCES, hex, type Issue, Issues, MemoryFault } from 'kdumpling/reader';
import { listNodes } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Struct, struct } from '../object/index.js';

/** Addresses of task_structs, a process's first thread before its others; idle tasks are in no list. @throws Missing */
export function* threadsByList(kernel: Kernel, issues: Issues): Iterable<bigint> {
  const layout = struct(kernel, 'task_struct');
  const ofNode = layout.container('tasks');
  const damage = new Damaged(issues);
  const others = threadsOf(kernel, layout, damage);
  const head = layout.address('tasks')(kernel.address('init_task'));
  for (const node of listNodes(kernel, head, issues, { name: 'init_task.tasks' })) {
    const leader = ofNode(node);
    yield leader;
    yield* others(leader);
    damage.next();
  }
  damage.tell();
}

/** What is wrong with the threads of processes: of each kind the first process's is told whole, others are counted. A filter that took one list's head mostly took all. */
class Damaged {
  /** Of the process that is looked at. */
  list = new Issues();
  readonly #issues: Issues;
  readonly #others = new Map<string, { readonly code: string; readonly why: string; count: number }>();

  constructor(issues: Issues) {
    this.#issues = issues;
  }

  next(): void {
    const found = [...this.list];
    const kindOf = (issue: Issue): string => `${issue.code} ${faultOf(issue)}`;
    const kinds = new Map(found.map(issue => [kindOf(issue), issue]));
    for (const [kind, issue] of kinds) {
      const others = this.#others.get(kind);
      if (others !== undefined) others.count++;
      else {
        this.#issues.addAll(found.filter(one => kindOf(one) === kind));
        this.#others.set(kind, { code: issue.code, why: faultOf(issue), count: 0 });
      }
    }
    if (found.length > 0) this.list = new Issues();
  }

  tell(): void {
    for (const { code, why, count } of this.#others.values()) {
      const what = count === 1 ? 'one more process' : `${count} more processes`;
      if (count > 0)
        this.#issues.add(
          code,
          `so it is with the threads of ${what}: all but the first of each may be missing${why === '' ? '' : `; ${why}`}`,
        );
    }
  }
}

/** Why what an issue tells could not be read; nothing where it is damage. */
const faultOf = ({ message }: Issue): string =>
  Object.values(FAULT_SENTENCES).find(sentence => message.includes(sentence)) ?? '';

/** The threads of a process but for its first. */
function threadsOf(kernel: Kernel, layout: Struct, damage: Damaged): (leader: bigint) => Iterable<bigint> {
  // A list of siblings without a head until it went (6.7, commit 8e1f385104ac); thread_head and thread_node stand beside it since 3.14 (commit 0c740d0afc3b).
  if (!layout.has('thread_node')) {
    const group = layout.address('thread_group');
    const ofGroup = layout.container('thread_group');
    return function* byGroup(leader) {
      const walk = listNodes(kernel, group(leader), damage.list, { name: threadsName(leader) });
      for (const node of walk) yield ofGroup(node);
    };
  }
  const signal = layout.word('signal');
  const head = struct(kernel, 'signal_struct').address('thread_head');
  const ofNode = layout.container('thread_node');
  return function* bySignal(leader) {
    try {
      for (const node of listNodes(kernel, head(signal(leader)), damage.list, { name: threadsName(leader) })) {
        const thread = ofNode(node);
        if (thread !== leader) yield thread;
      }
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      damage.list.add('unreadable-memory', `the threads of the process cannot be told: ${error.message}`, leader);
    }
  };
}

const threadsName = (leader: bigint): string => `of the threads of the process at ${hex(leader)}`;

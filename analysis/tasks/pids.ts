// All threads by the kernel's numbers for them: the first PID namespace's radix tree, or the hash of PIDs that older kernels have. Source: kernel/pid.c, include/linux/pid.h (6.1 to
// 7.3; the hash: 4.14).
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { hlistNodes, idrEntries } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, type Struct, struct } from '../object/index.js';

export interface NumberedThread {
  readonly pid: number;
  readonly task: bigint;
}

/** pidhash_init() makes 2^12 chains at most. */
const MOST_HASH_SHIFT = 12;

/** Threads with the numbers that they have for the first namespace. A number that is only a session's or a group's names no thread. @throws Missing */
export function* threadsByPid(kernel: Kernel, issues: Issues): Iterable<NumberedThread> {
  const pid = struct(kernel, 'pid');
  const first = pid.word('tasks[0].first');
  const ofNode = taskOfNode(struct(kernel, 'task_struct'));
  for (const { number, address } of numbers(kernel, pid, issues)) {
    try {
      const node = first(address);
      if (node !== 0n) yield { pid: number, task: ofNode(node) };
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-memory', `whose number ${number} is cannot be told: ${error.message}`, address);
    }
  }
}

function taskOfNode(layout: Struct): Get<bigint> {
  // pid_links since 4.19 (commit 2c4704756cab).
  return layout.container(layout.has('pid_links') ? 'pid_links[0]' : 'pids[0].node');
}

interface Numbered {
  readonly number: number;
  /** Of a struct pid. */
  readonly address: bigint;
}

function numbers(kernel: Kernel, pid: Struct, issues: Issues): Iterable<Numbered> {
  const namespace = struct(kernel, 'pid_namespace');
  const initial = kernel.address('init_pid_ns');
  // An idr since 4.15 (commit 95846ecf9dac).
  return namespace.has('idr')
    ? fromTree(kernel, namespace.address('idr')(initial), issues)
    : fromHash(kernel, pid, initial, issues);
}

function* fromTree(kernel: Kernel, idr: bigint, issues: Issues): Iterable<Numbered> {
  const walk = idrEntries(kernel, idr, issues, { name: 'init_pid_ns.idr' });
  // The entry of a number that is being given out is NULL, and left out.
  for (const entry of walk) yield { number: walk.id, address: entry };
}

function* fromHash(kernel: Kernel, pid: Struct, namespace: bigint, issues: Issues): Iterable<Numbered> {
  const { memory } = kernel;
  const table = memory.pointer(kernel.address('pid_hash'));
  const shift = memory.u32(kernel.address('pidhash_shift'));
  if (shift > MOST_HASH_SHIFT) {
    throw new Missing('symbol', 'pidhash_shift', `its value ${shift} is none that there can be`);
  }
  const upid = struct(kernel, 'upid');
  const number = upid.number('nr');
  const owner = upid.word('ns');
  const ofChain = upid.container('pid_chain');
  const ofNumber = pid.container('numbers');
  for (let chain = 0n; chain < 1n << BigInt(shift); chain++) {
    for (const node of hlistNodes(kernel, table + chain * BigInt(memory.pointerSize), issues)) {
      const found = ofChain(node);
      if (owner(found) === namespace) yield { number: number(found), address: ofNumber(found) };
    }
  }
}

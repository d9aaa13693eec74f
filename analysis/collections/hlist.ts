// Hash lists: struct hlist_head {first}, struct hlist_node {next, pprev} (include/linux/types.h, the same in every release). hlist_bl keeps a lock in bit 0 of `first`
// (include/linux/list_bl.h), hlist_nulls ends in an odd word in place of NULL (include/linux/list_nulls.h).
// Guard: each element's pprev is the address of the pointer that led to it.
import { hex, type Issues, type VirtualMemory } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { Struct } from '../object/index.js';
import { Damage, pointerText } from './damage.js';
import { wordAt } from './words.js';

export interface HlistOptions {
  /** For findings; the head's address if left out. */
  readonly name?: string;
  /** An hlist_nulls: an odd word ends it. */
  readonly nulls?: boolean;
}

/** The nodes of an hlist, hlist_bl or hlist_nulls. An element whose pprev is wrong is passed where its successor confirms it, else the walk ends there. */
export function* hlistNodes(
  kernel: Kernel,
  head: bigint,
  issues: Issues,
  { name = hex(head), nulls = false }: HlistOptions = {},
): Generator<bigint, void> {
  const { memory } = kernel;
  const damage = new Damage(issues, 'hlist', name);
  const headAt = memory.locate(head, memory.pointerSize);
  if (headAt < 0) {
    damage.unreadable(head, 'its head', memory.fault);
    return;
  }
  const first = wordAt(memory, headAt);
  // Bit 0 of the head of an hlist_bl is a lock; all other heads are even.
  let at = nulls ? first : first & ~1n;
  let from = head;
  let passed: Set<bigint> | null = null;
  while (at !== 0n && !(nulls && (at & 1n) === 1n)) {
    const place = memory.locate(at, 2 * memory.pointerSize);
    if (place < 0) {
      damage.unreadable(at, `the pointer at ${hex(from)}`, memory.fault);
      return;
    }
    const next = wordAt(memory, place);
    const pprev = wordAt(memory, place + memory.pointerSize);
    if (at === head) {
      damage.tell(at, `the pointer at ${hex(from)} is the head's own address`);
      return;
    }
    if (pprev !== from) {
      damage.tell(at, `pprev of ${hex(at)} is ${pointerText(pprev)}, not ${hex(from)}`);
      passed ??= new Set();
      if (passed.has(at) || !confirmed(memory, at, next, pprev)) {
        damage.tell(at, `the walk ends at ${hex(at)}, elements behind it may be missing`);
        return;
      }
      passed.add(at);
    }
    yield at;
    from = at;
    at = next;
  }
}

/** Whether a node with a wrong pprev is an element all the same: no other pointer leads to it, and its successor says that it comes from here. */
function confirmed(memory: VirtualMemory, node: bigint, next: bigint, pprev: bigint): boolean {
  const claimed = memory.locate(pprev, memory.pointerSize);
  const there = claimed < 0 ? null : wordAt(memory, claimed);
  if (there === node || there === (node | 1n)) return false;
  if (next === 0n) return false;
  const behind = memory.locate(next, 2 * memory.pointerSize);
  return behind >= 0 && wordAt(memory, behind + memory.pointerSize) === node;
}

/** The objects on an hlist, as hlist_for_each_entry() gives them. @throws Missing */
export function* hlistEntries(
  kernel: Kernel,
  head: bigint,
  layout: Struct,
  member: string,
  issues: Issues,
  options?: HlistOptions,
): Generator<bigint, void> {
  const container = layout.container(member);
  for (const node of hlistNodes(kernel, head, issues, options)) yield container(node);
}

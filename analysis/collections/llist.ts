// Chains by one pointer: struct llist_head {first} and llist_node {next} (include/linux/llist.h, since 3.1), and every structure with a `next` of its own.
// There is nothing to compare, so the guard is a set of what was seen.
import { hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Damage } from './damage.js';
import { wordAt } from './words.js';

export interface ChainOptions {
  /** Bytes from an object's start to its pointer to the next; 0 if left out. */
  readonly offset?: number;
  /** What ends the chain beside NULL: for circular ones their start. */
  readonly end?: bigint;
  readonly name?: string;
}

/** The objects of a chain from `first` on (which may be 0). */
export function* chainNodes(
  kernel: Kernel,
  first: bigint,
  issues: Issues,
  { offset = 0, end = 0n, name = hex(first) }: ChainOptions = {},
): Generator<bigint, void> {
  const { memory } = kernel;
  const damage = new Damage(issues, 'chain', name);
  const seen = new Set<bigint>();
  let from = first;
  for (let at = first; at !== 0n && (at !== end || seen.size === 0); ) {
    if (seen.has(at)) {
      damage.tell(from, `${hex(from)} leads back to ${hex(at)}, after ${seen.size} elements`);
      return;
    }
    const place = memory.locate(at + BigInt(offset), memory.pointerSize);
    if (place < 0) {
      damage.unreadable(at, at === first ? 'its first element' : `the element behind ${hex(from)}`, memory.fault);
      return;
    }
    const next = wordAt(memory, place);
    seen.add(at);
    yield at;
    from = at;
    at = next;
  }
}

/** The nodes of a struct llist_head: the newest first. */
export function* llistNodes(kernel: Kernel, head: bigint, issues: Issues, name = hex(head)): Generator<bigint, void> {
  const { memory } = kernel;
  const place = memory.locate(head, memory.pointerSize);
  if (place < 0) new Damage(issues, 'chain', name).unreadable(head, 'its head', memory.fault);
  else yield* chainNodes(kernel, wordAt(memory, place), issues, { name });
}

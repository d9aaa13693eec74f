// Circular lists: struct list_head {next, prev} (include/linux/types.h, the same in every release).
// Guard: each element's prev is the one it was reached from. With it a walk can neither go in circles nor meet an element twice.
import { hex, type Issues, type VirtualMemory } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { KernelObject, objectAt, type Struct, typeNamed } from '../object/index.js';
import { Damage, pointerText } from './damage.js';
import { wordAt } from './words.js';

export interface ListOptions {
  /** For findings, for instance `init_task.tasks`; the head's address if left out. */
  readonly name?: string;
  /** From the last to the first. */
  readonly reverse?: boolean;
}

/** The two links of a node, as seen in the direction of the walk. */
class Links {
  next = 0n;
  prev = 0n;
  readonly memory: VirtualMemory;
  readonly nextName: string;
  readonly prevName: string;
  readonly #reverse: boolean;

  constructor(memory: VirtualMemory, reverse: boolean) {
    this.memory = memory;
    this.#reverse = reverse;
    this.nextName = reverse ? 'prev' : 'next';
    this.prevName = reverse ? 'next' : 'prev';
  }

  load(node: bigint): boolean {
    const { memory } = this;
    const at = memory.locate(node, 2 * memory.pointerSize);
    if (at < 0) return false;
    const first = wordAt(memory, at);
    const second = wordAt(memory, at + memory.pointerSize);
    this.next = this.#reverse ? second : first;
    this.prev = this.#reverse ? first : second;
    return true;
  }
}

/**
 * The nodes of a list, without its head. Where it is damaged, what lies beyond is looked for from the other end, in the list's order all the same; what was wrong,
 * and whether elements may be missing, goes to `issues`.
 */
export function* listNodes(
  kernel: Kernel,
  head: bigint,
  issues: Issues,
  { name = hex(head), reverse = false }: ListOptions = {},
): Generator<bigint, void> {
  const damage = new Damage(issues, 'list', name);
  const links = new Links(kernel.memory, reverse);
  if (!links.load(head)) {
    damage.unreadable(head, 'its head', kernel.memory.fault);
    return;
  }
  const last = links.prev;
  let from = head;
  let at = links.next;
  while (at !== head) {
    if (!check(links, at, from, damage)) break;
    const { next } = links;
    yield at;
    from = at;
    at = next;
  }
  if (at === head) {
    if (last === from) return;
    damage.tell(
      head,
      `${links.prevName} of the head ${hex(head)} is ${pointerText(last)}, not the last element ${hex(from)}`,
    );
  }
  yield* beyond(links, head, last, from, damage);
}

function check(links: Links, at: bigint, from: bigint, damage: Damage): boolean {
  if (!links.load(at)) {
    damage.unreadable(at, `${links.nextName} of ${hex(from)}`, links.memory.fault);
    return false;
  }
  if (links.prev !== from) {
    damage.tell(at, `${links.prevName} of ${hex(at)} is ${pointerText(links.prev)}, not ${hex(from)}`);
    return false;
  }
  return true;
}

/** What lies between the damage and the list's end, by way of `prev`. The first that was met before could only be `from`, since its `next` would have to agree. */
function beyond(links: Links, head: bigint, last: bigint, from: bigint, damage: Damage): bigint[] {
  const found: bigint[] = [];
  let behind = head;
  let at = last;
  while (at !== from && at !== head) {
    if (!links.load(at) || links.next !== behind) break;
    found.push(at);
    behind = at;
    at = links.prev;
  }
  const count = `${found.length} ${found.length === 1 ? 'element was' : 'elements were'} found from the other end`;
  if (at === from) damage.tell(from, `${count}, none is missing`);
  else damage.tell(from, `${count}; between ${hex(from)} and ${hex(behind)} elements may be missing`);
  return found.reverse();
}

/** The objects on a list, as list_for_each_entry() gives them: `member` is the list_head in each. @throws Missing */
export function* listEntries(
  kernel: Kernel,
  head: bigint,
  layout: Struct,
  member: string,
  issues: Issues,
  options?: ListOptions,
): Generator<bigint, void> {
  const container = layout.container(member);
  for (const node of listNodes(kernel, head, issues, options)) yield container(node);
}

/** The same as objects, for scripts: `listObjects(global(kernel, 'modules'), 'struct module', 'list', issues)`. @throws Missing */
export function* listObjects(
  head: KernelObject,
  type: string,
  member: string,
  issues: Issues,
  options?: ListOptions,
): Generator<KernelObject, void> {
  const { kernel } = head;
  const element = typeNamed(kernel, type);
  const offset = objectAt(kernel, element, 0n).member(member).address;
  for (const node of listNodes(kernel, head.address, issues, options)) {
    yield new KernelObject(kernel, element, node - offset);
  }
}

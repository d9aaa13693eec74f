// Red-black trees: struct rb_node {__rb_parent_color, rb_right, rb_left} (include/linux/rbtree_types.h; the same words since 2.6.18), rb_root {rb_node}, rb_root_cached
// (4.14 and later) with the root first. Bit 0 of __rb_parent_color is 1 for black, bit 1 is unused.
// Guard: each node's parent is the one it was reached from, no red node has a red child, and no tree that fits an address space is deeper than 128.
import { hex, type Issues, type VirtualMemory } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { Struct } from '../object/index.js';
import { Damage, pointerText } from './damage.js';
import { wordAt } from './words.js';

export interface RbTreeOptions {
  /** For findings, for instance `vmap_area_root`; the root's address if left out. */
  readonly name?: string;
}

const MOST_DEPTH = 128;
const BLACK = 1n;
const COLOR_MASK = 3n;

/** The nodes of the tree at an rb_root or rb_root_cached, in order. */
export function* rbNodes(
  kernel: Kernel,
  root: bigint,
  issues: Issues,
  { name = hex(root) }: RbTreeOptions = {},
): Generator<bigint, void> {
  const damage = new Damage(issues, 'rbtree', name);
  const { memory } = kernel;
  const at = memory.locate(root, memory.pointerSize);
  if (at < 0) damage.unreadable(root, 'its root', memory.fault);
  else yield* new Walk(memory, damage).from(wordAt(memory, at), 0n);
}

/** The nodes below and at a node, in order: for trees whose root is elsewhere. Its own parent is not checked. */
export function rbNodesBelow(kernel: Kernel, node: bigint, issues: Issues, name = hex(node)): Generator<bigint, void> {
  return new Walk(kernel.memory, new Damage(issues, 'rbtree', name)).from(node, null);
}

/** The objects in a tree, in order: `member` is the rb_node in each. @throws Missing */
export function* rbEntries(
  kernel: Kernel,
  root: bigint,
  layout: Struct,
  member: string,
  issues: Issues,
  options?: RbTreeOptions,
): Generator<bigint, void> {
  const container = layout.container(member);
  for (const node of rbNodes(kernel, root, issues, options)) yield container(node);
}

class Walk {
  readonly #memory: VirtualMemory;
  readonly #damage: Damage;
  /** The path from the root to where the walk is, without those whose left side is still ahead of none: nodes whose own turn comes. */
  readonly #nodes: bigint[] = [];
  readonly #rights: bigint[] = [];
  readonly #depths: number[] = [];
  readonly #blacks: boolean[] = [];
  /** Nodes that were entered although their parent word is wrong. */
  readonly #doubtful = new Set<bigint>();
  #first = 0n;
  /** Of the node last loaded. */
  #word = 0n;
  #right = 0n;
  #left = 0n;

  constructor(memory: VirtualMemory, damage: Damage) {
    this.#memory = memory;
    this.#damage = damage;
  }

  /** @param parent what the first node's parent must be; null: anything */
  *from(first: bigint, parent: bigint | null): Generator<bigint, void> {
    this.#first = first;
    this.#descend(first, parent, 0, true);
    for (;;) {
      const node = this.#nodes.pop();
      const right = this.#rights.pop();
      const depth = this.#depths.pop();
      const black = this.#blacks.pop();
      if (node === undefined || right === undefined || depth === undefined || black === undefined) return;
      yield node;
      this.#descend(right, node, depth + 1, black);
    }
  }

  /** Down the left side, remembering each node on the way. */
  #descend(first: bigint, above: bigint | null, firstDepth: number, aboveBlack: boolean): void {
    let node = first;
    let parent = above;
    let parentBlack = aboveBlack;
    for (let depth = firstDepth; node !== 0n; depth++) {
      if (depth > MOST_DEPTH) {
        this.#damage.tell(node, `${hex(node)} lies deeper than ${MOST_DEPTH}`);
        return;
      }
      if (!this.#enter(node, parent)) return;
      const black = (this.#word & BLACK) !== 0n;
      if (!black && !parentBlack) this.#damage.tell(node, `${hex(node)} is red below a red node`);
      if (this.#left === this.#right && this.#left !== 0n) {
        this.#damage.tell(node, `both children of ${hex(node)} are ${hex(this.#left)}`);
        this.#right = 0n;
      }
      this.#nodes.push(node);
      this.#rights.push(this.#right);
      this.#depths.push(depth);
      this.#blacks.push(black);
      parent = node;
      parentBlack = black;
      node = this.#left;
    }
  }

  /**
   * Loads a node and says whether it belongs here. One whose parent word names another is entered only if that other does not have it as a child (and it is not the
   * first): so no node is met twice, and what hangs below a damaged word is still found.
   */
  #enter(node: bigint, parent: bigint | null): boolean {
    if (!this.#load(node)) {
      this.#damage.unreadable(
        node,
        parent === null || parent === 0n ? 'the root node' : `a child of ${hex(parent)}`,
        this.#memory.fault,
      );
      return false;
    }
    const claimed = this.#word & ~COLOR_MASK;
    if (parent === null || (claimed === parent && (this.#word & 2n) === 0n)) return true;
    this.#damage.tell(
      node,
      `the parent of ${hex(node)} is ${pointerText(this.#word & ~BLACK)}, not ${pointerText(parent)}`,
    );
    if (claimed === parent) return true;
    if (this.#doubtful.has(node)) return false;
    this.#doubtful.add(node);
    if (node === this.#first && parent !== 0n) return false;
    const { pointerSize } = this.#memory;
    const at = claimed === 0n ? -1 : this.#memory.locate(claimed, 3 * pointerSize);
    const elsewhere =
      at >= 0 &&
      (wordAt(this.#memory, at + pointerSize) === node || wordAt(this.#memory, at + 2 * pointerSize) === node);
    return !elsewhere && this.#load(node);
  }

  #load(node: bigint): boolean {
    const memory = this.#memory;
    const size = memory.pointerSize;
    const at = node % BigInt(size) === 0n ? memory.locate(node, 3 * size) : this.#unaligned(node);
    if (at < 0) return false;
    this.#word = wordAt(memory, at);
    this.#right = wordAt(memory, at + size);
    this.#left = wordAt(memory, at + 2 * size);
    return true;
  }

  #unaligned(node: bigint): -1 {
    return this.#memory.fault.set('virtual', node, 1, 'not-present', 'no node lies at such an address');
  }
}

// Maple trees (include/linux/maple_tree.h and lib/maple_tree.c, 6.1 to 7.3). A pointer to a node has the node's type in bits 3 to 6, and bit 1 if it is the root (bit 2 is always set);
// nodes are aligned to 256 bytes. A node's parent word is the parent's address with this node's slot from bit 3 on, or the tree's address with bit 0 for the root;
// a node that was taken out is its own parent. Pivots are the last index of their slot; a pivot of 0 behind the first slot is the node's own last index.
// Guard: the parent word, the node's range, a depth of 31, and a set of the nodes that were seen.
import { hex, type Issues, U64_MAX } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { Damage, pointerText } from './damage.js';
import { NodeBytes, wordAt } from './words.js';

const NODE_SIZE = 256;
const NODE_MASK = 255n;
const TYPE_SHIFT = 3n;
const TYPE_MASK = 15n;
const ROOT_PARENT = 1n;
const PARENT_SLOT_MASK = 0xf8n;
/** MAPLE_HEIGHT_MAX. */
const MOST_DEPTH = 31;
/** MT_FLAGS_ALLOC_RANGE. */
const ALLOC_RANGE = 1;
/** XA_ZERO_ENTRY: an index that is reserved and has nothing yet. */
const ZERO_ENTRY = (257n << 2n) | 2n;

/** enum maple_type. A fifth since 7.0, maple_copy, is never in a tree. */
const DENSE = 0;
const LEAF = 1;
const RANGE = 2;
const ARANGE = 3;

/** Where a node type has its pivots and slots, in bytes. */
interface NodeLayout {
  readonly pivots: number;
  readonly pivotCount: number;
  readonly slots: number;
  readonly slotCount: number;
}

interface MapleLayout {
  readonly root: number;
  readonly flags: number;
  /** By enum maple_type. */
  readonly nodes: readonly NodeLayout[];
  readonly last: bigint;
}

function layoutOf(kernel: Kernel): MapleLayout {
  const tree = struct(kernel, 'maple_tree');
  const word = kernel.memory.pointerSize;
  const node = (name: string): NodeLayout => {
    const layout = struct(kernel, name);
    const one = {
      pivots: layout.offset('pivot'),
      pivotCount: layout.sizeOf('pivot') / word,
      slots: layout.offset('slot'),
      slotCount: layout.sizeOf('slot') / word,
    };
    const fits = one.pivots + one.pivotCount * word <= NODE_SIZE && one.slots + one.slotCount * word <= NODE_SIZE;
    if (!fits || one.pivotCount !== one.slotCount - 1) throw new Missing('type', `a struct ${name} that fits a node`);
    return one;
  };
  const range = node('maple_range_64');
  const dense = { pivots: 0, pivotCount: 0, slots: word, slotCount: NODE_SIZE / word - 1 };
  return {
    root: tree.offset('ma_root'),
    flags: tree.offset('ma_flags'),
    nodes: [dense, range, range, node('maple_arange_64')],
    last: word === 8 ? U64_MAX : 0xffff_ffffn,
  };
}

/** A node on the path from the root to where the walk is. */
class Level {
  readonly bytes: NodeBytes;
  address = 0n;
  type = DENSE;
  slot = 0;
  /** First index of the next slot, and last index of the node. */
  first = 0n;
  last = 0n;
  /** The last slot of the node was taken. */
  done = true;

  constructor(bytes: NodeBytes) {
    this.bytes = bytes;
  }
}

export interface MapleOptions {
  /** For findings, for instance `mm_mt of pid 1`; the tree's address if left out. */
  readonly name?: string;
}

/**
 * The entries of a maple tree in ascending order: `for (const entry of walk)`. While an entry is looked at, `first` and `last` are the indexes that it is stored
 * at. Reserved indexes are left out. One walk can be run once.
 */
export class MapleWalk implements Iterable<bigint> {
  first = 0n;
  last = 0n;
  readonly #kernel: Kernel;
  readonly #tree: bigint;
  readonly #damage: Damage;
  readonly #layout: MapleLayout;
  readonly #levels: Level[] = [];
  readonly #seen = new Set<bigint>();
  #flags = 0;

  /** @throws Missing */
  constructor(kernel: Kernel, tree: bigint, issues: Issues, { name = hex(tree) }: MapleOptions = {}) {
    this.#kernel = kernel;
    this.#tree = tree;
    this.#damage = new Damage(issues, 'maple-tree', name);
    this.#layout = kernel.once(layoutOf);
  }

  *[Symbol.iterator](): Iterator<bigint> {
    const root = readRoot(this.#kernel, this.#tree, this.#layout);
    if (root === null) {
      this.#damage.unreadable(this.#tree, 'the tree', this.#kernel.memory.fault);
      return;
    }
    this.#flags = root.flags;
    if (!isNode(root.entry)) {
      this.first = 0n;
      this.last = 0n;
      if (root.entry !== 0n && root.entry !== ZERO_ENTRY) yield root.entry;
      return;
    }
    let depth = this.#enter(0, root.entry, 0, 0n, this.#layout.last) ? 0 : -1;
    while (depth >= 0) {
      const level = this.#levels[depth];
      const slot = this.#take(level);
      if (slot < 0) {
        depth--;
        continue;
      }
      const at = this.#layout.nodes[level.type].slots + slot * this.#kernel.memory.pointerSize;
      if (level.bytes.isNull(at)) {
        if (level.type > LEAF)
          this.#damage.tell(level.address, `slot ${slot} of the node ${hex(level.address)} is NULL`);
        continue;
      }
      const entry = level.bytes.word(at);
      if (level.type > LEAF) {
        if (this.#enter(depth + 1, entry, slot, this.first, this.last)) depth++;
      } else if (entry !== ZERO_ENTRY) yield entry;
    }
  }

  /** Goes on to the next slot of a node: its index in the node, or -1; sets `first` and `last`. */
  #take(level: Level): number {
    if (level.done) return -1;
    const layout = this.#layout.nodes[level.type];
    const { slot } = level;
    const last = level.type === DENSE ? level.first : pivotOf(layout, level, slot, this.#kernel.memory.pointerSize);
    if (last < level.first || last > level.last) {
      const range = `${hex(level.first)} to ${hex(level.last)}`;
      this.#damage.tell(
        level.address,
        `pivot ${slot} of the node ${hex(level.address)} is ${hex(last)}, outside of what is left, ${range}`,
      );
      level.done = true;
      return -1;
    }
    this.first = level.first;
    this.last = last;
    level.slot = slot + 1;
    if (last === level.last || level.slot === layout.slotCount) level.done = true;
    else level.first = last + 1n;
    return slot;
  }

  /** Loads a node as the next level; false if it is not to be walked. */
  #enter(depth: number, entry: bigint, slot: number, first: bigint, last: bigint): boolean {
    const address = entry & ~NODE_MASK;
    const type = Number((entry >> TYPE_SHIFT) & TYPE_MASK);
    const from = depth === 0 ? 'the root' : `slot ${slot} of the node ${hex(this.#levels[depth - 1].address)}`;
    if (type > ARANGE || (depth > 0 && !isChild(entry))) {
      this.#damage.tell(address, `${from}, ${pointerText(entry)}, is no pointer to a node`);
      return false;
    }
    if (depth >= MOST_DEPTH) {
      this.#damage.tell(address, `the node ${hex(address)} lies deeper than ${MOST_DEPTH}`);
      return false;
    }
    const { memory } = this.#kernel;
    if (this.#levels.length === depth) this.#levels.push(new Level(new NodeBytes(memory, NODE_SIZE)));
    const level = this.#levels[depth];
    if (!level.bytes.load(memory, address)) {
      this.#damage.unreadable(address, from, memory.fault);
      return false;
    }
    if (!this.#belongs(depth, level.bytes.word(0), address, slot)) return false;
    this.#seen.add(address);
    level.address = address;
    level.type = type;
    level.slot = 0;
    level.first = first;
    level.last = last;
    level.done = false;
    return true;
  }

  /** A node whose parent word names another place is entered only if it is not there, and only once. */
  #belongs(depth: number, word: bigint, address: bigint, slot: number): boolean {
    const parent = depth === 0 ? this.#tree : this.#levels[depth - 1].address;
    const claimed = depth === 0 ? word & ~ROOT_PARENT : word & ~NODE_MASK;
    const claimedSlot = Number((word & PARENT_SLOT_MASK) >> TYPE_SHIFT);
    const agrees = claimed === parent && (depth === 0 ? (word & ROOT_PARENT) === ROOT_PARENT : claimedSlot === slot);
    if (agrees && !this.#seen.has(address)) return true;
    const where = depth === 0 ? `the tree ${hex(parent)}` : `slot ${slot} of ${hex(parent)}`;
    const dead = claimed === address ? ': it was taken out of the tree' : '';
    this.#damage.tell(
      address,
      `the parent word of the node ${hex(address)} is ${pointerText(word)}, not ${where}${dead}`,
    );
    return !this.#seen.has(address) && (depth === 0 || !this.#isAt(claimed, claimedSlot, address));
  }

  /** Whether a node has `child` in a slot; inner nodes of a tree are of one type, told by its flags. */
  #isAt(parent: bigint, slot: number, child: bigint): boolean {
    const { memory } = this.#kernel;
    const layout = this.#layout.nodes[(this.#flags & ALLOC_RANGE) === 0 ? RANGE : ARANGE];
    if (slot >= layout.slotCount || parent === child) return false;
    const at = memory.locate(parent + BigInt(layout.slots + slot * memory.pointerSize), memory.pointerSize);
    return at >= 0 && (wordAt(memory, at) & ~NODE_MASK) === child;
  }
}

/** xa_is_node(): the root word is a node and not an entry at index 0. */
const isNode = (entry: bigint): boolean => (entry & 3n) === 2n && entry > 4096n;

/** What an inner slot holds: bits 0 and 1 are clear. */
const isChild = (entry: bigint): boolean => (entry & 3n) === 0n;

/** mas_logical_pivot(). */
function pivotOf(layout: NodeLayout, level: Level, slot: number, word: number): bigint {
  if (slot >= layout.pivotCount) return level.last;
  const pivot = level.bytes.word(layout.pivots + slot * word);
  return pivot === 0n && slot > 0 ? level.last : pivot;
}

function readRoot(kernel: Kernel, tree: bigint, layout: MapleLayout): { entry: bigint; flags: number } | null {
  const { memory } = kernel;
  const flagsAt = memory.locate(tree + BigInt(layout.flags), 4);
  if (flagsAt < 0) return null;
  const flags = memory.view.getUint32(flagsAt, memory.littleEndian);
  const at = memory.locate(tree + BigInt(layout.root), memory.pointerSize);
  return at < 0 ? null : { entry: wordAt(memory, at), flags };
}

/** The entries of a maple tree in ascending order, for those who need no indexes. @throws Missing */
export function mapleEntries(kernel: Kernel, tree: bigint, issues: Issues, options?: MapleOptions): MapleWalk {
  return new MapleWalk(kernel, tree, issues, options);
}

/**
 * mtree_load(): the entry at an index, 0n if there is none.
 * @throws Missing, MemoryFault
 */
export function mapleLoad(kernel: Kernel, tree: bigint, index: bigint): bigint {
  const { memory } = kernel;
  const layout = kernel.once(layoutOf);
  const root = readRoot(kernel, tree, layout);
  if (root === null) throw memory.fault.toError();
  if (!isNode(root.entry)) return index === 0n ? hidden(root.entry) : 0n;
  const level = new Level(new NodeBytes(memory, NODE_SIZE));
  level.last = layout.last;
  let entry = root.entry;
  for (let depth = 0; depth < MOST_DEPTH; depth++) {
    level.address = entry & ~NODE_MASK;
    level.type = Number((entry >> TYPE_SHIFT) & TYPE_MASK);
    if (level.type > ARANGE || (depth > 0 && !isChild(entry)) || entry === 0n) return 0n;
    if (!level.bytes.load(memory, level.address)) throw memory.fault.toError();
    const slot = slotOf(layout.nodes[level.type], level, index, memory.pointerSize);
    if (slot < 0) return 0n;
    entry = level.bytes.word(layout.nodes[level.type].slots + slot * memory.pointerSize);
    if (level.type <= LEAF) return hidden(entry);
  }
  return 0n;
}

const hidden = (entry: bigint): bigint => (entry === ZERO_ENTRY ? 0n : entry);

/** The slot of a node that covers an index, -1 if none does; narrows the node's range to it. */
function slotOf(layout: NodeLayout, level: Level, index: bigint, word: number): number {
  if (level.type === DENSE) {
    const slot = index - level.first;
    return slot >= 0n && slot < BigInt(layout.slotCount) ? Number(slot) : -1;
  }
  for (let slot = 0; slot < layout.slotCount; slot++) {
    const last = pivotOf(layout, level, slot, word);
    if (last > level.last || last < level.first) return -1;
    if (index <= last) {
      level.last = last;
      return slot;
    }
    if (last === level.last) return -1;
    level.first = last + 1n;
  }
  return -1;
}

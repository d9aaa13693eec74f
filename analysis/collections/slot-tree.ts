// The tree of slots that radix trees and XArrays are: nodes of 64 (or 16) slots, each with its shift, its slot in the parent and the parent (lib/radix-tree.c, lib/xarray.c).
// What a word in a slot means differs by release; that is the Dialect's.
// Guard: parent, slot and shift of each node; shifts fall, so the depth is bounded; a set of the nodes that were seen.
import { hex, type VirtualMemory } from 'kdumpling/reader';
import type { Struct } from '../object/index.js';
import { type Damage, pointerText } from './damage.js';
import { NodeBytes, wordAt } from './words.js';

/** Where a node's members are, in bytes. */
export interface SlotNode {
  readonly size: number;
  /** Null in trees that know a node's level by counting (up to 4.6). */
  readonly shift: number | null;
  readonly offset: number | null;
  readonly parent: number | null;
  readonly slots: number;
  readonly slotCount: number;
  /** log2(slotCount). */
  readonly chunkShift: number;
}

/** @throws Missing */
export function slotNode(layout: Struct, pointerSize: number): SlotNode {
  const slots = layout.offset('slots');
  const slotCount = layout.sizeOf('slots') / pointerSize;
  const optional = (name: string) => (layout.has(name) ? layout.offset(name) : null);
  const shift = optional('shift');
  return {
    size: slots + slotCount * pointerSize,
    shift,
    offset: shift === null ? null : optional('offset'),
    parent: optional('parent'),
    slots,
    slotCount,
    chunkShift: Math.round(Math.log2(slotCount)),
  };
}

/** What the words in slots mean. */
export interface Dialect {
  readonly node: SlotNode;
  /** The node that a word points at, or 0n: it is an entry. `shift` is the slot's own. */
  nodeOf(word: bigint, shift: number): bigint;
  /** The slot that a word stands for, where one entry takes several; -1: it stands for itself. */
  siblingOf(word: bigint, nodeAddress: bigint): number;
  /** A word that is neither: what is reserved, or to be tried again. */
  isHidden(word: bigint): boolean;
}

/** No index has more bits. */
const MOST_SHIFT = 64;

/** A node on the path from the root to where the walk is. */
class Level {
  readonly bytes: NodeBytes;
  address = 0n;
  shift = 0;
  /** The slot that comes next. */
  next = 0;
  /** The first and the last slot of the entry last taken. */
  slot = 0;
  lastSlot = 0;

  constructor(bytes: NodeBytes) {
    this.bytes = bytes;
  }
}

/** Where a tree begins. */
export interface SlotRoot {
  /** The address of the tree's own structure. */
  readonly address: bigint;
  /** The node of the root, or 0n: `entry` is at index 0, or there is none. */
  readonly node: bigint;
  readonly entry: bigint;
  /** The root node's shift where nodes do not tell it; else null. */
  readonly shift: number | null;
}

/** The entries in ascending order. While one is looked at, `index` and `last` tell where it is. One walk can be run once. */
export class SlotWalk implements Iterable<bigint> {
  readonly #memory: VirtualMemory;
  readonly #dialect: Dialect;
  readonly #damage: Damage;
  readonly #root: SlotRoot;
  readonly #levels: Level[] = [];
  readonly #seen = new Set<bigint>();
  #depth = -1;

  constructor(memory: VirtualMemory, dialect: Dialect, root: SlotRoot, damage: Damage) {
    this.#memory = memory;
    this.#dialect = dialect;
    this.#damage = damage;
    this.#root = root;
  }

  /** The index of the entry that was handed out last. */
  get index(): bigint {
    let index = 0n;
    for (let depth = 0; depth <= this.#depth; depth++) {
      const { slot, shift } = this.#levels[depth];
      index |= BigInt(slot) << BigInt(shift);
    }
    return index;
  }

  /** The last index that it takes: entries may take 2^n. */
  get last(): bigint {
    if (this.#depth < 0) return 0n;
    const { slot, lastSlot, shift } = this.#levels[this.#depth];
    return this.index + (BigInt(lastSlot - slot + 1) << BigInt(shift)) - 1n;
  }

  *[Symbol.iterator](): Iterator<bigint> {
    const { node, entry } = this.#root;
    if (node === 0n) {
      if (entry !== 0n && !this.#dialect.isHidden(entry)) yield entry;
      return;
    }
    if (this.#enter(node, 0)) this.#depth = 0;
    while (this.#depth >= 0) {
      const level = this.#levels[this.#depth];
      const word = this.#take(level);
      if (word === 0n) {
        this.#depth--;
        continue;
      }
      const child = this.#dialect.nodeOf(word, level.shift);
      if (child !== 0n) {
        if (this.#enter(child, level.slot)) this.#depth++;
      } else if (!this.#dialect.isHidden(word)) yield word;
    }
  }

  /** The next slot that holds something, with its siblings; 0n at the node's end. */
  #take(level: Level): bigint {
    const { slots, slotCount } = this.#dialect.node;
    const word = this.#memory.pointerSize;
    let slot = level.next;
    while (slot < slotCount && level.bytes.isNull(slots + slot * word)) slot++;
    level.next = slotCount;
    if (slot === slotCount) return 0n;
    const found = level.bytes.word(slots + slot * word);
    const canonical = this.#dialect.siblingOf(found, level.address);
    level.slot = slot;
    if (canonical >= 0) {
      this.#damage.tell(
        level.address,
        `slot ${slot} of the node ${hex(level.address)} stands for slot ${canonical}, which is not before it`,
      );
      level.next = slot + 1;
      return this.#take(level);
    }
    let end = slot + 1;
    while (end < slotCount && this.#dialect.siblingOf(level.bytes.word(slots + end * word), level.address) === slot)
      end++;
    level.lastSlot = end - 1;
    level.next = end;
    return found;
  }

  /** Loads a node as the level below the present one; false if it is not to be walked. */
  #enter(address: bigint, slot: number): boolean {
    const depth = this.#depth + 1;
    const above = depth === 0 ? null : this.#levels[depth - 1];
    const from = above === null ? 'the root' : `slot ${slot} of the node ${hex(above.address)}`;
    const { node } = this.#dialect;
    if (this.#levels.length === depth) this.#levels.push(new Level(new NodeBytes(this.#memory, node.size)));
    const level = this.#levels[depth];
    if (!level.bytes.load(this.#memory, address)) {
      this.#damage.unreadable(address, from, this.#memory.fault);
      return false;
    }
    const shift = this.#shiftOf(level.bytes, above);
    if (shift < 0) {
      this.#damage.tell(address, `${from}, ${pointerText(address)}, is no node of that level`);
      return false;
    }
    if (!this.#belongs(level.bytes, address, above?.address ?? 0n, slot)) return false;
    this.#seen.add(address);
    level.address = address;
    level.shift = shift;
    level.next = 0;
    level.slot = 0;
    level.lastSlot = 0;
    return true;
  }

  /** The shift of a node's slots, -1 if what it says cannot be. */
  #shiftOf(bytes: NodeBytes, above: Level | null): number {
    const { shift, chunkShift } = this.#dialect.node;
    const told = shift === null ? null : bytes.u8(shift);
    if (above === null) {
      const root = told ?? this.#root.shift ?? -1;
      return root % chunkShift === 0 && root < MOST_SHIFT ? root : -1;
    }
    const expected = above.shift - chunkShift;
    return told === null || told === expected ? expected : -1;
  }

  /** A node whose parent or slot says another place is entered only if it is not there, and only once. */
  #belongs(bytes: NodeBytes, address: bigint, parent: bigint, slot: number): boolean {
    const { node } = this.#dialect;
    const claimed = node.parent === null ? parent : bytes.word(node.parent);
    // A node that became the root when its tree shrank keeps its old slot (xas_shrink()).
    const claimedSlot = node.offset === null || parent === 0n ? slot : bytes.u8(node.offset);
    const again = this.#seen.has(address);
    if (claimed === parent && claimedSlot === slot && !again) return true;
    this.#damage.tell(
      address,
      `the node ${hex(address)} says that it is slot ${claimedSlot} of ${pointerText(claimed)}, and is found as slot ${slot} of ${pointerText(parent)}${again ? ', where others lead to it too' : ''}`,
    );
    return !again && !(parent !== 0n && this.#isAt(claimed, claimedSlot, address));
  }

  #isAt(parent: bigint, slot: number, child: bigint): boolean {
    const { node } = this.#dialect;
    const memory = this.#memory;
    if (node.offset === null || slot >= node.slotCount || parent === 0n) return false;
    const at = memory.locate(parent + BigInt(node.slots + slot * memory.pointerSize), memory.pointerSize);
    return at >= 0 && this.#dialect.nodeOf(wordAt(memory, at), node.chunkShift) === child;
  }
}

/**
 * The entry at an index, 0n if there is none.
 * @throws MemoryFault
 */
export function slotLoad(memory: VirtualMemory, dialect: Dialect, root: SlotRoot, index: bigint): bigint {
  if (root.node === 0n) return index === 0n && !dialect.isHidden(root.entry) ? root.entry : 0n;
  const { node } = dialect;
  let address = root.node;
  let above = -1;
  for (;;) {
    const shift =
      node.shift === null
        ? above < 0
          ? (root.shift ?? -1)
          : above - node.chunkShift
        : memory.u8(address + BigInt(node.shift));
    const wrong = above < 0 ? shift < 0 || shift >= MOST_SHIFT : shift !== above - node.chunkShift;
    if (wrong) return 0n;
    const slot = index >> BigInt(shift);
    if (above < 0 && slot >= BigInt(node.slotCount)) return 0n;
    const word = slotWord(memory, dialect, address, Number(slot & BigInt(node.slotCount - 1)));
    const child = dialect.nodeOf(word, shift);
    if (child === 0n) return dialect.isHidden(word) ? 0n : word;
    address = child;
    above = shift;
  }
}

/** The word of a slot, or of the slot that it stands for. */
function slotWord(memory: VirtualMemory, dialect: Dialect, node: bigint, slot: number): bigint {
  const at = (index: number): bigint => memory.pointer(node + BigInt(dialect.node.slots + index * memory.pointerSize));
  const word = at(slot);
  const canonical = dialect.siblingOf(word, node);
  if (canonical < 0) return word;
  const meant = canonical < slot ? at(canonical) : 0n;
  return dialect.siblingOf(meant, node) < 0 ? meant : 0n;
}

// Radix trees: since 4.20 XArrays by another name (commit f8d5d0cc145c; radix_tree_root is xarray). Before: struct radix_tree_root {rnode} and radix_tree_node (include/linux/radix-tree.h).
// 4.7 to 4.19: bit 0 marks pointers to nodes, in all slots; the bare mark is "retry"; a marked pointer into the node's own slots is a sibling (4.6 and later); bit 1 marks exceptional entries.
// Up to 4.6: the root's `height` counts the levels, and only the root's pointer is marked.
import { hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { hasStruct, struct } from '../object/index.js';
import { Damage } from './damage.js';
import { type Dialect, type SlotNode, type SlotRoot, SlotWalk, slotLoad, slotNode } from './slot-tree.js';
import { wordAt } from './words.js';
import { type XArrayOptions, xarray, xarrayLoad } from './xarray.js';

/** RADIX_TREE_INTERNAL_NODE, and RADIX_TREE_INDIRECT_PTR before. */
const MARK = 1n;
/** Deeper than any index has bits. */
const MOST_HEIGHT = 16;

/** Exceptional entries of radix trees up to 4.19: RADIX_TREE_EXCEPTIONAL_ENTRY. */
export const isExceptionalEntry = (entry: bigint): boolean => (entry & 2n) === 2n;

interface RadixLayout {
  readonly root: number;
  /** Up to 4.6. */
  readonly height: number | null;
  readonly dialect: Dialect;
}

function layoutOf(kernel: Kernel): RadixLayout {
  const root = struct(kernel, 'radix_tree_root');
  const node = slotNode(struct(kernel, 'radix_tree_node'), kernel.memory.pointerSize);
  const counted = node.shift === null;
  return {
    root: root.offset('rnode'),
    height: counted ? root.offset('height') : null,
    dialect: counted ? countedDialect(node) : markedDialect(node, kernel.memory.pointerSize),
  };
}

function markedDialect(node: SlotNode, pointerSize: number): Dialect {
  return {
    node,
    nodeOf: word => ((word & TAGS) === MARK && word !== MARK ? word - MARK : 0n),
    siblingOf: (word, address) => {
      const into = word - MARK - address - BigInt(node.slots);
      const inside = (word & TAGS) === MARK && into >= 0n && into < BigInt(node.slotCount * pointerSize);
      return inside ? Number(into) / pointerSize : -1;
    },
    isHidden: word => word === MARK,
  };
}

const TAGS = 3n;

const countedDialect = (node: SlotNode): Dialect => ({
  node,
  nodeOf: (word, shift) => (shift > 0 ? word & ~MARK : 0n),
  siblingOf: () => -1,
  isHidden: word => (word & MARK) === MARK,
});

/** The entries of a radix tree of any release, as `xarray` gives them. @throws Missing */
export function radixTree(kernel: Kernel, address: bigint, issues: Issues, options: XArrayOptions = {}): SlotWalk {
  if (isXArray(kernel)) return xarray(kernel, address, issues, options);
  const layout = kernel.once(layoutOf);
  const damage = new Damage(issues, 'radix-tree', options.name ?? hex(address));
  return new SlotWalk(kernel.memory, layout.dialect, rootOf(kernel, address, layout, damage), damage);
}

/** radix_tree_lookup(): 0n if there is nothing. @throws Missing, MemoryFault */
export function radixTreeLoad(kernel: Kernel, address: bigint, index: bigint): bigint {
  if (isXArray(kernel)) return xarrayLoad(kernel, address, index);
  const layout = kernel.once(layoutOf);
  return slotLoad(kernel.memory, layout.dialect, rootOf(kernel, address, layout, null), index);
}

const isXArray = (kernel: Kernel): boolean => hasStruct(kernel, 'xarray') && !hasStruct(kernel, 'radix_tree_root');

function rootOf(kernel: Kernel, address: bigint, layout: RadixLayout, damage: Damage | null): SlotRoot {
  const { memory } = kernel;
  const { dialect } = layout;
  const height = layout.height === null ? null : heightOf(kernel, address, layout.height);
  const at = memory.locate(address + BigInt(layout.root), memory.pointerSize);
  if (at < 0 || height === -1) {
    if (damage === null) throw memory.fault.toError();
    damage.unreadable(address, 'its root', memory.fault);
    return { address, node: 0n, entry: 0n, shift: null };
  }
  const entry = wordAt(memory, at);
  if (height === null) return { address, node: dialect.nodeOf(entry, 0), entry, shift: null };
  if (height === 0) return { address, node: 0n, entry, shift: null };
  if (height > MOST_HEIGHT) {
    damage?.tell(address, `its height is ${height}`);
    return { address, node: 0n, entry: 0n, shift: null };
  }
  return { address, node: entry & ~MARK, entry, shift: (height - 1) * dialect.node.chunkShift };
}

function heightOf(kernel: Kernel, address: bigint, offset: number): number {
  const { memory } = kernel;
  const at = memory.locate(address + BigInt(offset), 4);
  return at < 0 ? -1 : memory.view.getUint32(at, memory.littleEndian);
}

// XArrays: struct xarray {xa_head, …} and struct xa_node (include/linux/xarray.h, 4.20 and later). A word with the low bits 10 is internal: above 4096 a pointer to a node (+ 2), below
// 62 << 2 a sibling (the number of the slot whose entry goes on here), 256 retry, 257 zero (an index that is reserved). A word with bit 0 set is a value, not a pointer.
import { hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { Damage, pointerText } from './damage.js';
import { type Dialect, type SlotRoot, SlotWalk, slotLoad, slotNode } from './slot-tree.js';
import { wordAt } from './words.js';

const INTERNAL = 2n;
const TAG_MASK = 3n;
const LARGEST_RESERVED = 4096n;

/** xa_is_value(): an integer that is stored in place of a pointer (of page caches: what was evicted or swapped). */
export const isValueEntry = (entry: bigint): boolean => (entry & 1n) === 1n;

/** xa_to_value(). */
export const valueOfEntry = (entry: bigint): bigint => entry >> 1n;

export interface XArrayOptions {
  /** For findings, for instance `i_pages of inode 0x…`; the address if left out. */
  readonly name?: string;
}

interface XArrayLayout {
  readonly head: number;
  /** Of the node's member that names its array. */
  readonly array: number;
  readonly dialect: Dialect;
}

function layoutOf(kernel: Kernel): XArrayLayout {
  const layout = struct(kernel, 'xa_node');
  const node = slotNode(layout, kernel.memory.pointerSize);
  const isInternal = (word: bigint): boolean => (word & TAG_MASK) === INTERNAL;
  const dialect: Dialect = {
    node,
    nodeOf: word => (isInternal(word) && word > LARGEST_RESERVED ? word - INTERNAL : 0n),
    siblingOf: word => (isInternal(word) && word >> 2n < BigInt(node.slotCount - 1) ? Number(word >> 2n) : -1),
    isHidden: isInternal,
  };
  return { head: struct(kernel, 'xarray').offset('xa_head'), array: layout.offset('array'), dialect };
}

/**
 * The entries of the XArray at an address, in ascending order: `for (const entry of xarray(…))`, with `index` and `last` beside. Reserved indexes are left out, values
 * are not (see isValueEntry).
 * @throws Missing
 */
export function xarray(
  kernel: Kernel,
  address: bigint,
  issues: Issues,
  { name = hex(address) }: XArrayOptions = {},
): SlotWalk {
  const layout = kernel.once(layoutOf);
  const damage = new Damage(issues, 'xarray', name);
  return new SlotWalk(kernel.memory, layout.dialect, rootOf(kernel, address, layout, damage), damage);
}

function rootOf(kernel: Kernel, address: bigint, layout: XArrayLayout, damage: Damage | null): SlotRoot {
  const { memory } = kernel;
  const at = memory.locate(address + BigInt(layout.head), memory.pointerSize);
  if (at < 0) {
    if (damage === null) throw memory.fault.toError();
    damage.unreadable(address, 'its head', memory.fault);
    return { address, node: 0n, entry: 0n, shift: null };
  }
  const entry = wordAt(memory, at);
  const node = layout.dialect.nodeOf(entry, 0);
  if (node !== 0n && damage !== null) checkArray(kernel, address, node, layout, damage);
  return { address, node, entry, shift: null };
}

function checkArray(kernel: Kernel, address: bigint, node: bigint, layout: XArrayLayout, damage: Damage): void {
  const { memory } = kernel;
  const at = memory.locate(node + BigInt(layout.array), memory.pointerSize);
  if (at < 0) return;
  const array = wordAt(memory, at);
  if (array !== address) damage.tell(node, `its first node ${hex(node)} is of the array ${pointerText(array)}`);
}

/**
 * xa_load(): the entry at an index, 0n if there is none.
 * @throws Missing, MemoryFault
 */
export function xarrayLoad(kernel: Kernel, address: bigint, index: bigint): bigint {
  const layout = kernel.once(layoutOf);
  return slotLoad(kernel.memory, layout.dialect, rootOf(kernel, address, layout, null), index);
}

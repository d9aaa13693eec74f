// IDRs: numbers to pointers. Since 4.11 a radix tree `idr_rt` (commit 0a835c4f090a), since 4.16 with `idr_base`, which every number is above (commit 6ce711f27500).
// Up to 4.10 layers of 256 slots: struct idr {top, layers}, struct idr_layer {prefix, layer, ary[]} (include/linux/idr.h).
import { hex, type Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { Damage } from './damage.js';
import { radixTree, radixTreeLoad } from './radix-tree.js';
import { type Dialect, type SlotRoot, SlotWalk, slotLoad } from './slot-tree.js';
import type { XArrayOptions } from './xarray.js';

/** The entries of an IDR in ascending order; while one is looked at, `id` is its number. */
export class IdrWalk implements Iterable<bigint> {
  readonly #walk: SlotWalk;
  readonly #base: number;

  constructor(walk: SlotWalk, base: number) {
    this.#walk = walk;
    this.#base = base;
  }

  get id(): number {
    return Number(this.#walk.index) + this.#base;
  }

  [Symbol.iterator](): Iterator<bigint> {
    return this.#walk[Symbol.iterator]();
  }
}

/** @throws Missing, MemoryFault */
export function idrEntries(kernel: Kernel, address: bigint, issues: Issues, options: XArrayOptions = {}): IdrWalk {
  const idr = struct(kernel, 'idr');
  if (idr.has('idr_rt')) {
    return new IdrWalk(
      radixTree(kernel, address + BigInt(idr.offset('idr_rt')), issues, options),
      baseOf(kernel, address),
    );
  }
  const damage = new Damage(issues, 'idr', options.name ?? hex(address));
  return new IdrWalk(
    new SlotWalk(kernel.memory, layerDialect(kernel), layeredRoot(kernel, address, damage), damage),
    0,
  );
}

/** idr_find(): 0n if there is nothing. @throws Missing, MemoryFault */
export function idrFind(kernel: Kernel, address: bigint, id: number): bigint {
  const idr = struct(kernel, 'idr');
  if (idr.has('idr_rt')) {
    const index = id - baseOf(kernel, address);
    return index < 0 ? 0n : radixTreeLoad(kernel, address + BigInt(idr.offset('idr_rt')), BigInt(index));
  }
  return id < 0 ? 0n : slotLoad(kernel.memory, layerDialect(kernel), layeredRoot(kernel, address, null), BigInt(id));
}

function baseOf(kernel: Kernel, address: bigint): number {
  const idr = struct(kernel, 'idr');
  return idr.has('idr_base') ? idr.number('idr_base')(address) : 0;
}

/** Layers count from 0 at the bottom; nothing but `layers` of the root and the count of steps tells them here. */
function layerDialect(kernel: Kernel): Dialect {
  const layer = struct(kernel, 'idr_layer');
  const { pointerSize } = kernel.memory;
  const slots = layer.offset('ary');
  const slotCount = layer.sizeOf('ary') / pointerSize;
  return {
    node: {
      size: slots + slotCount * pointerSize,
      shift: null,
      offset: null,
      parent: null,
      slots,
      slotCount,
      chunkShift: Math.round(Math.log2(slotCount)),
    },
    nodeOf: (word, shift) => (shift > 0 ? word : 0n),
    siblingOf: () => -1,
    isHidden: () => false,
  };
}

function layeredRoot(kernel: Kernel, address: bigint, damage: Damage | null): SlotRoot {
  const idr = struct(kernel, 'idr');
  const layers = idr.number('layers')(address);
  const top = idr.word('top')(address);
  const { chunkShift } = layerDialect(kernel).node;
  if (top === 0n || layers < 1 || layers * chunkShift >= 40) {
    if (top !== 0n) damage?.tell(address, `it has ${layers} layers`);
    return { address, node: 0n, entry: 0n, shift: null };
  }
  return { address, node: top, entry: top, shift: (layers - 1) * chunkShift };
}

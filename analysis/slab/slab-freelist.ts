// Which objects of a slab of SLAB are free, by the indexes that its descriptor has: an array whose part from `active` on names the free ones (3.13 and later), or a chain of
// kmem_bufctl_t, where each free object's index is the next one's number. Source: mm/slab.c (get_free_obj, slab_get_obj, slab_put_obj, slab_bufctl; 2.6.0 to 6.7).
import type { Kernel } from '../kernel.js';
import { ALLOCATED, FREE } from './model.js';
import type { SlabDescriptor } from './slab-layout.js';

/** Why a walk ended: where it should, at an index that no object has, at one that was met before, or at memory that cannot be read. */
export type IndexEnd = 'end' | 'wild' | 'twice' | 'unreadable';

/** A slab as its descriptor says that it is. */
export interface SlabCounts {
  /** Physical address of its first object, as its owner would have it. */
  readonly first: number;
  readonly active: number;
}

/** Marks free objects; one serves all slabs, and keeps what the last walk found. */
export class SlabFreelist {
  count = 0;
  end: IndexEnd = 'end';
  /** The index that ended it. */
  bad = 0;
  readonly #kernel: Kernel;
  readonly #descriptor: SlabDescriptor;

  constructor(kernel: Kernel, descriptor: SlabDescriptor) {
    this.#kernel = kernel;
    this.#descriptor = descriptor;
  }

  /**
   * The first `num` states become ALLOCATED or FREE.
   * @param slab its descriptor's address
   * @returns how many are free. @throws MemoryFault where the descriptor cannot be read
   */
  walk(slab: bigint, num: number, active: number, into: Uint8Array): number {
    into.fill(ALLOCATED, 0, num);
    this.count = 0;
    this.end = 'end';
    const { form, head } = this.#descriptor;
    const indexes = this.#descriptor.indexes(slab);
    if (form === 'array') return this.#array(indexes, num, active, into);
    return head === null ? 0 : this.#chain(indexes, num, head(slab), into);
  }

  #array(indexes: bigint, num: number, active: number, into: Uint8Array): number {
    const size = this.#descriptor.indexSize;
    const at = active >= num ? 0 : this.#kernel.memory.locate(indexes + BigInt(active * size), (num - active) * size);
    if (at < 0) return this.#ended('unreadable', 0);
    for (let i = 0; i < num - active; i++) {
      if (!this.#mark(this.#index(at + i * size), num, into)) break;
    }
    return this.count;
  }

  #chain(indexes: bigint, num: number, head: number, into: Uint8Array): number {
    const size = this.#descriptor.indexSize;
    const end = 2 ** (8 * size) - 1;
    if (head === end) return 0;
    const at = this.#kernel.memory.locate(indexes, num * size);
    if (at < 0) return this.#ended('unreadable', head);
    for (let index = head; index !== end && this.#mark(index, num, into); ) index = this.#index(at + index * size);
    return this.count;
  }

  #index(at: number): number {
    const { view, littleEndian } = this.#kernel.memory;
    const { indexSize } = this.#descriptor;
    if (indexSize === 1) return view.getUint8(at);
    return indexSize === 2 ? view.getUint16(at, littleEndian) : view.getUint32(at, littleEndian);
  }

  #mark(index: number, num: number, into: Uint8Array): boolean {
    if (index >= num || into[index] === FREE) {
      this.#ended(index >= num ? 'wild' : 'twice', index);
      return false;
    }
    into[index] = FREE;
    this.count++;
    return true;
  }

  #ended(end: IndexEnd, index: number): number {
    this.end = end;
    this.bad = index;
    return this.count;
  }
}

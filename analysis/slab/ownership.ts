// Which memory cgroup a slab object is charged to. Source: mm/slab.h, include/linux/memcontrol.h: a slab's vector of obj_cgroup pointers since 5.9 (commit 286e04b8ed7a), in slabobj_ext since 6.10
// (commit 21c690a349ba), which since 7.0 may lie in the objects themselves. Before 5.9 each cgroup has caches of its own, which are in the list of all.
import { MemoryFault } from 'kdumpling/reader';
import { Kernfs } from '../fs/kernfs.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import type { SlabCache } from './model.js';

/** The lowest bits of pointers are flags. */
const FLAGS = 7n;

/** Where a slab says what its objects are charged to. */
export interface AccountedSlab {
  /** struct slab, or the struct page that it lies over. */
  readonly slab: Struct;
  /** Its vector; 0 for a slab without one. */
  readonly accounting: Get<bigint>;
}

export class ObjectOwners {
  readonly #layout: AccountedSlab;
  readonly #stride: number;
  readonly #charged: Get<bigint>;
  readonly #memcg: Get<bigint>;
  readonly #node: Get<bigint>;
  readonly #inObject: Get<number>;
  readonly #kernfs: Kernfs;
  readonly #paths = new Map<bigint, string | null>();

  /** @throws Missing for kernels without memory cgroups */
  constructor(kernel: Kernel, layout: AccountedSlab) {
    this.#layout = layout;
    this.#memcg = struct(kernel, 'obj_cgroup').word('memcg');
    const { slab } = layout;
    this.#inObject = slab.has('obj_exts_in_object') ? slab.number('obj_exts_in_object') : () => 0;
    const word = kernel.memory.pointerSize;
    if (hasStruct(kernel, 'slabobj_ext')) {
      const extension = struct(kernel, 'slabobj_ext');
      this.#stride = extension.size;
      this.#charged = extension.word(extension.which('_objcg', 'objcg'));
    } else {
      this.#stride = word;
      this.#charged = address => kernel.memory.pointer(address);
    }
    this.#node = cgroupNode(kernel);
    this.#kernfs = new Kernfs(kernel);
  }

  /** The cgroup's path in its hierarchy; null for what is charged to none. @param index of the object in its slab. @throws MemoryFault */
  of(cache: Pick<SlabCache, 'slotSize'>, slab: bigint, index: number): string | null {
    const vector = this.#layout.accounting(slab);
    if (vector === 0n) return null;
    const stride = this.#inObject(slab) !== 0 ? cache.slotSize : this.#stride;
    const charged = this.#charged(vector + BigInt(index * stride)) & ~FLAGS;
    const memcg = charged === 0n ? 0n : this.#memcg(charged);
    if (memcg === 0n) return null;
    let path = this.#paths.get(memcg);
    if (path === undefined) {
      path = this.#kernfs.path(this.#node(memcg));
      this.#paths.set(memcg, path);
    }
    return path;
  }
}

/** From a mem_cgroup to the kernfs node of its cgroup. */
function cgroupNode(kernel: Kernel): Get<bigint> {
  const cgroup = struct(kernel, 'mem_cgroup').word('css.cgroup');
  const node = struct(kernel, 'cgroup').word('kn');
  return memcg => node(cgroup(memcg));
}

/** Null for kernels where nothing is charged. */
export function objectOwners(kernel: Kernel, layout: AccountedSlab): ObjectOwners | null {
  try {
    return new ObjectOwners(kernel, layout);
  } catch (error) {
    if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    return null;
  }
}

/** Called memcg_data from 5.11 to 6.9 (commit 270c6a71460e), obj_cgroups before; the lowest bits are flags (OBJEXTS_FLAGS_MASK). */
export function accountingOf(slab: Struct): Get<bigint> {
  const name = ['obj_exts', 'memcg_data', 'obj_cgroups'].find(one => slab.has(one));
  if (name === undefined) return () => 0n;
  const word = slab.word(name);
  return address => word(address) & ~7n;
}

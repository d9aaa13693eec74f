// Members of SLAB's structures, resolved once. Source: mm/slab.c, mm/slab.h, include/linux/slab_def.h (2.6.0 to 6.7, where SLAB ends).
import { plainType, sizeOfType } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { type Get, hasStruct, type Struct, struct } from '../object/index.js';
import { accountingOf } from './ownership.js';

/** A node's lists of slabs: all objects handed out, some, none. */
export const SLAB_LISTS = ['slabs_full', 'slabs_partial', 'slabs_free'] as const;
export type SlabList = (typeof SLAB_LISTS)[number];

/** What the kernel knows a slab by, and how it says which objects are free. */
export interface SlabDescriptor {
  readonly struct: Struct;
  /** The list_head by which a node has it on a list. */
  readonly link: string;
  /** How many of its objects were handed out, array_caches included. */
  readonly active: Get<number>;
  /** s_mem: the first object, behind the colour. */
  readonly first: Get<bigint>;
  /** Where the indexes of free objects lie. */
  readonly indexes: Get<bigint>;
  /** Bytes of an index. */
  readonly indexSize: number;
  /** `array`: the free ones are those from `active` on (3.13 and later, commit 8456a648cf44); `chain`: each index is the next one's number (kmem_bufctl_t, before). */
  readonly form: 'array' | 'chain';
  /** Of a chain: the number of the first free object. */
  readonly head: Get<number> | null;
  /** Where in a struct page the pointer to its descriptor lies; null where the struct page is the descriptor. */
  readonly inPage: number | null;
  /** From the slab's first byte to its first object; null where the struct page tells the slab's first frame. */
  readonly colourOffset: Get<bigint> | null;
}

export interface ArrayCacheLayout {
  readonly avail: Get<number>;
  readonly limit: Get<number>;
  /** From its start to its pointers. */
  readonly entries: bigint;
}

export interface SlabLayout {
  readonly cache: Struct;
  /** The list_head by which all caches are linked. */
  readonly cacheLink: string;
  readonly descriptor: SlabDescriptor;
  /** Where accounting's words of a slab's objects lie, or 0 (5.9 and later). */
  readonly accounting: Get<bigint>;
  /** struct kmem_cache_node, before 3.10 struct kmem_list3. */
  readonly node: Struct;
  /** A cache's struct of a node; 0 where it has none. */
  readonly nodeOf: (cache: bigint, id: number) => bigint;
  readonly array: ArrayCacheLayout;
  /** The per-CPU pointer to array_caches (3.18 and later, commit bf0dea23a9c0); null where the cache has an array of pointers. */
  readonly cpuCache: Get<bigint> | null;
  /** The array_caches of the CPUs that have one, where the cache has an array of pointers. @throws MemoryFault */
  readonly cpuArrays: ((cache: bigint) => readonly (readonly [cpu: number, address: bigint])[]) | null;
  /** From what an entry of `alien` points to, to the array_cache (struct alien_cache since 3.17, commit c8522a3a5832). */
  readonly inAlien: bigint;
}

export const slabLayout = (kernel: Kernel): SlabLayout => kernel.once(makeLayout);

function makeLayout(kernel: Kernel): SlabLayout {
  const cache = cacheStruct(kernel);
  const array = struct(kernel, 'array_cache');
  const descriptor = descriptorOf(kernel);
  return {
    cache,
    cacheLink: cache.which('list', 'next'),
    descriptor,
    accounting: accountingOf(descriptor.struct),
    node: nodeStruct(kernel),
    nodeOf: nodesOf(kernel, cache),
    array: {
      avail: array.number('avail'),
      limit: array.number('limit'),
      // Before 2.6.14 the pointers lie behind the struct.
      entries: BigInt(array.has('entry') ? array.offset('entry') : array.size),
    },
    cpuCache: cache.has('cpu_cache') ? cache.word('cpu_cache') : null,
    cpuArrays: cache.has('cpu_cache') ? null : cpuArrays(kernel, cache),
    inAlien: hasStruct(kernel, 'alien_cache') ? BigInt(struct(kernel, 'alien_cache').offset('ac')) : 0n,
  };
}

/** struct kmem_cache_s in early 2.6 kernels. @throws Missing */
export const cacheStruct = (kernel: Kernel): Struct =>
  struct(kernel, !hasStruct(kernel, 'kmem_cache') && hasStruct(kernel, 'kmem_cache_s') ? 'kmem_cache_s' : 'kmem_cache');

/** A kernel of 3.7 and later may have the types of both: SLAB's has the lists. */
function nodeStruct(kernel: Kernel): Struct {
  for (const name of ['kmem_cache_node', 'kmem_list3']) {
    if (hasStruct(kernel, name) && struct(kernel, name).has('slabs_partial')) return struct(kernel, name);
  }
  throw new Missing('member', 'kmem_cache_node.slabs_partial', 'types of another kernel?');
}

/** An array of pointers or a pointer to one; before 2.6.14 (commit e498be7dafd7) the one node's struct is in the cache's. */
function nodesOf({ memory }: Kernel, cache: Struct): SlabLayout['nodeOf'] {
  const word = memory.pointerSize;
  if (cache.has('lists')) {
    const offset = BigInt(cache.offset('lists'));
    return (address, id) => (id === 0 ? address + offset : 0n);
  }
  const member = cache.which('node', 'nodelists');
  const offset = BigInt(cache.offset(member));
  const isArray = plainType(cache.place(member).type).kind === 'array';
  return (address, id) => {
    const first = isArray ? address + offset : memory.pointer(address + offset);
    return memory.pointer(first + BigInt(id * word));
  };
}

/**
 * Pointers of NR_CPUS CPUs. In later kernels (3.10, to 3.17) they are the struct's last member, of which only those of possible CPUs have memory, with the pointers to nodes behind them: there the
 * pointer to those tells the end.
 */
function cpuArrays({ memory }: Kernel, cache: Struct): SlabLayout['cpuArrays'] {
  const offset = BigInt(cache.offset('array'));
  const word = memory.pointerSize;
  const length = cache.sizeOf('array') / word;
  const nodes = ['node', 'nodelists'].find(
    member => cache.has(member) && plainType(cache.place(member).type).kind === 'pointer',
  );
  const end = nodes === undefined ? null : cache.word(nodes);
  return address => {
    const first = address + offset;
    const last = end === null ? 0n : end(address);
    const isBehind = last > first && last < first + BigInt(length * word);
    const count = isBehind ? Number(last - first) / word : length;
    const found: (readonly [number, bigint])[] = [];
    for (let cpu = 0; cpu < count; cpu++) {
      const array = memory.pointer(first + BigInt(cpu * word));
      if (array !== 0n) found.push([cpu, array]);
    }
    return found;
  };
}

/** struct slab over struct page (5.17 and later, commit d122019bf061), struct page itself (3.13), or a struct slab of its own. */
function descriptorOf(kernel: Kernel): SlabDescriptor {
  const slab = hasStruct(kernel, 'slab') ? struct(kernel, 'slab') : null;
  const page = struct(kernel, 'page');
  if (slab?.has('slab_cache') === true && slab.has('s_mem')) return inPage(kernel, slab);
  if (page.has('s_mem')) return inPage(kernel, page);
  if (slab === null) throw new Missing('type', 'struct slab', 'types of another kernel?');
  return apart(slab, page);
}

function inPage(kernel: Kernel, layout: Struct): SlabDescriptor {
  // freelist_idx_t has one byte or two by the page size (3.15); before it the index is an unsigned int.
  const index = kernel.types?.find('typedef', 'freelist_idx_t') ?? null;
  return {
    struct: layout,
    link: layout.which('slab_list', 'lru'),
    active: layout.number('active'),
    first: layout.word('s_mem'),
    indexes: layout.word('freelist'),
    indexSize: index === null ? 4 : sizeOfType(index),
    form: 'array',
    head: null,
    inPage: null,
    colourOffset: null,
  };
}

/** On the slab or off it, with an index for each object behind it. */
function apart(slab: Struct, page: Struct): SlabDescriptor {
  const behind = BigInt(slab.size);
  // page.slab_page since 3.6; SET_PAGE_SLAB() of kernels before.
  const inStructPage = page.has('slab_page')
    ? page.offset('slab_page')
    : page.offset(page.which('lru.prev', 'list.prev'));
  return {
    struct: slab,
    link: 'list',
    active: slab.number('inuse'),
    first: slab.word('s_mem'),
    indexes: address => address + behind,
    // kmem_bufctl_t: an unsigned short on some machines before 2.6.14.
    indexSize: slab.sizeOf('free'),
    form: 'chain',
    head: slab.number('free'),
    inPage: inStructPage,
    colourOffset: slab.word('colouroff'),
  };
}

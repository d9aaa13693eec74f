// Structures of SLAB in releases that had them differently, member by member as their headers have them (include/linux/slab_def.h, mm/slab.c, mm/slab.h, include/linux/mm_types.h); what no reader of slabs needs is left out
// behind the last member that one does.
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import type { Generation } from './made-slab.js';
import { Machine } from './made-structs.js';

const CPUS = 4;
const NODES = 4;

const flagsEnum = (bit: number): Type => ({
  kind: 'enum',
  name: 'pageflags',
  size: 4,
  signed: false,
  enumerators: [
    { name: 'PG_lru', value: 5n },
    { name: 'PG_slab', value: BigInt(bit) },
  ],
});

const lists = ({ list }: Machine): Record<string, Type> => ({
  slabs_partial: list,
  slabs_full: list,
  slabs_free: list,
});

function pageBefore36({ struct, ...machine }: Machine): CompoundType {
  const { ulong, uint, pointer, list } = machine;
  return struct('page', {
    flags: ulong,
    _count: uint,
    _mapcount: uint,
    private: ulong,
    mapping: pointer,
    index: ulong,
    lru: list,
  });
}

/** i386 2.6.9: one node's lists in the cache, kmem_bufctl_t of two bytes, page.lru points to slab and cache. */
function linux2_6_9(): Generation {
  const machine = new Machine(4);
  const { uint, u16, ulong, pointer, list, struct, array } = machine;
  const node = struct('kmem_list3', {
    ...lists(machine),
    free_objects: ulong,
    free_touched: uint,
    next_reap: ulong,
    shared: pointer,
  });
  return {
    name: '2.6.9, i386',
    machine,
    littleEndian: true,
    nodes: 1,
    page: pageBefore36(machine),
    cache: struct('kmem_cache_s', {
      array: array(pointer, CPUS),
      batchcount: uint,
      limit: uint,
      lists: node,
      objsize: uint,
      flags: uint,
      num: uint,
      free_limit: uint,
      spinlock: uint,
      gfporder: uint,
      gfpflags: uint,
      colour: uint,
      colour_off: uint,
      colour_next: uint,
      slabp_cache: pointer,
      slab_size: uint,
      dflags: uint,
      ctor: pointer,
      dtor: pointer,
      name: pointer,
      next: list,
    }),
    node,
    array: struct('array_cache', { avail: uint, limit: uint, batchcount: uint, touched: uint }),
    slab: struct('slab', { list, colouroff: ulong, s_mem: pointer, inuse: uint, free: u16 }),
    indexSize: 2,
    cacheHead: 'cache_chain',
    perCpu: false,
    // A macro then: no enumerator tells it.
    slabFlag: 1n << 7n,
  };
}

/** 2.6.24 and later with two nodes: kmem_list3 by node, alien arrays, kmem_bufctl_t of four bytes. */
function linux2_6_24(machine: Machine, littleEndian: boolean, name: string): Generation {
  const { uint, u16, ulong, pointer, list, struct, array } = machine;
  return {
    name,
    machine,
    littleEndian,
    nodes: 2,
    page: pageBefore36(machine),
    cache: struct('kmem_cache', {
      array: array(pointer, CPUS),
      batchcount: uint,
      limit: uint,
      shared: uint,
      buffer_size: uint,
      reciprocal_buffer_size: uint,
      flags: uint,
      num: uint,
      gfporder: uint,
      gfpflags: uint,
      colour: ulong,
      colour_off: uint,
      slabp_cache: pointer,
      slab_size: uint,
      dflags: uint,
      ctor: pointer,
      name: pointer,
      next: list,
      nodelists: array(pointer, NODES),
    }),
    node: struct('kmem_list3', {
      ...lists(machine),
      free_objects: ulong,
      free_limit: uint,
      colour_next: uint,
      list_lock: uint,
      shared: pointer,
      alien: pointer,
      next_reap: ulong,
      free_touched: uint,
    }),
    array: struct('array_cache', {
      avail: uint,
      limit: uint,
      batchcount: uint,
      touched: uint,
      lock: uint,
      entry: array(pointer, null),
    }),
    slab: struct('slab', { list, colouroff: ulong, s_mem: pointer, inuse: uint, free: uint, nodeid: u16 }),
    indexSize: 4,
    cacheHead: 'cache_chain',
    perCpu: false,
    slabFlag: 1n << 7n,
  };
}

/** 3.10: kmem_cache_node, a pointer to its array behind the CPUs' pointers, page.slab_cache and slab_page, struct slab in a union. */
function linux3_10(): Generation {
  const machine = new Machine(8);
  const { uint, u16, ulong, pointer, list, struct, union, array } = machine;
  const inner = struct('', { list, colouroff: ulong, s_mem: pointer, inuse: uint, free: uint, nodeid: u16 });
  const cover = struct('slab_rcu', { head: list, page: pointer });
  return {
    ...linux2_6_24(machine, true, '3.10, x86_64'),
    page: struct('page', {
      flags: ulong,
      mapping: pointer,
      index: ulong,
      _mapcount: uint,
      _count: uint,
      '': union('', { lru: list, _: struct('', { slab_cache_in: pointer, slab_page_in: pointer }) }),
      slab_cache: pointer,
      slab_page: pointer,
      private: ulong,
    }),
    cache: struct('kmem_cache', {
      batchcount: uint,
      limit: uint,
      shared: uint,
      size: uint,
      reciprocal_buffer_size: uint,
      flags: uint,
      num: uint,
      gfporder: uint,
      allocflags: uint,
      colour: ulong,
      colour_off: uint,
      slabp_cache: pointer,
      slab_size: uint,
      ctor: pointer,
      name: pointer,
      list,
      refcount: uint,
      object_size: uint,
      align: uint,
      node: pointer,
      array: array(pointer, CPUS + NODES),
    }),
    node: struct('kmem_cache_node', {
      list_lock: uint,
      ...lists(machine),
      free_objects: ulong,
      free_limit: uint,
      colour_next: uint,
      shared: pointer,
      alien: pointer,
      next_reap: ulong,
      free_touched: uint,
    }),
    slab: struct('slab', { '': union('', { '': inner, __slab_cover_slab_rcu: cover }) }),
    cacheHead: 'slab_caches',
    more: [flagsEnum(7)],
  };
}

/** struct page as the descriptor (3.13 to 5.16). */
const pageWithSlab = ({ struct, union, ulong, uint, pointer, list }: Machine): CompoundType =>
  struct('page', {
    flags: ulong,
    '': union('', { mapping: pointer, s_mem: pointer }),
    freelist: pointer,
    active: uint,
    _mapcount: uint,
    _count: uint,
    lru: list,
    slab_cache: pointer,
    private: ulong,
    compound_head: ulong,
  });

/** 3.13: the struct page is the descriptor, indexes are unsigned ints, no type names them. */
function linux3_13(): Generation {
  const machine = new Machine(8);
  const old = linux3_10();
  return { ...old, name: '3.13, x86_64', machine, page: pageWithSlab(machine), slab: null, indexSize: 4 };
}

/** 4.19: array_caches in per-CPU memory, alien_cache, indexes of one byte, the freelist in a free object. */
function linux4_19(machine: Machine, littleEndian: boolean, index: 1 | 2, name: string): Generation {
  const { uint, u8, u16, ulong, pointer, list, struct, array } = machine;
  const cached = struct('array_cache', {
    avail: uint,
    limit: uint,
    batchcount: uint,
    touched: uint,
    entry: array(pointer, null),
  });
  return {
    ...linux3_10(),
    name,
    machine,
    littleEndian,
    page: pageWithSlab(machine),
    cache: struct('kmem_cache', {
      cpu_cache: pointer,
      batchcount: uint,
      limit: uint,
      shared: uint,
      size: uint,
      reciprocal_buffer_size: array(uint, 2),
      flags: uint,
      num: uint,
      gfporder: uint,
      allocflags: uint,
      colour: ulong,
      colour_off: uint,
      freelist_cache: pointer,
      freelist_size: uint,
      ctor: pointer,
      name: pointer,
      list,
      refcount: uint,
      object_size: uint,
      align: uint,
      node: array(pointer, NODES),
    }),
    node: struct('kmem_cache_node', {
      list_lock: uint,
      ...lists(machine),
      total_slabs: ulong,
      free_slabs: ulong,
      free_objects: ulong,
      free_limit: uint,
      colour_next: uint,
      shared: pointer,
      alien: pointer,
      next_reap: ulong,
      free_touched: uint,
    }),
    array: cached,
    alien: struct('alien_cache', { lock: uint, ac: cached }),
    slab: null,
    indexSize: index,
    perCpu: true,
    more: [flagsEnum(9), { kind: 'typedef', name: 'freelist_idx_t', target: index === 1 ? u8 : u16 }],
    slabFlag: 1n << 9n,
  };
}

/** 6.1: struct slab over the struct page. */
function linux6_1(): Generation {
  const machine = new Machine(8);
  const { struct, union, ulong, uint, pointer, list } = machine;
  return {
    ...linux4_19(machine, true, 1, '6.1, x86_64'),
    page: struct('page', {
      flags: ulong,
      '': union('', { lru: list, compound_head: ulong }),
      mapping: pointer,
      index: ulong,
      private: ulong,
      _mapcount: uint,
      _refcount: uint,
      memcg_data: ulong,
    }),
    slabInPage: struct('slab', {
      __page_flags: ulong,
      '': union('', { slab_list: list, rcu_head: list }),
      slab_cache: pointer,
      freelist: pointer,
      s_mem: pointer,
      active: uint,
      __page_refcount: uint,
    }),
  };
}

/** 6.7, the last: the cache first, the rest beside the rcu_head (6.2). */
function linux6_7(): Generation {
  const before = linux6_1();
  const { struct, union, ulong, uint, pointer, list } = before.machine;
  const fields = struct('', { slab_list: list, freelist: pointer, s_mem: pointer });
  return {
    ...before,
    name: '6.7, x86_64',
    slabInPage: struct('slab', {
      __page_flags: ulong,
      slab_cache: pointer,
      '': union('', { '': fields, rcu_head: list }),
      active: uint,
      __page_refcount: uint,
    }),
  };
}

/** 4.19 with CONFIG_DEBUG_SLAB. */
function withDebug(): Generation {
  const plain = linux4_19(new Machine(8), true, 1, '4.19 with DEBUG_SLAB, x86_64');
  const { machine, cache } = plain;
  const fields = Object.fromEntries(
    cache.members.filter(({ name }) => name !== 'node').map(({ name, type }) => [name, type]),
  );
  const { struct, uint, array, pointer } = machine;
  return {
    ...plain,
    debug: true,
    cache: struct('kmem_cache', { ...fields, obj_offset: uint, node: array(pointer, NODES) }),
  };
}

export const DEBUG_GENERATION = withDebug();

export const GENERATIONS: readonly Generation[] = [
  linux2_6_9(),
  linux2_6_24(new Machine(8), true, '2.6.24, x86_64'),
  linux2_6_24(new Machine(8), false, '2.6.24, s390x'),
  linux3_10(),
  linux3_13(),
  linux4_19(new Machine(8), true, 1, '4.19, x86_64'),
  linux4_19(new Machine(8), false, 2, '4.19, big-endian with indexes of two bytes'),
  linux6_1(),
  linux6_7(),
  DEBUG_GENERATION,
];

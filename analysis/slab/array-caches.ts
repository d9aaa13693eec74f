// array_caches: stacks of pointers to free objects that each CPU has before it touches slabs, that the CPUs of a node share, and of objects that were freed on another node than theirs
// (alien). Source: mm/slab.c (struct array_cache, struct alien_cache; 2.6.0 to 6.7).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { type PerCpu, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { hasStruct } from '../object/index.js';
import type { DirectMap } from './direct-map.js';
import { ALIEN, CPU, SHARED } from './model.js';
import type { NodeFrames } from './node-frames.js';
import type { SlabListCache } from './slab-caches.js';
import type { SlabLayout } from './slab-layout.js';

/** More than the tunables of a machine with very many CPUs give. */
const MOST_ENTRIES = 2 ** 20;
/** Pointers that are read together. */
const PART = 4096;
/** What `alien` of older kernels without NUMA is (BAD_ALIEN_MAGIC). */
const NO_ALIENS = 0x0102_0304n;

/** @param paddr as the object's owner would have it */
export type VisitHeld = (paddr: number, state: number) => void;

export interface SlabNode {
  readonly id: number;
  /** Of its struct kmem_cache_node. */
  readonly address: bigint;
}

interface ArrayCache {
  readonly address: bigint;
  readonly state: number;
  readonly what: string;
  /** The node whose objects it has; -1 for any. */
  readonly home: number;
}

export class ArrayCaches {
  readonly #kernel: Kernel;
  readonly #map: DirectMap;
  readonly #layout: SlabLayout;
  readonly #perCpu: PerCpu | null;
  readonly #nodes: NodeFrames;
  /** What of a pointer is the object's address: bit 0 marked objects of emergency memory (3.6 to 4.5, SLAB_OBJ_PFMEMALLOC). */
  readonly #marked: boolean;

  /** @throws Missing, MemoryFault */
  constructor(kernel: Kernel, map: DirectMap, layout: SlabLayout, nodes: NodeFrames) {
    this.#kernel = kernel;
    this.#map = map;
    this.#layout = layout;
    this.#perCpu = layout.cpuCache === null ? null : perCpu(kernel);
    this.#nodes = nodes;
    this.#marked = kernel.symbol('pfmemalloc_active') !== null;
  }

  /** How many objects each kind of array_cache of a cache has, added to `counts` by state. */
  count(cache: SlabListCache, nodes: readonly SlabNode[], counts: Float64Array, issues: Issues): void {
    for (const array of this.#all(cache, nodes, issues)) {
      counts[array.state] += this.#available(array, cache, issues);
    }
  }

  objects(cache: SlabListCache, nodes: readonly SlabNode[], issues: Issues, visit: VisitHeld): void {
    for (const array of this.#all(cache, nodes, issues)) {
      const count = this.#available(array, cache, issues);
      for (let from = 0; from < count; from += PART) {
        if (!this.#part(array, from, Math.min(PART, count - from), cache, issues, visit)) break;
      }
    }
  }

  #part(
    { address, state, what, home }: ArrayCache,
    from: number,
    count: number,
    cache: SlabListCache,
    issues: Issues,
    visit: VisitHeld,
  ): boolean {
    const { memory } = this.#kernel;
    const { pointerSize: word, littleEndian: little } = memory;
    const start = address + this.#layout.array.entries + BigInt(from * word);
    const at = memory.locate(start, count * word);
    if (at < 0) {
      const message = `the ${what} of ${cache.name} cannot be read: ${memory.fault.toError().message}; its objects are counted as allocated`;
      issues.add('unreadable-array-cache', message, start);
      return false;
    }
    const { view } = memory;
    for (let i = 0; i < count; i++) {
      const first = view.getUint32(at + i * word, little);
      const second = word === 8 ? view.getUint32(at + i * word + 4, little) : 0;
      const high = little || word === 4 ? second : first;
      const low = little || word === 4 ? first : second;
      const paddr = this.#map.toPhysical(high, this.#marked ? (low & ~1) >>> 0 : low);
      if (paddr >= 0) {
        visit(paddr + cache.objectOffset, state);
        if (home >= 0) this.#checkHome(paddr, home, what, cache, issues);
      } else {
        const pointer = hex((BigInt(high) << 32n) | BigInt(low));
        const message = `the ${what} of ${cache.name} holds ${pointer}, which is no object`;
        issues.add('wild-pointer', message, start + BigInt(i * word));
      }
    }
    return true;
  }

  #checkHome(paddr: number, home: number, what: string, { name, objectOffset }: SlabListCache, issues: Issues): void {
    const node = this.#nodes.nodeOf(Math.floor(paddr / this.#kernel.pageSize));
    if (node < 0 || node === home) return;
    const object = this.#map.toVirtual(paddr + objectOffset);
    issues.add(
      'object-of-another-node',
      `the ${what} of ${name} holds ${hex(object)}, which is of node ${node}`,
      object,
    );
  }

  /** How many pointers it has; 0, and told, where it says what cannot be. */
  #available({ address, what }: ArrayCache, cache: SlabListCache, issues: Issues): number {
    const { array } = this.#layout;
    try {
      const available = array.avail(address);
      const limit = array.limit(address);
      if (available <= limit && limit <= MOST_ENTRIES) return available;
      const message = `the ${what} of ${cache.name} says that it has ${available} objects, and room for ${limit}: they are counted as allocated`;
      issues.add('damaged-array-cache', message, address);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-array-cache', `the ${what} of ${cache.name}: ${error.message}`, address);
    }
    return 0;
  }

  *#all(cache: SlabListCache, nodes: readonly SlabNode[], issues: Issues): Iterable<ArrayCache> {
    for (const [cpu, address] of this.#ofCpus(cache, issues)) {
      yield { address, state: CPU, what: `array_cache of CPU ${cpu}`, home: -1 };
    }
    for (const node of nodes) {
      const shared = this.#maybe(cache, issues, () => this.#pointer(node, 'shared'));
      if (shared !== 0n)
        yield { address: shared, state: SHARED, what: `shared array_cache of node ${node.id}`, home: -1 };
      yield* this.#aliens(node, cache, issues);
    }
  }

  #ofCpus({ name, address }: SlabListCache, issues: Issues): readonly (readonly [cpu: number, address: bigint])[] {
    const { cpuCache, cpuArrays } = this.#layout;
    try {
      if (cpuArrays !== null) return cpuArrays(address);
      const all = this.#perCpu;
      if (all === null || cpuCache === null) return [];
      const pointer = cpuCache(address);
      return all.possible.map(cpu => [cpu, all.address(pointer, cpu)] as const);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-array-cache', `array_caches of ${name}: ${error.message}`, address);
      return [];
    }
  }

  #pointer({ address }: SlabNode, member: string): bigint {
    const { node } = this.#layout;
    return node.has(member) ? node.word(member)(address) : 0n;
  }

  *#aliens(node: SlabNode, cache: SlabListCache, issues: Issues): Iterable<ArrayCache> {
    const aliens = this.#maybe(cache, issues, () => this.#pointer(node, 'alien'));
    if (aliens === 0n || aliens === NO_ALIENS) return;
    const { memory } = this.#kernel;
    for (const id of this.#nodes.ids) {
      if (id === node.id) continue;
      const place = aliens + BigInt(id * memory.pointerSize);
      const address = this.#maybe(cache, issues, () => memory.pointer(place));
      const what = `array_cache of node ${node.id} for objects of node ${id}`;
      if (address !== 0n) yield { address: address + this.#layout.inAlien, state: ALIEN, what, home: id };
    }
  }

  #maybe(cache: SlabListCache, issues: Issues, read: () => bigint): bigint {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      issues.add('unreadable-array-cache', `an array_cache of ${cache.name}: ${error.message}`, cache.address);
      return 0n;
    }
  }
}

/** Only SLAB has them. */
export const hasArrayCaches = (kernel: Kernel): boolean => hasStruct(kernel, 'array_cache');

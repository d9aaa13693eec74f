// Sheaves: arrays of free objects that each CPU has before it touches slabs, and the barn of each node that keeps more of them. Source: mm/slub.c (struct slab_sheaf,
// slub_percpu_sheaves, node_barn; 6.18, commit 2d517aa09bbc; all caches since 7.0).
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { listEntries } from '../collections/index.js';
import { wordAt } from '../collections/words.js';
import type { Kernel } from '../kernel.js';
import { type Get, hasStruct, struct } from '../object/index.js';

/** A sheaf of more is damaged: kmem_cache.sheaf_capacity is chosen below this, prefilled ones are as large as was asked for. */
const MOST_IN_SHEAF = 8192;

const BARN_LISTS = [
  ['sheaves_full', 'nr_full'],
  ['sheaves_empty', 'nr_empty'],
] as const;

export interface SheafCache {
  readonly address: bigint;
  readonly name: string;
  readonly sheafCapacity: number;
}

/** Called with the address of each object. */
export type VisitObject = (pointer: bigint) => void;

export interface CpuSheaves {
  readonly main: bigint;
  readonly spare: bigint;
  readonly rcuFree: bigint;
}

export class Sheaves {
  readonly #kernel: Kernel;
  readonly #size: Get<number>;
  readonly #owner: Get<bigint>;
  readonly #objects: bigint;
  readonly #cpu: Readonly<Record<keyof CpuSheaves, Get<bigint>>>;

  /** @throws Missing */
  constructor(kernel: Kernel) {
    const sheaf = struct(kernel, 'slab_sheaf');
    const cpu = struct(kernel, 'slub_percpu_sheaves');
    this.#kernel = kernel;
    this.#size = sheaf.number('size');
    this.#owner = sheaf.word('cache');
    this.#objects = BigInt(sheaf.offset('objects'));
    this.#cpu = { main: cpu.word('main'), spare: cpu.word('spare'), rcuFree: cpu.word('rcu_free') };
  }

  ofCpu(address: bigint): CpuSheaves {
    const { main, spare, rcuFree } = this.#cpu;
    return { main: main(address), spare: spare(address), rcuFree: rcuFree(address) };
  }

  /** The sheaves that a node keeps, full and empty ones alike. */
  *ofBarn(barn: bigint, issues: Issues): Iterable<bigint> {
    const layout = struct(this.#kernel, 'node_barn');
    const sheaf = struct(this.#kernel, 'slab_sheaf');
    for (const [list] of BARN_LISTS) {
      const name = `${list} of the barn at ${hex(barn)}`;
      yield* listEntries(this.#kernel, layout.address(list)(barn), sheaf, 'barn_list', issues, { name });
    }
  }

  /** Whether a barn's counters are what its lists have. */
  checkBarn(barn: bigint, cache: SheafCache, issues: Issues): void {
    const layout = struct(this.#kernel, 'node_barn');
    const sheaf = struct(this.#kernel, 'slab_sheaf');
    for (const [list, counter] of BARN_LISTS) {
      const before = issues.count;
      const name = `${list} of the barn at ${hex(barn)}`;
      const head = layout.address(list)(barn);
      const found = [...listEntries(this.#kernel, head, sheaf, 'barn_list', issues, { name })].length;
      // Of a list that was cut nothing is counted.
      if (issues.count > before) continue;
      try {
        const said = layout.number(counter)(barn);
        if (said === found) continue;
        const locked = this.#kernel.memory.u32(layout.address('lock')(barn)) !== 0;
        const lock = locked ? '; its lock is held: a CPU was stopped while it changed the list' : '';
        const message = `the barn at ${hex(barn)} of ${cache.name} says ${counter} ${said}, its list has ${found}${lock}`;
        issues.add(locked ? 'changing-slab-counters' : 'slab-counters', message, barn + BigInt(layout.offset(counter)));
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        issues.add('unreadable-node', `the barn of ${cache.name}: ${error.message}`, barn);
      }
    }
  }

  /** How many objects it has. What it holds is passed to `visit`. */
  objects(sheaf: bigint, cache: SheafCache, issues: Issues, visit: VisitObject): number {
    if (sheaf === 0n) return 0;
    try {
      const size = this.#checkedSize(sheaf, cache, issues);
      const { memory } = this.#kernel;
      const word = memory.pointerSize;
      const at = size === 0 ? 0 : memory.locate(sheaf + this.#objects, size * word);
      if (at < 0) throw memory.fault.toError();
      const pointers = new BigUint64Array(size);
      for (let i = 0; i < size; i++) pointers[i] = wordAt(memory, at + i * word);
      for (const pointer of pointers) visit(pointer);
      return size;
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      const message = `a sheaf of ${cache.name} cannot be read: ${error.message}; its objects are counted as allocated`;
      issues.add('unreadable-sheaf', message, sheaf);
      return 0;
    }
  }

  #checkedSize(sheaf: bigint, { address, name, sheafCapacity }: SheafCache, issues: Issues): number {
    const size = this.#size(sheaf);
    const owner = this.#owner(sheaf);
    // The sheaf that stands in for main before there is memory for sheaves belongs to no cache and is always empty.
    if (owner !== address && (owner !== 0n || size !== 0)) {
      const message = `the sheaf at ${hex(sheaf)} is one of ${name}, but says that it is of the cache at ${hex(owner)}`;
      issues.add('sheaf-of-another-cache', message, sheaf);
    }
    const most = sheafCapacity > 0 ? Math.min(sheafCapacity, MOST_IN_SHEAF) : 0;
    if (size <= most) return size;
    const message = `the sheaf at ${hex(sheaf)} of ${name} says that it has ${size} objects, more than the ${most} it has room for`;
    issues.add('damaged-sheaf', message, sheaf);
    return most;
  }
}

export const hasSheaves = (kernel: Kernel): boolean => hasStruct(kernel, 'slab_sheaf');

// Where claims can be about: slab objects by number, and behind them places elsewhere (variables, memory of modules, vmalloc areas, whole pages) in the order in which they were met.
import { joinU64 } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { Heap } from './heap.js';

/** Of places that are no slab objects. */
const MOST_PLACES = 1 << 18;

/** What a word of memory is. */
export const NULL = 0;
/** To an object of a slab: `node` and `offset` tell which and where in it. */
export const OBJECT = 1;
/** To kernel memory that is no slab object: `high` and `low` are the address. */
export const ELSEWHERE = 2;
/** A small number, an error code or poison. */
export const SPECIAL = 3;
/** Nothing that a pointer to the kernel's memory can be. */
export const WILD = 4;
/** To an object that nobody has. */
export const FREED = 5;

const SMALL = 4096;

export class Space {
  readonly kernel: Kernel;
  readonly heap: Heap;
  /** What `classify` found. */
  node = -1;
  offset = 0;
  readonly #wide: boolean;
  readonly #little: boolean;
  readonly #places: bigint[] = [];
  readonly #byAddress = new Map<bigint, number>();
  /** The range of templates of per-CPU variables: what seems to point there was not offset by a CPU's. */
  readonly #templates: readonly [bigint, bigint];
  readonly #cpuHigh: number;

  constructor(kernel: Kernel, heap: Heap, cpuOffset: bigint) {
    this.kernel = kernel;
    this.heap = heap;
    this.#wide = kernel.memory.pointerSize === 8;
    this.#little = kernel.memory.littleEndian;
    this.#templates = [kernel.symbol('__per_cpu_start')?.address ?? 0n, kernel.symbol('__per_cpu_end')?.address ?? 0n];
    this.#cpuHigh = Number(cpuOffset >> 32n);
  }

  /** The halves of the word that lies at a position of a view. */
  high(view: DataView, at: number): number {
    return this.#wide ? view.getUint32(this.#little ? at + 4 : at, this.#little) : 0;
  }

  low(view: DataView, at: number): number {
    return view.getUint32(this.#wide && !this.#little ? at + 4 : at, this.#little);
  }

  /** What a word is, as far as a pointer's value alone tells. */
  classify(high: number, low: number): number {
    if (high === 0 && low === 0) return NULL;
    const paddr = this.heap.allocator.map.toPhysical(high, low);
    if (paddr >= 0) {
      this.node = this.heap.find(paddr);
      this.offset = this.heap.offset;
      if (this.node < 0) return ELSEWHERE;
      return this.heap.isAllocated(this.node) ? OBJECT : FREED;
    }
    if (high === 0 && low < SMALL) return SPECIAL;
    if (this.#wide) {
      if (high === 0xffff_ffff && low >= 0xffff_f000) return SPECIAL;
      // POISON_POINTER_DELTA of 64-bit kernels; include/linux/poison.h.
      if (high === 0xdead_0000 || high === 0xdead_4ead) return SPECIAL;
      if (high >= 0xc000_0000) return ELSEWHERE;
      // Kernels that have user addresses in a space of their own.
      if (this.heap.allocator.map.base === 0n) return high < 0x20_0000 ? ELSEWHERE : WILD;
      // A pointer to per-CPU data is no address before a CPU's offset is added.
      return (high + this.#cpuHigh) % 0x1_0000_0000 >= 0xc000_0000 ? SPECIAL : WILD;
    }
    if (low >= 0xffff_f000 || low === 0x100 || low === 0x122 || low === 0x200) return SPECIAL;
    return low >= 0x8000_0000 ? ELSEWHERE : WILD;
  }

  /** The number of a place; -1 where there are too many, and for templates of per-CPU variables. */
  place(high: number, low: number): number {
    return this.placeAt(joinU64(high, low));
  }

  placeAt(address: bigint): number {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const [start, end] = this.#templates;
    if (this.#places.length >= MOST_PLACES || (address >= start && address < end)) return -1;
    const node = this.heap.count + this.#places.length;
    this.#places.push(address);
    this.#byAddress.set(address, node);
    return node;
  }

  /** The place that is known at an address, -1 for none. */
  knownPlace(address: bigint): number {
    return this.#byAddress.get(address) ?? -1;
  }

  get places(): readonly bigint[] {
    return this.#places;
  }

  get isFull(): boolean {
    return this.#places.length >= MOST_PLACES;
  }

  isObject(node: number): boolean {
    return node < this.heap.count;
  }

  address(node: number): bigint {
    return this.isObject(node) ? this.heap.address(node) : this.#places[node - this.heap.count];
  }

  /**
   * Makes bytes of a node available.
   * @returns where in `view`, -1 where they cannot be read
   */
  locate(node: number, offset: number, length: number): number {
    const { kernel, heap } = this;
    if (this.isObject(node)) {
      this.view = kernel.physical.view;
      const at = kernel.physical.locate(heap.paddr(node) + offset, length);
      this.view = kernel.physical.view;
      return at;
    }
    const at = kernel.memory.locate(this.#places[node - heap.count] + BigInt(offset), length);
    this.view = kernel.memory.view;
    return at;
  }

  view: DataView = new DataView(new ArrayBuffer(0));
}

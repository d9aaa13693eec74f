// Where slab objects lie: in the kernel's linear map, at one distance from physical memory. Objects are physical addresses until they are printed, so that no
// loop makes bigints.
import { HIGH, halves, LOW, splitU64 } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';

const MOST_EXACT = 2 ** 53;

export class DirectMap {
  /** The virtual address of physical address 0, modulo the word size. */
  readonly base: bigint;
  readonly bits: 32 | 64;
  /** The halves of what `split` was last given. */
  high = 0;
  low = 0;
  readonly #high: number;
  readonly #low: number;
  readonly #end: number;

  constructor(base: bigint, bits: 32 | 64, end: number) {
    this.base = base;
    this.bits = bits;
    splitU64(base);
    this.#high = halves[HIGH];
    this.#low = halves[LOW];
    this.#end = end;
  }

  toVirtual(paddr: number): bigint {
    return BigInt.asUintN(this.bits, this.base + BigInt(paddr));
  }

  /** The virtual address, in halves. */
  split(paddr: number): void {
    const sum = this.#low + (paddr % 0x1_0000_0000);
    const carry = sum >= 0x1_0000_0000 ? 1 : 0;
    this.low = sum - carry * 0x1_0000_0000;
    this.high = this.bits === 64 ? (this.#high + Math.floor(paddr / 0x1_0000_0000) + carry) >>> 0 : 0;
  }

  /** The physical address of a pointer in halves, or -1 for one that does not point into the map. */
  toPhysical(high: number, low: number): number {
    let paddr = (high - this.#high) * 0x1_0000_0000 + (low - this.#low);
    if (paddr < 0) paddr += this.bits === 64 ? 2 ** 64 : 2 ** 32;
    return paddr < this.#end ? paddr : -1;
  }

  physicalOf(vaddr: bigint): number {
    splitU64(vaddr);
    return this.toPhysical(halves[HIGH], halves[LOW]);
  }
}

/** Told by objects most of which lie in the map: a struct kmem_cache is a slab object itself, but for one or two that lie in the image. @throws MemoryFault */
export function directMapBy(kernel: Kernel, objects: readonly bigint[]): DirectMap {
  const bits = kernel.memory.pointerSize === 8 ? 64 : 32;
  const votes = new Map<bigint, number>();
  for (const object of objects) {
    const paddr = kernel.memory.translate(object);
    if (paddr < 0) continue;
    const base = BigInt.asUintN(bits, object - BigInt(paddr));
    votes.set(base, (votes.get(base) ?? 0) + 1);
  }
  const [most] = [...votes].sort(([, a], [, b]) => b - a);
  if (most === undefined) throw kernel.memory.fault.toError();
  const { end } = kernel.physical.bounds;
  return new DirectMap(most[0], bits, Math.min(end, MOST_EXACT));
}

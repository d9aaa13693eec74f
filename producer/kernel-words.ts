// Small reads of a target kernel by virtual address, for what the resolver must follow: pointers, counters, bitmaps. Nothing throws: null is "not to be had".
import type { TargetKernel } from './kernel.js';

/** struct printk_ringbuffer's parts: where they are and how long. */
export interface RingParts {
  readonly descs: bigint;
  readonly descsSize: number;
  readonly infos: bigint;
  readonly infosSize: number;
  readonly data: bigint;
  readonly dataSize: number;
}

/** No kernel has more CPUs (NR_CPUS). */
const MOST_CPUS = 8192;
/** A ring of more than 2^28 records or bytes is a misread one. */
const MOST_RING_BITS = 28;

export class KernelWords {
  readonly kernel: TargetKernel;

  constructor(kernel: TargetKernel) {
    this.kernel = kernel;
  }

  get wordSize(): 4 | 8 {
    return this.kernel.memory.pointerSize;
  }

  /** vaddr + distance, modulo the kernel's word. */
  add(vaddr: bigint, distance: bigint | number): bigint {
    return BigInt.asUintN(this.wordSize * 8, vaddr + BigInt(distance));
  }

  u32(vaddr: bigint): number | null {
    const at = this.#locate(vaddr, 4);
    return at < 0 ? null : this.kernel.memory.view.getUint32(at, this.kernel.memory.littleEndian);
  }

  pointer(vaddr: bigint): bigint | null {
    const { memory } = this.kernel;
    const at = this.#locate(vaddr, this.wordSize);
    if (at < 0) return null;
    return this.wordSize === 8
      ? memory.view.getBigUint64(at, memory.littleEndian)
      : BigInt(memory.view.getUint32(at, memory.littleEndian));
  }

  /** The value of a pointer variable. */
  variable(name: string): bigint | null {
    const symbol = this.kernel.symbol(name);
    return symbol === null ? null : this.pointer(symbol.address);
  }

  /** Text up to a NUL, or null; at most `most` bytes. */
  text(vaddr: bigint, most: number): string | null {
    const { memory } = this.kernel;
    const paddr = this.kernel.translate(vaddr);
    if (paddr === null || memory.locate(paddr, 1) < 0) return null;
    return memory.text(paddr, most);
  }

  /** Numbers of the CPUs in __cpu_possible_mask that have a per-CPU area, with that area's offset; null if it cannot be told. */
  possibleCpus(): { readonly cpu: number; readonly offset: bigint }[] | null {
    const mask = this.kernel.symbol('__cpu_possible_mask');
    const offsets = this.kernel.symbol('__per_cpu_offset');
    if (mask === null || offsets === null) return null;
    // The array's length bounds the count where the mask's own size is only a bound.
    const ids = this.kernel.symbol('nr_cpu_ids');
    const named = ids === null ? null : this.u32(ids.address);
    const count = Math.min(
      named !== null && named > 0 ? named : MOST_CPUS,
      (mask.size ?? 8) * 8,
      Math.floor((offsets.size ?? MOST_CPUS * 8) / this.wordSize),
      MOST_CPUS,
    );
    const cpus: { cpu: number; offset: bigint }[] = [];
    for (let cpu = 0; cpu < count; cpu++) {
      const word = this.pointer(this.add(mask.address, Math.floor(cpu / (this.wordSize * 8)) * this.wordSize));
      if (word === null) return null;
      if (((word >> BigInt(cpu % (this.wordSize * 8))) & 1n) === 0n) continue;
      const offset = this.pointer(this.add(offsets.address, cpu * this.wordSize));
      if (offset !== null) cpus.push({ cpu, offset });
    }
    return cpus;
  }

  /** The parts of the ring at `vaddr`, or null where VMCOREINFO or memory does not tell. */
  ring(vaddr: bigint): RingParts | null {
    const offset = (type: string, member: string) => this.kernel.offsetOf(type, member);
    const descRing = offset('printk_ringbuffer', 'desc_ring');
    const dataRing = offset('printk_ringbuffer', 'text_data_ring');
    const places = [
      offset('prb_desc_ring', 'count_bits'),
      offset('prb_desc_ring', 'descs'),
      offset('prb_desc_ring', 'infos'),
      offset('prb_data_ring', 'size_bits'),
      offset('prb_data_ring', 'data'),
    ];
    const descSize = this.kernel.sizeOf('prb_desc');
    const infoSize = this.kernel.sizeOf('printk_info');
    if (descRing === null || dataRing === null || descSize === null || infoSize === null) return null;
    if (places.some(place => place === null)) return null;
    const [countAt, descsAt, infosAt, bitsAt, dataAt] = places as number[];
    const countBits = this.u32(this.add(vaddr, descRing + countAt));
    const sizeBits = this.u32(this.add(vaddr, dataRing + bitsAt));
    const descs = this.pointer(this.add(vaddr, descRing + descsAt));
    const infos = this.pointer(this.add(vaddr, descRing + infosAt));
    const data = this.pointer(this.add(vaddr, dataRing + dataAt));
    if (countBits === null || sizeBits === null || descs === null || infos === null || data === null) return null;
    if (countBits === 0 || countBits > MOST_RING_BITS || sizeBits === 0 || sizeBits > MOST_RING_BITS) return null;
    const count = 2 ** countBits;
    return { descs, descsSize: count * descSize, infos, infosSize: count * infoSize, data, dataSize: 2 ** sizeBits };
  }

  #locate(vaddr: bigint, length: number): number {
    const paddr = this.kernel.translate(vaddr);
    return paddr === null ? -1 : this.kernel.memory.locate(paddr, length);
  }
}

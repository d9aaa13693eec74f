// Physical memory that stands before another and uses its arena and cache: what notes reads, or hides some of it.
import { PhysicalMemory } from './memory.js';

export abstract class WrappedMemory extends PhysicalMemory {
  protected readonly base: PhysicalMemory;

  constructor(base: PhysicalMemory) {
    super();
    this.base = base;
  }

  get littleEndian(): boolean {
    return this.base.littleEndian;
  }

  get pointerSize(): 4 | 8 {
    return this.base.pointerSize;
  }

  get stable(): boolean {
    return this.base.stable;
  }

  get arena(): Uint8Array {
    return this.base.arena;
  }

  get view(): DataView {
    return this.base.view;
  }

  get scratch(): number {
    return this.base.scratch;
  }
}

// Which pages are zeros, for a format whose headers have to tell before any of them is written.
import type { PhysicalMemory } from 'kdumpling/reader';
import { writeMemory } from './copy-memory.js';
import type { Frames } from './cut-frames.js';
import type { DumpPlan } from './plan.js';
import type { DumpWriter } from './writers/writer.js';
import { ZeroTest } from './zero-pages.js';

/** All whole pages of zeros of those that are to be written; reads every byte of them. Memory that cannot be read has none. */
export function zeroFrames(physical: PhysicalMemory, plan: DumpPlan): Frames {
  const finder = new ZeroFinder(plan.pageSize);
  writeMemory(physical, plan, finder);
  finder.finish();
  return finder;
}

class ZeroFinder implements DumpWriter, Frames {
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly #pageSize: number;
  readonly #test = new ZeroTest();
  /** Zeros reach from here, gaplessly, to `#end`. */
  #start = 0;
  #end = 0;

  constructor(pageSize: number) {
    this.#pageSize = pageSize;
  }

  data(paddr: number, bytes: Uint8Array): void {
    const size = this.#pageSize;
    for (let at = 0; at < bytes.length; ) {
      const place = paddr + at;
      const length = Math.min(size - (place % size), bytes.length - at);
      if (this.#test.isZero(bytes, at, length)) this.zero(place, length);
      at += length;
    }
  }

  zero(paddr: number, length: number): void {
    if (paddr !== this.#end) {
      this.finish();
      this.#start = paddr;
    }
    this.#end = paddr + length;
  }

  lost(): void {}

  /** Ends the stretch of zeros at hand. */
  finish(): void {
    const first = Math.ceil(this.#start / this.#pageSize);
    const end = Math.floor(this.#end / this.#pageSize);
    if (end > first) {
      this.starts.push(first);
      this.ends.push(end);
    }
  }
}

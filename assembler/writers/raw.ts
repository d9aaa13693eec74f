// Raw memory: byte i of the file is physical address `base` + i; what is not there is a hole of the file.
import type { ByteSink } from 'kdumpling/reader';
import type { DumpPlan } from '../plan.js';
import { ZeroTest } from '../zero-pages.js';
import { SparseOutput } from './sparse.js';
import type { DumpWriter } from './writer.js';

/** Where a raw image of this memory begins: the first page that is there. */
export function rawBase(plan: DumpPlan): number {
  const first = plan.present.length === 0 ? 0 : plan.present.starts[0];
  return first - (first % plan.pageSize);
}

export class RawWriter implements DumpWriter {
  readonly #output: SparseOutput;
  readonly #base: number;
  readonly #end: number;

  constructor(plan: DumpPlan, sink: ByteSink) {
    this.#base = rawBase(plan);
    this.#end = plan.present.end;
    this.#output = new SparseOutput(sink, new ZeroTest());
  }

  data(paddr: number, bytes: Uint8Array): void {
    this.#output.to(paddr - this.#base);
    this.#output.write(bytes);
  }

  zero(): void {}

  lost(): void {}

  finish(): void {
    this.#output.to(Math.max(0, this.#end - this.#base));
  }
}

// Several sources as one: each begins at a multiple of ALIGN, so that a block of the whole is of one source.
import type { ByteSource } from '../source.js';
import { alignUp } from '../u64.js';

const ALIGN = 65536;

export class JoinedSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly blockSize: number;
  /** Where each source begins in the whole. */
  readonly bases: Float64Array;
  readonly #sources: readonly ByteSource[];
  #last = 0;

  constructor(sources: readonly ByteSource[]) {
    this.name = sources[0]?.name ?? 'nothing';
    this.blockSize = Math.min(ALIGN, ...sources.map(({ blockSize }) => blockSize));
    this.#sources = sources;
    this.bases = new Float64Array(sources.length);
    let end = 0;
    sources.forEach(({ size }, i) => {
      this.bases[i] = end;
      end += alignUp(size, ALIGN);
    });
    const last = sources.length - 1;
    this.size = last < 0 ? 0 : this.bases[last] + sources[last].size;
  }

  /** Reads end with the source that holds `offset`, as at the end of a file. */
  read(offset: number, into: Uint8Array): number {
    const i = this.#find(offset);
    return i < 0 ? 0 : this.#sources[i].read(offset - this.bases[i], into);
  }

  #find(offset: number): number {
    const { bases } = this;
    const last = this.#last;
    if (last < bases.length && offset >= bases[last] && offset - bases[last] < this.#sources[last].size) return last;
    let from = 0;
    let to = bases.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (bases[middle] <= offset) from = middle + 1;
      else to = middle;
    }
    this.#last = Math.max(0, from - 1);
    return from - 1;
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }
}

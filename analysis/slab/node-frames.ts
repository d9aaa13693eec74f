// Which NUMA node a frame is of, by the frames that nodes span.
import type { NodeSpan } from '../pages/index.js';

export class NodeFrames {
  /** Of the nodes, in the order of their numbers. */
  readonly ids: readonly number[];
  readonly #spans: readonly NodeSpan[];

  constructor(spans: readonly NodeSpan[]) {
    this.ids = spans.map(({ id }) => id);
    this.#spans = spans;
  }

  /** -1 for a frame of none, or of several: nodes may lie in each other. */
  nodeOf(pfn: number): number {
    let found = -1;
    for (const { id, startPfn, endPfn } of this.#spans) {
      if (pfn < startPfn || pfn >= endPfn) continue;
      if (found >= 0) return -1;
      found = id;
    }
    return found;
  }
}

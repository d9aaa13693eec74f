// Arithmetic on stretches of physical memory: ascending, disjoint.

export interface Stretch {
  readonly start: number;
  readonly end: number;
}

export const bytesOf = (stretches: readonly Stretch[]): number =>
  stretches.reduce((sum, { start, end }) => sum + end - start, 0);

/** Ascending and disjoint, from any; what touches becomes one. */
export function united(stretches: Iterable<Stretch>): Stretch[] {
  const sorted = [...stretches].sort((a, b) => a.start - b.start);
  const result: { start: number; end: number }[] = [];
  for (const { start, end } of sorted) {
    const last = result.at(-1);
    if (last !== undefined && start <= last.end) last.end = Math.max(last.end, end);
    else result.push({ start, end });
  }
  return result;
}

/** What of `stretches` is inside `others`, and what is not; both ascending and disjoint. */
export function parted(
  stretches: readonly Stretch[],
  others: readonly Stretch[],
): { readonly inside: Stretch[]; readonly outside: Stretch[] } {
  const inside: Stretch[] = [];
  const outside: Stretch[] = [];
  let first = 0;
  for (const { start, end } of stretches) {
    while (first < others.length && others[first].end <= start) first++;
    let at = start;
    for (let i = first; i < others.length && others[i].start < end; i++) {
      const other = others[i];
      if (other.start > at) outside.push({ start: at, end: other.start });
      at = Math.max(at, other.start);
      const to = Math.min(end, other.end);
      inside.push({ start: at, end: to });
      at = to;
    }
    if (at < end) outside.push({ start: at, end });
  }
  return { inside, outside };
}

/**
 * Closes gaps between neighbours, the shortest first, until there are at most `most` stretches; and all that are no longer than `free`.
 * @param mayClose whether a region may go over the gap
 */
export function joined(
  stretches: readonly Stretch[],
  most: number,
  free: number,
  mayClose: (gap: Stretch) => boolean,
): Stretch[] {
  const gaps = stretches.slice(1).map(({ start }, i) => ({ start: stretches[i].end, end: start }));
  const order = gaps.map((_, i) => i).sort((a, b) => gaps[a].end - gaps[a].start - (gaps[b].end - gaps[b].start));
  const closed = new Uint8Array(gaps.length);
  let count = stretches.length;
  for (const i of order) {
    const gap = gaps[i];
    if (count <= most && gap.end - gap.start > free) break;
    if (!mayClose(gap)) continue;
    closed[i] = 1;
    count--;
  }
  const result: { start: number; end: number }[] = [];
  for (const [i, { start, end }] of stretches.entries()) {
    if (i > 0 && closed[i - 1] === 1) result[result.length - 1].end = end;
    else result.push({ start, end });
  }
  return result;
}

// The header's segments with their blobs: how large each is, what of it is there, and what state that leaves it in.
import { hex } from '../../fault.js';
import type { ByteSource } from '../../source.js';
import { alignUp } from '../../u64.js';
import { agreedSize } from './agree.js';
import { type Blob, type Span, sameSize } from './blob.js';
import type { Faults } from './faults.js';
import type { MinidumpHeader } from './header.js';
import type { Match } from './match.js';
import type { Medium } from './media.js';
import type { RegionStatus } from './place.js';
import { memoryBlob } from './tables.js';

/** A segment while its place is worked out. */
export interface Draft {
  readonly match: Match;
  readonly label: string;
  readonly size: number;
  status: RegionStatus;
  spans: readonly Span[];
  source: ByteSource | null;
  sourceOffset: number;
  /** Index of an earlier draft with the same bytes, or -1. */
  sharesWith: number;
}

/** File, list and header each say another size: then the list's line may be another file's. */
const threeSizes = ({ size, listedSize, source }: Blob, registered: number): boolean =>
  source !== null &&
  listedSize !== null &&
  listedSize !== 0 &&
  !sameSize(size, registered) &&
  !sameSize(listedSize, registered) &&
  !sameSize(size, listedSize);

/** What a core may have in all: damaged lists that name the same bytes over and over must not make it many times its input. */
export class Budget {
  #left: number;

  constructor(medium: Medium) {
    this.#left = 2 * medium.bytes + (1 << 20);
  }

  /** Takes `bytes`; false where so many are not left. */
  spend(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}

export class Drafter {
  readonly #medium: Medium;
  readonly #header: MinidumpHeader;
  readonly #budget: Budget;
  readonly #faults: Faults;

  constructor(medium: Medium, header: MinidumpHeader, budget: Budget, faults: Faults) {
    this.#medium = medium;
    this.#header = header;
    this.#budget = budget;
    this.#faults = faults;
  }

  /** Sizes and states of the header's segments. */
  draft(matches: readonly Match[]): Draft[] {
    const drafts: Draft[] = [];
    const places = new Map<string, number>();
    for (const match of matches) {
      const { segment } = match;
      const label = match.blob?.name ?? segment.name ?? `the region at ${hex(segment.paddr)}`;
      const size = agreedSize(segment, match.blob, label, this.#faults);
      const draft: Draft = {
        match,
        label,
        size,
        status: 'missing',
        spans: [],
        source: null,
        sourceOffset: 0,
        sharesWith: -1,
      };
      const key = `${match.paddr}:${size}`;
      const earlier = places.get(key);
      if (earlier === undefined) places.set(key, drafts.length);
      if (segment.inside) this.#fillFromHeader(draft);
      else if (match.blob !== null) this.#fill(draft, match.blob);
      else if (match.doubt !== null) draft.status = 'doubtful';
      else if (earlier !== undefined && drafts[earlier].status !== 'missing') draft.sharesWith = earlier;
      else this.#fillWithoutBlob(draft);
      drafts.push(draft);
    }
    this.#doubtSwapped(drafts);
    return drafts;
  }

  /** The banner of a downstream header. */
  #fillFromHeader(draft: Draft): void {
    if (!this.#budget.spend(draft.size)) {
      draft.status = 'doubtful';
      return;
    }
    draft.status = 'ok';
    draft.source = this.#header.blob.source;
    draft.sourceOffset = draft.match.segment.offset;
    draft.spans = [{ start: 0, end: draft.size }];
  }

  #fill(draft: Draft, blob: Blob): void {
    if (blob.doubt !== undefined && draft.match.doubt === null) {
      draft.match.doubt = blob.doubt;
      this.#faults.add('doubtful', `${blob.doubt}; left out`, draft.match.paddr);
    }
    if (draft.match.doubt !== null) draft.status = 'doubtful';
    else if (!blob.valid) draft.status = 'invalid';
    else if (blob.sizeIsMeasured && threeSizes(blob, draft.size)) {
      draft.status = 'doubtful';
      draft.match.doubt = `${blob.name} has ${blob.size} bytes, ${blob.listedSize} by the ${blob.from}, ${draft.size} by the header: no two agree`;
      this.#faults.add('sizes-differ', `${draft.match.doubt}; left out`, draft.match.paddr);
    } else if (blob.source !== null) this.#fillFrom(draft, blob);
  }

  #fillFrom(draft: Draft, blob: Blob): void {
    const { size } = draft;
    const there = Math.min(size, blob.size);
    draft.spans = blob.spans(there);
    const bytes = draft.spans.reduce((sum, { start, end }) => sum + end - start, 0);
    if (!this.#budget.spend(bytes)) {
      draft.status = 'doubtful';
      draft.spans = [];
      return;
    }
    draft.source = blob.source;
    if (bytes === 0 && size > 0) draft.status = blob.sizeIsMeasured ? 'short' : 'missing';
    // Without a list, a file may have been written before its size was rounded.
    else if (bytes < there || (there < size && (blob.listedSize !== null || !sameSize(blob.size, size))))
      draft.status = 'short';
    else
      draft.status =
        sameSize(blob.size, size) && sameSize(blob.listedSize ?? size, size) ? 'ok' : blob.size > size ? 'long' : 'ok';
  }

  /** Where no table was found, memory itself still has what the header tells of. */
  #fillWithoutBlob(draft: Draft): void {
    const { memory, tablesFound } = this.#medium;
    const { paddr, segment } = draft.match;
    if (memory === null || tablesFound || !Number.isSafeInteger(paddr) || paddr < 0) return;
    this.#fillFrom(draft, memoryBlob(memory, paddr, draft.size, segment.name ?? draft.label, {}));
  }

  /** Two files whose sizes are each other's were most likely renamed, two sections' sizes exchanged: neither is taken. */
  #doubtSwapped(drafts: readonly Draft[]): void {
    if (this.#medium.kind === 'memory') return;
    const wrong = drafts.filter(
      ({ status, match }) => (status === 'short' || status === 'long') && match.blob !== null,
    );
    const bySize = new Map<number, Draft[]>();
    for (const draft of wrong) {
      const key = alignUp(draft.size, 4);
      bySize.set(key, [...(bySize.get(key) ?? []).slice(0, 1), draft]);
    }
    for (const draft of wrong) {
      const blob = draft.match.blob as Blob;
      const other = bySize.get(alignUp(blob.size, 4))?.find(candidate => candidate !== draft);
      if (other === undefined || draft.size === blob.size) continue;
      draft.match.doubt = `${blob.name} has the size of ${other.label} (${blob.size} bytes instead of ${draft.size}): the two may be swapped`;
    }
    for (const draft of wrong) {
      if (draft.match.doubt === null) continue;
      draft.status = 'doubtful';
      draft.spans = [];
      draft.source = null;
      this.#faults.add('swapped', `${draft.match.doubt}; left out`, draft.match.paddr);
    }
  }
}

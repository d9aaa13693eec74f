// Blobs without addresses: names, sizes and contents are all there is. A complete set in the order of its IDs goes where the header has it; otherwise only what fits
// one place and no other is placed. Names: kernel/meminspect and RFC v1 to v3 (`K<name><id>`, RFC v1 `K<id><name>`), downstream section names.
import { parseBlobFileName } from '../../formats/qcom-minidump.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import { alignUp } from '../../u64.js';
import { headerSize } from './agree.js';
import { type Blob, head, sameBytes, sameSize } from './blob.js';
import type { MinidumpHeader } from './header.js';
import type { Match } from './match.js';

export interface Ties {
  /** Blobs that fit more than one place, or none. */
  readonly doubtful: { readonly blob: Blob; readonly why: string }[];
}

/** Gives each of `matches` (all without blob) its blob where that is certain; `blobs` have no address. */
export function tieByContent(
  matches: readonly Match[],
  blobs: readonly Blob[],
  header: MinidumpHeader,
  vmcoreinfo: Vmcoreinfo | null,
  used: Set<Blob>,
): Ties {
  const open = matches.filter(({ segment, blob }) => blob === null && segment.certain && !segment.inside);
  const left = blobs.filter(blob => !used.has(blob) && blob.source !== null);
  if (header.style === 'downstream') tieByName(open, left, used);
  else tieInOrder(open, left, used);
  const rest = left.filter(blob => !used.has(blob));
  if (header.style === 'upstream' && vmcoreinfo !== null) tieBySymbol(open, rest, header, vmcoreinfo, used);
  tieBySize(open, rest, used);
  const free = grouped(open.filter(isOpen), ({ segment }) => headerSize(segment));
  const doubtful = rest
    .filter(blob => !used.has(blob))
    .map(blob => ({ blob, why: whyNot(blob, free.get(alignUp(blob.size, 4))?.length ?? 0) }));
  return { doubtful };
}

const isOpen = ({ blob }: Match): boolean => blob === null;
const fits = (blob: Blob, { segment }: Match): boolean => sameSize(blob.size, headerSize(segment));

function take(match: Match, blob: Blob, used: Set<Blob>): void {
  match.blob = blob;
  used.add(blob);
}

function whyNot(blob: Blob, places: number): string {
  if (places === 0) return `no place that is still free has ${blob.size} bytes`;
  return `by its size it fits ${places === 1 ? 'one place, but so do other blobs' : `${places} places`}`;
}

/** The ID that a name carries: behind it, or in RFC v1 before it. */
function idOf(blob: Blob, idFirst: boolean): number {
  const stem = parseBlobFileName(blob.name)?.stem ?? '';
  const match = idFirst ? /^K(\d{1,4})\D/.exec(stem) : /(\d{1,4})$/.exec(stem);
  return match === null ? -1 : Number(match[1]);
}

/** Upstream: a complete set in the order of IDs, every size as the header has it in that order. */
function tieInOrder(open: readonly Match[], blobs: readonly Blob[], used: Set<Blob>): void {
  const idFirst = blobs.filter(({ name }) => /^md_K\d/i.test(name)).length * 2 > blobs.length;
  const ids = new Map(blobs.map(blob => [blob, idOf(blob, idFirst)]));
  const order = blobs.toSorted((a, b) => (ids.get(a) as number) - (ids.get(b) as number));
  for (let i = 0; i < order.length; i++) {
    const id = ids.get(order[i]) as number;
    if (id < 0 || (i > 0 && id === ids.get(order[i - 1]))) return;
  }
  const places = distinctPlaces(open);
  // One blob may serve two program headers with one address and size.
  const shared = places.length < open.length && places.length === order.length;
  const complete = open.length === order.length ? open : shared ? places : [];
  if (complete.length === 0 || !order.every((blob, i) => fits(blob, complete[i]))) return;
  const numbers = order.map(blob => ids.get(blob) as number);
  if (shared && !fitsNowhereElse(open, order, numbers, places)) return;
  order.forEach((blob, i) => {
    take(complete[i], blob, used);
  });
}

/** Program headers without a blob of their own that are looked at: one or two are usual. */
const MOST_SHARED = 16;

/**
 * Fewer blobs than program headers: a shared blob and a lost one look the same. True where only a shared one can be meant: in whatever way `order` is spread
 * over `open`, with no more program headers skipped between two blobs than there are IDs between theirs, each blob comes to its one of `places`.
 */
function fitsNowhereElse(
  open: readonly Match[],
  order: readonly Blob[],
  ids: readonly number[],
  places: readonly Match[],
): boolean {
  const most = open.length - order.length;
  if (most > MOST_SHARED) return false;
  const skips = Array.from({ length: most + 1 }, (_, n) => n);
  const follows = (i: number, m: number, n: number) => m <= n && n - m < ids[i] - ids[i - 1];
  // before[i][n]: with blob i at open[i + n], those before it have places.
  const before: boolean[][] = [];
  for (let i = 0; i < order.length; i++) {
    const reached = (n: number) => i === 0 || skips.some(m => before[i - 1][m] && follows(i, m, n));
    before.push(skips.map(n => fits(order[i], open[i + n]) && reached(n)));
  }
  let possible = skips;
  for (let i = order.length - 1; i >= 0; i--) {
    const next = possible;
    possible = skips.filter(n => before[i][n] && (i === order.length - 1 || next.some(m => follows(i + 1, n, m))));
    if (possible.length === 0 || possible.some(n => placeOf(open[i + n]) !== placeOf(places[i]))) return false;
  }
  return true;
}

const placeOf = ({ segment }: Match): string => `${segment.paddr}:${headerSize(segment)}`;

function distinctPlaces(matches: readonly Match[]): Match[] {
  const seen = new Set<string>();
  return matches.filter(match => {
    const key = placeOf(match);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Regions of one name whose sizes are compared: a handful is usual. */
const MOST_OF_ONE_NAME = 256;

/** Downstream: section names. A name that occurs as often here as there is taken in order of its sequence numbers. */
function tieByName(open: readonly Match[], blobs: readonly Blob[], used: Set<Blob>): void {
  const names = new Map<string, Match[]>();
  for (const match of open) {
    const { name } = match.segment;
    if (name === null || name === '') continue;
    const same = names.get(name);
    if (same === undefined) names.set(name, [match]);
    else same.push(match);
  }
  const byName = new Map<string, { blob: Blob; sequence: number }[]>();
  for (const blob of blobs) {
    const stem = parseBlobFileName(blob.name)?.stem ?? '';
    const named = nameOf(stem, names);
    if (named === null) continue;
    const same = byName.get(named.name);
    if (same === undefined) byName.set(named.name, [{ blob, sequence: named.sequence }]);
    else same.push({ blob, sequence: named.sequence });
  }
  for (const [name, places] of names) {
    const found = (byName.get(name) ?? []).toSorted((a, b) => a.sequence - b.sequence);
    const inOrder = found.every(({ sequence }, i) => i === 0 || sequence > found[i - 1].sequence);
    if (found.length === places.length && inOrder && found.every(({ blob }, i) => fits(blob, places[i]))) {
      found.forEach(({ blob }, i) => {
        take(places[i], blob, used);
      });
      continue;
    }
    for (const { blob } of found.length > MOST_OF_ONE_NAME ? [] : found) {
      const sizes = places.filter(place => fits(blob, place));
      const rivals = found.filter(other => sameSize(other.blob.size, blob.size));
      if (sizes.length === 1 && rivals.length === 1 && isOpen(sizes[0])) take(sizes[0], blob, used);
    }
  }
}

/** A stem is a region's name, or that name with a sequence number behind it: names may end in digits themselves. */
function nameOf(stem: string, names: ReadonlyMap<string, unknown>): { name: string; sequence: number } | null {
  if (names.has(stem)) return { name: stem, sequence: 0 };
  const digits = /\d*$/.exec(stem)?.[0].length ?? 0;
  for (let length = 1; length <= digits; length++) {
    const name = stem.slice(0, stem.length - length);
    if (names.has(name)) return { name, sequence: Number(stem.slice(-length)) };
  }
  return null;
}

/** Names whose truncation is the same in all series and whose symbol VMCOREINFO gives. */
export const TELLING_SYMBOLS = ['init_uts_ns', 'prb', 'clear_seq'];

/** Whether a blob has the name that upstream drivers give a symbol's region: 7 or 8 letters of it and the ID. */
export function isNamedAfter(blob: Blob, symbol: string): boolean {
  const stem = parseBlobFileName(blob.name)?.stem ?? '';
  return [7, 8].some(length => {
    const start = `K${symbol.slice(0, length)}`;
    return stem.startsWith(start) && /^\d*$/.test(stem.slice(start.length));
  });
}

/** VMCOREINFO's SYMBOL() is the virtual address of the header's segment; the name is the blob's. The active printk ring buffer is what prb points to. */
function tieBySymbol(
  open: readonly Match[],
  blobs: readonly Blob[],
  header: MinidumpHeader,
  vmcoreinfo: Vmcoreinfo,
  used: Set<Blob>,
): void {
  for (const symbol of TELLING_SYMBOLS) {
    const address = vmcoreinfo.symbol(symbol);
    const place = open.filter(({ segment }) => address !== undefined && segment.vaddr === address);
    const named = blobs.filter(blob => isNamedAfter(blob, symbol));
    if (
      place.length === 1 &&
      named.length === 1 &&
      isOpen(place[0]) &&
      !used.has(named[0]) &&
      fits(named[0], place[0])
    ) {
      take(place[0], named[0], used);
    }
  }
  tieActiveRing(open, blobs, header, vmcoreinfo, used);
}

/** Of the blobs as large as the ring buffer that prb points to, the one that points to registered descriptors. */
function tieActiveRing(
  open: readonly Match[],
  blobs: readonly Blob[],
  header: MinidumpHeader,
  vmcoreinfo: Vmcoreinfo,
  used: Set<Blob>,
): void {
  const address = vmcoreinfo.symbol('prb');
  const prb = open.find(({ segment, blob }) => blob !== null && segment.vaddr === address)?.blob;
  if (prb == null) return;
  const wordSize = header.bits / 8;
  const target = pointers(head(prb, wordSize), header)[0];
  const place = open.find(match => isOpen(match) && match.segment.vaddr === target);
  if (place === undefined) return;
  const registered = new Set(header.segments.map(({ vaddr }) => vaddr));
  const rings = blobs.filter(
    blob =>
      !used.has(blob) &&
      fits(blob, place) &&
      pointers(head(blob, 256), header).some(pointer => registered.has(pointer)),
  );
  if (rings.length === 1) take(place, rings[0], used);
}

/** The words of `bytes`. */
function pointers(bytes: Uint8Array, { bits, littleEndian }: MinidumpHeader): bigint[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const words: bigint[] = [];
  for (let at = 0; at + bits / 8 <= bytes.length; at += bits / 8) {
    words.push(bits === 64 ? view.getBigUint64(at, littleEndian) : BigInt(view.getUint32(at, littleEndian)));
  }
  return words;
}

/** Blobs of equal size and content that are compared to be sure of it. */
const MOST_RIVALS = 8;

/** What fits exactly one place that no other blob fits. Two blobs of equal content are one. */
function tieBySize(open: readonly Match[], blobs: readonly Blob[], used: Set<Blob>): void {
  const places = grouped(distinctPlaces(open), ({ segment }) => headerSize(segment));
  const free = blobs.filter(blob => !used.has(blob) && blob.size > 0);
  for (const [size, rivals] of grouped(free, blob => blob.size)) {
    const [place, second] = places.get(size) ?? [];
    // A name in the header that is not the blob's speaks against it.
    if (place === undefined || second !== undefined || !isOpen(place) || place.segment.name !== null) continue;
    const [first, ...others] = rivals;
    if (others.length > MOST_RIVALS || !others.every(other => equalBlobs(first, other))) continue;
    take(place, first, used);
  }
}

function equalBlobs(a: Blob, b: Blob): boolean {
  return a.size === b.size && a.source !== null && b.source !== null && sameBytes(a.source, b.source, a.size);
}

/** By size, rounded up to 4. */
function grouped<T>(items: readonly T[], size: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const key = alignUp(size(item), 4);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

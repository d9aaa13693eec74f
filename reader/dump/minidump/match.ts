// Which blob belongs to which program header, by physical address and size, and for a damaged address by its neighbours. Nothing is matched by name here.
import { hex } from '../../fault.js';
import { exactly } from '../../formats/elf.js';
import { alignUp } from '../../u64.js';
import { type Blob, sameSize } from './blob.js';
import { claimsOf } from './claims.js';
import type { Faults } from './faults.js';
import type { HeaderSegment } from './header.js';
import type { Medium } from './media.js';
import { memoryBlob } from './tables.js';

export interface Match {
  readonly segment: HeaderSegment;
  blob: Blob | null;
  /** The segment's physical address, mended where most evidence says so. */
  paddr: number;
  /** Null where it is wrong and nobody tells the right one. */
  vaddr: bigint | null;
  /** The addresses disagree and nothing tells which one holds: left out. */
  doubt: string | null;
}

/** Blobs at one address that are looked at: two or three are usual. */
const MOST_AT_ONE_ADDRESS = 64;

/** Address and size: program headers that agree in both show the same bytes. */
const placeOf = ({ paddr, segment }: Match): string => `${paddr}:${alignUp(segment.filesz, 4)}`;

const sizeOf = (blob: Blob): number => blob.listedSize ?? blob.size;

/** How far virtual addresses are from physical ones, with how many segments share each distance: the kernel has few maps. */
export function distances(matches: Iterable<{ segment: HeaderSegment; paddr: number }>): Map<bigint, number> {
  const counts = new Map<bigint, number>();
  for (const { segment, paddr } of matches) {
    const distance = BigInt.asUintN(64, segment.vaddr - BigInt(paddr));
    counts.set(distance, (counts.get(distance) ?? 0) + 1);
  }
  return counts;
}

/** Of several segments of one place, those whose address others confirm choose first. */
function likeliestFirst(matches: readonly Match[]): Match[] {
  const counts = distances(matches);
  const isShared = ({ segment, paddr }: Match): boolean =>
    (counts.get(BigInt.asUintN(64, segment.vaddr - BigInt(paddr))) ?? 0) >= 2;
  return [...matches.filter(isShared), ...matches.filter(match => !isShared(match))];
}

export interface Matched {
  readonly matches: Match[];
  /** Blobs that may be of either of two regions, and have no place that others leave them. */
  readonly leftOut: readonly { readonly blob: Blob; readonly why: string }[];
}

/** Matches by address; `blobs` are those that may be regions. Blobs that were used are added to `used`. */
export function matchByAddress(
  segments: readonly HeaderSegment[],
  blobs: readonly Blob[],
  used: Set<Blob>,
  medium: Medium,
  faults: Faults,
): Matched {
  const byPaddr = new Map<number, Blob[]>();
  const add = (paddr: number | null, blob: Blob) => {
    if (paddr === null) return;
    const there = byPaddr.get(paddr);
    if (there === undefined) byPaddr.set(paddr, [blob]);
    else if (there.length < MOST_AT_ONE_ADDRESS) there.push(blob);
  };
  const { settled, doubtful } = claimsOf(segments, blobs, medium, faults);
  for (const blob of blobs) if (!settled.has(blob) && !doubtful.has(blob)) add(blob.paddr, blob);
  for (const [blob, paddr] of settled) add(paddr, blob);
  for (const blob of doubtful.keys()) add(blob.paddr, blob);
  // A second opinion on the address counts only where the first leads nowhere.
  for (const blob of blobs) if (!settled.has(blob)) add(blob.otherPaddr, blob);
  const matches = segments.map(
    (segment): Match => ({
      segment,
      blob: null,
      paddr: segment.paddr,
      vaddr: segment.vaddr,
      doubt: null,
    }),
  );
  const filled = new Set<string>();
  const inTurn = likeliestFirst(matches);
  for (const bySize of [true, false]) {
    for (const match of inTurn) {
      if (match.blob !== null || match.segment.inside) continue;
      const there = (byPaddr.get(match.paddr) ?? []).filter(
        blob =>
          !used.has(blob) &&
          (!bySize || sameSize(sizeOf(blob), match.segment.filesz)) &&
          (blob.certain || match.segment.certain),
      );
      const best =
        there.find(({ certain, valid, source }) => certain && valid && source !== null) ??
        there.find(({ certain }) => certain);
      const blob = best ?? there[0];
      // The same address and size under another virtual address: one blob serves both.
      if (blob === undefined || (!bySize && filled.has(placeOf(match)))) continue;
      match.blob = blob;
      used.add(blob);
      filled.add(placeOf(match));
    }
  }
  for (const match of matches) {
    const why = match.blob === null ? undefined : doubtful.get(match.blob);
    if (why === undefined) continue;
    match.doubt = why;
    faults.add('addresses-differ', `${why}; left out`, match.paddr);
  }
  dropUncertain(matches, faults);
  pairByNeighbours(matches, blobs, used, medium, faults);
  return {
    matches: matches.filter(({ segment, blob }) => segment.certain || blob !== null),
    leftOut: [...doubtful].filter(([blob]) => !used.has(blob)).map(([blob, why]) => ({ blob, why })),
  };
}

/** Program headers behind e_phnum and table entries behind the count are used only where the other side names them. */
function dropUncertain(matches: Match[], faults: Faults): void {
  const extra = matches.filter(({ segment, blob }) => !segment.certain && blob !== null);
  if (extra.length > 0) {
    const repeats = extra.every(({ segment, paddr }) =>
      matches.some(
        other => other.segment.certain && other.paddr === paddr && sameSize(other.segment.filesz, segment.filesz),
      ),
    );
    if (repeats) {
      for (const match of extra) match.blob = null;
    } else {
      faults.header(
        'e_phnum',
        null,
        extra[0].segment.index,
        `the table names ${extra.length} regions of program headers behind them`,
      );
    }
  }
  const behind = matches.filter(({ blob }) => blob !== null && !blob.certain);
  if (behind.length > 0) {
    faults.table(
      'subsystem table 0',
      'region_count',
      null,
      'too small',
      `the header names ${behind.length} regions whose records lie behind it`,
    );
  }
}

/**
 * A segment and a blob without partner whose neighbours are partners of each other, in the header as in the list, are one region: one of the two
 * addresses is damaged. Which one, the distance to the virtual address tells, if other regions share it.
 */
function pairByNeighbours(
  matches: readonly Match[],
  blobs: readonly Blob[],
  used: Set<Blob>,
  medium: Medium,
  faults: Faults,
): void {
  const payloads = matches.filter(({ segment }) => segment.certain && !segment.inside);
  const listed = blobs.filter(({ certain, loose, paddr }) => certain && !loose && paddr !== null);
  const position = new Map(listed.map((blob, i) => [blob, i]));
  const at = (blob: Blob | null | undefined) => (blob == null ? null : (position.get(blob) ?? null));
  const known = distances(payloads.filter(({ blob }) => blob !== null));
  const pair = (i: number): boolean => {
    const match = payloads[i];
    const before = i === 0 ? -1 : at(payloads[i - 1].blob);
    const after = i + 1 === payloads.length ? listed.length : at(payloads[i + 1].blob);
    const index = before !== null ? before + 1 : after !== null ? after - 1 : null;
    if (index === null || index < 0 || index >= listed.length) return false;
    const blob = listed[index];
    const neighbours = (before === index - 1 ? 1 : 0) + (after === index + 1 ? 1 : 0);
    if (used.has(blob) || neighbours < 2 || !sameSize(sizeOf(blob), match.segment.filesz)) return false;
    used.add(blob);
    settle(match, blob, known, medium, faults);
    return true;
  };
  const filled = new Map<string, number>();
  payloads.forEach((match, i) => {
    if (match.blob !== null) filled.set(placeOf(match), i);
  });
  payloads.forEach((match, i) => {
    if (match.blob !== null || pair(i)) return;
    // Of two program headers of one place, the blob that is there may be the other one's.
    const twin = filled.get(placeOf(match));
    if (twin === undefined) return;
    const other = payloads[twin];
    const { blob } = other;
    match.blob = blob;
    other.blob = null;
    if (pair(twin)) return;
    other.blob = blob;
    match.blob = null;
  });
}

function settle(match: Match, blob: Blob, known: ReadonlyMap<bigint, number>, medium: Medium, faults: Faults): void {
  const { segment } = match;
  const shared = (paddr: number) =>
    (known.get(BigInt.asUintN(64, segment.vaddr - BigInt(Math.trunc(paddr)))) ?? 0) >= 2;
  const listed = blob.paddr as number;
  const headerFits = Number.isSafeInteger(segment.paddr) && segment.paddr >= 0 && shared(segment.paddr);
  const listFits = shared(listed);
  match.blob = blob;
  if (headerFits === listFits) {
    match.doubt = `${blob.name} lies at ${hex(listed)} by the ${blob.from} and at ${hex(exactly(segment, 'paddr'))} by program header ${segment.index}: nothing tells which holds`;
    faults.add('addresses-differ', match.doubt, listed);
  } else if (headerFits) {
    faults.table(
      blob.from,
      `address of ${blob.name}`,
      null,
      listed,
      `by the header and its virtual address it is ${hex(segment.paddr)}`,
    );
    if (medium.memory !== null) match.blob = memoryBlob(medium.memory, segment.paddr, sizeOf(blob), blob.name, {});
  } else {
    const why = `by the ${blob.from} and its virtual address ${blob.name} lies at ${hex(listed)}`;
    faults.header(`p_paddr of program header ${segment.index}`, null, exactly(segment, 'paddr'), why);
    match.paddr = listed;
  }
}

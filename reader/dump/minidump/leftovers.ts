// What is left once the header's segments have their blobs: regions that only the medium lists, second copies, files that no list names.
import type { Architecture } from '../../arch/index.js';
import { hex } from '../../fault.js';
import { PF_R, PF_W } from '../../formats/elf.js';
import { parseBlobFileName } from '../../formats/qcom-minidump.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import { alignUp } from '../../u64.js';
import { type Blob, regionWord, sameBytes, sameSize } from './blob.js';
import type { VmcoreinfoBlob } from './content.js';
import type { Budget } from './draft.js';
import type { Faults } from './faults.js';
import type { MinidumpHeader } from './header.js';
import { linearRange } from './maps.js';
import type { Match } from './match.js';
import type { Medium } from './media.js';
import type { PlacedRegion, PlacedSegment, RegionStatus } from './place.js';

export interface Leftovers {
  readonly medium: Medium;
  readonly header: MinidumpHeader | null;
  readonly info: VmcoreinfoBlob | null;
  readonly vmcoreinfo: Vmcoreinfo | null;
  readonly architecture: Architecture | null;
  /** The header's regions. */
  readonly matches: readonly Match[];
  /** Blobs that have a place or a verdict. */
  readonly used: ReadonlySet<Blob>;
  readonly regions: PlacedRegion[];
  readonly segments: PlacedSegment[];
  readonly faults: Faults;
  readonly budget: Budget;
}

/** What is known of virtual addresses: segments by physical address, and the linear map's distance. */
const NO_MAP: { readonly sorted: readonly PlacedSegment[]; readonly distance: bigint | null } = {
  sorted: [],
  distance: null,
};

export function judgeLeftovers(work: Leftovers): void {
  const left = work.medium.blobs.filter(blob => !work.used.has(blob) && blob.certain);
  const addressed = left.filter(({ paddr }) => paddr !== null);
  addressed.sort((a, b) => (a.paddr as number) - (b.paddr as number) || a.size - b.size || (a.name < b.name ? -1 : 1));
  const places = new PlaceIndex(work);
  const map = addressed.length === 0 ? NO_MAP : { sorted: byAddress(work.segments), distance: linearDistance(work) };
  const open = new OpenRegions(work);
  for (const blob of addressed) judgeAddressed(work, blob, places, open, map);
  const copies = new CopyFinder(work);
  for (const blob of left) if (blob.paddr === null) judgeUnaddressed(work, blob, copies);
}

function tell(work: Leftovers, blob: Blob, status: RegionStatus, why: string): void {
  const { name, paddr, listedSize, size } = blob;
  work.regions.push({ name, paddr, size: listedSize ?? size, status, role: 'memory' });
  const where = paddr === null ? name : `${name} (${listedSize ?? size} bytes at ${hex(paddr)})`;
  // Copies and what the header does not list cost nothing: all that was dumped is in the core.
  const harmless = status === 'duplicate' || status === 'unlisted';
  work.faults[harmless ? 'note' : 'add'](status, `${where} ${why}`, paddr);
}

/** Segments by address and size, with the row that tells of each. */
class PlaceIndex {
  readonly #byPlace = new Map<string, number>();
  readonly #work: Leftovers;

  constructor(work: Leftovers) {
    this.#work = work;
    work.segments.forEach((_, i) => {
      this.add(i);
    });
  }

  #key(paddr: number, size: number): string {
    return `${paddr}:${Math.ceil(size / 4)}`;
  }

  add(index: number): void {
    const { paddr, size, source } = this.#work.segments[index];
    if (source !== null && !this.#byPlace.has(this.#key(paddr, size))) this.#byPlace.set(this.#key(paddr, size), index);
  }

  find(blob: Blob): number {
    const at = (size: number) => this.#byPlace.get(this.#key(blob.paddr as number, size));
    const listed = at(blob.listedSize ?? blob.size);
    return listed ?? (blob.sizeIsMeasured ? at(blob.size) : undefined) ?? -1;
  }
}

function judgeAddressed(work: Leftovers, blob: Blob, places: PlaceIndex, open: OpenRegions, map: typeof NO_MAP): void {
  const { segments } = work;
  const paddr = blob.paddr as number;
  const size = blob.listedSize ?? blob.size;
  if (!blob.valid) {
    tell(work, blob, 'invalid', 'is not marked valid in its table: it was not dumped');
    return;
  }
  if (blob.source === null) {
    tell(work, blob, 'missing', `is named by the ${blob.from}, but is not there`);
    return;
  }
  if (blob.doubt !== undefined) {
    tell(work, blob, 'doubtful', `is left out: ${blob.doubt}`);
    return;
  }
  tellListedSize(work, blob);
  const twin = places.find(blob);
  if (twin >= 0) {
    judgeTwin(work, blob, twin);
    return;
  }
  const rival = open.find(blob);
  if (rival !== null) {
    const { index } = rival.segment;
    const why = `is left out: the ${blob.from} has it where the header has nothing, and program header ${index}, which has no blob of its own, is for one like it: one of the two addresses is wrong`;
    tell(work, blob, 'doubtful', why);
    return;
  }
  const spans = blob.spans(blob.sizeIsMeasured ? Math.min(blob.size, size) : size);
  const there = spans.reduce((sum, { start, end }) => sum + end - start, 0);
  if (there === 0 && size > 0) {
    tell(work, blob, 'missing', 'has no bytes in the dump');
    return;
  }
  if (!Number.isSafeInteger(paddr + size) || !work.budget.spend(there)) {
    tell(work, blob, 'doubtful', 'is left out: its address or size cannot be right');
    return;
  }
  const kept = sameSize(blob.size, size) && (there === size || sameSize(there, size));
  if (work.header !== null) tell(work, blob, 'unlisted', 'is not in the header: it is appended');
  else if (!kept)
    tell(work, blob, blob.size > size ? 'long' : 'short', `has ${blob.size} bytes, of which ${there} are used`);
  else work.regions.push({ name: blob.name, paddr, size, status: 'ok', role: 'memory' });
  segments.push({
    name: regionWord(blob.name),
    vaddr: vaddrOf(map.sorted, paddr, size, map.distance),
    paddr,
    size,
    flags: PF_R | PF_W,
    align: 0,
    fileOffset: null,
    source: blob.source,
    sourceOffset: 0,
    spans,
    sharesWith: -1,
    registered: false,
  });
  places.add(segments.length - 1);
}

/** A list that gives a file another size than it has. */
function tellListedSize({ faults }: Leftovers, { name, from, listedSize, size, sizeIsMeasured }: Blob): void {
  if (listedSize === null || !sizeIsMeasured || sameSize(listedSize, size)) return;
  faults.table(from, `size of ${name}`, null, listedSize, `it has ${size} bytes`);
}

/** The header's regions without a blob of their own, by name or else by size: a blob that the header does not have may be one of them. Of memory the address alone tells what lies there. */
class OpenRegions {
  readonly #byName = new Map<string, Match>();
  readonly #bySize = new Map<number, Match>();
  readonly #named = new Map<number, Match>();

  constructor({ medium, header, matches }: Leftovers) {
    if (medium.memory !== null || header === null) return;
    for (const match of matches) {
      const { name, filesz, inside } = match.segment;
      if (match.blob !== null || inside) continue;
      if (name !== null) {
        this.#byName.set(name, match);
        this.#named.set(alignUp(filesz, 4), match);
      } else this.#bySize.set(alignUp(filesz, 4), match);
    }
  }

  find(blob: Blob): Match | null {
    const stem = parseBlobFileName(blob.name)?.stem ?? '';
    const digits = /\d*$/.exec(stem)?.[0].length ?? 0;
    for (let cut = 0; cut <= digits && cut < stem.length; cut++) {
      const named = this.#byName.get(stem.slice(0, stem.length - cut));
      if (named !== undefined) return named;
    }
    const { listedSize, size, sizeIsMeasured } = blob;
    const listed = this.#bySize.get(alignUp(listedSize ?? size, 4));
    if (listed !== undefined || !sizeIsMeasured || listedSize === null || sameSize(listedSize, size))
      return listed ?? null;
    // A file of another size than it should have may be another's.
    return this.#bySize.get(alignUp(size, 4)) ?? this.#named.get(alignUp(size, 4)) ?? null;
  }
}

/** A second blob for one place: a copy, or two that contradict each other, of which neither is taken. */
function judgeTwin(work: Leftovers, blob: Blob, index: number): void {
  const segment = work.segments[index];
  const length = Math.min(segment.spans[0]?.end ?? 0, blob.size);
  const equal =
    work.medium.memory !== null ||
    (segment.source !== null &&
      blob.source !== null &&
      segment.sourceOffset === 0 &&
      sameBytes(segment.source, blob.source, length));
  if (equal) {
    tell(work, blob, 'duplicate', 'is there twice, with the same bytes');
    return;
  }
  tell(
    work,
    blob,
    'doubtful',
    'is left out: another blob for its place has other bytes, and nothing tells which is right',
  );
  work.segments.forEach((other, i) => {
    if (i === index || other.sharesWith === index) work.segments[i] = { ...other, source: null, spans: [] };
  });
  const row = work.regions.findIndex(
    ({ paddr, size, role }) => role === 'memory' && paddr === segment.paddr && size === segment.size,
  );
  if (row >= 0) work.regions[row] = { ...work.regions[row], status: 'doubtful' };
}

/** Finds copies of blobs that have a place: same size, same bytes. */
class CopyFinder {
  readonly #bySize = new Map<number, Blob[]>();

  constructor({ used }: Leftovers) {
    for (const blob of used) {
      if (blob.source === null || blob.size === 0) continue;
      const same = this.#bySize.get(blob.size);
      if (same === undefined) this.#bySize.set(blob.size, [blob]);
      else if (same.length < MOST_COMPARED) same.push(blob);
    }
  }

  /** The blob that `blob` repeats, or undefined. */
  original({ source, size }: Blob): Blob | undefined {
    if (source === null) return undefined;
    return this.#bySize.get(size)?.find(other => other.source !== null && sameBytes(other.source, source, size));
  }
}

const MOST_COMPARED = 16;

function judgeUnaddressed(work: Leftovers, blob: Blob, copies: CopyFinder): void {
  if (blob.source === null) {
    tell(work, blob, 'missing', 'is named without an address, and is not there');
    return;
  }
  const original = copies.original(blob);
  if (original !== undefined) tell(work, blob, 'duplicate', `is a copy of ${original.name}`);
  else if (blob.loose) tell(work, blob, 'doubtful', 'is left out: no list names it; it may be of an earlier dump');
  else tell(work, blob, 'doubtful', 'is left out: nothing tells its address');
}

/** The header's segments by physical address. */
function byAddress(segments: readonly PlacedSegment[]): PlacedSegment[] {
  return segments.filter(({ registered, vaddr }) => registered && vaddr !== null).toSorted((a, b) => a.paddr - b.paddr);
}

/** Segments before an address that are looked at for one around it: overlaps are two or three deep. */
const MOST_BEFORE = 8;

/** The virtual address of what the header does not list: that of a segment around it, or the linear map's where header and VMCOREINFO agree on the map. */
function vaddrOf(
  sorted: readonly PlacedSegment[],
  paddr: number,
  size: number,
  distance: bigint | null,
): bigint | null {
  let from = 0;
  let to = sorted.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (sorted[middle].paddr <= paddr) from = middle + 1;
    else to = middle;
  }
  for (let i = from - 1; i >= 0 && i >= from - MOST_BEFORE; i--) {
    const { vaddr, paddr: start, size: length } = sorted[i];
    if (vaddr !== null && paddr + size <= start + length) return BigInt.asUintN(64, vaddr + BigInt(paddr - start));
  }
  return distance === null ? null : BigInt.asUintN(64, BigInt(paddr) + distance);
}

/** vaddr - paddr of the linear map: a candidate that VMCOREINFO allows and some segment of the header proves; null without one. */
function linearDistance({ architecture, vmcoreinfo, segments }: Leftovers): bigint | null {
  if (architecture === null || vmcoreinfo === null) return null;
  const proven = new Map<bigint, bigint>();
  let memoryEnd = 0;
  for (const { vaddr, paddr, size, registered } of segments) {
    memoryEnd = Math.max(memoryEnd, paddr + size);
    if (registered && vaddr !== null) proven.set(BigInt.asUintN(64, vaddr - BigInt(paddr)), vaddr);
  }
  const range = linearRange(architecture, vmcoreinfo, memoryEnd, ({ offset, first, last }) => {
    const vaddr = proven.get(BigInt.asUintN(64, offset));
    return vaddr !== undefined && vaddr >= first && vaddr <= last;
  });
  return range?.offset ?? null;
}

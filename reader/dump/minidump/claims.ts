// Where the lists of a medium, and downstream a blob's name, say that it belongs, if that is more than one region of the header. Two regions of one size whose addresses were exchanged
// in one list look like this. In memory the address alone tells what lies there.
import { hex } from '../../fault.js';
import { parseBlobFileName } from '../../formats/qcom-minidump.js';
import { alignUp } from '../../u64.js';
import type { Blob } from './blob.js';
import type { Faults } from './faults.js';
import type { HeaderSegment } from './header.js';
import type { Medium } from './media.js';

export interface Claims {
  /** Of blobs that are claimed for several regions, the address of the only one that no other blob has for sure. */
  readonly settled: ReadonlyMap<Blob, number>;
  /** Of blobs that may be of either region, why. */
  readonly doubtful: ReadonlyMap<Blob, string>;
}

/** A segment's name is read in a file's if only a sequence number follows it. */
const mayBeNamed = (stem: string, name: string): boolean =>
  stem.startsWith(name) && /^\d*$/.test(stem.slice(name.length));

const placeOf = (paddr: number, size: number): string => `${paddr}:${alignUp(size, 4)}`;

export function claimsOf(
  segments: readonly HeaderSegment[],
  blobs: readonly Blob[],
  { memory }: Medium,
  faults: Faults,
): Claims {
  const settled = new Map<Blob, number>();
  const doubtful = new Map<Blob, string>();
  if (memory !== null) return { settled, doubtful };
  const regions = new Regions(segments);
  const disputed: { blob: Blob; addresses: readonly number[] }[] = [];
  const taken = new Map<string, number>();
  const take = (key: string) => taken.set(key, (taken.get(key) ?? 0) + 1);
  for (const blob of blobs) {
    const addresses = regions.claimedBy(blob);
    if (addresses.length > 1) disputed.push({ blob, addresses });
    else if (addresses.length === 1 && blob.source !== null) take(placeOf(addresses[0], sizeOf(blob)));
  }
  const only = disputed.map(({ blob, addresses }) => {
    const free = addresses.filter(paddr => {
      const key = placeOf(paddr, sizeOf(blob));
      return (taken.get(key) ?? 0) < regions.at(key);
    });
    return free.length === 1 ? free[0] : null;
  });
  disputed.forEach(({ blob }, i) => {
    const paddr = only[i];
    if (paddr !== null) take(placeOf(paddr, sizeOf(blob)));
  });
  disputed.forEach(({ blob, addresses }, i) => {
    const paddr = only[i];
    const key = paddr === null ? '' : placeOf(paddr, sizeOf(blob));
    // Where more are left with one place than it is for, it is nobody's. A name alone is no address.
    const listed = paddr !== null && (paddr === blob.paddr || paddr === blob.otherPaddr);
    if (listed && (taken.get(key) ?? 0) <= regions.at(key)) {
      settled.set(blob, paddr);
      tellSettled(blob, faults);
      return;
    }
    const places = addresses.map(hex).join(' or ');
    const why = `${blob.name} lies at ${places} by what the lists and its name say, and the header has a region of its size at each`;
    doubtful.set(blob, `${why}: nothing tells which it is`);
  });
  return { settled, doubtful };
}

const sizeOf = ({ listedSize, size }: Blob): number => listedSize ?? size;

/** That two lists differ was told when they were read. */
function tellSettled({ name, from, otherPaddr }: Blob, faults: Faults): void {
  if (otherPaddr === null)
    faults.table(from, `name of ${name}`, null, name, 'the region of that name has its own blob');
}

/** The header's regions by place and by name. */
class Regions {
  readonly #places = new Map<string, HeaderSegment[]>();
  /** Null for names that several have. */
  readonly #names = new Map<string, HeaderSegment | null>();

  constructor(segments: readonly HeaderSegment[]) {
    for (const segment of segments) {
      if (segment.inside || !segment.certain) continue;
      const key = placeOf(segment.paddr, segment.filesz);
      this.#places.set(key, [...(this.#places.get(key) ?? []).slice(0, MOST_AT_ONE_PLACE), segment]);
      const { name } = segment;
      if (name !== null && name !== '') this.#names.set(name, this.#names.has(name) ? null : segment);
    }
  }

  /** How many regions the header has at a place. */
  at(place: string): number {
    return this.#places.get(place)?.length ?? 0;
  }

  /** Addresses at which the header has a region of its size that the blob may be. */
  claimedBy(blob: Blob): number[] {
    const { paddr, otherPaddr } = blob;
    const size = sizeOf(blob);
    const there = [paddr, otherPaddr].filter(
      (address): address is number => address !== null && this.#places.has(placeOf(address, size)),
    );
    const stem = parseBlobFileName(blob.name)?.stem ?? '';
    const named = this.#named(stem);
    if (named === null || alignUp(named.filesz, 4) !== alignUp(size, 4)) return there;
    const sure = there.some(address =>
      (this.#places.get(placeOf(address, size)) ?? []).some(({ name }) => name !== null && mayBeNamed(stem, name)),
    );
    return sure || there.includes(named.paddr) ? there : [...there, named.paddr];
  }

  #named(stem: string): HeaderSegment | null {
    for (let length = stem.length; length > 0; length--) {
      const found = this.#names.get(stem.slice(0, length));
      if (found !== undefined) return found;
      if (!/\d/.test(stem[length - 1])) return null;
    }
    return null;
  }
}

/** Two symbols at one address are usual. */
const MOST_AT_ONE_PLACE = 8;

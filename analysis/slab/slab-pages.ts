// Every slab of every cache, full ones included, by one pass over the memory map: the allocator itself keeps no list of full slabs.
import { FAULT_SENTENCES, hex, type Issues } from 'kdumpling/reader';
import { Pages, slabCache } from '../pages/index.js';
import type { SlabAllocator, SlabCache } from './model.js';

/** Pages between two calls of `progress`. */
const TOLD_EVERY = 1 << 14;

/** The first frames of slabs, ascending, and of which cache each is. */
export class SlabPages {
  readonly caches: readonly SlabCache[];
  readonly #places: ReadonlyMap<bigint, number>;
  #pfns = new Float64Array(1024);
  #owners = new Int32Array(1024);
  #count = 0;
  #unread = 0;
  #byCache: { readonly starts: Int32Array; readonly pfns: Float64Array } | null = null;

  constructor(caches: readonly SlabCache[]) {
    this.caches = caches;
    this.#places = new Map(caches.map(({ address }, i) => [address, i]));
  }

  /** @param progress told how much of memory's pages was looked at, in bytes. @throws Missing, MemoryFault */
  static find(
    allocator: SlabAllocator,
    issues: Issues,
    progress: (done: number, total: number) => void = () => {},
  ): SlabPages {
    const found = new SlabPages(allocator.caches);
    const pages = new Pages(allocator.kernel);
    issues.addAll(pages.map.issues);
    const { pieces } = pages.map;
    const total = pieces.reduce((sum, { startPfn, endPfn }) => sum + endPfn - startPfn, 0);
    let done = 0;
    for (const { startPfn, endPfn } of pieces) {
      for (let pfn = startPfn; pfn < endPfn; pfn++) {
        if (done++ % TOLD_EVERY === 0) progress(done * allocator.kernel.pageSize, total * allocator.kernel.pageSize);
        if (!pages.has(pfn)) {
          found.#unread++;
          continue;
        }
        if (!pages.isSlab(pfn) || allocator.firstFrame(pages, pfn) !== pfn) continue;
        const owner = slabCache(pages, pfn);
        if (!found.#add(pfn, owner)) issues.add('slab-of-no-cache', ofNoCache(allocator, pfn, owner), owner);
      }
    }
    return found;
  }

  /** How many frames' struct pages cannot be read: slabs may be among them. */
  get unread(): number {
    return this.#unread;
  }

  /** False where no such cache is known. */
  #add(pfn: number, owner: bigint): boolean {
    const place = this.#places.get(owner);
    if (place === undefined) return false;
    if (this.#count === this.#pfns.length) this.#grow();
    this.#pfns[this.#count] = pfn;
    this.#owners[this.#count++] = place;
    return true;
  }

  #grow(): void {
    const pfns = new Float64Array(2 * this.#count);
    const owners = new Int32Array(2 * this.#count);
    pfns.set(this.#pfns);
    owners.set(this.#owners);
    this.#pfns = pfns;
    this.#owners = owners;
  }

  get count(): number {
    return this.#count;
  }

  /** The first frames of the slabs of `caches[place]`, ascending. */
  of(place: number): Float64Array {
    this.#byCache ??= this.#sorted();
    const { starts, pfns } = this.#byCache;
    return pfns.subarray(starts[place], starts[place + 1]);
  }

  #sorted(): { starts: Int32Array; pfns: Float64Array } {
    const starts = new Int32Array(this.caches.length + 1);
    for (let i = 0; i < this.#count; i++) starts[this.#owners[i] + 1]++;
    for (let i = 0; i < this.caches.length; i++) starts[i + 1] += starts[i];
    const next = starts.slice();
    const pfns = new Float64Array(this.#count);
    for (let i = 0; i < this.#count; i++) pfns[next[this.#owners[i]]++] = this.#pfns[i];
    return { starts, pfns };
  }
}

/** A cache may be where the dump has nothing: caches lie in the linear map. */
function ofNoCache({ kernel, map }: SlabAllocator, pfn: number, owner: bigint): string {
  const { physical } = kernel;
  const slab = `the slab at frame ${hex(pfn)} says that it is of a cache at ${hex(owner)}`;
  const paddr = map.physicalOf(owner);
  if (paddr < 0 || physical.locate(paddr, physical.pointerSize) >= 0) return `${slab}, where none is`;
  return `${slab}, which cannot be read: ${FAULT_SENTENCES[physical.fault.reason]}`;
}

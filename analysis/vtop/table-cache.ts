// Where walks ended before. Tables: for a region of addresses (as large as a last-level table maps) the last table's address, or the region's own where a large page maps it.
// Pages: where a page of the least size lies. Both have a fixed number of slots.

const SETS = 512;
const WAYS = 4;
const NONE = -1;

export class TableCache {
  readonly #keys = new Float64Array(SETS * WAYS).fill(NONE);
  readonly #bases = new Float64Array(SETS * WAYS);
  readonly #large = new Uint8Array(SETS * WAYS);
  readonly #turns = new Uint8Array(SETS);

  /** The slot of a region, or -1. */
  find(key: number): number {
    const keys = this.#keys;
    const first = (key & (SETS - 1)) * WAYS;
    if (keys[first] === key) return first;
    if (keys[first + 1] === key) return first + 1;
    if (keys[first + 2] === key) return first + 2;
    return keys[first + 3] === key ? first + 3 : NONE;
  }

  base(slot: number): number {
    return this.#bases[slot];
  }

  /** The region lies in one page that is at least as large. */
  isLarge(slot: number): boolean {
    return this.#large[slot] !== 0;
  }

  add(key: number, base: number, large: boolean): void {
    const set = key & (SETS - 1);
    const way = this.#turns[set];
    this.#turns[set] = (way + 1) & (WAYS - 1);
    const slot = set * WAYS + way;
    this.#keys[slot] = key;
    this.#bases[slot] = base;
    this.#large[slot] = large ? 1 : 0;
  }
}

const PAGES = 4096;

/** One page a slot: a random address of a few thousand pages costs a third of what its last table does. */
export class PageCache {
  readonly #keys = new Float64Array(PAGES).fill(NONE);
  readonly #bases = new Float64Array(PAGES);

  /** Where a page (its number) lies, or -1. */
  find(page: number): number {
    const slot = page & (PAGES - 1);
    return this.#keys[slot] === page ? this.#bases[slot] : NONE;
  }

  add(page: number, base: number): void {
    const slot = page & (PAGES - 1);
    this.#keys[slot] = page;
    this.#bases[slot] = base;
  }
}

// Objects that lists outside of their slabs hold (per-CPU freelists, sheaves, array_caches), kept as numbers and looked up slab by slab.

const STATES = 8;

export class ObjectPlaces {
  #packed = new Float64Array(64);
  #count = 0;
  #sorted = true;

  get count(): number {
    return this.#count;
  }

  /** @param paddr below 2^50; @param state a position in OBJECT_STATES */
  add(paddr: number, state: number): void {
    if (this.#count === this.#packed.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#packed);
      this.#packed = larger;
    }
    this.#packed[this.#count++] = paddr * STATES + state;
    this.#sorted = false;
  }

  /** The number of the first that lies at or behind an address; with `paddr` and `state` one goes on from it. */
  from(paddr: number): number {
    if (!this.#sorted) {
      this.#packed.subarray(0, this.#count).sort();
      this.#sorted = true;
    }
    let start = 0;
    let end = this.#count;
    while (start < end) {
      const middle = (start + end) >>> 1;
      if (this.#packed[middle] < paddr * STATES) start = middle + 1;
      else end = middle;
    }
    return start;
  }

  paddr(i: number): number {
    return Math.floor(this.#packed[i] / STATES);
  }

  state(i: number): number {
    return this.#packed[i] % STATES;
  }
}

// Objects that lists outside of their slabs hold (per-CPU freelists, sheaves, array_caches), kept as numbers and looked up slab by slab.

import { hex, Issues } from 'kdumpling/reader';
import type { DirectMap } from './direct-map.js';
import { ALLOCATED, UNKNOWN } from './model.js';

const STATES = 8;
/** Findings by which a list's objects are unknown. */
const UNREAD = [
  'unreadable-cpu-slab',
  'unreadable-slab',
  'unreadable-sheaf',
  'unreadable-node',
  'unreadable-list',
  'unreadable-array-cache',
  'freelist-unreadable',
];

export class ObjectPlaces {
  #packed = new Float64Array(64);
  #count = 0;
  #sorted = true;
  #complete = true;

  /** What `collect` adds; what it finds goes to `issues`, too. */
  static gather(issues: Issues, collect: (places: ObjectPlaces, issues: Issues) => void): ObjectPlaces {
    const places = new ObjectPlaces();
    const own = new Issues();
    collect(places, own);
    places.#complete = !UNREAD.some(code => own.has(code));
    issues.addAll(own.list());
    return places;
  }

  get count(): number {
    return this.#count;
  }

  /** False where a list could not be read: objects that it holds are not among these. */
  get complete(): boolean {
    return this.#complete;
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

/** How the objects of one slab lie. */
export interface ObjectRow {
  /** Physical address of the first one. */
  readonly first: number;
  readonly objects: number;
  readonly slotSize: number;
}

/** Gives the objects of a slab that lists outside of it hold their state; one that has another already is free twice. Where a list could not be read, any of the others may be on it. */
export function overlayHeld(
  map: Pick<DirectMap, 'toVirtual'>,
  cache: string,
  { first, objects, slotSize }: ObjectRow,
  held: ObjectPlaces,
  into: Uint8Array,
  issues: Issues,
): void {
  const end = first + objects * slotSize;
  for (let i = held.from(first); i < held.count; i++) {
    const paddr = held.paddr(i);
    if (paddr >= end) break;
    const index = (paddr - first) / slotSize;
    const state = held.state(i);
    if (!Number.isInteger(index)) {
      const message = `${hex(map.toVirtual(paddr))}, ${PLACE[state]} of ${cache}, lies between two objects`;
      issues.add('misaligned-pointer', message, map.toVirtual(paddr));
    } else if (into[index] === ALLOCATED || into[index] === UNKNOWN) into[index] = state;
    else {
      const message = `the object at ${hex(map.toVirtual(paddr))} of ${cache} is free twice: ${PLACE[into[index]]} and ${PLACE[state]}`;
      issues.add('double-free', message, map.toVirtual(paddr));
    }
  }
  if (held.complete) return;
  for (let i = 0; i < objects; i++) if (into[i] === ALLOCATED) into[i] = UNKNOWN;
}

/** Where an object of a state is, for findings. */
const PLACE: readonly string[] = [
  'allocated',
  "on its slab's freelist",
  'held by a CPU',
  'in the shared array',
  'in an alien array',
  'in a barn',
  'in an rcu_free sheaf',
  'unknown',
];

// SLUB's freelists: each free object holds a pointer to the next, as it is or made hard to guess. Source: mm/slub.c (freelist_ptr, freelist_ptr_decode):
// CONFIG_SLAB_FREELIST_HARDENED XORs it with a number of the cache and the pointer's own address (4.14, commit 2482ddec670f), whose bytes are swapped since 5.7 (commit 1ad53d9fa3f6).
import { type FaultReason, HIGH, halves, LOW, splitU64 } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import type { DirectMap } from './direct-map.js';

/** Newest first. */
export const FREELIST_FORMS = ['swapped', 'by-address', 'plain'] as const;
export type FreelistForm = (typeof FREELIST_FORMS)[number];

/** How the objects of one slab lie. */
export interface SlabShape {
  /** Physical address of the first object's first byte. */
  readonly first: number;
  readonly objects: number;
  readonly slotSize: number;
  /** From an object's start to its freelist pointer. */
  readonly offset: number;
  readonly randomHigh: number;
  readonly randomLow: number;
}

/** Why a walk ended: NULL, a pointer that is none of an object of the slab, an object that was met before, or memory that cannot be read. */
export type FreelistEnd = 'null' | 'wild' | 'misaligned' | 'cycle' | 'unreadable';

/** struct slab counts objects in 15 bits. */
export const MOST_OBJECTS = 0x8000;

const swab = (value: number): number =>
  ((value << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;

/** Follows freelists; one walker serves all slabs, and keeps what the last walk found. */
export class FreelistWalker {
  /** The objects met, by number, in the order of the list; the first `count` are of the last walk. */
  readonly indices = new Uint16Array(MOST_OBJECTS);
  count = 0;
  end: FreelistEnd = 'null';
  /** The pointer that ended it, where it is none of an object. */
  badHigh = 0;
  badLow = 0;
  /** The object that holds that pointer, or is met twice, or cannot be read; -1 where it is the list's head. */
  badIndex = -1;
  reason: FaultReason = 'hole';
  readonly form: FreelistForm;
  readonly #kernel: Kernel;
  readonly #map: DirectMap;
  readonly #wide: boolean;
  readonly #little: boolean;
  /** The number of the walk that met an object last. */
  readonly #met = new Uint32Array(MOST_OBJECTS);
  #walk = 0;

  constructor(kernel: Kernel, map: DirectMap, form: FreelistForm) {
    this.#kernel = kernel;
    this.#map = map;
    this.form = form;
    this.#wide = map.bits === 64;
    this.#little = kernel.memory.littleEndian;
  }

  /** @param head the first object's address, as slab.freelist or kmem_cache_cpu.freelist has it */
  walk(shape: SlabShape, head: bigint): number {
    splitU64(head);
    let pointerHigh = halves[HIGH];
    let pointerLow = halves[LOW];
    this.count = 0;
    this.#walk++;
    for (let holder = -1; ; ) {
      if (pointerHigh === 0 && pointerLow === 0) return this.#ended('null', holder);
      const index = this.#indexOf(shape, pointerHigh, pointerLow);
      if (index < 0) {
        this.badHigh = pointerHigh;
        this.badLow = pointerLow;
        return this.#ended(index === -2 ? 'misaligned' : 'wild', holder);
      }
      if (this.#met[index] === this.#walk) return this.#ended('cycle', index);
      this.#met[index] = this.#walk;
      this.indices[this.count++] = index;
      const slot = shape.first + index * shape.slotSize + shape.offset;
      if (!this.#load(slot)) return this.#ended('unreadable', index);
      this.#decode(shape, slot);
      pointerHigh = this.#high;
      pointerLow = this.#low;
      holder = index;
    }
  }

  #high = 0;
  #low = 0;

  #ended(end: FreelistEnd, index: number): number {
    this.end = end;
    this.badIndex = index;
    return this.count;
  }

  /** -1: not in the slab; -2: between its objects. */
  #indexOf({ first, objects, slotSize }: SlabShape, pointerHigh: number, pointerLow: number): number {
    const paddr = this.#map.toPhysical(pointerHigh, pointerLow);
    const index = (paddr - first) / slotSize;
    if (paddr < 0 || index < 0 || index >= objects) return -1;
    return Number.isInteger(index) ? index : -2;
  }

  #load(paddr: number): boolean {
    const { physical } = this.#kernel;
    const at = physical.locate(paddr, this.#wide ? 8 : 4);
    if (at < 0) {
      this.reason = physical.fault.reason;
      return false;
    }
    const first = physical.view.getUint32(at, this.#little);
    if (!this.#wide) {
      this.#high = 0;
      this.#low = first;
      return true;
    }
    const second = physical.view.getUint32(at + 4, this.#little);
    this.#high = this.#little ? second : first;
    this.#low = this.#little ? first : second;
    return true;
  }

  #decode({ randomHigh, randomLow }: SlabShape, slot: number): void {
    if (this.form === 'plain') return;
    this.#map.split(slot);
    const { high: addressHigh, low: addressLow } = this.#map;
    const isSwapped = this.form === 'swapped';
    const keyLow = isSwapped ? swab(this.#wide ? addressHigh : addressLow) : addressLow;
    const keyHigh = isSwapped ? swab(addressLow) : addressHigh;
    this.#low = (this.#low ^ randomLow ^ keyLow) >>> 0;
    if (this.#wide) this.#high = (this.#high ^ randomHigh ^ keyHigh) >>> 0;
  }
}

// What the six registries share: slots by ID, how a free ID is found, who listens. Nothing here decides what a series allows.
import type { Issues } from 'kdumpling/reader';
import type { Refusal } from '../errno.js';
import type { Region } from '../region.js';
import { minidumpName, type SeriesFacts } from './series.js';

/** What a registry tells of regions: a back-end, whole or simulated. */
export interface RegionClient {
  readonly name: string;
  /** null: accepted. */
  register(region: Region): Refusal | null;
  unregister(region: Region): Refusal | null;
}

/** The core image as a registry drives it: one header entry per region. */
export interface HeaderClient {
  /** Makes the header's memory and note. A refusal leaves the registry without a core image. */
  prepare(): Refusal | { readonly header: RegionPlace; readonly vmcoreinfo: RegionPlace | null };
  add(region: Region): void;
  /** False where the header has no such entry. */
  remove(region: Region): boolean;
}

export interface RegionPlace {
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly size: number;
}

/** virt_to_phys and phys_to_virt. */
export interface AddressMaps {
  translate(vaddr: bigint): number | null;
  linearAddress(paddr: number): bigint | null;
}

export interface RegistryOptions {
  readonly maps: AddressMaps;
  /** Where what the kernel would drop or get wrong without a word is told. */
  readonly issues: Issues;
  /** True when an allocation of the registry's fails (-ENOMEM); for simulated kernels. */
  readonly outOfMemory?: () => boolean;
}

/** Regions by ID. */
export class RegionTable {
  readonly facts: SeriesFacts;
  readonly #slots = new Map<number, Region>();
  /** idr_alloc_cyclic's cursor. */
  #cursor = 0;

  constructor(facts: SeriesFacts) {
    this.facts = facts;
  }

  get(id: number): Region | undefined {
    return this.#slots.get(id);
  }

  put(region: Region): void {
    this.#slots.set(region.id, region);
  }

  take(id: number): void {
    this.#slots.delete(id);
  }

  /** An ID for a registration without one, or null if none is free. */
  freeId(): number | null {
    const { slots, firstDynamic, dynamic } = this.facts;
    const width = slots - firstDynamic;
    const start = dynamic === 'cyclic' ? this.#cursor : 0;
    for (let i = 0; i < width; i++) {
      const id = firstDynamic + ((start + i) % width);
      if (this.#slots.has(id)) continue;
      this.#cursor = id - firstDynamic + 1;
      return id;
    }
    return null;
  }

  /** All regions in ID order. */
  list(): Region[] {
    return [...this.#slots.values()].sort((a, b) => a.id - b.id);
  }
}

export function makeRegion(facts: SeriesFacts, id: number, name: string, place: RegionPlace): Region {
  const { vaddr, paddr, size } = place;
  return { id, name, vaddr, paddr, size, minidump: minidumpName(facts, id, name) };
}

export const isRefusal = (value: unknown): value is Refusal =>
  typeof value === 'object' && value !== null && 'errno' in value;

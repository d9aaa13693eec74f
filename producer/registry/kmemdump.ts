// kmemdump RFC v2 and v3: an array of 201 zones with IDs, results as errno, a default back-end that another one can replace. RFC v2 is built from what is
// known of it (the posting of 2025-07-24: its header, kmemdump.c and the annotations of its patches), v3 from mm/kmemdump/*.
import type { Issues } from 'kdumpling/reader';
import type { Refusal } from '../errno.js';
import type { Region } from '../region.js';
import { untranslatable } from './kmemdump-rfc1.js';
import { ID_ELF, ID_VMCOREINFO, SERIES, type SeriesFacts } from './series.js';
import {
  type AddressMaps,
  type HeaderClient,
  isRefusal,
  makeRegion,
  type RegionClient,
  RegionTable,
  type RegistryOptions,
} from './table.js';

/** Accepts everything, keeps nothing. */
const DEFAULT: RegionClient = { name: 'default', register: () => null, unregister: () => null };

export class Kmemdump {
  readonly facts: SeriesFacts;
  readonly #table: RegionTable;
  readonly #maps: AddressMaps;
  readonly #issues: Issues;
  readonly #header: HeaderClient | null;
  readonly #annotations: { readonly id: number; readonly vaddr: bigint; readonly size: number }[] = [];
  #headerReady = false;
  #initialised = false;
  #backend: RegionClient = DEFAULT;

  constructor(series: 'kmemdump-rfc2' | 'kmemdump-rfc3', options: RegistryOptions, header: HeaderClient | null = null) {
    this.facts = SERIES[series];
    this.#table = new RegionTable(this.facts);
    this.#maps = options.maps;
    this.#issues = options.issues;
    this.#header = header;
  }

  /** The name of the back-end in use. */
  get backendName(): string {
    return this.#backend.name;
  }

  /** KMEMDUMP_ID_NO_ID: asks for the lowest free ID from here on. */
  get noId(): number {
    return this.facts.firstDynamic;
  }

  /** KMEMDUMP_VAR_ID and its like (RFC v2): an annotation of the build, registered at late_initcall. */
  annotate(id: number, vaddr: bigint, size: number): void {
    if (this.facts.annotations === 'none') throw new TypeError(`${this.facts.series} has no annotations`);
    this.#annotations.push({ id, vaddr, size });
  }

  /**
   * kmemdump_register_id(): the ID, or EINVAL (a negative ID), ENOSPC (201 and above, or all dynamic IDs taken), EALREADY (the ID is taken), or
   * what the back-end says.
   */
  registerId(id: number, vaddr: bigint, size: number, name = ''): number | Refusal {
    const { slots } = this.facts;
    if (id < 0) return { errno: 'EINVAL', message: `${id} is no ID` };
    if (id >= slots) return { errno: 'ENOSPC', message: `ID ${id} is past the last one, ${slots - 1}` };
    const uid = id === this.noId ? this.#table.freeId() : id;
    if (uid === null) return { errno: 'ENOSPC', message: `all IDs from ${this.noId} to ${slots - 1} are taken` };
    if (this.#table.get(uid) !== undefined) return { errno: 'EALREADY', message: `ID ${uid} is taken` };
    const paddr = this.#maps.translate(vaddr);
    if (paddr === null) return untranslatable(name || (this.facts.names[uid] ?? ''), vaddr);
    const region = makeRegion(this.facts, uid, name || (this.facts.names[uid] ?? ''), { vaddr, paddr, size });
    const refusal = this.#backend.register(region);
    if (refusal !== null) return refusal;
    // A zone whose ID is 0 looks like a free slot.
    if (uid !== 0) this.#table.put(region);
    else this.#issues.add('id-zero-lost', 'ID 0 was given to the back-end, but the table takes its slot for free');
    if (this.#initialised && this.#headerReady) this.#header?.add(region);
    return uid;
  }

  /** kmemdump_register(): with a dynamic ID. */
  register(vaddr: bigint, size: number, name = ''): number | Refusal {
    return this.registerId(this.noId, vaddr, size, name);
  }

  /** kmemdump_unregister(): an ID that is not taken is ignored. */
  unregister(id: number): void {
    const region = this.#table.get(id);
    if (region === undefined) return;
    this.#backend.unregister(region);
    if (this.#initialised && this.#headerReady) this.#header?.remove(region);
    this.#table.take(id);
  }

  /** kmemdump_alloc_id_size_replace() (RFC v2), and what RFC v3 does for a new log buffer: whatever has the ID goes first. */
  replace(id: number, vaddr: bigint, size: number, name = ''): number | Refusal {
    this.unregister(id);
    return this.registerId(id, vaddr, size, name);
  }

  /** late_initcall: makes the core image, registers the annotations in the order of the build, then enters all of ID 3 and above in the header. */
  lateInit(): void {
    this.#prepareHeader();
    for (const { id, vaddr, size } of this.#annotations) {
      const result = this.registerId(id, vaddr, size);
      if (!isRefusal(result)) continue;
      this.#issues.add(
        'annotation-refused',
        `${this.facts.names[id] ?? `ID ${id}`}: ${result.message} (${result.errno})`,
        vaddr,
      );
    }
    for (const region of this.#table.list()) {
      if (region.id > ID_VMCOREINFO && this.#headerReady) this.#header?.add(region);
    }
    this.#initialised = true;
  }

  /** kmemdump_register_backend(): everything goes from the old one to the new; what the new one refuses stays registered, with an issue. */
  registerBackend(backend: RegionClient | null): Refusal | null {
    if (backend === null) return { errno: 'EINVAL', message: 'there is no back-end to register' };
    for (const region of this.#table.list()) this.#backend.unregister(region);
    this.#backend = backend;
    for (const region of this.#table.list()) {
      const refusal = backend.register(region);
      if (refusal === null) continue;
      this.#issues.add(
        'backend-refused',
        `${backend.name} refused ${region.name} (ID ${region.id}): ${refusal.message} (${refusal.errno})`,
        region.vaddr,
      );
    }
    return null;
  }

  /** kmemdump_unregister_backend(): back to the default one, which is told nothing. Another than the one in use is ignored. */
  unregisterBackend(backend: RegionClient): void {
    if (backend !== this.#backend) return;
    for (const region of this.#table.list()) backend.unregister(region);
    this.#backend = DEFAULT;
  }

  /** All zones in ID order. */
  regions(): Region[] {
    return this.#table.list();
  }

  #prepareHeader(): void {
    const made = this.#header?.prepare();
    if (made === undefined) return;
    if (isRefusal(made)) {
      this.#issues.add('no-core-image', `the core image was not made: ${made.message} (${made.errno})`);
      return;
    }
    this.#headerReady = true;
    const header = makeRegion(this.facts, ID_ELF, 'ELF', made.header);
    const refusal =
      this.#table.get(ID_ELF) === undefined
        ? this.#backend.register(header)
        : { errno: 'EALREADY', message: 'ID 1 is taken' };
    if (refusal === null) this.#table.put(header);
    else
      this.#issues.add('backend-refused', `${this.#backend.name} refused the core image's header: ${refusal.message}`);
  }
}

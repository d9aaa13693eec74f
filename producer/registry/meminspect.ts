// meminspect v1 to v3: a table of 201 entries, annotations of the build copied into it at late_initcall, replace on a taken ID, notifiers instead of back-ends. Calls return nothing; what is
// dropped without a word there is dropped here too, and told in an issue. Source: kernel/meminspect/meminspect.c of the postings of 2025-11-19, 2026-03-11, 2026-07-08.
import type { Issues } from 'kdumpling/reader';
import type { Refusal } from '../errno.js';
import type { Region } from '../region.js';
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

export type Notifier = (action: 'add' | 'remove', region: Region) => void;

interface Annotation {
  readonly id: number;
  readonly vaddr: bigint;
  readonly size: number;
}

export class Meminspect {
  readonly facts: SeriesFacts;
  readonly #table: RegionTable;
  readonly #maps: AddressMaps;
  readonly #issues: Issues;
  readonly #header: HeaderClient | null;
  readonly #notifiers: Notifier[] = [];
  readonly #annotations: Annotation[] = [];
  /** IDs of entries whose `pa` is 0: annotations of v1 and v2, which v3 fills in. */
  readonly #withoutPaddr = new Set<number>();
  #headerReady = false;

  constructor(
    series: 'meminspect-v1' | 'meminspect-v2' | 'meminspect-v3',
    options: RegistryOptions,
    header: HeaderClient | null = null,
  ) {
    this.facts = SERIES[series];
    this.#table = new RegionTable(this.facts);
    this.#maps = options.maps;
    this.#issues = options.issues;
    this.#header = header;
  }

  /** MEMINSPECT_ID_DYNAMIC: asks for the lowest free ID from here on. */
  get dynamicId(): number {
    return this.facts.firstDynamic;
  }

  /** MEMINSPECT_ENTRY and its like: an annotation of the build. It keeps the symbol's own address, and of several for one ID the last counts. */
  annotate(id: number, vaddr: bigint, size: number): void {
    this.#annotations.push({ id, vaddr, size });
  }

  /** meminspect_register_id_pa(). Dropped: an ID below 1 or past 200, a dynamic one when none is free. */
  registerIdPa(id: number, paddr: number, size: number, name = ''): void {
    const { slots, names } = this.facts;
    const what = name || (names[id] ?? 'a region');
    if (id <= 0 || id >= slots) {
      this.#dropped(what, `ID ${id} is not between 1 and ${slots - 1}`, paddr);
      return;
    }
    const uid = id === this.dynamicId ? this.#table.freeId() : id;
    if (uid === null) {
      this.#dropped(what, `all dynamic IDs (${this.dynamicId} to ${slots - 1}) are taken`, paddr);
      return;
    }
    if (this.#table.get(uid) !== undefined) this.unregisterId(uid);
    const vaddr = this.#maps.linearAddress(paddr);
    if (vaddr === null) {
      this.#dropped(what, 'the linear map is not known, so it has no virtual address', paddr);
      return;
    }
    const region = makeRegion(this.facts, uid, name || (names[uid] ?? ''), { vaddr, paddr, size });
    this.#table.put(region);
    if (this.#headerReady) this.#header?.add(region);
    this.#notify('add', region);
  }

  /** meminspect_register_pa(): with a dynamic ID. */
  registerPa(paddr: number, size: number, name = ''): void {
    this.registerIdPa(this.dynamicId, paddr, size, name);
  }

  /** meminspect_register_id_va(). */
  registerIdVa(id: number, vaddr: bigint, size: number, name = ''): void {
    const paddr = this.#maps.translate(vaddr);
    if (paddr === null) {
      this.#dropped(name || (this.facts.names[id] ?? 'a region'), 'it has no physical address', vaddr);
      return;
    }
    this.registerIdPa(id, paddr, size, name);
  }

  /** meminspect_register_va(): with a dynamic ID. */
  registerVa(vaddr: bigint, size: number, name = ''): void {
    this.registerIdVa(this.dynamicId, vaddr, size, name);
  }

  /** meminspect_unregister_pa(): the first entry, in ID order, with this address and size. */
  unregisterPa(paddr: number, size: number): void {
    for (const region of this.#table.list()) {
      const known = this.#withoutPaddr.has(region.id) ? 0 : region.paddr;
      if (known === paddr && region.size === size) {
        this.unregisterId(region.id);
        return;
      }
    }
  }

  /** meminspect_unregister_va(). */
  unregisterVa(vaddr: bigint, size: number): void {
    const paddr = this.#maps.translate(vaddr);
    if (paddr !== null) this.unregisterPa(paddr, size);
  }

  /** meminspect_unregister_id(): listeners first, then the header, then the entry. */
  unregisterId(id: number): void {
    const region = this.#table.get(id);
    if (region === undefined) return;
    this.#notify('remove', region);
    if (this.#headerReady) {
      const found = !this.#withoutPaddr.has(id) && this.#header?.remove(region);
      if (found === false) {
        this.#issues.add(
          'stale-header-entry',
          `${region.name || `ID ${id}`} was unregistered, but the core image keeps its program header: this series looks for the entry's physical address, and there is none`,
          region.paddr,
        );
      }
    }
    this.#withoutPaddr.delete(id);
    this.#table.take(id);
  }

  /** meminspect_traverse(): in ID order. */
  traverse(visit: (region: Region) => void): void {
    for (const region of this.#table.list()) visit(region);
  }

  /** meminspect_notifier_register(): EEXIST if it is there. */
  notifierRegister(notifier: Notifier): Refusal | null {
    if (this.#notifiers.includes(notifier)) return { errno: 'EEXIST', message: 'this notifier is registered' };
    this.#notifiers.push(notifier);
    return null;
  }

  /** meminspect_notifier_unregister(): ENOENT if it is not there. */
  notifierUnregister(notifier: Notifier): Refusal | null {
    const at = this.#notifiers.indexOf(notifier);
    if (at < 0) return { errno: 'ENOENT', message: 'this notifier is not registered' };
    this.#notifiers.splice(at, 1);
    return null;
  }

  /** late_initcall: copies the annotations over what is there, makes the core image, tells listeners that came before of every entry (again). */
  lateInit(): void {
    for (const { id, vaddr, size } of this.#annotations) this.#copyAnnotation(id, vaddr, size);
    this.#prepareHeader();
    for (const region of this.#table.list()) this.#notify('add', region);
  }

  /** What a driver does when it is probed: listens, then takes what is there. Returns what it does when it is removed. */
  attach(client: RegionClient): () => void {
    const tell = (region: Region) => {
      const refusal = client.register(region);
      if (refusal === null || refusal.errno === 'EEXIST') return;
      this.#issues.add(
        'backend-refused',
        `${client.name} refused ${region.name || 'a region'} (ID ${region.id}): ${refusal.message} (${refusal.errno})`,
        region.vaddr,
      );
    };
    const notifier: Notifier = (action, region) => {
      if (action === 'add') tell(region);
      else client.unregister(region);
    };
    this.notifierRegister(notifier);
    this.traverse(tell);
    return () => {
      this.notifierUnregister(notifier);
      this.traverse(region => client.unregister(region));
    };
  }

  #copyAnnotation(id: number, vaddr: bigint, size: number): void {
    const name = this.facts.names[id] ?? '';
    const paddr = this.#maps.translate(vaddr);
    if (paddr === null) {
      this.#dropped(name, 'it has no physical address', vaddr);
      return;
    }
    this.#table.put(makeRegion(this.facts, id, name, { vaddr, paddr, size }));
    if (!this.facts.annotationPaddr) this.#withoutPaddr.add(id);
  }

  #prepareHeader(): void {
    const made = this.#header?.prepare();
    if (made === undefined) return;
    if (isRefusal(made)) {
      this.#issues.add('no-core-image', `the core image was not made: ${made.message} (${made.errno})`);
      return;
    }
    this.registerIdPa(ID_ELF, made.header.paddr, made.header.size, 'ELF');
    for (const region of this.#table.list()) if (region.id > ID_VMCOREINFO) this.#header?.add(region);
    this.#headerReady = true;
  }

  #notify(action: 'add' | 'remove', region: Region): void {
    for (const notifier of this.#notifiers.slice()) notifier(action, region);
  }

  #dropped(what: string, why: string, address: bigint | number): void {
    this.#issues.add('registration-dropped', `${what} was dropped without a word: ${why}`, address);
  }
}

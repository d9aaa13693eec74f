// kmemdump RFC v1: handles, IDs given out cyclically, one back-end without which nothing is dumped; the core image is made when it comes.
// Source: drivers/debug/kmemdump.c and kmemdump_coreimage.c of the posting of 2025-04-22.
import type { Issues } from 'kdumpling/reader';
import type { Refusal } from '../errno.js';
import type { Region } from '../region.js';
import { RFC1_HANDLE_LENGTH, SERIES } from './series.js';
import {
  type AddressMaps,
  type HeaderClient,
  isRefusal,
  makeRegion,
  type RegionClient,
  RegionTable,
  type RegistryOptions,
} from './table.js';

export class KmemdumpRfc1 {
  readonly facts = SERIES['kmemdump-rfc1'];
  readonly #table = new RegionTable(this.facts);
  readonly #maps: AddressMaps;
  readonly #issues: Issues;
  readonly #outOfMemory: () => boolean;
  readonly #header: HeaderClient | null;
  /** IDs that the back-end accepted. */
  readonly #registered = new Set<number>();
  #headerReady = false;
  #backend: RegionClient | null = null;

  constructor(options: RegistryOptions, header: HeaderClient | null = null) {
    this.#maps = options.maps;
    this.#issues = options.issues;
    this.#outOfMemory = options.outOfMemory ?? (() => false);
    this.#header = header;
  }

  /**
   * kmemdump_register(). ENOMEM, ENOSPC (512 IDs are taken), or what the back-end says; then the ID stays taken all the same, and the next
   * back-end is offered the region.
   */
  register(handle: string, vaddr: bigint, size: number): number | Refusal {
    if (this.#outOfMemory()) return { errno: 'ENOMEM', message: `there is no memory for the zone of ${handle}` };
    const paddr = this.#maps.translate(vaddr);
    if (paddr === null) return untranslatable(handle, vaddr);
    const id = this.#table.freeId();
    if (id === null) return { errno: 'ENOSPC', message: `all ${this.facts.slots} IDs are taken` };
    const whole = makeRegion(this.facts, id, handle, { vaddr, paddr, size });
    // The table keeps the handle in 8 bytes; a back-end that is there already gets all of it.
    this.#table.put(makeRegion(this.facts, id, handle.slice(0, RFC1_HANDLE_LENGTH), whole));
    if (this.#backend === null) return id;
    const refusal = this.#offer(this.#backend, whole);
    return refusal ?? id;
  }

  /** kmemdump_unregister(). */
  unregister(id: number): void {
    const region = this.#table.get(id);
    if (region === undefined) {
      this.#lockLeft(`unregistering ID ${id}, which is not registered`);
      return;
    }
    if (this.#registered.delete(id)) {
      this.#backend?.unregister(region);
      if (this.#headerReady) this.#header?.remove(region);
    }
    this.#table.take(id);
  }

  /**
   * kmemdump_register_backend(): EALREADY if there is one. Makes the core image, calls `coreinfo` (register_coreinfo(): what the series itself
   * registers), then offers what was registered before; the first refusal ends that.
   */
  registerBackend(backend: RegionClient | null, coreinfo: () => void = () => {}): Refusal | null {
    if (this.#backend !== null) {
      this.#lockLeft('registering a second back-end');
      return { errno: 'EALREADY', message: `back-end ${this.#backend.name} is registered; this series knows one` };
    }
    if (backend === null) {
      this.#lockLeft('registering no back-end');
      return { errno: 'EINVAL', message: 'there is no back-end to register' };
    }
    this.#backend = backend;
    this.#prepareHeader(backend);
    coreinfo();
    for (const region of this.#table.list()) {
      if (!this.#registered.has(region.id) && this.#offer(backend, region) !== null) break;
    }
    return null;
  }

  /** kmemdump_unregister_backend(): another than the registered one is ignored. */
  unregisterBackend(backend: RegionClient): void {
    if (backend !== this.#backend) return;
    for (const region of this.#table.list()) {
      if (!this.#registered.has(region.id)) continue;
      if (backend.unregister(region) !== null) break;
      this.#registered.delete(region.id);
      if (this.#headerReady) this.#header?.remove(region);
    }
    this.#backend = null;
  }

  /** All zones in ID order, whether or not a back-end has them. */
  regions(): Region[] {
    return this.#table.list();
  }

  #offer(backend: RegionClient, region: Region): Refusal | null {
    const refusal = backend.register(region);
    if (refusal === null) {
      this.#registered.add(region.id);
      if (this.#headerReady) this.#header?.add(region);
    } else {
      this.#issues.add(
        'backend-refused',
        `${backend.name} refused ${region.name} (ID ${region.id}): ${refusal.message} (${refusal.errno})`,
        region.vaddr,
      );
    }
    return refusal;
  }

  /** init_elfheader(): header and VMCOREINFO go to the back-end as ID 0, past the table. */
  #prepareHeader(backend: RegionClient): void {
    const made = this.#header?.prepare();
    if (made === undefined) return;
    if (isRefusal(made)) {
      this.#issues.add('no-core-image', `the core image was not made: ${made.message} (${made.errno})`);
      return;
    }
    this.#headerReady = true;
    backend.register(makeRegion(this.facts, 0, 'ELF', made.header));
    if (made.vmcoreinfo !== null) backend.register(makeRegion(this.facts, 0, 'vmcoreinfo', made.vmcoreinfo));
  }

  #lockLeft(what: string): void {
    this.#issues.add(
      'lock-left-locked',
      `${what}: this series' code returns with its lock held, so a kernel would hang at the next call`,
    );
  }
}

export function untranslatable(name: string, vaddr: bigint): Refusal {
  return {
    errno: 'EINVAL',
    message: `${name === '' ? 'the region' : name} at 0x${vaddr.toString(16)} has no physical address in the linear and image maps`,
  };
}

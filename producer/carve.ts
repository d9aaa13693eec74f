// A registry over a dead kernel: plays the registrations of a series, then a user's, in the order in which a boot would make them, and lets a back-end
// take them. What the kernel's registry would hold at its death is the result.
import { hex, type Issues } from 'kdumpling/reader';
import type { RegionRequest } from 'kdumpling/reader/formats/region-set';
import { CoreImage } from './core-image.js';
import type { Refusal } from './errno.js';
import type { TargetKernel } from './kernel.js';
import { KernelWords } from './kernel-words.js';
import type { OverlayMemory } from './overlay-memory.js';
import type { LeftOut, Resolution, SizeFrom } from './placer.js';
import type { Region } from './region.js';
import { REGION_SETS, type RegionSet } from './region-sets/index.js';
import {
  ID_VMCOREINFO,
  isRefusal,
  Kmemdump,
  KmemdumpRfc1,
  Meminspect,
  type RegionClient,
  SERIES,
  type SeriesName,
} from './registry/index.js';
import { Resolver } from './resolve.js';

export interface CarveRequest {
  /** Its memory must be `memory`. */
  readonly kernel: TargetKernel;
  readonly memory: OverlayMemory;
  /** Whose rules hold; null: no registry's, so that any number of regions is taken. */
  readonly series: SeriesName | null;
  /** Whether the series' own regions are registered, or only those of `requests`. */
  readonly withSet: boolean;
  /** A user's regions: registered at run time after the kernel's own, before the back-end comes. */
  readonly requests: readonly RegionRequest[];
  readonly backend: RegionClient;
  readonly issues: Issues;
}

export interface CarvedRegion extends Region {
  readonly sizeFrom: SizeFrom;
}

export interface Carved {
  /** In ID order: header and VMCOREINFO too, where the registry or the back-end has them. */
  readonly regions: readonly CarvedRegion[];
  readonly leftOut: readonly LeftOut[];
}

const NO_SET: RegionSet = {
  early: [{ what: 'vmcoreinfo', id: 'VMCOREINFO' }],
  annotations: [],
  withBackend: [],
};

/** saved_command_line is longer, but pr_psargs has 80 bytes. */
const COMMAND_LINE = 256;

/** Registers; `backend` is told as that series' back-end is. */
export function registerRegions(request: CarveRequest): Carved {
  return new Carving(request).run();
}

class Carving {
  readonly #request: CarveRequest;
  readonly #resolver: Resolver;
  readonly #image: CoreImage;
  /** paddr:size -> where the size came from. */
  readonly #sizes = new Map<string, SizeFrom>();
  /** What reached the back-end, for header and VMCOREINFO of RFC v1, which are in no table. */
  readonly #outside: Region[] = [];

  constructor(request: CarveRequest) {
    this.#request = request;
    const { kernel, memory, issues } = request;
    this.#resolver = new Resolver(kernel, issues);
    this.#image = new CoreImage({
      arch: kernel.arch,
      littleEndian: kernel.littleEndian,
      memory,
      linearAddress: paddr => kernel.linearAddress(paddr),
      vmcoreinfo: vmcoreinfoPlace(kernel),
      commandLine: commandLine(kernel),
      issues,
    });
  }

  get #set(): RegionSet {
    const { series, withSet } = this.#request;
    return withSet && series !== null ? REGION_SETS[series] : NO_SET;
  }

  run(): Carved {
    const { series } = this.#request;
    const regions = this.#played(series);
    return {
      regions: [...this.#outside, ...regions].map(region => ({
        ...region,
        sizeFrom: this.#sizes.get(`${region.paddr}:${region.size}`) ?? 'core-image',
      })),
      leftOut: this.#resolver.leftOut,
    };
  }

  #played(series: SeriesName | null): Region[] {
    switch (series) {
      case null:
        return this.#plain();
      case 'kmemdump-rfc1':
        return this.#rfc1();
      case 'kmemdump-rfc2':
      case 'kmemdump-rfc3':
        return this.#kmemdump(series);
      default:
        return this.#meminspect(series);
    }
  }

  /** No registry: VMCOREINFO, then what was asked for, by ascending IDs. */
  #plain(): Region[] {
    const { requests, backend } = this.#request;
    const regions: Region[] = [];
    let next = ID_VMCOREINFO;
    const register = (resolution: Resolution) => {
      const { name, vaddr, paddr, size } = resolution;
      const region: Region = { id: next++, name, vaddr, paddr, size };
      const refusal = backend.register(region);
      this.#told(resolution, refusal ?? region.id);
      if (refusal === null) regions.push(region);
    };
    for (const resolution of this.#resolver.entries(this.#set.early)) register(resolution);
    next = Math.max(next, ID_VMCOREINFO + 1);
    for (const resolution of this.#resolver.requests(requests)) register(resolution);
    return regions;
  }

  get #options() {
    return { maps: this.#request.kernel, issues: this.#request.issues };
  }

  #rfc1(): Region[] {
    const registry = new KmemdumpRfc1(this.#options, this.#image);
    const register = (resolution: Resolution) => {
      if (typeof resolution.id === 'number') {
        this.#request.issues.add(
          'id-ignored',
          `${resolution.name}: this series gives out IDs itself`,
          resolution.vaddr,
        );
      }
      this.#told(resolution, registry.register(resolution.name, resolution.vaddr, resolution.size));
    };
    // Header and VMCOREINFO go past the table.
    const { backend } = this.#request;
    const watched: RegionClient = {
      name: backend.name,
      register: region => {
        const refusal = backend.register(region);
        if (refusal === null && (region.name === 'ELF' || region.name === 'vmcoreinfo')) this.#outside.push(region);
        return refusal;
      },
      unregister: region => backend.unregister(region),
    };
    const refusal = registry.registerBackend(watched, () => {
      for (const resolution of this.#resolver.entries(this.#set.withBackend)) register(resolution);
    });
    if (refusal !== null) this.#refused(backend.name, refusal);
    for (const resolution of this.#resolver.requests(this.#request.requests)) register(resolution);
    return registry.regions();
  }

  #kmemdump(series: 'kmemdump-rfc2' | 'kmemdump-rfc3'): Region[] {
    const registry = new Kmemdump(series, this.#options, this.#image);
    const register = (resolution: Resolution) => {
      const { vaddr, size, name } = resolution;
      const id = this.#id(resolution, registry.noId);
      this.#told(
        resolution,
        resolution.replaces ? registry.replace(id, vaddr, size, name) : registry.registerId(id, vaddr, size, name),
      );
    };
    for (const resolution of this.#resolver.entries(this.#set.early)) register(resolution);
    for (const resolution of this.#resolver.entries(this.#set.annotations)) {
      this.#remember(resolution);
      registry.annotate(this.#id(resolution, registry.noId), resolution.vaddr, resolution.size);
    }
    registry.lateInit();
    for (const resolution of this.#resolver.requests(this.#request.requests)) register(resolution);
    const refusal = registry.registerBackend(this.#request.backend);
    if (refusal !== null) this.#refused(this.#request.backend.name, refusal);
    return registry.regions();
  }

  #meminspect(series: 'meminspect-v1' | 'meminspect-v2' | 'meminspect-v3'): Region[] {
    const registry = new Meminspect(series, this.#options, this.#image);
    const register = (resolution: Resolution) => {
      this.#remember(resolution);
      const { paddr, size, name } = resolution;
      registry.registerIdPa(this.#id(resolution, registry.dynamicId), paddr, size, name);
    };
    for (const resolution of this.#resolver.entries(this.#set.early)) register(resolution);
    for (const resolution of this.#resolver.entries(this.#set.annotations)) {
      this.#remember(resolution);
      registry.annotate(this.#id(resolution, registry.dynamicId), resolution.vaddr, resolution.size);
    }
    registry.lateInit();
    for (const resolution of this.#resolver.requests(this.#request.requests)) register(resolution);
    registry.attach(this.#request.backend);
    const regions: Region[] = [];
    registry.traverse(region => regions.push(region));
    return regions;
  }

  #id(resolution: Resolution, dynamic: number): number {
    if (typeof resolution.id === 'number') return resolution.id;
    if (resolution.id === null) return dynamic;
    const { series } = this.#request;
    const id = series === null ? -1 : SERIES[series].names.indexOf(resolution.id);
    return id < 0 ? dynamic : id;
  }

  #remember(resolution: Resolution): void {
    this.#sizes.set(`${resolution.paddr}:${resolution.size}`, resolution.sizeFrom);
  }

  #told(resolution: Resolution, result: number | Refusal): void {
    if (isRefusal(result)) this.#refused(resolution.name || hex(resolution.vaddr), result);
    else this.#remember(resolution);
  }

  #refused(name: string, refusal: Refusal): void {
    this.#resolver.leave(name, 'refused', `${refusal.message} (${refusal.errno})`);
  }
}

function vmcoreinfoPlace(kernel: TargetKernel) {
  const { vmcoreinfo } = kernel;
  if (vmcoreinfo === null || vmcoreinfo.paddr === null) return null;
  const { paddr, text } = vmcoreinfo;
  const vaddr = vmcoreinfo.vaddr ?? kernel.linearAddress(paddr) ?? 0n;
  return { vaddr, paddr, size: new TextEncoder().encode(text).length };
}

function commandLine(kernel: TargetKernel): string {
  const words = new KernelWords(kernel);
  const line = words.variable('saved_command_line');
  return line === null ? '' : (words.text(line, COMMAND_LINE) ?? '');
}

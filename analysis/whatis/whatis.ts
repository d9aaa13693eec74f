// What an address points to: the first of these that has it, from the narrowest to the widest: a task's stack, a symbol, a CPU's copy of a variable, an object of a slab, a module's memory, an area of vmalloc space,
// a struct page, a page and what it is used for.
import { hex, type Issues } from 'kdumpling/reader';
import { asking } from '../asking.js';
import { type PerCpu, perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { type Module, modules } from '../modules/index.js';
import {
  areaAt,
  PAGE_TYPE_LARGE_KMALLOC,
  type PageDetail,
  PageDetails,
  structPageAt,
  type VmallocArea,
  vmallocAreas,
} from '../pages/index.js';
import {
  kfencePool,
  type NamedTrack,
  namedTrack,
  type ObjectState,
  SlabLookup,
  slabAllocator,
  type Track,
  type Tracks,
} from '../slab/index.js';
import { placeText } from '../symbols/index.js';
import type { Task } from '../tasks/index.js';
import { TaskStacks } from './stacks.js';

/** `slack`: in a slab, but in none of its objects; `large-kmalloc`: too large for a slab, pages of its own; `kfence`: an object that KFENCE has put on a page of its own; `unknown`: nothing is known there. */
export type AddressKind =
  | 'stack'
  | 'symbol'
  | 'per-cpu'
  | 'slab'
  | 'slack'
  | 'large-kmalloc'
  | 'kfence'
  | 'kfence-guard'
  | 'module'
  | 'vmalloc'
  | 'struct-page'
  | 'page'
  | 'unknown';

/** What is unknown, or does not apply, is null. */
export interface WhatIs {
  readonly address: bigint;
  readonly kind: AddressKind;
  /** The slab cache's name. */
  readonly cache: string | null;
  /** Where what has the address begins: the object, the symbol, the stack, the struct page. */
  readonly object: bigint | null;
  /** From there. */
  readonly offset: number | null;
  readonly state: ObjectState | null;
  /** Who took a slab object and who gave it back last, where its cache keeps that. */
  readonly allocated: NamedTrack | null;
  readonly freed: NamedTrack | null;
  /** The path of the memory cgroup that a slab object is charged to. */
  readonly cgroup: string | null;
  /** Bytes of a large kmalloc's pages, or of an object of KFENCE's. */
  readonly size: number | null;
  /** Of an area of vmalloc space who made it. */
  readonly symbol: string | null;
  readonly module: string | null;
  readonly cpu: number | null;
  /** Whose stack or task_struct it is. */
  readonly task: Pick<Task, 'pid' | 'comm'> | null;
  /** The page behind it, whatever the kind. */
  readonly page: Pick<PageDetail, 'pfn' | 'use' | 'flagNames'> | null;
}

const NOTHING: Omit<WhatIs, 'address' | 'kind'> = {
  cache: null,
  object: null,
  offset: null,
  state: null,
  allocated: null,
  freed: null,
  cgroup: null,
  size: null,
  symbol: null,
  module: null,
  cpu: null,
  task: null,
  page: null,
};

type Found = Partial<WhatIs> & Pick<WhatIs, 'kind'>;

/** A function that tells of addresses; what it cannot know in this dump is told once. */
export class Whatis {
  readonly #kernel: Kernel;
  readonly #stacks: TaskStacks | null;
  readonly #perCpu: PerCpu | null;
  readonly #slabs: SlabLookup | null;
  readonly #modules: readonly Module[];
  readonly #areas: readonly VmallocArea[];
  readonly #pages: PageDetails | null;
  readonly #ways: readonly ((address: bigint) => Found | null)[];

  constructor(kernel: Kernel, issues: Issues) {
    const ask = asking(issues, 'unknown-kind');
    this.#kernel = kernel;
    this.#stacks = ask('stacks of tasks', () => new TaskStacks(kernel, issues));
    this.#perCpu = ask('per-CPU variables', () => perCpu(kernel));
    this.#slabs = ask('slab objects', () => new SlabLookup(slabAllocator(kernel, issues), issues));
    this.#modules = ask('memory of modules', () => [...modules(kernel, issues)]) ?? [];
    this.#areas = ask('areas of vmalloc space', () => vmallocAreas(kernel, issues)) ?? [];
    this.#pages = ask('pages', () => new PageDetails(kernel, issues));
    this.#ways = [
      address => this.#stack(address),
      address => this.#symbol(address),
      address => this.#perCpuTemplate(address),
      address => this.#perCpuAt(address),
      address => this.#slab(address),
      address => this.#kfence(address),
      address => this.#largeKmalloc(address),
      address => this.#module(address),
      address => this.#vmalloc(address),
      address => this.#structPage(address),
    ];
  }

  /** @throws MemoryFault where what would tell cannot be read */
  at(address: bigint): WhatIs {
    const page = this.#page(address);
    const found = this.#first(address) ?? { kind: page === null ? ('unknown' as const) : ('page' as const) };
    return { ...NOTHING, page, ...found, address };
  }

  #first(address: bigint): Found | null {
    for (const way of this.#ways) {
      const found = way(address);
      if (found !== null) return found;
    }
    return null;
  }

  #stack(address: bigint): Found | null {
    const found = this.#stacks?.at(address) ?? null;
    if (found === null) return null;
    const { start, task } = found;
    return { kind: 'stack', object: start, offset: Number(address - start), task: who(task) };
  }

  #symbol(address: bigint): Found | null {
    const found = this.#kernel.symbols.at(address);
    if (found === null || found.perCpu) return null;
    const { name, module } = found;
    return { kind: 'symbol', object: found.address, offset: Number(address - found.address), symbol: name, module };
  }

  /** What a per-CPU symbol's own address, or a pointer that no CPU's offset was added to, stands for; what lies there now is not meant. Small ones are rather NULL and an offset. */
  #perCpuTemplate(address: bigint): Found | null {
    const found = address < BigInt(this.#kernel.pageSize) ? null : this.#kernel.symbols.at(address);
    if (found === null || !found.perCpu) return null;
    const { name, module } = found;
    const offset = Number(address - found.address);
    return { kind: 'per-cpu', object: found.address, offset, symbol: name, module, page: null };
  }

  /** A copy lies as far from its template as every other copy of the same CPU. */
  #perCpuAt(address: bigint): Found | null {
    const all = this.#perCpu;
    for (const cpu of all?.possible ?? []) {
      const template = BigInt.asUintN(this.#kernel.arch.bits, address - (all?.offset(cpu) ?? 0n));
      const found = this.#kernel.symbols.at(template);
      if (found === null || !found.perCpu) continue;
      const { name, module } = found;
      const offset = Number(template - found.address);
      return { kind: 'per-cpu', object: address - BigInt(offset), offset, symbol: name, module, cpu };
    }
    return null;
  }

  #slab(address: bigint): Found | null {
    const found = this.#slabs?.at(address) ?? null;
    if (found === null) return null;
    const { cache, object, offset, state, tracks, cgroup } = found;
    const task = object === null ? null : (this.#stacks?.taskAt(object) ?? null);
    const kind = object === null ? 'slack' : 'slab';
    return {
      kind,
      cache: cache.name,
      object,
      offset,
      state,
      ...this.#named(tracks),
      cgroup,
      task: task === null ? null : who(task),
    };
  }

  #kfence(address: bigint): Found | null {
    const { memory, pageSize } = this.#kernel;
    const pool = this.#slabs === null ? null : kfencePool(this.#kernel);
    const paddr = pool === null ? -1 : memory.translate(address);
    const pfn = Math.floor(paddr / pageSize);
    if (pool === null || paddr < 0 || !pool.has(pfn)) return null;
    const found = pool.at(pfn);
    if (found === null) return { kind: 'kfence-guard' };
    const { address: object, size, state, cache, tracks } = found;
    return {
      kind: 'kfence',
      cache: this.#slabs?.cacheAt(cache)?.name ?? null,
      object,
      offset: Number(address - object),
      size,
      state,
      ...this.#named(tracks),
    };
  }

  #named(tracks: Tracks | null): Pick<WhatIs, 'allocated' | 'freed'> {
    const named = (track: Track | null | undefined) => (track == null ? null : namedTrack(this.#kernel, track));
    return { allocated: named(tracks?.allocated), freed: named(tracks?.freed) };
  }

  /** The page's head says so: its order is the size that was made of what was asked for. */
  #largeKmalloc(address: bigint): Found | null {
    const { memory, pageSize } = this.#kernel;
    const paddr = memory.translate(address);
    const detail = paddr < 0 ? null : (this.#pages?.of(Math.floor(paddr / pageSize)) ?? null);
    if (detail === null) return null;
    const head = detail.compound?.head ?? detail.pfn;
    if (this.#pages?.pages.type(head) !== PAGE_TYPE_LARGE_KMALLOC) return null;
    const offset = paddr - head * pageSize;
    const size = pageSize * 2 ** (detail.compound?.order ?? 0);
    return { kind: 'large-kmalloc', object: address - BigInt(offset), offset, size, state: 'allocated' };
  }

  #module(address: bigint): Found | null {
    for (const { name, memory } of this.#modules) {
      const part = memory.find(one => address >= one.address && address < one.address + BigInt(one.size));
      if (part === undefined) continue;
      return { kind: 'module', module: name, object: part.address, offset: Number(address - part.address) };
    }
    return null;
  }

  #vmalloc(address: bigint): Found | null {
    const area = areaAt(this.#areas, address);
    if (area === null) return null;
    const symbol = area.caller === null ? null : placeText(area.caller);
    return { kind: 'vmalloc', object: area.start, offset: Number(address - area.start), symbol };
  }

  #structPage(address: bigint): Found | null {
    const pages = this.#pages?.pages;
    const pfn = pages === undefined ? -1 : structPageAt(pages, address);
    const object = pfn < 0 ? null : (pages?.address(pfn) ?? null);
    if (object === null) return null;
    return { kind: 'struct-page', object, offset: Number(address - object), page: this.#pageOf(pfn) };
  }

  #page(address: bigint): WhatIs['page'] {
    const paddr = this.#kernel.memory.translate(address);
    return paddr < 0 ? null : this.#pageOf(Math.floor(paddr / this.#kernel.pageSize));
  }

  #pageOf(pfn: number): WhatIs['page'] {
    const page = this.#pages?.of(pfn) ?? null;
    return page === null ? null : { pfn, use: page.use, flagNames: page.flagNames };
  }
}

const who = ({ pid, comm }: Task): WhatIs['task'] => ({ pid, comm });

/** One sentence, without the address. */
export function whatisText({
  kind,
  object,
  offset,
  size,
  cgroup,
  cache,
  state,
  symbol,
  module,
  cpu,
  task,
  page,
}: WhatIs): string {
  const by = offset === null || offset === 0 ? '' : `${offset < 0 ? '-' : '+'}${hex(Math.abs(offset))}`;
  const of = module === null ? '' : ` [${module}]`;
  const whose = task === null ? '' : `PID ${task.pid ?? '?'} (${task.comm ?? '?'})`;
  const frame = page === null ? '' : `page ${hex(page.pfn)}: ${page.use ?? 'of unknown use'}`;
  const charged = cgroup === null ? '' : `, charged to the cgroup ${cgroup}`;
  const start = object === null ? '' : hex(object);
  const told: Record<AddressKind, string> = {
    stack: `the stack of ${whose}${by}`,
    symbol: `${symbol}${by}${of}`,
    'per-cpu': `${symbol}${by}${of}, ${cpu === null ? 'a per-CPU variable: every CPU has its own copy elsewhere' : `CPU ${cpu}`}`,
    slab: `${cache} ${start}${by}, ${state}${whose === '' ? '' : `: the task_struct of ${whose}`}${charged}`,
    kfence: `${cache ?? 'no cache'} ${start}${by}, ${state}, ${size} bytes on a page of KFENCE’s`,
    'kfence-guard': 'a guard page of KFENCE’s pool',
    'large-kmalloc': `a kmalloc of ${size} bytes ${start}${by}`,
    slack: `a slab of ${cache}, but none of its objects`,
    module: `memory of the module ${module}, ${start}${by}`,
    vmalloc: `the vmalloc area ${start}${by}${symbol === null ? '' : `, made by ${symbol}`}`,
    'struct-page': `the struct page ${start}${by} of ${frame}`,
    page: frame,
    unknown: 'nothing is known there',
  };
  return told[kind];
}

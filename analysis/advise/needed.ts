// What a region core lacks for an answer: the reads that failed while it was made, as regions to register.
import { type AddressMap, MemoryFault } from 'kdumpling/reader';
import type { KernelSymbol } from 'kdumpling/reader/debuginfo';
import type { RegionRequest } from 'kdumpling/reader/formats/region-set';
import { perCpu } from '../collections/index.js';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { kernelTranslator } from '../vtop/index.js';

/** What no region holds. */
export interface Needed {
  /** A symbol, or what it is: `the kernel's symbols (kallsyms)`, `the kernel's types (BTF, …)`, `the kernel's page tables`, `memory`. */
  readonly what: string;
  /** Null if it is not known. */
  readonly address: bigint | null;
  /** Bytes; null if unknown. */
  readonly size: number | null;
  /** What registers it; null where that takes more than this core tells. */
  readonly request: RegionRequest | null;
}

const MOST_MISSES = 512;
/** Copies of CPUs that addresses are looked for in. */
const MOST_COPIES = 4096;
const NOT_NAMED = { name: null, id: null } as const;

/** Members of a struct that a NULL pointer stands for, and error pointers: nothing can be registered there. */
const NEAR_NULL = 0x1_0000n;
const ERRORS = 0x1000n;

const isNowhere = (vaddr: bigint, pointerSize: number): boolean =>
  vaddr < NEAR_NULL || vaddr >= (1n << BigInt(8 * pointerSize)) - ERRORS;

/** Listens to reads that fail because no region holds what they read. */
export class Misses {
  readonly #memory: AddressMap;
  /** By address, bytes. */
  readonly #lengths = new Map<bigint, number>();
  /** Some address has no translation. */
  #untranslated = false;

  constructor(memory: AddressMap) {
    this.#memory = memory;
    memory.onMiss = (vaddr, length) => this.#add(vaddr, length);
  }

  #add(vaddr: bigint, length: number): void {
    if (isNowhere(vaddr, this.#memory.pointerSize)) return;
    const { space, reason } = this.#memory.fault;
    if (space === 'virtual') this.#untranslated = true;
    else if (reason !== 'unregistered') return;
    if (this.#lengths.size < MOST_MISSES || this.#lengths.has(vaddr)) {
      this.#lengths.set(vaddr, Math.max(length, this.#lengths.get(vaddr) ?? 0));
    }
  }

  /** Listens no more. */
  stop(): void {
    this.#memory.onMiss = null;
  }

  get untranslated(): boolean {
    return this.#untranslated;
  }

  /** In the order in which they were first met. */
  [Symbol.iterator](): Iterator<[vaddr: bigint, length: number]> {
    return this.#lengths[Symbol.iterator]();
  }
}

export interface NeededOptions {
  readonly misses: Misses;
  /** The answer wanted symbols, or types, that are not there. */
  readonly symbols: boolean;
  readonly types: boolean;
  /** It wanted page tables. */
  readonly tables: boolean;
}

export interface Needs {
  readonly needed: readonly Needed[];
  /** Other places that were wanted: what has no name, as objects that are pointed at. */
  readonly others: number;
  /** The first of them. */
  readonly first: Needed | null;
}

/** What is needed first; what it leads to cannot be told from a core that lacks it. */
export function neededRegions(kernel: Kernel, { misses, symbols, types, tables }: NeededOptions): Needs {
  misses.stop();
  const needed: Needed[] = [];
  let first: Needed | null = null;
  if (symbols) needed.push(symbolTable(kernel));
  if (types) needed.push(typeTable(kernel));
  if ((tables || misses.untranslated) && (kernelTranslator(kernel.memory)?.map ?? null) === null) {
    needed.push(pageTables(kernel));
  }
  let others = 0;
  const copies = new Copies(kernel);
  for (const [vaddr, length] of misses) {
    if (needed.some(one => covers(one, vaddr))) continue;
    const symbol = kernel.symbols.at(vaddr) ?? copies.at(vaddr);
    if (symbol === null || symbol.module !== null) {
      if (others++ === 0) first = { what: 'memory', address: vaddr, size: length, request: null };
    } else if (!needed.some(({ what }) => what === symbol.name)) needed.push(ofSymbol(symbol));
  }
  return { needed, others, first };
}

const covers = ({ address, size }: Needed, vaddr: bigint): boolean =>
  address !== null && vaddr >= address && vaddr < address + BigInt(size ?? 0);

/** VMCOREINFO tells where the tables are: from the first of them to the end of what follows the last (512 bytes of token index, 3 a symbol of the sorted table). */
function symbolTable(kernel: Kernel): Needed {
  const what = "the kernel's symbols (kallsyms)";
  const names = ['offsets', 'addresses', 'relative_base', 'num_syms', 'names', 'token_table', 'token_index'];
  const places = names.flatMap(name => {
    const symbol = `kallsyms_${name}`;
    const address = kernel.vmcoreinfo?.symbol(symbol);
    return address === undefined ? [] : [{ symbol, address }];
  });
  places.sort((a, b) => (a.address < b.address ? -1 : 1));
  const first = places.at(0);
  const last = places.at(-1);
  const countAt = kernel.vmcoreinfo?.symbol('kallsyms_num_syms');
  const at = countAt === undefined ? -1 : kernel.memory.locate(countAt, 4);
  if (first === undefined || last === undefined || at < 0) return { what, address: null, size: null, request: null };
  const count = kernel.memory.view.getUint32(at, kernel.memory.littleEndian);
  const behind = last.symbol === 'kallsyms_token_index' ? 512 : 16 + 8 * count;
  const size = Number(last.address - first.address) + behind;
  const request = { kind: 'symbol', symbol: first.symbol, length: size, ...NOT_NAMED } as const;
  return { what, address: first.address, size, request };
}

function typeTable(kernel: Kernel): Needed {
  const what = "the kernel's types (BTF, from __start_BTF to __stop_BTF)";
  const start = kernel.symbol('__start_BTF');
  const stop = kernel.symbol('__stop_BTF');
  if (start === null || stop === null || stop.address <= start.address) {
    return { what, address: start?.address ?? null, size: null, request: null };
  }
  const size = Number(stop.address - start.address);
  const request = { kind: 'symbol', symbol: start.name, length: size, ...NOT_NAMED } as const;
  return { what, address: start.address, size, request };
}

function pageTables(kernel: Kernel): Needed {
  const address = kernel.symbol('swapper_pg_dir')?.address ?? kernel.vmcoreinfo?.symbol('swapper_pg_dir') ?? null;
  const size = kernel.pageSize;
  const request = { kind: 'symbol', symbol: 'swapper_pg_dir', length: size, ...NOT_NAMED } as const;
  return { what: "the kernel's page tables", address, size, request: address === null ? null : request };
}

function ofSymbol({ name, address, size, sizeFrom, perCpu: copied }: KernelSymbol): Needed {
  const length = sizeFrom === 'exact' && size > 0 ? size : null;
  const copies = copied ? ({ perCpu: true } as const) : {};
  const request = { kind: 'symbol', symbol: name, length, ...copies, ...NOT_NAMED } as const;
  return { what: name, address, size: size > 0 ? size : null, request };
}

/** Variables of CPUs by the addresses of their copies. */
class Copies {
  readonly #kernel: Kernel;
  #left = MOST_COPIES;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The template of what lies at an address. */
  at(vaddr: bigint): KernelSymbol | null {
    const { own, arch } = this.#kernel;
    try {
      const areas = perCpu(this.#kernel);
      for (const cpu of areas.possible) {
        if (this.#left-- <= 0) return null;
        const found = own.at(BigInt.asUintN(arch.bits, vaddr - areas.offset(cpu)));
        if (found?.perCpu === true) return found;
      }
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
    }
    return null;
  }
}

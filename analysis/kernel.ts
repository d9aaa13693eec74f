// A kernel in a dump: its memory, types and symbols. Knowledge of what lies in the memory is functions in the folders beside this file.
import type { AddressMap, Dump, Issues, PhysicalMemory } from 'kdumpling/reader';
import type { Architecture } from 'kdumpling/reader/arch';
import type { KernelSymbol, Symbols, Types } from 'kdumpling/reader/debuginfo';
import type { SourceFrame } from 'kdumpling/reader/debuginfo/dwarf';
import type { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';
import { Missing } from './missing.js';

export interface KernelParts {
  readonly dump: Dump;
  readonly arch: Architecture;
  readonly symbols: Symbols;
  /** Those of `symbols` that are the kernel's own and no module's; all if left out. */
  readonly own?: Symbols;
  /** Opens the types; called when they are first asked for. */
  readonly types: () => Types | null;
  /** From code to source; none where it is left out. */
  readonly source?: (address: bigint) => readonly SourceFrame[];
  /** What was found while the kernel was opened; answers have lists of their own. */
  readonly issues: Issues;
}

export class Kernel {
  readonly dump: Dump;
  readonly arch: Architecture;
  /** Modules included; the names that answers need are looked up among the kernel's own only (`symbol`): a module may have a static variable of the same name. */
  readonly symbols: Symbols;
  readonly issues: Issues;
  /** Kernel virtual memory. */
  readonly memory: AddressMap;
  readonly physical: PhysicalMemory;
  readonly pageSize: number;
  readonly vmcoreinfo: Vmcoreinfo | null;
  /** Those of `symbols` that are the kernel's own. */
  readonly own: Symbols;
  readonly #openTypes: () => Types | null;
  readonly #source: (address: bigint) => readonly SourceFrame[];
  #types: { readonly found: Types | null } | null = null;
  readonly #known = new Map<string, KernelSymbol | null>();
  readonly #kept = new Map<unknown, unknown>();

  constructor({ dump, arch, symbols, own = symbols, types, source = () => [], issues }: KernelParts) {
    this.dump = dump;
    this.arch = arch;
    this.symbols = symbols;
    this.own = own;
    this.#openTypes = types;
    this.#source = source;
    this.issues = issues;
    this.memory = dump.virtual;
    this.physical = dump.physical;
    this.pageSize = dump.pageSize;
    this.vmcoreinfo = dump.vmcoreinfo;
  }

  /** Null if there are none to be had; `issues` then has why. */
  get types(): Types | null {
    this.#types ??= { found: this.#openTypes() };
    return this.#types.found;
  }

  /** The line of source of an instruction, and those of the calls that its function was put in place of, the innermost first; [] where no debug information tells. */
  source(address: bigint): readonly SourceFrame[] {
    return this.#source(address);
  }

  /** Looks up names that will be asked for, in one pass: without it every name costs a search of its own. */
  expect(names: Iterable<string>): void {
    const missing = [...names].filter(name => !this.#known.has(name));
    if (missing.length === 0) return;
    const found = this.own.resolve(missing);
    for (const name of missing) this.#known.set(name, found.get(name) ?? null);
  }

  /** Of the kernel itself. */
  symbol(name: string): KernelSymbol | null {
    this.expect([name]);
    return this.#known.get(name) ?? null;
  }

  /** @throws Missing */
  mustHave(name: string): KernelSymbol {
    const symbol = this.symbol(name);
    if (symbol === null) throw new Missing('symbol', name, 'give the vmlinux of this kernel with --vmlinux');
    return symbol;
  }

  /** @throws Missing */
  address(name: string): bigint {
    return this.mustHave(name).address;
  }

  /**
   * A value worked out once for this kernel: what resolves layouts, finds the memory map or counts CPUs keeps it here, under the function that makes it.
   * What `make` throws is thrown each time.
   */
  once<T>(make: (kernel: Kernel) => T): T {
    if (!this.#kept.has(make)) this.#kept.set(make, make(this));
    return this.#kept.get(make) as T;
  }
}

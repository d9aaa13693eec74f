// The symbols of all modules: each module's table is read when something in its memory, or a name, is asked for.
import { Issues, MemoryFault } from 'kdumpling/reader';
import type { KernelSymbol, Symbols } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { moduleLayout } from './layout.js';
import { moduleObjects } from './modules.js';
import { ModuleSymbolTable, type SymbolOwner } from './symbol-table.js';

/** Kernels that have no modules have it not, all others do. */
const MODULES_CODE = '__module_address';
/** A function of every kernel: the table of symbols is there. */
const ANY_CODE = 'schedule';
/** All tables together: no machine has as many. */
const MOST_SYMBOLS = 1 << 22;

interface Entry {
  readonly owner: SymbolOwner;
  /** Null once it was found that it cannot be read. */
  table: ModuleSymbolTable | null | undefined;
}

interface Region {
  readonly address: bigint;
  readonly end: bigint;
  readonly entry: Entry;
}

export class ModuleSymbols implements Symbols {
  readonly #kernel: Kernel;
  readonly #issues: Issues;
  #entries: readonly Entry[] | null = null;
  #regions: readonly Region[] = [];
  #symbols = 0;
  readonly #lacks = new Set<string>();

  /** @param kernel with the symbols of the kernel itself */
  constructor(kernel: Kernel, issues: Issues) {
    this.#kernel = kernel;
    this.#issues = issues;
  }

  /** '' until a module was found. */
  get source(): string {
    return this.#entries === null || this.#entries.length === 0 ? '' : 'modules';
  }

  get lack(): string {
    return [...this.#lacks].join('; ');
  }

  /** Of the tables that have been read. */
  get count(): number {
    return this.#symbols;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    for (const name of names) {
      const symbol = this.all(name).at(0);
      if (symbol !== undefined) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): readonly KernelSymbol[] {
    return [...this.#tables()].flatMap(table => table.all(name));
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    for (const table of this.#tables()) yield* table.symbols(match);
  }

  at(address: bigint): KernelSymbol | null {
    this.#list();
    const regions = this.#regions;
    let from = 0;
    let to = regions.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (regions[middle].address <= address) from = middle + 1;
      else to = middle;
    }
    const region = from === 0 ? null : regions[from - 1];
    if (region === null || address >= region.end) return null;
    return this.#table(region.entry)?.at(address) ?? null;
  }

  /** The symbols of one module, by its name; null if there is no such module, or its symbols cannot be read. */
  of(module: string): ModuleSymbolTable | null {
    const entry = this.#list().find(({ owner }) => owner.name === module);
    return entry === undefined ? null : this.#table(entry);
  }

  *#tables(): Iterable<ModuleSymbolTable> {
    for (const entry of this.#list()) {
      const table = this.#table(entry);
      if (table !== null) yield table;
    }
  }

  #table(entry: Entry): ModuleSymbolTable | null {
    if (entry.table === undefined) {
      entry.table = this.#orTell(null, () =>
        this.#symbols > MOST_SYMBOLS ? null : ModuleSymbolTable.open(this.#kernel, entry.owner, this.#issues),
      );
      if (entry.table === null) this.#lacks.add(`the symbols of the module ${entry.owner.name} cannot be read`);
      this.#symbols += entry.table?.count ?? 0;
    }
    return entry.table;
  }

  #list(): readonly Entry[] {
    if (this.#entries === null) {
      // None while they are looked for: reading memory may ask for symbols.
      this.#entries = [];
      this.#entries = this.#orTell([], () => this.#find());
      if (this.#hasNone()) this.#lacks.clear();
      this.#regions = regionsOf(this.#entries);
    }
    return this.#entries;
  }

  #find(): Entry[] {
    const layout = moduleLayout(this.#kernel);
    const entries: Entry[] = [];
    const damage = new Issues();
    for (const object of moduleObjects(this.#kernel, damage)) {
      this.#orTell(null, () => {
        const [name, memory, perCpu] = [layout.name(object), layout.memory(object), layout.perCpu(object)];
        entries.push({ owner: { name, object, memory, perCpu }, table: undefined });
      });
    }
    this.#issues.addAll(damage);
    if (damage.count > 0) this.#lacks.add('modules may be missing from the list of them');
    return entries;
  }

  /** A kernel that was built without modules. */
  #hasNone(): boolean {
    const known = this.#kernel.symbols.resolve([MODULES_CODE, ANY_CODE]);
    return known.has(ANY_CODE) && !known.has(MODULES_CODE);
  }

  /** What cannot be read or has no type here is told, and is no reason to answer nothing else. */
  #orTell<T>(otherwise: T, ask: () => T): T {
    try {
      return ask();
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
      this.#lacks.add(`symbols of modules cannot be read: ${error.message}`);
      if (error instanceof Missing) return otherwise;
      this.#issues.add('module-symbols-unreadable', `symbols of modules: ${error.message}`, error.address);
      return otherwise;
    }
  }
}

/** In order of addresses; what overlaps an earlier one is left out. */
function regionsOf(entries: readonly Entry[]): Region[] {
  const all = entries.flatMap(entry =>
    [...entry.owner.memory, ...(entry.owner.perCpu === null ? [] : [entry.owner.perCpu])].map(({ address, size }) => ({
      address,
      end: address + BigInt(size),
      entry,
    })),
  );
  all.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
  const regions: Region[] = [];
  for (const region of all) {
    const last = regions.at(-1);
    if (last === undefined || region.address >= last.end) regions.push(region);
  }
  return regions;
}

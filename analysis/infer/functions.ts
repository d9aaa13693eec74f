// Prototypes of functions by their addresses.
import type { Symbols } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import type { TypeTable } from './types.js';

/** nm's letters of functions. */
const CODE = /^[tTwW]$/;
const MOST_KEPT = 1 << 18;

export class Functions {
  readonly #kernel: Kernel;
  readonly #table: TypeTable;
  /** Names of more than one function, of which DWARF tells one; BTF leaves out those that differ. */
  #several: ReadonlySet<string> | null = null;
  readonly #known = new Map<bigint, number>();

  constructor(kernel: Kernel, table: TypeTable) {
    this.#kernel = kernel;
    this.#table = table;
  }

  /** The number of the prototype of the function that begins at an address, as the table of types counts them; -1 where none begins or its prototype is not known. */
  at(address: bigint): number {
    let found = this.#known.get(address);
    if (found === undefined) {
      found = this.#look(address);
      if (this.#known.size < MOST_KEPT) this.#known.set(address, found);
    }
    return found;
  }

  #look(address: bigint): number {
    const { symbols, types } = this.#kernel;
    const symbol = symbols.at(address);
    if (symbol === null || symbol.address !== address || !CODE.test(symbol.type)) return -1;
    this.#several ??= types?.source.includes('dwarf') === true ? severalOf(symbols) : new Set();
    const type = this.#several.has(symbol.name) ? null : (types?.function(symbol.name) ?? null);
    return type === null ? -1 : this.#table.prototype(type);
  }
}

function severalOf(symbols: Symbols): Set<string> {
  const seen = new Set<string>();
  const several = new Set<string>();
  for (const { name, type } of symbols.search(() => true)) {
    if (!CODE.test(type)) continue;
    if (seen.has(name)) several.add(name);
    else seen.add(name);
  }
  return several;
}

// Prototypes of functions by their addresses.
import type { Kernel } from '../kernel.js';
import type { TypeTable } from './types.js';

const MOST_KEPT = 1 << 18;

export class Functions {
  readonly #kernel: Kernel;
  readonly #table: TypeTable;
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
    if (symbol === null || symbol.address !== address || !/^[tTwW]$/.test(symbol.type)) return -1;
    // Of several static functions of one name the types tell one.
    const type = symbols.all(symbol.name).length === 1 ? (types?.function(symbol.name) ?? null) : null;
    return type === null ? -1 : this.#table.prototype(type);
  }
}

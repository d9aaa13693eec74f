// Several sources of symbols as one: each answers what those before it could not.
import type { KernelSymbol, Symbols } from './symbols.js';

export class LayeredSymbols implements Symbols {
  readonly layers: readonly Symbols[];
  readonly #lack: string;

  /** @param lack what no layer has, for people */
  constructor(layers: readonly Symbols[], lack = '') {
    this.layers = layers;
    this.#lack = lack;
  }

  /** Of all layers that have any, joined by a comma; '' if there is none. */
  get source(): string {
    const sources = this.layers.map(layer => layer.source);
    return sources.filter(source => source !== '').join(',');
  }

  /** Of the largest layer. */
  get count(): number {
    return this.layers.reduce((most, layer) => Math.max(most, layer.count), 0);
  }

  get lack(): string {
    return [this.#lack, ...this.layers.map(layer => layer.lack ?? '')].filter(text => text !== '').join('; ');
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    let missing = [...new Set(names)];
    for (const layer of this.layers) {
      if (missing.length === 0) break;
      for (const [name, symbol] of layer.resolve(missing)) found.set(name, symbol);
      missing = missing.filter(name => !found.has(name));
    }
    return found;
  }

  /** Of all layers, each place once. */
  all(name: string): readonly KernelSymbol[] {
    const found = new Map<bigint, KernelSymbol>();
    for (const layer of this.layers) {
      for (const symbol of layer.all(name)) if (!found.has(symbol.address)) found.set(symbol.address, symbol);
    }
    return [...found.values()].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** Layer by layer; what an earlier one has at the same place under the same name is not told again. */
  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    const seen = new Set<string>();
    for (const [i, layer] of this.layers.entries()) {
      for (const symbol of layer.search(match)) {
        const key = `${symbol.name}@${symbol.address}`;
        if (seen.has(key)) continue;
        if (i < this.layers.length - 1) seen.add(key);
        yield symbol;
      }
    }
  }

  at(address: bigint): KernelSymbol | null {
    for (const layer of this.layers) {
      const symbol = layer.at(address);
      if (symbol !== null) return symbol;
    }
    return null;
  }
}

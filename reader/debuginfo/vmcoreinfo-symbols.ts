// The few symbols that VMCOREINFO gives: SYMBOL() lines that are addresses. Source: kernel/vmcore_info.c (6.x).
import { NOT_ADDRESSES } from '../arch/image-end.js';
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { KernelSymbol, Symbols } from './symbols.js';

export class VmcoreinfoSymbols implements Symbols {
  readonly source = 'vmcoreinfo';
  readonly #symbols = new Map<string, KernelSymbol>();

  constructor(vmcoreinfo: Vmcoreinfo) {
    for (const key of vmcoreinfo.lines.keys()) {
      const name = /^SYMBOL\((\w+)\)$/.exec(key)?.[1];
      const address = name === undefined || NOT_ADDRESSES.has(name) ? undefined : vmcoreinfo.symbol(name);
      if (name === undefined || address === undefined) continue;
      this.#symbols.set(name, { name, address, size: 0, sizeFrom: 'none', type: '?', perCpu: false, module: null });
    }
  }

  get count(): number {
    return this.#symbols.size;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    for (const name of names) {
      const symbol = this.#symbols.get(name);
      if (symbol !== undefined) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): readonly KernelSymbol[] {
    const symbol = this.#symbols.get(name);
    return symbol === undefined ? [] : [symbol];
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    for (const symbol of this.#symbols.values()) if (match(symbol.name)) yield symbol;
  }

  /** Only what is exactly there: how far a symbol goes is not known. */
  at(address: bigint): KernelSymbol | null {
    for (const symbol of this.#symbols.values()) if (symbol.address === address) return symbol;
    return null;
  }
}

// Variables that regions of a region core are named after: by the names in firmware's table, by the order of the kernel's header, by content.
import { FIRST_WORDS } from '../../formats/region-ids.js';
import type { DumpRegion } from '../../formats/region-names.js';
import type { KernelSymbol, Symbols } from '../symbols.js';
import { byNames, type NamedRegion } from './names.js';
import { BANNER, bannerRegion, byOrder, type RegionSpace } from './order.js';

export class RegionSymbols implements Symbols {
  readonly source = 'regions';
  readonly #byName = new Map<string, KernelSymbol>();
  readonly #byAddress: readonly KernelSymbol[];

  private constructor(symbols: readonly KernelSymbol[]) {
    for (const symbol of symbols) this.#byName.set(symbol.name, symbol);
    this.#byAddress = [...symbols].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** Null where no region has a name. */
  static open(regions: readonly DumpRegion[], space: RegionSpace): RegionSymbols | null {
    const symbols = regions.length === 0 ? [] : namedRegions(regions, space).flatMap(symbolOf);
    return symbols.length === 0 ? null : new RegionSymbols(symbols);
  }

  get count(): number {
    return this.#byName.size;
  }

  resolve(names: Iterable<string>): Map<string, KernelSymbol> {
    const found = new Map<string, KernelSymbol>();
    for (const name of names) {
      const symbol = this.#byName.get(name);
      if (symbol !== undefined) found.set(name, symbol);
    }
    return found;
  }

  all(name: string): readonly KernelSymbol[] {
    const symbol = this.#byName.get(name);
    return symbol === undefined ? [] : [symbol];
  }

  *search(match: (name: string) => boolean): Iterable<KernelSymbol> {
    for (const symbol of this.#byAddress) if (match(symbol.name)) yield symbol;
  }

  at(address: bigint): KernelSymbol | null {
    return (
      this.#byAddress.find(
        symbol =>
          address === symbol.address || (address > symbol.address && address < symbol.address + BigInt(symbol.size)),
      ) ?? null
    );
  }
}

/** Each name once: where two regions claim it and lie elsewhere, neither has it. */
function namedRegions(regions: readonly DumpRegion[], space: RegionSpace): NamedRegion[] {
  const { virtual, vmcoreinfo } = space;
  const banner = bannerRegion(regions, virtual);
  const isOther = ({ name, region }: NamedRegion) => name === BANNER && banner?.vaddr !== region.vaddr;
  const byTable = byNames(regions).filter(named => !isOther(named));
  const content = banner === null ? [] : [{ name: BANNER, region: banner, from: 'a region holds its text' }];
  const all = [...(byTable.length > 0 ? byTable : byOrder(regions, space)), ...content];
  const named = new Map<string, NamedRegion | null>();
  for (const one of all) {
    const told = one.name === 'mem_section' ? undefined : vmcoreinfo?.symbol(one.name);
    const other = named.get(one.name);
    const differs = told !== undefined && told !== one.region.vaddr;
    if (other === undefined) named.set(one.name, differs ? null : one);
    else if (other?.region.vaddr !== one.region.vaddr) named.set(one.name, null);
  }
  return [...named.values()].filter(one => one !== null);
}

/** Regions are rounded up to 4 bytes, so their sizes are upper bounds. */
function symbolOf({ name, region, from }: NamedRegion): KernelSymbol[] {
  if (region.vaddr === null) return [];
  const size = FIRST_WORDS.has(name) ? 0 : region.size;
  const sizeFrom = size === 0 ? 'none' : 'neighbour';
  return [{ name, address: region.vaddr, size, sizeFrom, type: '?', perCpu: false, module: null, from }];
}

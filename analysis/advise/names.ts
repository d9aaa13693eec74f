// Names for stretches of the image: a symbol and a distance from it hold for every boot of the same kernel, whatever KASLR does.
import type { Kernel } from '../kernel.js';
import type { Stretch } from './ranges.js';
import type { Zone } from './zones.js';

export interface NamedRun extends Zone {
  /** Null: nothing that every boot has is before it. */
  readonly symbol: string | null;
  /** How far behind the symbol it begins. */
  readonly offset: number;
}

/** What is always known: VMCOREINFO names it. */
const ANCHORS = ['_text', '_stext'];

/** @param image ascending */
export function nameRuns(kernel: Kernel, runs: readonly Stretch[], image: readonly Zone[]): NamedRun[] {
  return runs.map(run => {
    const zone = zoneOf(image, run.start);
    const vaddr = zone === undefined ? 0n : zone.vaddr + BigInt(run.start - zone.start);
    const place = vaddr === 0n ? null : symbolAt(kernel, vaddr);
    return { ...run, vaddr, symbol: place?.symbol ?? null, offset: place?.offset ?? 0 };
  });
}

/** The zone that begins last at or before an address, if it holds it. */
function zoneOf(zones: readonly Zone[], at: number): Zone | undefined {
  let from = 0;
  let to = zones.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (zones[middle].start <= at) from = middle + 1;
    else to = middle;
  }
  const zone = zones.at(from - 1);
  return from > 0 && zone !== undefined && at < zone.end ? zone : undefined;
}

interface SymbolPlace {
  readonly symbol: string;
  readonly offset: number;
}

/** A symbol of the kernel itself that covers the address and is the first of its name, else how far it is behind the image's start. */
function symbolAt(kernel: Kernel, address: bigint): SymbolPlace | null {
  const found = kernel.symbols.at(address);
  const names = found === null || found.module !== null ? ANCHORS : [found.name, ...ANCHORS];
  kernel.expect(names);
  for (const name of names) {
    const start = kernel.symbol(name)?.address;
    if (start === undefined || start > address || (name === found?.name && start !== found.address)) continue;
    return { symbol: name, offset: Number(address - start) };
  }
  return null;
}

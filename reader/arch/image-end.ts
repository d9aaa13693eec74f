// Where a kernel image ends at least, from the addresses that VMCOREINFO gives for things in it.
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';

/** Lines whose value is what the variable holds, not where it is. */
export const NOT_ADDRESSES: ReadonlySet<string> = new Set(['mem_section', 'vmemmap']);

/** The highest SYMBOL() from `start` to `start + most`; `start` itself if there is none. */
export function highestImageSymbol(vmcoreinfo: Vmcoreinfo, start: bigint, most: bigint): bigint {
  let highest = start;
  for (const key of vmcoreinfo.lines.keys()) {
    if (!key.startsWith('SYMBOL(') || !key.endsWith(')')) continue;
    const name = key.slice(7, -1);
    const address = NOT_ADDRESSES.has(name) ? undefined : vmcoreinfo.symbol(name);
    if (address !== undefined && address > highest && address - start <= most) highest = address;
  }
  return highest;
}

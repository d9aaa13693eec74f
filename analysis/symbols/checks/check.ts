// Whether a variable is where it is thought to be, told by what lies there.
import type { Finding, Verdict } from '../finding.js';

/** May throw Missing and MemoryFault, which mean that nothing speaks for the address. */
export type Check = (finding: Finding, address: bigint) => Verdict;

/** No image reaches further behind `_stext`. */
const MOST_IMAGE = 1n << 28n;

/** Behind the text of the running image, and in the dump. */
export function isData(finding: Finding, address: bigint): boolean {
  const { memory } = finding.kernel;
  const start = finding.address('_stext');
  if (address <= start || address - start >= MOST_IMAGE) return false;
  const end = finding.find('_etext');
  return (end === null || address >= end) && memory.locate(address, memory.pointerSize) >= 0;
}

/** Of what a pointer led to that can point nowhere else. */
export const inImage: Check = (finding, address) => (isData(finding, address) ? 'sure' : 'no');

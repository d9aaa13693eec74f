// From what a person has of a page to its frame.
import type { Kernel } from '../kernel.js';
import type { Pages } from './pages.js';

/**
 * An address may be that of the frame's struct page, a virtual address of the kernel, or a physical one: the first of these that has a struct page is meant.
 * -1 where none has.
 */
export function frameOfAddress(kernel: Kernel, pages: Pages, address: bigint): number {
  const page = structPageAt(pages, address);
  if (page >= 0) return page;
  const physical = kernel.memory.translate(address);
  const { pageSize } = kernel;
  if (physical >= 0) return Math.floor(physical / pageSize);
  const frame = Number(address / BigInt(pageSize));
  return pages.address(frame) === null ? -1 : frame;
}

/** The frame in whose struct page an address lies, or -1. */
export function structPageAt(pages: Pages, address: bigint): number {
  const size = BigInt(pages.layout.size);
  for (const { startPfn } of pages.map.pieces) {
    const first = pages.address(startPfn);
    if (first === null || address < first) continue;
    const pfn = pages.pfnOf(address - ((address - first) % size));
    if (pfn >= 0) return pfn;
  }
  return -1;
}

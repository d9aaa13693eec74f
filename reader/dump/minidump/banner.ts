// The banner in a downstream header blob: no list tells its address, but the other regions of the kernel image are all as far from their virtual addresses.
import { hex } from '../../fault.js';
import { exactly } from '../../formats/elf.js';
import type { Faults } from './faults.js';
import { distances, type Match } from './match.js';

/** The kernel image and what is mapped with it: KERNEL_IMAGE_SIZE of x86_64 (arch/x86/include/asm/page_64_types.h), and more than others have. */
const IMAGE_SPAN = 1n << 30n;

/** Mends a physical address of which two regions or more of the image say that it is wrong, and none that it is right. */
export function mendBannerAddress(matches: readonly Match[], faults: Faults): void {
  for (const match of matches) {
    const { segment } = match;
    const { vaddr } = segment;
    // The virtual address must be beyond doubt.
    if (!segment.inside || segment.sectionAddr !== vaddr) continue;
    const image = matches.filter(({ segment: other, blob }) => {
      const apart = other.vaddr - vaddr;
      return !other.inside && blob !== null && apart < IMAGE_SPAN && apart > -IMAGE_SPAN;
    });
    const known = distances(image);
    if (known.has(BigInt.asUintN(64, vaddr - BigInt(Math.trunc(segment.paddr))))) continue;
    const [best, next] = [...known].toSorted(([, a], [, b]) => b - a);
    if (best === undefined || best[1] < 2 || best[1] === next?.[1]) continue;
    const paddr = Number(BigInt.asUintN(64, vaddr - best[0]));
    if (!Number.isSafeInteger(paddr)) continue;
    const why = `by ${best[1]} regions of the kernel image it is ${hex(paddr)}`;
    faults.header(`p_paddr of program header ${segment.index}`, null, exactly(segment, 'paddr'), why);
    match.paddr = paddr;
  }
}

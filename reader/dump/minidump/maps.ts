// The kernel's maps as far as header and VMCOREINFO prove them. A map is one stretch of virtual addresses that are all as far from their physical ones, so what lies between two
// addresses of one map lies in it; and pages are mapped as a whole, so that both addresses of a region agree within a page. What does not fit has a wrong p_vaddr or a wrong p_paddr.
import type { Architecture, LinearRange } from '../../arch/index.js';
import { hex } from '../../fault.js';
import { exactly } from '../../formats/elf.js';
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { Faults } from './faults.js';
import { distances, type Match } from './match.js';

interface Anchor {
  readonly vaddr: bigint;
  readonly distance: bigint;
  /** Null for what VMCOREINFO tells. */
  readonly match: Match | null;
}

/** No kernel has smaller pages. */
const IN_PAGE = 0xfffn;
/** How far the linear map surely goes on behind its highest region, if it may. */
const LINEAR_ROOM = 1n << 30n;
const MOST_CANDIDATES = 4096;

const distanceOf = (vaddr: bigint, paddr: number): bigint => BigInt.asUintN(64, vaddr - BigInt(Math.trunc(paddr)));

/** The linear map: a candidate that VMCOREINFO allows and `proves` accepts; null without one. */
export function linearRange(
  architecture: Architecture,
  vmcoreinfo: Vmcoreinfo,
  memoryEnd: number,
  proves: (range: LinearRange) => boolean,
): LinearRange | null {
  let tried = 0;
  for (const range of architecture.linearRanges(vmcoreinfo, { memoryStart: 0, memoryEnd, variable: () => null })) {
    if (proves(range)) return range;
    if (++tried >= MOST_CANDIDATES) break;
  }
  return null;
}

class KnownMaps {
  /** By virtual address: regions whose distance others share, and both ends of what VMCOREINFO tells. */
  readonly #anchors: Anchor[] = [];

  constructor(
    matches: readonly Match[],
    counts: ReadonlyMap<bigint, number>,
    architecture: Architecture | null,
    vmcoreinfo: Vmcoreinfo | null,
  ) {
    let memoryEnd = 0;
    const highest = new Map<bigint, bigint>();
    for (const match of matches) {
      const distance = distanceOf(match.segment.vaddr, match.paddr);
      if ((counts.get(distance) ?? 0) < 2) continue;
      const { vaddr } = match.segment;
      this.#anchors.push({ vaddr, distance, match });
      if (vaddr > (highest.get(distance) ?? 0n)) highest.set(distance, vaddr);
      memoryEnd = Math.max(memoryEnd, match.paddr);
    }
    if (architecture !== null && vmcoreinfo !== null) {
      const shared = ({ offset }: LinearRange) => (counts.get(BigInt.asUintN(64, offset)) ?? 0) >= 2;
      const tell = (vaddr: bigint, { offset }: LinearRange) =>
        this.#anchors.push({ vaddr, distance: BigInt.asUintN(64, offset), match: null });
      for (const image of architecture.imageRanges(vmcoreinfo).filter(shared)) {
        tell(image.first, image);
        tell(image.last, image);
      }
      const linear = linearRange(architecture, vmcoreinfo, memoryEnd, shared);
      if (linear !== null) {
        tell(linear.first, linear);
        // It is given as wide as it may be. With 64 bits nothing else lies near its memory; with 32 vmalloc begins right behind it.
        const end = (highest.get(BigInt.asUintN(64, linear.offset)) ?? linear.first) + LINEAR_ROOM;
        if (architecture.bits === 64) tell(end < linear.last ? end : linear.last, linear);
      }
    }
    this.#anchors.sort((a, b) => (a.vaddr < b.vaddr ? -1 : a.vaddr > b.vaddr ? 1 : 0));
  }

  /** How far `vaddr` is from its physical address by all but `self`; null where that is not proven. */
  distanceAt(vaddr: bigint, self: Match): bigint | null {
    const anchors = this.#anchors;
    let from = 0;
    let to = anchors.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (anchors[middle].vaddr <= vaddr) from = middle + 1;
      else to = middle;
    }
    let below = from - 1;
    if (below >= 0 && anchors[below].match === self) below--;
    if (below < 0) return null;
    if (anchors[below].vaddr === vaddr) return anchors[below].distance;
    const above = anchors[from]?.match === self ? from + 1 : from;
    return anchors[above]?.distance === anchors[below].distance ? anchors[below].distance : null;
  }
}

/**
 * Holds both addresses of each region against the maps. Where a list confirms the physical one, the virtual one is wrong and left unknown; where the section (downstream) confirms
 * the virtual one, the physical one is mended; else nothing tells which of the two is wrong, and the region is left out.
 */
export function holdAgainstMaps(
  matches: readonly Match[],
  architecture: Architecture | null,
  vmcoreinfo: Vmcoreinfo | null,
  faults: Faults,
): void {
  const counts = distances(matches);
  for (const match of matches) chooseVaddr(match, counts, faults);
  const maps = new KnownMaps(matches, counts, architecture, vmcoreinfo);
  for (const match of matches) {
    const { segment, vaddr, paddr, doubt } = match;
    if (vaddr === null || vaddr === 0n || doubt !== null) continue;
    const known = maps.distanceAt(vaddr, match);
    const fits = known === null || known === distanceOf(vaddr, paddr);
    const congruent = ((vaddr ^ BigInt(Math.trunc(paddr))) & IN_PAGE) === 0n;
    if (!fits || !congruent) settleAddresses(match, vaddr, known, segment.sectionAddr === segment.vaddr, faults);
  }
}

/** p_vaddr; where the section says otherwise (downstream), whichever shares its distance to the physical address with other regions. */
function chooseVaddr(match: Match, counts: ReadonlyMap<bigint, number>, faults: Faults): void {
  const { vaddr, sectionAddr, index } = match.segment;
  if (sectionAddr === null || sectionAddr === vaddr) return;
  const shared = (address: bigint) => (counts.get(distanceOf(address, match.paddr)) ?? 0) >= 2;
  // What is not counted among the regions needs one other at least.
  const better = (counts.get(distanceOf(sectionAddr, match.paddr)) ?? 0) >= 1 && !shared(vaddr) ? sectionAddr : vaddr;
  const why = `its section says ${hex(sectionAddr)}; ${hex(better)} is used`;
  faults.header(`p_vaddr of program header ${index}`, null, vaddr, why);
  match.vaddr = better;
}

function settleAddresses(
  match: Match,
  vaddr: bigint,
  known: bigint | null,
  vaddrConfirmed: boolean,
  faults: Faults,
): void {
  const { segment, blob, paddr } = match;
  const listed = blob?.paddr === paddr || blob?.otherPaddr === paddr;
  const mended = known === null ? -1 : Number(BigInt.asUintN(64, vaddr - known));
  const map =
    known === null
      ? 'the two differ within a page'
      : `by the regions around it in its map it is that of ${hex(BigInt.asUintN(64, vaddr - known))}`;
  if (listed) {
    const why = `${blob?.name} lies at ${hex(paddr)}, but ${map}; it is left unknown`;
    faults.header(`p_vaddr of program header ${segment.index}`, null, vaddr, why);
    match.vaddr = null;
  } else if (vaddrConfirmed && Number.isSafeInteger(mended) && mended >= 0) {
    const why = `by its virtual address, which its section has too, and the regions around it, it is ${hex(mended)}`;
    faults.header(`p_paddr of program header ${segment.index}`, null, exactly(segment, 'paddr'), why);
    match.paddr = mended;
  } else if (!segment.inside && paddr >= 0 && Number.isSafeInteger(paddr)) {
    const name = blob?.name ?? `the region at ${hex(paddr)}`;
    match.doubt = `p_vaddr of program header ${segment.index} is ${hex(vaddr)} and its p_paddr ${hex(paddr)}, but ${map}: nothing tells which is wrong, and ${name} is left out`;
    faults.add('header-field', `the header blob: ${match.doubt}`, paddr);
  }
}

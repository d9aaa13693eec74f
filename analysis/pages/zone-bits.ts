// Which zone and node a page belongs to, by the highest bits of its flags: [section] [node] zone … flags. Source: include/linux/page-flags-layout.h, include/linux/mm.h (2.6.27 to 7.3).
// How wide each field is depends on the configuration, which no dump tells in full: the widths are found by what pages of known zones say.
import { Issues } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { struct } from '../object/index.js';
import { Pages } from './pages.js';
import { zonePlaces } from './zone-places.js';

export interface ZoneBits {
  readonly zoneShift: number;
  readonly zoneWidth: number;
  /** 0: the node is not in the flags, since only one is there or the section tells it. */
  readonly nodeWidth: number;
  readonly nodeShift: number;
}

interface Known {
  readonly node: number;
  readonly zone: number;
  readonly flags: bigint;
}

/** Null where no widths agree with the pages, or there are no zones to compare with. Found once for a kernel. @throws Missing, MemoryFault */
export const zoneBits = (kernel: Kernel): ZoneBits | null => kernel.once(findBits);

const MOST_NODE_BITS = 10;
const ZONE_WIDTHS = [2, 3, 1, 0];

function findBits(kernel: Kernel): ZoneBits | null {
  const known = knownPages(kernel);
  if (known.length === 0) return null;
  const top = kernel.arch.bits;
  for (const sections of sectionWidths(kernel)) {
    for (const nodeWidth of nodeWidths(kernel)) {
      for (const zoneWidth of zoneWidths(kernel)) {
        const nodeShift = top - sections - nodeWidth;
        const bits = { zoneShift: nodeShift - zoneWidth, zoneWidth, nodeWidth, nodeShift };
        if (known.every(page => agrees(page, bits))) return bits;
      }
    }
  }
  return null;
}

function agrees({ node, zone, flags }: Known, bits: ZoneBits): boolean {
  return zoneOf(flags, bits) === zone && (bits.nodeWidth === 0 ? node === 0 : nodeOf(flags, bits) === node);
}

const field = (flags: bigint, shift: number, width: number): number =>
  Number((flags >> BigInt(shift)) & ((1n << BigInt(width)) - 1n));

export const zoneOf = (flags: bigint, { zoneShift, zoneWidth }: ZoneBits): number => field(flags, zoneShift, zoneWidth);
export const nodeOf = (flags: bigint, { nodeShift, nodeWidth }: ZoneBits): number => field(flags, nodeShift, nodeWidth);

/** ZONES_WIDTH follows from MAX_NR_ZONES. */
function zoneWidths(kernel: Kernel): readonly number[] {
  const zones = kernel.types?.enumerator('__MAX_NR_ZONES') ?? kernel.types?.enumerator('MAX_NR_ZONES') ?? null;
  return zones === null || zones < 1n || zones > 8n ? ZONE_WIDTHS : [Math.ceil(Math.log2(Number(zones)))];
}

/** MAX_NUMNODES is 1 << NODES_SHIFT; the node may have no room in the flags all the same. */
function nodeWidths(kernel: Kernel): readonly number[] {
  const nodes = kernel.vmcoreinfo?.length('node_data');
  if (nodes !== undefined && nodes >= 1 && nodes <= 1024) return [Math.round(Math.log2(nodes)), 0];
  return Array.from({ length: MOST_NODE_BITS + 1 }, (_, i) => i);
}

/** Only sparse memory without a virtual map has the section there. */
function sectionWidths(kernel: Kernel): readonly number[] {
  const section = kernel.vmcoreinfo?.number('SECTION_SIZE_BITS');
  const memory = kernel.vmcoreinfo?.number('MAX_PHYSMEM_BITS');
  const width = section === undefined || memory === undefined ? 0 : Number(memory - section);
  return width > 0 && width < kernel.arch.bits - 24 ? [0, width] : [0];
}

/** One page of each zone that has any: its first, where it can be read. */
function knownPages(kernel: Kernel): Known[] {
  const pages = new Pages(kernel);
  const layout = struct(kernel, 'zone');
  const start = layout.number('zone_start_pfn');
  const spanned = layout.number('spanned_pages');
  const found: Known[] = [];
  for (const { address, node, index } of zonePlaces(kernel, new Issues())) {
    // A zone lies in its node's memory, which was read.
    const startPfn = start(address);
    if (spanned(address) > 0 && pages.has(startPfn))
      found.push({ node: node.id, zone: index, flags: pages.flagsWord(startPfn) });
  }
  return found;
}

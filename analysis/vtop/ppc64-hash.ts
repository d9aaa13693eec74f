// The memory map of ppc64 with the hash MMU is in no page table of Linux's: the kernel keeps a list of the pieces of it. Source: arch/powerpc/mm/init_64.c
// (vmemmap_list_populate), arch/powerpc/kexec/vmcore_info.c (6.x). The list is there with the radix MMU too, but empty.
import { type AddressRange, hex, type Issues } from 'kdumpling/reader';
import type { PagingProbe } from 'kdumpling/reader/arch';

/** A piece maps at least a page, and memory of 2^53 bytes never has more pieces than this in a dump that can be kept. */
const MOST_PIECES = 1 << 20;
const MOST_SHIFT = 34;

interface Layout {
  readonly head: bigint;
  readonly next: bigint;
  readonly phys: bigint;
  readonly virt: bigint;
  readonly size: number;
}

/** Ranges for the pieces of the memory map; none where VMCOREINFO does not describe the list. */
export function hashVmemmap(probe: PagingProbe, issues: Issues): AddressRange[] {
  const layout = layoutOf(probe);
  if (layout === null) return [];
  const { size } = layout;
  const ranges: AddressRange[] = [];
  const seen = new Set<bigint>();
  let piece = word(probe, layout.head);
  while (piece !== null && piece !== 0n) {
    if (seen.has(piece) || ranges.length === MOST_PIECES) {
      issues.add(
        'vmemmap-list',
        `the list of pieces of the memory map does not end: it comes to ${hex(piece)} again`,
        piece,
      );
      break;
    }
    seen.add(piece);
    const phys = word(probe, piece + layout.phys);
    const first = word(probe, piece + layout.virt);
    if (phys === null || first === null || phys > BigInt(Number.MAX_SAFE_INTEGER - size)) {
      issues.add('vmemmap-list', `a piece of the memory map, told at ${hex(piece)}, cannot be read`, piece);
      break;
    }
    const last = first + BigInt(size - 1);
    const confirmedBy = 'vmemmap_list';
    ranges.push({ name: 'vmemmap', method: 'linear', first, last, target: Number(phys), confirmedBy, partial: false });
    piece = word(probe, piece + layout.next);
  }
  return ranges;
}

function layoutOf(probe: PagingProbe): Layout | null {
  const info = probe.vmcoreinfo;
  const head = info?.symbol('vmemmap_list');
  const next = info?.offset('vmemmap_backing', 'list');
  const phys = info?.offset('vmemmap_backing', 'phys');
  const virt = info?.offset('vmemmap_backing', 'virt_addr');
  const definitions = info?.symbol('mmu_psize_defs');
  const index = info?.symbol('mmu_vmemmap_psize');
  const definition = info?.size('mmu_psize_def');
  const shiftAt = info?.offset('mmu_psize_def', 'shift');
  if (head === undefined || next === undefined || phys === undefined || virt === undefined) return null;
  if (definitions === undefined || index === undefined || definition === undefined || shiftAt === undefined)
    return null;
  const which = int(probe, index);
  if (which === null || which > 15) return null;
  const shift = int(probe, definitions + BigInt(which * definition + shiftAt));
  if (shift === null || shift < 12 || shift > MOST_SHIFT) return null;
  return { head, next: BigInt(next), phys: BigInt(phys), virt: BigInt(virt), size: 2 ** shift };
}

function placeOf(probe: PagingProbe, vaddr: bigint, length: number): number {
  const paddr = probe.toPhysical(vaddr);
  return paddr < 0 ? -1 : probe.physical.locate(paddr, length);
}

function word(probe: PagingProbe, vaddr: bigint): bigint | null {
  const at = placeOf(probe, vaddr, 8);
  return at < 0 ? null : probe.physical.view.getBigUint64(at, probe.physical.littleEndian);
}

function int(probe: PagingProbe, vaddr: bigint): number | null {
  const at = placeOf(probe, vaddr, 4);
  return at < 0 ? null : probe.physical.view.getUint32(at, probe.physical.littleEndian);
}

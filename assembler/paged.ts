// A core of whole pages: every page that a region touches is composed of all bytes that are known of it, zeros between them, and written page-aligned. crash checks only where
// a read starts, and splits reads at pages, so it can never run from a small region into the bytes of another. Notes tell which bytes are real, and which regions they are of.

import type { ByteSink } from 'kdumpling/reader';
import { Extents } from 'kdumpling/reader';
import { architectureByElfMachine } from 'kdumpling/reader/arch';
import { PF_R, PF_W } from 'kdumpling/reader/formats/elf';
import { type CoreSegment, layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes } from 'kdumpling/reader/formats/notes';
import { type ByteRange, encodeRealBytes } from 'kdumpling/reader/formats/real-bytes';
import { encodeRegionNames } from 'kdumpling/reader/formats/region-names';
import { notesOf, type PlacedMemory, type Placement, placedMemory, regionsOf } from 'kdumpling/reader/minidump';
import { copyStretch, type Watch } from './copy-stretch.js';
import { coreFields, NO_VADDR } from './core-fields.js';
import { extentRanges, joined, pagesOf, subtract } from './plan.js';

export function assemblePaged(placement: Placement, sink: ByteSink, watch: Watch): void {
  const { bits, littleEndian, faults } = placement;
  const memory = placedMemory(placement);
  const real = [...extentRanges(memory.extents.merged())];
  const pageSize = pageSizeOf(placement);
  const pages = rangesOfPages(real, pageSize);
  const notes = [
    ...notesOf(placement),
    encodeRealBytes(real, littleEndian),
    encodeRegionNames(regionsOf(placement), littleEndian),
  ];
  const { segments, skewed } = pagedSegments(placement, pages, pageSize, bits);
  if (skewed > 0) {
    faults.note(
      'skewed-address',
      `${skewed} regions have virtual and physical addresses that differ within a page: they are left without virtual address`,
    );
  }
  const core = coreFields(placement, notes);
  const layout = layoutCore({ ...core, segments, payloadAlign: pageSize });
  watch.total = layout.size;
  sink.write(layout.header);
  sink.hole(layout.notesOffset - sink.position);
  sink.write(encodeNotes(notes, littleEndian));
  sink.hole(layout.payloadOffset - sink.position);
  writePages(memory, pages, sink, watch);
}

/** As VMCOREINFO says, else what is usual on the architecture. */
function pageSizeOf({ vmcoreinfo, machine, faults }: Placement): number {
  const said = vmcoreinfo?.pageSize;
  if (said !== undefined && said >= 4096 && said <= 65536 && Number.isInteger(Math.log2(said))) return said;
  const usual = architectureByElfMachine(machine)?.pageSizes[0] ?? 4096;
  faults.note('page-size', `VMCOREINFO does not tell the page size: ${usual} bytes are taken`);
  return usual;
}

/** Ranges of whole pages, in bytes. */
function rangesOfPages(ranges: readonly ByteRange[], pageSize: number): ByteRange[] {
  const { starts, ends } = pagesOf(ranges, pageSize);
  return starts.map((start, i) => ({ start: start * pageSize, end: ends[i] * pageSize }));
}

/**
 * First one PT_LOAD for each run of pages under the virtual address that the first of its regions has (crash takes the first by physical address), then one
 * for each further virtual address of such pages. A virtual address holds for whole pages, and only for those that a region with it touches.
 */
function pagedSegments(
  placement: Placement,
  pages: readonly ByteRange[],
  pageSize: number,
  bits: 32 | 64,
): { segments: CoreSegment[]; skewed: number } {
  const { distances, skewed } = pagesByDistance(placement, pageSize);
  const laid = before(pages);
  const payload = Extents.from(pages.map(({ start, end }, i) => ({ start, end, value: laid[i] })));
  const segment = ({ start, end }: ByteRange, distance: bigint | null): CoreSegment => {
    const run = payload.find(start);
    return {
      vaddr: distance === null ? NO_VADDR[bits] : BigInt.asUintN(bits, BigInt(start) + distance),
      paddr: start,
      filesz: end - start,
      memsz: end - start,
      flags: PF_R | PF_W,
      align: 0,
      payloadAt: payload.values[run] + (start - payload.starts[run]),
    };
  };
  const base: CoreSegment[] = [];
  const more: CoreSegment[] = [];
  let assigned: ByteRange[] = [];
  for (const [distance, all] of distances) {
    const there = intersect(all, pages);
    const fresh = subtract(there, assigned);
    for (const range of fresh) base.push(segment(range, distance));
    for (const range of subtract(there, fresh)) more.push(segment(range, distance));
    assigned = joined(assigned, fresh);
  }
  for (const range of subtract(pages, assigned)) base.push(segment(range, null));
  const byAddress = (a: CoreSegment, b: CoreSegment) => a.paddr - b.paddr;
  return { segments: [...base.sort(byAddress), ...more.sort(byAddress)], skewed };
}

/** Where each run begins when they are laid end to end. */
function before(pages: readonly ByteRange[]): number[] {
  let sum = 0;
  return pages.map(({ start, end }) => {
    const at = sum;
    sum += end - start;
    return at;
  });
}

const intersect = (a: readonly ByteRange[], b: readonly ByteRange[]): ByteRange[] => subtract(a, subtract(a, b));

/** The pages of the regions at each distance from physical to virtual address, in the order of the header. */
function pagesByDistance({ segments }: Placement, pageSize: number) {
  const regions = new Map<bigint, ByteRange[]>();
  let skewed = 0;
  for (const { vaddr, paddr, spans } of segments) {
    if (vaddr === null) continue;
    const distance = vaddr - BigInt(paddr);
    if (distance % BigInt(pageSize) !== 0n) {
      skewed++;
      continue;
    }
    let there = regions.get(distance);
    if (there === undefined) {
      there = [];
      regions.set(distance, there);
    }
    for (const { start, end } of spans) there.push({ start: paddr + start, end: paddr + end });
  }
  const distances = new Map<bigint, ByteRange[]>();
  for (const [distance, ranges] of regions) distances.set(distance, rangesOfPages(joined(ranges, []), pageSize));
  return { distances, skewed };
}

function writePages(
  { source, extents }: PlacedMemory,
  pages: readonly ByteRange[],
  sink: ByteSink,
  watch: Watch,
): void {
  const { starts, ends, values, length } = extents;
  let i = 0;
  for (const { start, end } of pages) {
    let at = start;
    for (; i < length && starts[i] < end; i++) {
      if (starts[i] > at) sink.hole(starts[i] - at);
      copyStretch(source, values[i], ends[i] - starts[i], sink, watch);
      at = ends[i];
    }
    if (at < end) sink.hole(end - at);
  }
}

// Which PT_LOADs an ELF core gets: those of the source, cut to what is there, or else one for each stretch of memory, at the virtual address that the
// linear map gives it, and once more for what the kernel's image map covers.
import { type AddressRange, InputError } from 'kdumpling/reader';
import { NO_PADDR, PF_R, PF_W, PF_X, type ProgramHeader, PT_LOAD } from 'kdumpling/reader/formats/elf';
import type { CoreSegment } from 'kdumpling/reader/formats/elf-core';
import { type DumpPlan, MEMORY_END } from '../plan.js';

/** More program headers than this help no reader; hostile segment tables could ask for billions. */
const MOST_SEGMENTS = 1 << 17;

/** @param maps the linear and image maps, checked against the dump's content; used where the source has no program headers */
export function coreSegments(
  plan: DumpPlan,
  source: readonly ProgramHeader[],
  maps: () => readonly AddressRange[],
): CoreSegment[] {
  const segments: CoreSegment[] = [];
  const loads = source.filter(header => header.type === PT_LOAD && header.paddr !== NO_PADDR);
  if (loads.length > 0) {
    for (const load of loads) {
      const to = load.paddr + Math.max(load.filesz, load.memsz);
      addPieces(plan, load.paddr, to, paddr => load.vaddr + BigInt(paddr - load.paddr), load.flags, segments);
    }
    return segments;
  }
  const ranges = maps();
  const flags = PF_R | PF_W | PF_X;
  let at = 0;
  for (const { from, to, vaddrOf } of covered(ranges, 'linear')) {
    if (from < at) continue;
    addPieces(plan, at, from, BigInt, flags, segments);
    addPieces(plan, from, to, vaddrOf, flags, segments);
    at = to;
  }
  // Memory without a known virtual address stands at its physical one, as QEMU writes it.
  addPieces(plan, at, MEMORY_END, BigInt, flags, segments);
  for (const { from, to, vaddrOf } of covered(ranges, 'image')) addPieces(plan, from, to, vaddrOf, flags, segments);
  return segments;
}

interface Covered {
  readonly from: number;
  readonly to: number;
  readonly vaddrOf: (paddr: number) => bigint;
}

/** The physical memory that maps of one kind cover, ascending. */
function covered(maps: readonly AddressRange[], name: string): Covered[] {
  return maps
    .filter(map => map.name === name && map.method === 'linear')
    .map(({ first, last, target }) => ({
      from: target,
      to: Math.min(MEMORY_END, target + Number(last - first + 1n)),
      vaddrOf: (paddr: number) => first + BigInt(paddr - target),
    }))
    .sort((a, b) => a.from - b.from);
}

/** Segments for what of [from, to) is present; what was filtered out behind it shows as p_memsz past p_filesz, as makedumpfile does. */
function addPieces(
  plan: DumpPlan,
  from: number,
  to: number,
  vaddrOf: (paddr: number) => bigint,
  flags: number,
  segments: CoreSegment[],
): void {
  const { present, excluded } = plan;
  const add = (start: number, filesz: number, memsz: number, payloadAt: number) => {
    if (segments.length >= MOST_SEGMENTS) {
      throw new InputError(
        { source: 'ELF output', nowhere: 'output', record: 'program header', field: 'e_phnum', value: segments.length },
        'the memory is in too many pieces for program headers',
        'write a kdump format instead',
      );
    }
    const vaddr = BigInt.asUintN(64, vaddrOf(start));
    segments.push({ vaddr, paddr: start, filesz, memsz, flags, align: 0, payloadAt });
  };
  let p = Math.max(0, present.after(from) - 1);
  while (p < present.length && present.ends[p] <= from) p++;
  let e = firstBehind(excluded, from);
  while (p < present.length || e < excluded.length) {
    const nextPresent = p < present.length ? Math.max(from, present.starts[p]) : Number.POSITIVE_INFINITY;
    const nextExcluded = e < excluded.length ? Math.max(from, excluded[e].start) : Number.POSITIVE_INFINITY;
    if (Math.min(nextPresent, nextExcluded) >= to) break;
    if (nextExcluded < nextPresent) {
      const end = Math.min(to, excluded[e++].end);
      add(nextExcluded, 0, end - nextExcluded, 0);
      continue;
    }
    const end = Math.min(to, present.ends[p]);
    const payloadAt = present.values[p] + (nextPresent - present.starts[p]);
    let memoryEnd = end;
    if (e < excluded.length && excluded[e].start === end) memoryEnd = Math.min(to, excluded[e++].end);
    add(nextPresent, end - nextPresent, memoryEnd - nextPresent, payloadAt);
    p++;
  }
}

/** Index of the first range that ends behind `address`. */
function firstBehind(ranges: readonly { start: number; end: number }[], address: number): number {
  let from = 0;
  let to = ranges.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (ranges[middle].end <= address) from = middle + 1;
    else to = middle;
  }
  return from;
}

// The segment that maps the kernel image at its own virtual addresses, where they differ from the linear map's: from _text to _end, in whole pages. Source: kexec-tools
// kexec/crashdump-elf.c (kern_vaddr_start), kernel/kexec_file.c crash_prepare_elf64_headers().
import type { TargetKernel } from 'kdumpling/producer';
import { alignDown, alignUp, type Issues } from 'kdumpling/reader';
import { highestImageSymbol } from 'kdumpling/reader/arch';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';

export interface ImageSegment {
  /** Physical, [start, end). */
  readonly start: number;
  readonly end: number;
  readonly vaddr: bigint;
}

/** No kernel image is longer. */
const MOST_IMAGE = 1n << 30n;

/** The parts of the image that memory has: usually one. */
export function imageSegments(kernel: TargetKernel, issues: Issues): ImageSegment[] {
  const map = kernel.linearRanges.find(({ name }) => name === 'image');
  const start = (kernel.symbol('_text') ?? kernel.symbol('_stext'))?.address;
  if (map === undefined || start === undefined) return [];
  // The map may be known from its first confirmed symbol on only: the image begins before it, at the same distance.
  const physical = (vaddr: bigint) => Number(BigInt.asUintN(64, vaddr - map.offset));
  const end = imageEnd(kernel, start, issues);
  if (end <= start || end - start > MOST_IMAGE) return [];
  const from = alignDown(physical(start), kernel.pageSize);
  const to = alignUp(physical(end), kernel.pageSize);
  const old = kernel.memory.extents.merged();
  const segments: ImageSegment[] = [];
  for (let i = 0; i < old.length; i++) {
    const piece = { start: Math.max(from, old.starts[i]), end: Math.min(to, old.ends[i]) };
    if (piece.start >= piece.end) continue;
    segments.push({ ...piece, vaddr: BigInt.asUintN(64, BigInt(piece.start) + map.offset) });
  }
  return segments;
}

/** `_end`; without it the end of what VMCOREINFO names, with an issue. */
function imageEnd(kernel: TargetKernel, start: bigint, issues: Issues): bigint {
  const { vmcoreinfo } = kernel;
  const end = kernel.symbol('_end');
  if (end !== null) return end.address;
  const known = vmcoreinfo === null ? start : highestImageSymbol(new Vmcoreinfo(vmcoreinfo.text), start, MOST_IMAGE);
  issues.add(
    'missing-symbol',
    `_end is not known: the segment of the kernel image ends behind the last address that VMCOREINFO names in it, 0x${known.toString(16)}`,
    known,
  );
  return known + 1n;
}

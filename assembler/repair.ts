// What crash needs of a core and a region dump may lack: a note segment, VMCOREINFO, the bases of x86_64's maps. What can be told is told, with the options that stand in for it. Source:
// crash 9.0 netdump.c, arm64.c (arm64_parse_machdep_args), x86_64.c (x86_64_post_relocs, KASLR bases since 4.8).
import { hex, type Issue } from 'kdumpling/reader';
import { type Architecture, architectureByElfMachine } from 'kdumpling/reader/arch';
import type { Note } from 'kdumpling/reader/formats/notes';
import { encodeRealBytes } from 'kdumpling/reader/formats/real-bytes';
import { type PlacedSegment, type Placement, placedMemory } from 'kdumpling/reader/minidump';
import { extentRanges } from './plan.js';

/** crash takes the first program header for notes, so there must be one with something in it: without any other note, the one that lists the real bytes. */
export function withSomeNote(notes: readonly Note[], placement: Placement): Note[] {
  if (notes.length > 0) return [...notes];
  return [encodeRealBytes([...extentRanges(placedMemory(placement).extents.merged())], placement.littleEndian)];
}

/** What a user of crash has to know about this core. */
export function crashNeeds(placement: Placement): Issue[] {
  const architecture = architectureByElfMachine(placement.machine);
  const issues: Issue[] = [];
  if (placement.vmcoreinfo === null) issues.push(withoutVmcoreinfo(placement, architecture));
  if (architecture?.name === 'x86_64') issues.push(...missingBases(placement));
  return issues;
}

/** A segment of the kernel image: the banner, or the first that is not in the linear map's place. */
function imageSegment({ segments, header }: Placement): PlacedSegment | null {
  const inside = header?.segments.find(segment => segment.inside);
  return (
    segments.find(({ vaddr, paddr }) => inside !== undefined && vaddr === inside.vaddr && paddr === inside.paddr) ??
    null
  );
}

const START_KERNEL_MAP = 0xffff_ffff_8000_0000n;

/** Without VMCOREINFO crash has to be told where the kernel lies. */
function withoutVmcoreinfo(placement: Placement, architecture: Architecture | null): Issue {
  const image = imageSegment(placement);
  const code = 'no-vmcoreinfo-for-crash';
  const lead = 'the core has no VMCOREINFO; ';
  if (image === null || image.vaddr === null) {
    const message = `${lead}no region tells where the kernel image lies: crash needs --machdep and --kaslr from elsewhere`;
    return { code, message, address: null };
  }
  const { vaddr, paddr } = image;
  const kaslr = `--kaslr=OFFSET, where OFFSET is ${hex(vaddr)} less vmlinux's address of linux_banner`;
  const distance = BigInt.asUintN(64, vaddr - BigInt(paddr));
  if (architecture?.name === 'x86_64') {
    const physBase = hex(BigInt.asIntN(64, START_KERNEL_MAP - distance));
    const message = `${lead}crash does not open an x86_64 core without it (it reads vmcoreinfo_data then): register it; phys_base is ${physBase}, and for the rest: ${kaslr}`;
    return { code, message, address: vaddr };
  }
  const machdep =
    architecture?.name === 'arm64'
      ? `--machdep kimage_voffset=${hex(distance)},phys_offset=ADDRESS,vabits_actual=BITS, with the start of memory and the width of kernel addresses`
      : 'the --machdep options of its architecture';
  return { code, message: `${lead}give crash ${machdep}, and ${kaslr}`, address: vaddr };
}

/** crash reads these first on x86_64, whatever it is asked for. */
const BASES = ['page_offset_base', 'vmalloc_base', 'vmemmap_base'] as const;
/** The bases are multiples of a PUD, in the upper half. */
const ALIGNMENT = 1n << 30n;
const UPPER_HALF = 1n << 63n;
/** Regions that are searched for them: larger ones may hold them too, which cannot be told without symbols. */
const SMALL = 4096;

/** Names say nothing of regions without an ID; contents do: page_offset_base is the linear map's distance, the others lie above it. */
function missingBases(placement: Placement): Issue[] {
  const { segments, regions } = placement;
  const distances = new Set(
    segments.map(({ vaddr, paddr }) => (vaddr === null ? 0n : BigInt.asUintN(64, vaddr - BigInt(paddr)))),
  );
  const values = new Set<bigint>();
  let large = false;
  for (const { source, sourceOffset, spans, sharesWith } of segments) {
    const length = spans[0]?.start === 0 ? spans[0].end : 0;
    if (source === null || length < 8 || sharesWith >= 0) continue;
    large ||= length > SMALL;
    if (length > SMALL) continue;
    const bytes = new Uint8Array(length - (length % 8));
    source.read(sourceOffset, bytes);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < bytes.length; at += 8) {
      const value = view.getBigUint64(at, true);
      if (value >= UPPER_HALF && value % ALIGNMENT === 0n) values.add(value);
    }
  }
  const named = (base: string) => regions.some(({ name }) => name?.includes(base.slice(0, 8)) === true);
  const offset = [...values].find(value => distances.has(value));
  const above = offset === undefined ? 0 : [...values].filter(value => value > offset).length;
  const found = [offset !== undefined, above >= 1, above >= 2];
  const missing = BASES.filter((base, i) => !named(base) && !found[i]);
  if (missing.length === 0) return [];
  const hedge = large ? ', unless a larger region holds them' : '';
  return [
    {
      code: 'crash-bases',
      message: `crash reads ${BASES.join(', ')} of an x86_64 kernel and ends where it cannot; no region is known to hold ${missing.join(', ')}${hedge}: register them besides`,
      address: null,
    },
  ];
}

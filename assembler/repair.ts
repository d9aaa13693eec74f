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
  const bases = architecture?.crash?.bases ?? [];
  if (architecture !== null && bases.length > 0) issues.push(...missingBases(placement, architecture.name, bases));
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
  const distance = architecture?.imageDistance;
  const value = hex(distance?.of(vaddr, BigInt(paddr)) ?? 0n);
  const machdep = architecture?.crash?.machdep;
  if (machdep === null) {
    const message = `${lead}crash does not open an ${architecture?.name} core without it (it reads vmcoreinfo_data then): register it; ${distance?.name} is ${value}, and for the rest: ${kaslr}`;
    return { code, message, address: vaddr };
  }
  const options =
    machdep === undefined
      ? 'the --machdep options of its architecture'
      : `--machdep ${distance?.name}=${value},${machdep.options}, with ${machdep.values}`;
  return { code, message: `${lead}give crash ${options}, and ${kaslr}`, address: vaddr };
}

/** The bases are multiples of a PUD, in the upper half. */
const ALIGNMENT = 1n << 30n;
const UPPER_HALF = 1n << 63n;
/** Regions that are searched for them: larger ones may hold them too, which cannot be told without symbols. */
const SMALL = 4096;

/** Names say nothing of regions without an ID; contents do: page_offset_base is the linear map's distance, the others lie above it. */
function missingBases({ segments, regions }: Placement, architecture: string, bases: readonly string[]): Issue[] {
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
  const missing = bases.filter((base, i) => !named(base) && (i === 0 ? offset === undefined : above < i));
  if (missing.length === 0) return [];
  const hedge = large ? ', unless a larger region holds them' : '';
  return [
    {
      code: 'crash-bases',
      message: `crash reads ${bases.join(', ')} of an ${architecture} kernel and ends where it cannot; no region is known to hold ${missing.join(', ')}${hedge}: register them besides`,
      address: null,
    },
  ];
}

// Opens folders of blobs and rawdump images as dumps: the placed regions are the memory, with no assembly in between.
import { InputError } from '../../fault.js';
import { type ProgramHeader, PT_LOAD } from '../../formats/elf.js';
import type { Note } from '../../formats/notes.js';
import type { DumpRegion } from '../../formats/region-names.js';
import type { PhysicalMemory } from '../../memory.js';
import { BlockCache } from '../../page-cache.js';
import type { ByteSource, SourceFolder } from '../../source.js';
import type { DumpInput, OpenedContainer } from '../container.js';
import { ExtentMemory } from '../extent-memory.js';
import { Faults } from './faults.js';
import { folderMedium, type Medium, memoryMedium } from './media.js';
import { placedMemory } from './memory.js';
import { type Placement, placeBlobs, type RegionStatus } from './place.js';
import { rawdumpMedium } from './rawdump.js';

function place(open: (faults: Faults) => Medium): Placement {
  const faults = new Faults();
  return placeBlobs(open(faults), faults);
}

/** Places the blobs of a folder. Throws InputError where it has none. */
export const placeFolder = (folder: SourceFolder): Placement => place(faults => folderMedium(folder, faults));

/** Places the sections of a rawdump image. Throws InputError where it is none. */
export const placeRawdump = (source: ByteSource): Placement => place(faults => rawdumpMedium(source, faults));

/**
 * Places the regions that the minidump tables in memory name. Throws InputError where there are no such tables.
 * @param smem physical address of SMEM, or null to search for it
 */
export const placeMemory = (memory: PhysicalMemory, name: string, smem: number | null): Placement =>
  place(faults => memoryMedium(memory, name, smem, faults));

/** Header's notes and VMCOREINFO's, as a core of this placement has them. */
export function notesOf({ notes, vmcoreinfoText }: Placement): Note[] {
  return vmcoreinfoText === null ? [...notes] : [...notes, { name: 'VMCOREINFO', type: 0, descriptor: vmcoreinfoText }];
}

/** A copy that was left out and a region that was appended take nothing away. */
const WHOLE: ReadonlySet<RegionStatus> = new Set<RegionStatus>(['ok', 'duplicate', 'unlisted']);

/** Every region is there, and no record contradicts another. */
export const isComplete = ({ faults, regions }: Placement): boolean =>
  !faults.damaged && regions.every(({ status }) => WHOLE.has(status));

/** Throws InputError where nothing has a place: with the reason, which is not always the same. */
export function mustHavePlaces(placement: Placement): void {
  const { medium, encrypted, segments, regions } = placement;
  if (encrypted !== null) {
    throw new InputError(
      { source: medium.name, nowhere: 'input', record: 'blobs' },
      `the blobs are encrypted: ${encrypted}`,
      'decrypt them with the keys of the device first',
    );
  }
  if (segments.some(({ spans }) => spans.length > 0)) return;
  throw new InputError(
    { source: medium.name, nowhere: 'absent', record: 'blobs' },
    `none of its ${regions.length} blobs can be tied to a physical address`,
    placement.header === null
      ? 'without a header blob (an ELF core) a dump_info.txt or load.cmm is needed'
      : 'give the dump_info.txt of the download beside the blobs',
  );
}

/** Opens a folder of blobs, or a rawdump image. */
export function openMinidump(input: DumpInput): OpenedContainer {
  const { name, sources, isFolder } = input;
  return opened(input, isFolder ? placeFolder({ name, files: sources, close() {} }) : placeRawdump(sources[0]));
}

/** Blocks are small, since regions are. */
const BLOCK = 4096;

function opened(input: DumpInput, placement: Placement): OpenedContainer {
  mustHavePlaces(placement);
  const { medium, bits, littleEndian, machine, faults } = placement;
  input.issues.addAll(faults.issues);
  const { source, extents, gaps } = placedMemory(placement);
  const cache = new BlockCache(
    BLOCK,
    new Uint8Array(BlockCache.bufferSize(BLOCK, Math.min(input.cacheBytes, source.size))),
  );
  return {
    container: {
      format: medium.kind === 'rawdump' ? 'rawdump' : 'minidump-folder',
      flattened: input.flattened,
      compression: [],
      littleEndian,
      bits,
      files: medium.files,
    },
    physical: new ExtentMemory({ source, extents, gaps, otherwise: 'unregistered', cache }),
    file: null,
    missing: 'unregistered',
    machine: machine === 0 ? null : machine,
    utsname: null,
    segments: programHeaders(placement),
    regions: regionsOf(placement),
    notes: notesOf(placement),
    vmcoreinfo: null,
    eraseinfo: null,
    facts: [
      ['minidump.regions', placement.regions.length, medium.kind],
      ['minidump.complete', isComplete(placement), 'regions and header'],
      ['minidump.header', placement.header?.blob.name ?? null, 'found by content'],
      ['minidump.style', placement.header?.style ?? null, 'header blob'],
    ],
  };
}

/** The regions that have a place and bytes. */
export function regionsOf({ segments }: Placement): DumpRegion[] {
  return segments
    .filter(({ spans }) => spans.length > 0)
    .map(({ name, vaddr, paddr, size }) => ({ name, vaddr, paddr, size }));
}

/** What is there under a known virtual address. */
function programHeaders({ segments }: Placement): ProgramHeader[] {
  const headers: ProgramHeader[] = [];
  for (const { vaddr, paddr, spans, flags, align, fileOffset } of segments) {
    for (const { start, end } of vaddr === null ? [] : spans) {
      headers.push({
        type: PT_LOAD,
        flags,
        offset: (fileOffset ?? 0) + start,
        vaddr: BigInt.asUintN(64, (vaddr as bigint) + BigInt(start)),
        paddr: paddr + start,
        filesz: end - start,
        memsz: end - start,
        align,
      });
    }
  }
  return headers;
}

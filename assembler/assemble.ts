// Placed regions of a minidump -> ELF core. `exact`: one PT_LOAD a region, in the places of the file that the kernel's own header gives them, so that a complete
// dump becomes what its blobs make when they are put one behind the other. `paged`: see paged.ts. Constant memory, one pass.
import type { ByteSink, ByteSource, Issue } from 'kdumpling/reader';
import { type CoreSegment, layoutCore } from 'kdumpling/reader/formats/elf-core';
import { encodeNotes, type Note } from 'kdumpling/reader/formats/notes';
import { encodeRegionNames } from 'kdumpling/reader/formats/region-names';
import {
  isComplete,
  mustHavePlaces,
  notesOf,
  type PlacedRegion,
  type PlacedSegment,
  type Placement,
  regionsOf,
} from 'kdumpling/reader/minidump';
import { copyStretch, type Watch } from './copy-stretch.js';
import { coreFields, NO_VADDR } from './core-fields.js';
import { assemblePaged } from './paged.js';
import { crashNeeds, withSomeNote } from './repair.js';

export type AssembleMode = 'exact' | 'paged';

export interface AssembleOptions {
  readonly mode: AssembleMode;
  /** Called now and then with the bytes written and the length of the core. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Assembled {
  readonly regions: readonly PlacedRegion[];
  readonly issues: readonly Issue[];
  /** Every region is in the core, and nothing disagreed. */
  readonly complete: boolean;
  /** Length of the core. */
  readonly size: number;
}

/** A PT_LOAD with where its bytes come from. */
export interface Payload {
  readonly segment: CoreSegment;
  readonly source: ByteSource | null;
  readonly sourceOffset: number;
  /** Where the kernel's header has it in the file, or null. */
  readonly fileOffset: number | null;
}

/**
 * Writes a core into `sink` (neither finished nor aborted here). Throws InputError where no region has a place.
 */
export function assemble(placement: Placement, sink: ByteSink, options: AssembleOptions): Assembled {
  mustHavePlaces(placement);
  const { faults, regions } = placement;
  for (const { code, message, address } of crashNeeds(placement)) faults.note(code, message, address);
  const watch: Watch = { report: options.onProgress ?? (() => {}), total: 0 };
  if (options.mode === 'paged') assemblePaged(placement, sink, watch);
  else assembleExact(placement, sink, watch);
  return {
    regions,
    issues: faults.issues.list(),
    complete: isComplete(placement),
    size: sink.position,
  };
}

function assembleExact(placement: Placement, sink: ByteSink, watch: Watch): void {
  const payloads = exactPayloads(placement);
  const notes = withSomeNote(namedNotes(placement), placement);
  const core = coreFields(placement, notes);
  const places = registeredPlaces(placement, payloads, core.notesSize);
  const layout = layoutCore({
    ...core,
    segments: payloads.map(({ segment }, i) =>
      places === null || segment.sharesPayloadOf !== undefined
        ? segment
        : { ...segment, payloadAt: places.at[i] - places.payloadOffset },
    ),
    ...(places === null
      ? { payloadAlign: 4 }
      : { notesOffset: places.notesOffset, payloadOffset: places.payloadOffset }),
  });
  watch.total = layout.size;
  sink.write(layout.header);
  sink.hole(layout.notesOffset - sink.position);
  sink.write(encodeNotes(notes, placement.littleEndian));
  payloads.forEach(({ segment, source, sourceOffset }, i) => {
    if (source === null || segment.filesz === 0 || segment.sharesPayloadOf !== undefined) return;
    sink.hole(layout.offsets[i] - sink.position);
    copyStretch(source, sourceOffset, segment.filesz, sink, watch);
  });
  sink.hole(Math.max(0, layout.size - sink.position));
}

/** A kernel's own header lists regions in the order of their IDs, and a core with it is its blobs end to end; where the header is written anew, a note keeps the names. */
function namedNotes(placement: Placement): Note[] {
  const notes = notesOf(placement);
  const regions = regionsOf(placement);
  if (placement.header?.style === 'upstream' || regions.every(({ name }) => name === null)) return notes;
  return [...notes, encodeRegionNames(regions, placement.littleEndian)];
}

/** One PT_LOAD for each region, short of what is not there; stretches behind a gap get PT_LOADs of their own at the end. */
function exactPayloads({ segments, bits }: Placement): Payload[] {
  const payloads = segments.map(placed =>
    payload(placed, placed.spans[0]?.start === 0 ? placed.spans[0].end : 0, 0, bits),
  );
  for (const placed of segments) {
    if (placed.sharesWith >= 0) continue;
    for (const { start, end } of placed.spans) if (start > 0) payloads.push(payload(placed, end - start, start, bits));
  }
  return payloads;
}

function payload(placed: PlacedSegment, filesz: number, from: number, bits: 32 | 64): Payload {
  const { vaddr, paddr, flags, align, source, sourceOffset, fileOffset, sharesWith } = placed;
  return {
    segment: {
      vaddr: vaddr === null ? NO_VADDR[bits] : BigInt.asUintN(bits, vaddr + BigInt(from)),
      paddr: paddr + from,
      filesz,
      // Never more than there is: tools show what p_memsz claims beyond p_filesz as zeros.
      memsz: filesz,
      flags,
      align,
      ...(sharesWith < 0 ? {} : { sharesPayloadOf: sharesWith }),
    },
    source,
    sourceOffset: sourceOffset + from,
    fileOffset: from === 0 ? fileOffset : null,
  };
}

interface Places {
  readonly notesOffset: number;
  readonly payloadOffset: number;
  /** File offset of each payload. */
  readonly at: readonly number[];
}

/** A file is never longer than its payloads by more than this: places of lost regions are holes, but a damaged size is not believed without end. */
const MOST_HOLES = 2 ** 36;

/** Where the registered layout puts everything; null where the header does not tell, or what it tells has no room for what is there. */
function registeredPlaces({ header }: Placement, payloads: readonly Payload[], notesSize: number): Places | null {
  const first = Math.min(...payloads.flatMap(({ fileOffset }) => (fileOffset === null ? [] : [fileOffset])));
  if (header === null || !Number.isFinite(first)) return null;
  const headerSize = (header.bits === 64 ? 64 : 52) + (header.bits === 64 ? 56 : 32) * (payloads.length + 1);
  const notesOffset = Math.max(header.notesOffset ?? 0, 0);
  const notesAt = notesOffset >= headerSize && notesOffset + notesSize <= first ? notesOffset : headerSize;
  if (notesAt + notesSize > first) return null;
  const at: number[] = [];
  let end = first;
  let bytes = 0;
  for (const { segment, fileOffset } of payloads) {
    const shared = segment.sharesPayloadOf !== undefined;
    const place = fileOffset ?? end + ((4 - (end % 4)) % 4);
    if (place < end && !shared) return null;
    at.push(place);
    if (shared) continue;
    end = place + segment.filesz;
    bytes += segment.filesz;
  }
  return end - bytes > MOST_HOLES ? null : { notesOffset: notesAt, payloadOffset: first, at };
}

// The note that tells which bytes of whole pages are real, where regions smaller than a page had to be written as pages: without it the filling
// zeros cannot be told from memory. Our own: name "KDUMPLING", type 0x4b44; u32 version (1), u32 zero, then pairs of u64 [start, end) of physical
// addresses, ascending, which cover all real bytes of every page that is real only in part. Pages that no pair touches are real as a whole.
import type { Issues } from '../issue.js';
import { getU64, setU64 } from '../u64.js';
import type { Note } from './notes.js';

export const REAL_BYTES_NAME = 'KDUMPLING';
/** Far from every type that tools know: crash and gdb go by the type of a note whose name they do not know. */
export const NT_REAL_BYTES = 0x4b44;
const VERSION = 1;
const HEADER_SIZE = 8;
const PAIR_SIZE = 16;

export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** @param ranges ascending and disjoint */
export function encodeRealBytes(ranges: readonly ByteRange[], littleEndian: boolean): Note {
  const descriptor = new Uint8Array(HEADER_SIZE + ranges.length * PAIR_SIZE);
  const view = new DataView(descriptor.buffer);
  view.setUint32(0, VERSION, littleEndian);
  ranges.forEach(({ start, end }, i) => {
    setU64(view, HEADER_SIZE + i * PAIR_SIZE, start, littleEndian);
    setU64(view, HEADER_SIZE + i * PAIR_SIZE + 8, end, littleEndian);
  });
  return { name: REAL_BYTES_NAME, type: NT_REAL_BYTES, descriptor };
}

export const isRealBytes = (note: Note): boolean => note.name === REAL_BYTES_NAME && note.type === NT_REAL_BYTES;

/** The ranges of a note, or null with an issue where it is not what this version writes: then every byte has to be taken as it is. */
export function decodeRealBytes(note: Note, littleEndian: boolean, issues: Issues): ByteRange[] | null {
  const { descriptor } = note;
  const refuse = (why: string) => {
    issues.add(
      'real-bytes-note',
      `the note that tells real bytes from filling zeros cannot be used: ${why}; partly real pages read as zeros where nothing is known`,
    );
    return null;
  };
  if (descriptor.length < HEADER_SIZE || (descriptor.length - HEADER_SIZE) % PAIR_SIZE !== 0)
    return refuse(`${descriptor.length} bytes are no whole number of ranges`);
  const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  const version = view.getUint32(0, littleEndian);
  if (version !== VERSION) return refuse(`its version is ${version}`);
  const ranges: ByteRange[] = [];
  for (let at = HEADER_SIZE; at < descriptor.length; at += PAIR_SIZE) {
    const start = getU64(view, at, littleEndian);
    const end = getU64(view, at + 8, littleEndian);
    if (end <= start || start < (ranges[ranges.length - 1]?.end ?? 0))
      return refuse(`range ${ranges.length} is empty or out of order`);
    ranges.push({ start, end });
  }
  return ranges;
}

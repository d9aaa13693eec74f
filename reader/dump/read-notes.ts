// The notes of a core, read from its file. Device dumps may be larger than memory allows: a long descriptor is read when it is asked for.
import { fixedText } from '../cursor.js';
import { hex } from '../fault.js';
import { decodeNotes, type Note } from '../formats/notes.js';
import type { Issues } from '../issue.js';
import { type ByteSource, readExactly } from '../source.js';
import { alignUp } from '../u64.js';

/** Segments up to this are read at once. */
const WHOLE = 1 << 22;
/** Descriptors longer than this stay in the file until they are asked for. */
const LONG = 1 << 20;
const NOTE_HEADER = 12;
const MOST_NAME = 256;

/** A note whose descriptor is read on each access. */
export class LongNote implements Note {
  readonly name: string;
  readonly type: number;
  readonly source: ByteSource;
  readonly offset: number;
  readonly size: number;

  constructor(name: string, type: number, source: ByteSource, offset: number, size: number) {
    this.name = name;
    this.type = type;
    this.source = source;
    this.offset = offset;
    this.size = size;
  }

  get descriptor(): Uint8Array {
    return readExactly(this.source, this.offset, this.size, `note ${this.name}`);
  }
}

/**
 * The notes in [offset, offset + size); what lies behind the end of the file is told and left out.
 * @param said the two as they stand in the header
 */
export function readNotes(
  source: ByteSource,
  offset: number,
  size: number,
  littleEndian: boolean,
  issues: Issues,
  said: { readonly offset: number | bigint; readonly size: number | bigint } = { offset, size },
): Note[] {
  const there = Math.max(0, Math.min(size, source.size - offset));
  if (there < size) {
    issues.add(
      'truncated',
      `the notes at file offset ${hex(said.offset)} have ${said.size} bytes, but ${source.name} ends at ${source.size}`,
      offset,
    );
  }
  if (there === 0) return [];
  if (there <= WHOLE) return decodeNotes(readExactly(source, offset, there, 'notes'), littleEndian, issues, offset);
  return walk(source, offset, offset + there, littleEndian, issues);
}

function walk(source: ByteSource, offset: number, end: number, littleEndian: boolean, issues: Issues): Note[] {
  const notes: Note[] = [];
  let from = offset;
  // Long notes are stepped over; what lies between them is decoded piece by piece.
  while (from < end) {
    const piece = readExactly(source, from, Math.min(WHOLE, end - from), 'notes');
    const long = findLong(piece, littleEndian);
    const stop = long === null ? piece.length : long.at;
    const last = long === null && from + piece.length >= end;
    const whole = long === null && !last ? wholeNotes(piece, littleEndian) : stop;
    notes.push(...decodeNotes(piece.subarray(0, whole), littleEndian, issues, from));
    from += whole;
    if (long === null) {
      if (whole === 0) break;
      continue;
    }
    const at = from + NOTE_HEADER + alignUp(long.nameSize, 4);
    if (at + long.size > end) {
      issues.add('note-cut-short', `the note at file offset 0x${from.toString(16)} ends behind its segment`, from);
      break;
    }
    const nameBytes = readExactly(source, from + NOTE_HEADER, long.nameSize, 'note name');
    notes.push(new LongNote(fixedText(nameBytes), long.type, source, at, long.size));
    from = at + alignUp(long.size, 4);
  }
  return notes;
}

interface LongPlace {
  readonly at: number;
  readonly nameSize: number;
  readonly size: number;
  readonly type: number;
}

/** The first note of the piece whose descriptor is long. */
function findLong(piece: Uint8Array, littleEndian: boolean): LongPlace | null {
  for (const { at, nameSize, size, type } of headers(piece, littleEndian)) {
    if (size > LONG && nameSize <= MOST_NAME) return { at, nameSize, size, type };
  }
  return null;
}

/** How many bytes of the piece are notes that end in it. */
function wholeNotes(piece: Uint8Array, littleEndian: boolean): number {
  let whole = 0;
  for (const { at, nameSize, size } of headers(piece, littleEndian)) {
    const end = at + NOTE_HEADER + alignUp(nameSize, 4) + alignUp(size, 4);
    if (end <= piece.length) whole = end;
  }
  return whole;
}

function* headers(piece: Uint8Array, littleEndian: boolean): Iterable<LongPlace> {
  const view = new DataView(piece.buffer, piece.byteOffset, piece.byteLength);
  let at = 0;
  while (at + NOTE_HEADER <= piece.length) {
    const nameSize = view.getUint32(at, littleEndian);
    const size = view.getUint32(at + 4, littleEndian);
    const type = view.getUint32(at + 8, littleEndian);
    if (nameSize === 0 && size === 0 && type === 0) {
      at += 4;
      continue;
    }
    yield { at, nameSize, size, type };
    at += NOTE_HEADER + alignUp(nameSize, 4) + alignUp(size, 4);
  }
}

// A header blob's bytes and how they are to be read: word size and byte order as most of its marks say.
import { Cursor } from '../../cursor.js';
import {
  decodeProgramHeader,
  ET_CORE,
  elfHeaderSize,
  type ProgramHeader,
  programHeaderSize,
} from '../../formats/elf.js';
import { type Blob, beginsWith, head } from './blob.js';

/** Header blobs are some 15 to 30 KiB; with 65,535 program headers they could be this large. */
export const MOST_HEADER = 8 << 20;
/** Of the seven marks of an ELF core header that `score` counts, how many make a header: two may be damaged. */
const MARKS_NEEDED = 5;

/** The bytes of a header blob and how they are read. */
export interface HeaderBytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly cursor: Cursor;
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
}

interface Variant {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly marks: number;
}

/** The word size and byte order that most marks of the first 64 bytes agree with. */
export function bestVariant(bytes: Uint8Array): Variant {
  let best: Variant = { bits: 64, littleEndian: true, marks: -1 };
  if (bytes.length < 64) return best;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const bits of [64, 32] as const) {
    for (const littleEndian of [true, false]) {
      const sizesAt = bits === 64 ? 52 : 40;
      const marks = [
        beginsWith(bytes, '\x7fELF'),
        bytes[4] === (bits === 64 ? 2 : 1),
        bytes[5] === (littleEndian ? 1 : 2),
        view.getUint16(16, littleEndian) === ET_CORE,
        view.getUint32(20, littleEndian) === 1,
        view.getUint16(sizesAt, littleEndian) === elfHeaderSize(bits),
        view.getUint16(sizesAt + 2, littleEndian) === programHeaderSize(bits),
      ].filter(Boolean).length;
      if (marks > best.marks) best = { bits, littleEndian, marks };
    }
  }
  return best;
}

/** A header blob's bytes, or null where it does not begin with an ELF core header (damaged in two fields at most). */
export function headerBytes(blob: Blob): HeaderBytes | null {
  const bytes = head(blob, MOST_HEADER);
  const { bits, littleEndian, marks } = bestVariant(bytes);
  if (marks < MARKS_NEEDED) return null;
  const cursor = new Cursor(bytes, littleEndian, { source: blob.name, record: 'header blob' });
  return { bytes, view: cursor.view, cursor, bits, littleEndian };
}

/** Whether a blob begins with an ELF core header, damaged in at most two fields. */
export function looksLikeHeader(blob: Blob): boolean {
  return bestVariant(head(blob, 64)).marks >= MARKS_NEEDED;
}

export function decodeAt(header: HeaderBytes, offset: number): ProgramHeader | null {
  if (offset < 0 || offset + programHeaderSize(header.bits) > header.bytes.length) return null;
  header.cursor.position = offset;
  return decodeProgramHeader(header.cursor, header.bits);
}

export function textAt(bytes: Uint8Array, at: number, text: string): boolean {
  return at >= 0 && at + text.length <= bytes.length && beginsWith(bytes.subarray(at), text);
}

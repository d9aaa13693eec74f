// makedumpfile's flattened form: a stream of (offset, size, bytes) records that makes up a dump file when each is put at its offset; later records
// overwrite earlier ones. All numbers are big-endian on every machine. Source: makedumpfile makedumpfile.h (struct makedumpfile_header,
// struct makedumpfile_data_header) and IMPLEMENTATION.
import { fixedText } from '../cursor.js';
import { setU64 } from '../u64.js';

export const FLATTENED_SIGNATURE = 'makedumpfile';
/** The header's fixed length; the first record follows. */
export const FLATTENED_HEADER_SIZE = 4096;
export const FLATTENED_RECORD_HEADER_SIZE = 16;
const TYPE_FLAT_HEADER = 1n;
const VERSION_FLAT_HEADER = 1n;

export interface FlattenedHeader {
  readonly type: bigint;
  readonly version: bigint;
}

export function isFlattened(bytes: Uint8Array): boolean {
  return bytes.length >= 16 && fixedText(bytes.subarray(0, 16)) === FLATTENED_SIGNATURE;
}

/** From the file's first 32 bytes; values are not judged (both are 1 in every known writer). */
export function decodeFlattenedHeader(bytes: Uint8Array): FlattenedHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { type: view.getBigInt64(16, false), version: view.getBigInt64(24, false) };
}

/** The 4096 bytes that begin a flattened file. */
export function encodeFlattenedHeader(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FLATTENED_HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(FLATTENED_SIGNATURE));
  view.setBigInt64(16, TYPE_FLAT_HEADER, false);
  view.setBigInt64(24, VERSION_FLAT_HEADER, false);
  return bytes;
}

/** Writes the header of a record of `size` bytes that belong at `offset`. */
export function encodeFlattenedRecord(view: DataView, at: number, offset: number, size: number): void {
  setU64(view, at, offset, false);
  setU64(view, at + 8, size, false);
}

/** Writes the record that ends the stream: offset and size are both -1. */
export function encodeFlattenedEnd(view: DataView, at: number): void {
  view.setBigInt64(at, -1n, false);
  view.setBigInt64(at + 8, -1n, false);
}

// Where names stand in the string table of an ELF file, found in one pass over it. Source: System V gABI (string table).
import type { ByteSource } from '../source.js';

const WINDOW = 1 << 18;
/** A longer name than this is not looked for, and a longer string is cut. */
export const MOST_NAME = 1024;

interface Stretch {
  readonly offset: number;
  readonly size: number;
}

/** Offset in a string table -> name, of each name wherever it ends a string: linkers let a name share the tail of a longer one. The table is read in windows as it passes by. */
export function placesOfNames(source: ByteSource, strtab: Stretch, names: Iterable<string>): Map<number, string> {
  const byEnd = namesByEnd(names);
  const places = new Map<number, string>();
  const window = new Uint8Array(WINDOW);
  let kept = 0;
  for (let offset = 0; offset < strtab.size; ) {
    const length = Math.min(WINDOW - kept, strtab.size - offset);
    const got = source.read(strtab.offset + offset, window.subarray(kept, kept + length));
    if (got <= 0) break;
    const end = kept + got;
    for (let nul = window.indexOf(0, kept); nul >= 0 && nul < end; nul = window.indexOf(0, nul + 1)) {
      for (let length = 1; length <= END_BYTES && length <= nul; length++) {
        for (const { name, bytes } of byEnd[length].get(endKey(window, nul, length)) ?? []) {
          const start = nul - bytes.length;
          if (start >= 0 && equal(window, start, bytes)) places.set(offset - kept + start, name);
        }
      }
    }
    offset += got;
    kept = Math.min(end, MOST_NAME);
    window.copyWithin(0, end - kept, end);
  }
  return places;
}

interface WantedName {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** By how many bytes names are sorted into lists; shorter ones by all they have. */
const END_BYTES = 4;

/** Index: how many bytes at the end; key: those bytes. */
function namesByEnd(names: Iterable<string>): Map<number, WantedName[]>[] {
  const byEnd = Array.from({ length: END_BYTES + 1 }, () => new Map<number, WantedName[]>());
  const encoder = new TextEncoder();
  for (const name of new Set(names)) {
    const bytes = encoder.encode(name);
    if (bytes.length === 0 || bytes.length > MOST_NAME) continue;
    const length = Math.min(bytes.length, END_BYTES);
    const key = endKey(bytes, bytes.length, length);
    const list = byEnd[length].get(key);
    if (list === undefined) byEnd[length].set(key, [{ name, bytes }]);
    else list.push({ name, bytes });
  }
  return byEnd;
}

/** The `length` bytes before `end` as one number. */
function endKey(bytes: Uint8Array, end: number, length: number): number {
  let key = 0;
  for (let i = end - length; i < end; i++) key = (key << 8) | bytes[i];
  return key;
}

function equal(bytes: Uint8Array, at: number, other: Uint8Array): boolean {
  for (let i = other.length - 1; i >= 0; i--) if (bytes[at + i] !== other[i]) return false;
  return true;
}

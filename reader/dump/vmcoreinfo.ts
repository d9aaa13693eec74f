// VMCOREINFO of a dump that has no note of it: found in memory. Source: kernel/vmcore_info.c (6.x; crash_save_vmcoreinfo_init: the text has
// a page of its own, and so has the note).
import type { Architecture } from '../arch/arch.js';
import { fixedText } from '../cursor.js';
import { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import type { PhysicalMemory } from '../memory.js';

export const VMCOREINFO_NAME = 'VMCOREINFO';
/** VMCOREINFO_BYTES is PAGE_SIZE. */
const MOST_TEXT = 65536;
const SMALLEST_PAGE = 4096;
const KEY = 'OSRELEASE=';
const NOTE_HEADER = 12;
const NOTE_NAME_FIELD = 12;

export interface FoundVmcoreinfo {
  readonly vmcoreinfo: Vmcoreinfo;
  readonly paddr: number;
  /** The byte order of the note's header in memory, null where the bare text was found. */
  readonly littleEndian: boolean | null;
}

/** Where the kernel keeps it, by the architecture's own pointer to it, else the first page that begins with it. */
export function findVmcoreinfo(physical: PhysicalMemory, arch: Architecture | null): FoundVmcoreinfo | null {
  const pointer = arch?.vmcoreinfoPointer;
  const pointed = pointer === undefined ? null : atPointer(physical, pointer, arch?.littleEndian === true);
  if (pointed !== null) return pointed;
  let found: FoundVmcoreinfo | null = null;
  scanPages(physical, paddr => {
    found = textAt(physical, paddr) ?? noteAt(physical, paddr);
    return found !== null;
  });
  return found;
}

/** The byte order of the VMCOREINFO note that the kernel keeps in memory; null if there is none. */
export function noteByteOrder(physical: PhysicalMemory): boolean | null {
  let order: boolean | null = null;
  scanPages(physical, paddr => {
    order = noteAt(physical, paddr)?.littleEndian ?? null;
    return order !== null;
  });
  return order;
}

/** Goes over the pages that could begin with text or note, until `visit` returns true. */
function scanPages(physical: PhysicalMemory, visit: (paddr: number) => boolean): void {
  const { start, end } = physical.bounds;
  physical.scan(start, end, (paddr, bytes) => {
    const first = (SMALLEST_PAGE - (paddr % SMALLEST_PAGE)) % SMALLEST_PAGE;
    for (let at = first; at + 2 * NOTE_HEADER <= bytes.length; at += SMALLEST_PAGE) {
      // 'O' of OSRELEASE=, or a name size of 11 in either byte order.
      const byte = bytes[at];
      if (byte !== 0x4f && byte !== 0x0b && byte !== 0) continue;
      const here = byte === 0x4f ? startsWith(bytes, at, KEY) : startsWith(bytes, at + NOTE_HEADER, VMCOREINFO_NAME);
      if (here && visit(paddr + at)) return false;
    }
    return true;
  });
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false;
  return true;
}

function textAt(physical: PhysicalMemory, paddr: number): FoundVmcoreinfo | null {
  const vmcoreinfo = parse(physical, paddr, MOST_TEXT);
  return vmcoreinfo === null ? null : { vmcoreinfo, paddr, littleEndian: null };
}

/** A whole ELF note of that name, in the byte order in which its name size is right. */
function noteAt(physical: PhysicalMemory, paddr: number): FoundVmcoreinfo | null {
  const at = physical.locate(paddr, NOTE_HEADER + NOTE_NAME_FIELD);
  if (at < 0 || !startsWith(physical.arena, at + NOTE_HEADER, VMCOREINFO_NAME)) return null;
  const nameSize = VMCOREINFO_NAME.length + 1;
  const littleEndian = physical.view.getUint32(at, true) === nameSize;
  if (!littleEndian && physical.view.getUint32(at, false) !== nameSize) return null;
  const size = physical.view.getUint32(at + 4, littleEndian);
  if (size === 0 || size > MOST_TEXT) return null;
  const textAtPaddr = paddr + NOTE_HEADER + NOTE_NAME_FIELD;
  const vmcoreinfo = parse(physical, textAtPaddr, size);
  return vmcoreinfo === null ? null : { vmcoreinfo, paddr: textAtPaddr, littleEndian };
}

function atPointer(physical: PhysicalMemory, pointer: number, littleEndian: boolean): FoundVmcoreinfo | null {
  const at = physical.locate(pointer, 8);
  if (at < 0) return null;
  const paddr = Number(physical.view.getBigUint64(at, littleEndian));
  return paddr > 0 && Number.isSafeInteger(paddr) ? noteAt(physical, paddr) : null;
}

/** The text at an address if it is one: copies of single lines lie in many places. */
function parse(physical: PhysicalMemory, paddr: number, most: number): Vmcoreinfo | null {
  let length = Math.min(most, MOST_TEXT);
  let at = physical.locate(paddr, length);
  while (at < 0 && length > SMALLEST_PAGE / 2) {
    length >>= 1;
    at = physical.locate(paddr, length);
  }
  if (at < 0) return null;
  const text = fixedText(physical.arena.subarray(at, at + length));
  const vmcoreinfo = new Vmcoreinfo(text);
  return vmcoreinfo.release !== undefined && vmcoreinfo.pageSize !== undefined ? vmcoreinfo : null;
}

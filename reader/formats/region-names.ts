// The note that tells which regions a core was put together from, where its program headers do not: in cores of whole pages, and in those whose header is not the kernel's own. Our own:
// name "KDUMPLING", type 0x4b45; u32 version (1), u32 count, then a record for each region in the order of registration: u64 virtual address (all ones: none), u64 physical address,
// u64 size, u32 length of the name (0: none), the name as firmware had it in UTF-8, padded to 8 bytes from the record's start.
import type { Issues } from '../issue.js';
import { alignUp, getU64, setU64 } from '../u64.js';
import type { Note } from './notes.js';
import { REAL_BYTES_NAME } from './real-bytes.js';

export const REGION_NAMES_NAME = REAL_BYTES_NAME;
export const NT_REGION_NAMES = 0x4b45;
const VERSION = 1;
const HEADER_SIZE = 8;
const RECORD_SIZE = 28;
const NO_ADDRESS = 0xffff_ffff_ffff_ffffn;
const MOST_NAME = 256;
/** No table of regions has as many. */
const MOST_REGIONS = 65536;

/** A region that was registered before the kernel died. */
export interface DumpRegion {
  /** As its table has it, cut short by some; null where nothing tells it. */
  readonly name: string | null;
  /** Null where nothing tells it. */
  readonly vaddr: bigint | null;
  readonly paddr: number;
  readonly size: number;
}

export const isRegionNames = (note: Note): boolean => note.name === REGION_NAMES_NAME && note.type === NT_REGION_NAMES;

export function encodeRegionNames(regions: readonly DumpRegion[], littleEndian: boolean): Note {
  const encoder = new TextEncoder();
  const records = regions.map(region => ({
    ...region,
    text: encoder.encode(region.name ?? '').subarray(0, MOST_NAME),
  }));
  const size = records.reduce((sum, { text }) => sum + alignUp(RECORD_SIZE + text.length, 8), HEADER_SIZE);
  const descriptor = new Uint8Array(size);
  const view = new DataView(descriptor.buffer);
  view.setUint32(0, VERSION, littleEndian);
  view.setUint32(4, records.length, littleEndian);
  let at = HEADER_SIZE;
  for (const { vaddr, paddr, size: bytes, text } of records) {
    view.setBigUint64(at, vaddr ?? NO_ADDRESS, littleEndian);
    setU64(view, at + 8, paddr, littleEndian);
    setU64(view, at + 16, bytes, littleEndian);
    view.setUint32(at + 24, text.length, littleEndian);
    descriptor.set(text, at + RECORD_SIZE);
    at += alignUp(RECORD_SIZE + text.length, 8);
  }
  return { name: REGION_NAMES_NAME, type: NT_REGION_NAMES, descriptor };
}

/** The records up to the first that cannot be, which is told. */
export function decodeRegionNames({ descriptor }: Note, littleEndian: boolean, issues: Issues): DumpRegion[] {
  const view = new DataView(descriptor.buffer, descriptor.byteOffset, descriptor.byteLength);
  const regions: DumpRegion[] = [];
  const refuse = (why: string): DumpRegion[] => {
    issues.add('region-names-note', `the note that tells the regions cannot be used as a whole: ${why}`);
    return regions;
  };
  if (descriptor.length < HEADER_SIZE) return refuse(`it has ${descriptor.length} bytes`);
  const version = view.getUint32(0, littleEndian);
  if (version !== VERSION) return refuse(`its version is ${version}`);
  const count = view.getUint32(4, littleEndian);
  if (count > MOST_REGIONS) return refuse(`it claims ${count} regions`);
  for (let at = HEADER_SIZE; regions.length < count; ) {
    if (at + RECORD_SIZE > descriptor.length) return refuse(`it ends after ${regions.length} of ${count} regions`);
    const length = view.getUint32(at + 24, littleEndian);
    const nameAt = at + RECORD_SIZE;
    if (length > MOST_NAME || nameAt + length > descriptor.length)
      return refuse(`the name of region ${regions.length} has ${length} bytes`);
    const paddr = getU64(view, at + 8, littleEndian);
    const size = getU64(view, at + 16, littleEndian);
    if (!Number.isSafeInteger(paddr) || !Number.isSafeInteger(size) || !Number.isSafeInteger(paddr + size))
      return refuse(`region ${regions.length} lies where no memory does`);
    const vaddr = view.getBigUint64(at, littleEndian);
    const name = length === 0 ? null : new TextDecoder().decode(descriptor.subarray(nameAt, nameAt + length));
    regions.push({ name, vaddr: vaddr === NO_ADDRESS ? null : vaddr, paddr, size });
    at += alignUp(RECORD_SIZE + length, 8);
  }
  return regions;
}

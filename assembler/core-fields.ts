// What every core of a minidump has from its header.
import { encodeNotes, type Note } from 'kdumpling/reader/formats/notes';
import type { Placement } from 'kdumpling/reader/minidump';

/** All bits of an address: the segment has no virtual address, as in cores of /proc/vmcore for memory that the kernel does not map. */
export const NO_VADDR: Record<32 | 64, bigint> = { 32: 0xffff_ffffn, 64: 0xffff_ffff_ffff_ffffn };

export function coreFields(placement: Placement, notes: readonly Note[]) {
  const { header, bits, littleEndian, machine } = placement;
  return {
    bits,
    littleEndian,
    machine,
    osabi: header?.osabi ?? 0,
    flags: header?.flags ?? 0,
    entry: header?.entry ?? 0n,
    notesSize: encodeNotes(notes, littleEndian).length,
  };
}

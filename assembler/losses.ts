// What an output does not carry, said in sentences.
import type { Dump, Issues } from 'kdumpling/reader';
import { NO_PADDR, PT_LOAD } from 'kdumpling/reader/formats/elf';
import { type ByteRange, isRealBytes } from 'kdumpling/reader/formats/real-bytes';
import { type DumpPlan, partialPages } from './plan.js';

const total = (ranges: readonly ByteRange[]): number =>
  ranges.reduce((bytes, { start, end }) => bytes + end - start, 0);

/** Memory that the input should have and lacks. */
export function tellMissing(missing: readonly ByteRange[], issues: Issues): void {
  for (const { start, end } of missing) {
    issues.add(
      'memory-lost',
      `${end - start} bytes at physical address 0x${start.toString(16)} cannot be read from the input and are not in the output`,
      start,
    );
  }
}

/** Memory that headers claim, and that no dump of this size can have lacked. */
export function tellUnlikely(unlikely: readonly ByteRange[], issues: Issues): void {
  for (const { start, end } of unlikely) {
    issues.add(
      'unlikely-claim',
      `the input claims memory from physical address 0x${start.toString(16)} to 0x${end.toString(16)} that it does not have: too much for its size, so the claim is dropped`,
      start,
    );
  }
}

/** Raw memory has no room for anything but memory. */
export function tellRawLosses(dump: Dump, plan: DumpPlan, issues: Issues): void {
  if (dump.notes.length > 0 || dump.vmcoreinfo !== null) {
    const registers = dump.notes.some(note => note.name === 'CORE') ? ', CPU registers' : '';
    issues.add('notes-lost', `raw memory carries no notes: VMCOREINFO${registers} and the like are not in the output`);
  }
  if (dump.eraseinfo !== null) issues.add('eraseinfo-lost', 'raw memory does not tell which data was erased');
  const { present } = plan;
  const holes = present.length === 0 ? 0 : present.end - present.starts[0] - plan.presentBytes;
  if (holes > 0) {
    const excluded = total(plan.excluded);
    const filtered = excluded > 0 ? `; ${excluded} bytes of the input were filtered out` : '';
    issues.add('holes-lost', `${holes} bytes between what is there read as zeros in raw memory${filtered}`);
  }
}

/**
 * Virtual addresses that a core's own headers give have no place in a format of page frames. Those of maps that the kernel has anyway are found again from
 * VMCOREINFO and page tables; a region core has no page tables.
 */
export function tellVirtualAddresses(dump: Dump, issues: Issues): void {
  const regionsOnly = dump.attributes.get('elf.regions_only')?.value === true;
  const claims = dump.segments.filter(
    ({ type, paddr, vaddr, filesz }) =>
      type === PT_LOAD && filesz > 0 && paddr !== NO_PADDR && vaddr !== 0n && vaddr !== BigInt(paddr),
  );
  if (!regionsOnly || claims.length === 0) return;
  issues.add(
    'virtual-addresses-lost',
    `the virtual addresses of ${claims.length} segments are not in the output: what lies outside the linear and image maps is found by physical address only; elf would keep them`,
    claims[0].vaddr,
  );
}

/** Whole pages with a note about their filling become segments of real bytes alone, which end within pages. */
export function tellFillingLost(dump: Dump, plan: DumpPlan, issues: Issues): void {
  if (!dump.notes.some(isRealBytes) || partialPages(plan).length === 0) return;
  issues.add(
    'filling-lost',
    'the input has whole pages with zeros around the real bytes; segments of the output end where the real bytes end, and crash, which checks only where a read begins, may read on into those of another region: a kdump format keeps the pages whole',
  );
}

/** Segments of a core that lie by virtual address only have no place in a format of page frames. Returns how many bytes are left out so. */
export function tellVirtualOnly(dump: Dump, issues: Issues): number {
  const segments = dump.segments.filter(segment => segment.type === PT_LOAD && segment.paddr === NO_PADDR);
  const bytes = segments.reduce((sum, segment) => sum + segment.filesz, 0);
  if (bytes === 0) return 0;
  issues.add(
    'virtual-only-lost',
    `${segments.length} segments (${bytes} bytes) have no physical address and are not in the output; elf would keep them`,
    segments[0].vaddr,
  );
  return bytes;
}

// What architecture and byte order a dump's memory has, concluded from what the container and memory say. The byte order of the container is not that of memory: QEMU
// writes big-endian files for little-endian ppc64 guests.

import { ARCHITECTURES, type Architecture, architectureByElfMachine, architectureByName } from '../arch/index.js';
import { type Note, NT_PRSTATUS } from '../formats/notes.js';
import type { Vmcoreinfo } from '../formats/vmcoreinfo.js';
import { linearTarget } from '../map-proof.js';
import type { PhysicalMemory } from '../memory.js';
import type { OpenedContainer } from './container.js';

export interface Conclusion<T> {
  readonly value: T;
  /** Where it comes from, as an attribute tells it. */
  readonly from: string;
}

/** e_machine decides; else utsname.machine, unless the notes are not of that architecture (QEMU: `i686` on x86_64, `Unknown`); else the size of the notes. */
export function identifyArchitecture(opened: OpenedContainer): Conclusion<Architecture> | null {
  if (opened.machine !== null) {
    const arch = architectureByElfMachine(opened.machine, opened.container.bits);
    return arch === null ? null : { value: arch, from: 'ELF header' };
  }
  const named = architectureByName(opened.utsname?.machine ?? '');
  const fitting = fittingNotes(opened.notes, opened.container.littleEndian);
  if (named !== null && (fitting.length === 0 || fitting.includes(named))) return { value: named, from: 'utsname' };
  if (fitting.length > 0) return { value: fitting[0], from: 'size of NT_PRSTATUS' };
  return null;
}

/** The architectures whose NT_PRSTATUS has the size that the dump's have. */
function fittingNotes(notes: readonly Note[], littleEndian: boolean): Architecture[] {
  const note = notes.find(({ name, type }) => type === NT_PRSTATUS && name === 'CORE');
  if (note === undefined) return [];
  const size = note.descriptor.length;
  return ARCHITECTURES.filter(
    arch => arch.prstatus.size === size && (arch.littleEndian === null || arch.littleEndian === littleEndian),
  );
}

const TOKENS = 256;

/**
 * The byte order of memory by the starts of kallsyms' 256 tokens, 16 bits each, which ascend from 0: in the other byte order they do not. Null where they
 * cannot be read.
 */
export function byteOrderByTokens(
  physical: PhysicalMemory,
  arch: Architecture,
  vmcoreinfo: Vmcoreinfo,
): boolean | null {
  const symbol = vmcoreinfo.symbol('kallsyms_token_index');
  if (symbol === undefined) return null;
  const { start: memoryStart, end: memoryEnd } = physical.bounds;
  const probe = { memoryStart, memoryEnd, variable: () => null };
  for (const range of [...arch.imageRanges(vmcoreinfo), ...arch.linearRanges(vmcoreinfo, probe)]) {
    const paddr = linearTarget(range, symbol);
    const at = paddr < 0 ? -1 : physical.locate(paddr, 2 * TOKENS);
    if (at < 0) continue;
    const little = ascends(physical.view, at, true);
    if (little !== ascends(physical.view, at, false)) return little;
  }
  return null;
}

function ascends(view: DataView, at: number, littleEndian: boolean): boolean {
  if (view.getUint16(at, littleEndian) !== 0) return false;
  for (let i = 1; i < TOKENS; i++) {
    if (view.getUint16(at + 2 * i, littleEndian) <= view.getUint16(at + 2 * i - 2, littleEndian)) return false;
  }
  return true;
}

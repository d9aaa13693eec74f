// What the panicking kernel leaves for the crash kernel: the elfcorehdr (an ELF header whose p_offset are physical addresses), per-CPU notes, the VMCOREINFO note and, on x86,
// the backup region that the low 640 KiB were copied to. Sources: kexec-tools kexec/crashdump-elf.c, kernel/kexec_file.c crash_prepare_elf64_headers(), arch/x86/kernel/crash.c.
import type { OverlayMemory, TargetKernel } from 'kdumpling/producer';
import { alignUp, InputError, type Issues, type PhysicalMemory } from 'kdumpling/reader';
import {
  ET_CORE,
  elfHeaderSize,
  encodeElfHeader,
  encodeProgramHeader,
  PF_R,
  PF_W,
  PF_X,
  PN_XNUM,
  type ProgramHeader,
  PT_LOAD,
  PT_NOTE,
  programHeaderSize,
} from 'kdumpling/reader/formats/elf';
import { encodeNotes, type Note, NT_PRSTATUS } from 'kdumpling/reader/formats/notes';
import { BackendOptionError } from '../backend.js';
import { imageSegments } from './image-segment.js';

/** Low memory that the crash kernel of an architecture needs for itself, copied aside before it starts. */
const BACKUP: Readonly<Record<string, { readonly start: number; readonly end: number }>> = {
  x86_64: { start: 0, end: 640 << 10 },
  i386: { start: 0, end: 640 << 10 },
  ppc64: { start: 0, end: 64 << 10 },
};

/** p_vaddr of memory outside the linear map. */
const NO_VADDR = 0xffff_ffff_ffff_ffffn;
/** A note of zeros ends each CPU's notes. */
const END_OF_NOTES = 12;

interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Makes everything in `memory`, beside the dead kernel's own; returns the physical address of the ELF header. */
export function makeElfcorehdr(kernel: TargetKernel, memory: OverlayMemory, bits: 32 | 64, issues: Issues): number {
  const old = kernel.memory.extents;
  if (bits === 32 && (kernel.arch.bits === 64 || old.end > 2 ** 32)) {
    throw new BackendOptionError(
      kernel.arch.bits === 64
        ? `an ELF32 header cannot hold the addresses of ${kernel.arch.name}: use ELF64`
        : `memory reaches to 0x${old.end.toString(16)}, but an ELF32 header ends at 4 GiB: use ELF64`,
    );
  }
  const stretches = splitMemory(kernel);
  const headers: ProgramHeader[] = [...noteHeaders(kernel, memory, issues)];
  const backup = copyLowMemory(kernel, memory, issues);
  for (const { start, end, vaddr } of imageSegments(kernel, issues))
    headers.push(load(start, start, end - start, vaddr));
  for (const { start, end } of stretches) {
    const vaddr = kernel.linearAddress(start) ?? NO_VADDR;
    headers.push(load(backup?.(start, end) ?? start, start, end - start, vaddr));
  }
  return writeHeader(kernel, memory, bits, headers);
}

function load(offset: number, paddr: number, size: number, vaddr: bigint): ProgramHeader {
  return { type: PT_LOAD, flags: PF_R | PF_W | PF_X, offset, vaddr, paddr, filesz: size, memsz: size, align: 0 };
}

function writeHeader(
  kernel: TargetKernel,
  memory: OverlayMemory,
  bits: 32 | 64,
  headers: readonly ProgramHeader[],
): number {
  if (headers.length >= PN_XNUM) {
    throw new InputError(
      { source: 'memory', nowhere: 'output', record: 'elfcorehdr', field: 'e_phnum', value: headers.length },
      'memory lies in more pieces than an elfcorehdr has headers for',
    );
  }
  const kind = { bits, littleEndian: kernel.littleEndian };
  const ehsize = elfHeaderSize(bits);
  const phentsize = programHeaderSize(bits);
  const bytes = new Uint8Array(ehsize + phentsize * headers.length);
  bytes.set(
    encodeElfHeader({
      ...kind,
      osabi: 0,
      abiVersion: 0,
      type: ET_CORE,
      machine: kernel.arch.elfMachine,
      entry: 0n,
      phoff: ehsize,
      shoff: 0,
      flags: 0,
      ehsize,
      phentsize,
      phnum: headers.length,
      shentsize: 0,
      shnum: 0,
      shstrndx: 0,
    }),
  );
  const view = new DataView(bytes.buffer);
  headers.forEach((header, i) => {
    encodeProgramHeader(header, kind, view, ehsize + i * phentsize);
  });
  const at = memory.allocate(bytes.length);
  if (bits === 32 && at + bytes.length > 2 ** 32) {
    throw new InputError(
      { source: 'memory', nowhere: 'output', record: 'elfcorehdr' },
      'there is no room for it below 4 GiB, where an ELF32 header ends',
    );
  }
  memory.write(at, bytes);
  return at;
}

/** One PT_NOTE per CPU (crash_notes), one for VMCOREINFO. */
function noteHeaders(kernel: TargetKernel, memory: OverlayMemory, issues: Issues): ProgramHeader[] {
  const notes = cpuGroups(kernel.cpuNotes).map(group => encodeNotes(group, kernel.littleEndian));
  if (notes.length === 0) issues.add('missing-notes', 'the dump has no per-CPU notes: the core has no registers');
  if (kernel.vmcoreinfo === null) {
    issues.add('missing-vmcoreinfo', 'the dump has no VMCOREINFO: the core has no such note');
  } else {
    const descriptor = new TextEncoder().encode(kernel.vmcoreinfo.atCrash ?? kernel.vmcoreinfo.text);
    notes.push(encodeNotes([{ name: 'VMCOREINFO', type: 0, descriptor }], kernel.littleEndian));
  }
  const rooms = notes.map(({ length }) => alignUp(length + END_OF_NOTES, 4));
  let at = memory.allocate(rooms.reduce((sum, room) => sum + room, 0));
  return notes.map((bytes, i) => {
    const room = rooms[i];
    memory.write(at, bytes);
    const header = { type: PT_NOTE, flags: 0, offset: at, vaddr: 0n, paddr: at, filesz: room, memsz: room, align: 0 };
    at += room;
    return header;
  });
}

/** Each CPU's notes begin with its NT_PRSTATUS. */
function cpuGroups(notes: readonly Note[]): Note[][] {
  const groups: Note[][] = [];
  for (const note of notes) {
    if (note.type === NT_PRSTATUS || groups.length === 0) groups.push([note]);
    else groups[groups.length - 1].push(note);
  }
  return groups;
}

/** Old memory, cut where the backup region and the linear map end. */
function splitMemory(kernel: TargetKernel): Stretch[] {
  const borders = new Set<number>();
  const backup = BACKUP[kernel.arch.name];
  if (backup !== undefined) borders.add(backup.start).add(backup.end);
  for (const { name, first, last, offset } of kernel.linearRanges) {
    if (name !== 'linear') continue;
    borders.add(Number(BigInt.asUintN(64, first - offset)));
    borders.add(Number(BigInt.asUintN(64, last - offset)) + 1);
  }
  const sorted = [...borders].sort((a, b) => a - b);
  const old = kernel.memory.extents.merged();
  const stretches: Stretch[] = [];
  for (let i = 0; i < old.length; i++) {
    let start = old.starts[i];
    for (const border of sorted) {
      if (border <= start || border >= old.ends[i]) continue;
      stretches.push({ start, end: border });
      start = border;
    }
    stretches.push({ start, end: old.ends[i] });
  }
  return stretches;
}

/** Copies low memory aside; returns where a stretch of it lies now (null outside it), or null where the architecture needs no copy. */
function copyLowMemory(
  kernel: TargetKernel,
  memory: OverlayMemory,
  issues: Issues,
): ((start: number, end: number) => number | null) | null {
  const low = BACKUP[kernel.arch.name];
  const { extents } = kernel.memory;
  if (low === undefined || extents.length === 0 || extents.starts[0] >= low.end) return null;
  const at = memory.allocate(low.end - low.start);
  copyInto(kernel.memory, memory, low, at - low.start, issues);
  return (start, end) => (start >= low.start && end <= low.end ? at + (start - low.start) : null);
}

function copyInto(from: PhysicalMemory, to: OverlayMemory, { start, end }: Stretch, distance: number, issues: Issues) {
  from.scan(
    start,
    end,
    (paddr, bytes) => {
      to.write(paddr + distance, bytes);
      return true;
    },
    fault => issues.add('missing-memory', `low memory: ${fault.toError().message}`, start),
  );
}

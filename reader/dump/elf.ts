// Opens ELF cores: /proc/vmcore, QEMU, makedumpfile -E, region cores, remoteproc cores that have sections only. Source: System V gABI; fs/proc/vmcore.c,
// drivers/remoteproc/remoteproc_coredump.c; makedumpfile 1.7 elf_info.c; QEMU dump/dump.c.
//
// Where segments overlap the earlier one counts. What p_memsz claims beyond p_filesz is never zeros: makedumpfile leaves out filtered pages so (`excluded`), unless the
// claim passes what physical addresses can be (`hole`).
import { Extents, RangeColumns } from '../extents.js';
import { hex, InputError } from '../fault.js';
import {
  type ElfHeader,
  ET_CORE,
  elfHeaderField,
  exactly,
  isElf,
  NO_PADDR,
  PF_R,
  type ProgramHeader,
  PT_LOAD,
  PT_NOTE,
  type SectionHeader,
  SHT_NOTE,
  SHT_PROGBITS,
} from '../formats/elf.js';
import type { Note } from '../formats/notes.js';
import { isRealBytes } from '../formats/real-bytes.js';
import type { DumpRegion } from '../formats/region-names.js';
import type { Issues } from '../issue.js';
import { BlockCache } from '../page-cache.js';
import { type ByteSource, readExactly } from '../source.js';
import type { DumpInput, DumpProbe, OpenedContainer } from './container.js';
import { readElfHeader, readProgramHeaders, readSectionHeaders, sectionNames } from './elf-tables.js';
import { ExtentMemory, type Gap } from './extent-memory.js';
import { readNotes } from './read-notes.js';
import { VMCOREINFO_NAME } from './vmcoreinfo.js';

/** No architecture has physical addresses beyond. */
const MEMORY_END = 2 ** 52;
const SMALLEST_PAGE = 4096;
/** A segment without a virtual address. */
const NO_VADDR = 0xffff_ffff_ffff_ffffn;
/** Blocks of a file that is not compressed. */
const LARGEST_BLOCK = 16384;

export const elfProbe: DumpProbe = {
  name: 'ELF core',
  probe(input) {
    if (input.isFolder || input.raw !== null) return 'it is not a file of its own';
    if (!isElf(input.head)) return 'it does not begin with 7f "ELF"';
    return async () => openElf(input);
  },
};

function openElf(input: DumpInput): OpenedContainer {
  const { issues } = input;
  const [source] = input.sources;
  const header = readElfHeader(source);
  mustBeOne(input);
  mustBeCore(source, header);
  const sections = readSectionHeaders(source, header, issues);
  refuseXen(source, header, sections);
  const table = readProgramHeaders(source, header, issues);
  const bySections = table.length === 0;
  const claimed = bySections ? sections.filter(isMemory).map(asSegment) : table.filter(({ type }) => type === PT_LOAD);
  const segments = withoutPhysical(claimed, issues);
  const notes = bySections
    ? sectionNotes(source, header, sections, issues)
    : segmentNotes(source, header, table, issues);
  if (segments.length === 0 && notes.length === 0) throw emptyCore(source, header, table, sections);
  const regions = isRegionCore(segments, notes);
  const physical = physicalMemory(source, segments, regions, input);
  const byFile = segments.some(({ paddr }) => paddr === NO_PADDR);
  return {
    container: {
      format: 'elf',
      flattened: input.flattened,
      compression: [],
      littleEndian: header.littleEndian,
      bits: header.bits,
      files: 1,
    },
    physical,
    file: byFile ? fileMemory(source, input.cacheBytes) : null,
    missing: regions ? 'unregistered' : 'not-present',
    machine: header.machine,
    utsname: null,
    segments,
    ...(regions ? { regions: regionsOf(segments) } : {}),
    notes,
    vmcoreinfo: null,
    eraseinfo: null,
    facts: [
      ['elf.machine', header.machine, 'ELF header'],
      ['elf.osabi', header.osabi, 'ELF header'],
      ['elf.flags', header.flags, 'ELF header'],
      ['elf.entry', header.entry, 'ELF header'],
      ['elf.segments', segments.length, bySections ? 'section headers' : 'program headers'],
      ['elf.regions_only', regions, bySections ? 'section headers' : 'program headers'],
    ],
  };
}

/** A core without anything in it: because its tables lie behind the end of the file, or because it has none. */
function emptyCore(
  source: ByteSource,
  header: ElfHeader,
  table: readonly ProgramHeader[],
  sections: readonly SectionHeader[],
): InputError {
  const tables = [
    ['program header', header.phoff, header.phentsize, header.phnum, table.length, 'p_type'],
    ['section header', header.shoff, header.shentsize, header.shnum, sections.length, 'sh_type'],
  ] as const;
  for (const [record, at, size, claimed, there, field] of tables) {
    if (at === 0 || there >= claimed) continue;
    return new InputError(
      { source: source.name, record, offset: at + there * size, field },
      `${claimed} ${record}s are claimed, but the file ends at ${source.size} and ${there === 0 ? 'none' : `only ${there}`} of them lie in it`,
      'the file was cut short: take a whole copy',
    );
  }
  const behind = notesBehind(source, header, table, sections);
  if (behind !== null) return behind;
  return new InputError(
    { source: source.name, record: 'ELF header', ...elfHeaderField(header.bits, 'e_phnum'), value: header.phnum },
    'the core has neither segments nor notes',
  );
}

/** Offset and size in a program header and a section header of either word size. */
const PLACE_FIELDS = {
  'program header': { names: ['p_offset', 'p_filesz'], 64: [8, 32], 32: [4, 16] },
  'section header': { names: ['sh_offset', 'sh_size'], 64: [24, 32], 32: [16, 20] },
} as const;

/** The notes that the core has lie behind its end. */
function notesBehind(
  source: ByteSource,
  header: ElfHeader,
  table: readonly ProgramHeader[],
  sections: readonly SectionHeader[],
): InputError | null {
  const { bits, phoff, phentsize, shoff, shentsize } = header;
  const claims = [
    ...table.map(({ type, offset, filesz }, i) => ({
      record: 'program header' as const,
      isNote: type === PT_NOTE,
      at: phoff + i * phentsize,
      offset,
      size: filesz,
    })),
    ...sections.map(({ type, offset, size }, i) => ({
      record: 'section header' as const,
      isNote: type === SHT_NOTE,
      at: shoff + i * shentsize,
      offset,
      size,
    })),
  ];
  for (const { record, isNote, at, offset, size } of claims) {
    if (!isNote || size === 0 || offset + size <= source.size) continue;
    const which = offset >= source.size ? 0 : 1;
    const { names, [bits]: offsets } = PLACE_FIELDS[record];
    const value = exactWord(source, at + offsets[which], header);
    return new InputError(
      { source: source.name, record, offset: at + offsets[which], field: names[which], value },
      `the notes would ${which === 0 ? 'begin' : 'end'} behind the end of the file at ${hex(source.size)}, and there are no segments`,
      'the file was cut short, or its headers are damaged: take a whole copy',
    );
  }
  return null;
}

/** A word of a header as it stands in the file. */
function exactWord(source: ByteSource, offset: number, { bits, littleEndian }: ElfHeader): bigint {
  const { buffer } = readExactly(source, offset, bits / 8, 'ELF header');
  const view = new DataView(buffer);
  return bits === 64 ? view.getBigUint64(0, littleEndian) : BigInt(view.getUint32(0, littleEndian));
}

function mustBeOne({ sources }: DumpInput): void {
  if (sources.length === 1) return;
  throw new InputError(
    { source: sources[0].name, record: 'ELF header', offset: 0, field: 'e_ident' },
    `it is an ELF core, which is one file, but ${sources.length} files were given`,
    'several files are read as the parts of a kdump split set, or as raw images with FILE@PADDR',
  );
}

const TYPES: Record<number, string> = { 1: 'an object file or a module', 2: 'an executable', 3: 'a shared object' };

function mustBeCore(source: ByteSource, header: ElfHeader): void {
  if (header.type === ET_CORE) return;
  const what = TYPES[header.type];
  throw new InputError(
    { source: source.name, record: 'ELF header', offset: 16, field: 'e_type', value: header.type },
    what === undefined ? 'an ELF dump has 4 (core)' : `it is ${what}, not a dump`,
    what === undefined ? '' : 'if it is the vmlinux of a dump, give it with --vmlinux',
  );
}

function refuseXen(source: ByteSource, header: ElfHeader, sections: readonly SectionHeader[]): void {
  const names = sectionNames(source, header, sections);
  const index = names.findIndex(name => name.startsWith('.xen_'));
  if (index < 0) return;
  const offset = header.shoff + index * header.shentsize;
  throw new InputError(
    { source: source.name, record: 'section header', offset, field: 'sh_name', value: names[index] },
    'it is a core of a Xen domain (xl dump-core), which is not read',
    'crash reads it',
  );
}

/** remoteproc's section cores name a string table and device memory, all of it SHT_PROGBITS. */
const isMemory = ({ type, size }: SectionHeader): boolean => type === SHT_PROGBITS && size > 0;

function asSegment(section: SectionHeader): ProgramHeader {
  const { addr, offset, size } = section;
  return { type: PT_LOAD, flags: PF_R, offset, vaddr: addr, paddr: Number(addr), filesz: size, memsz: size, align: 0 };
}

/** Several segments that all say physical address 0 (cores of programs, and of kernels by virtual address) have none. */
function withoutPhysical(segments: readonly ProgramHeader[], issues: Issues): ProgramHeader[] {
  const filled = segments.filter(({ filesz }) => filesz > 0);
  const none = filled.length > 1 && filled.every(({ paddr, vaddr }) => paddr === 0 && vaddr !== 0n);
  const result = none ? segments.map(segment => ({ ...segment, paddr: NO_PADDR })) : [...segments];
  const without = result.filter(({ paddr, filesz }) => paddr === NO_PADDR && filesz > 0).length;
  if (without > 0) {
    issues.add(
      'no-physical-address',
      `${without} of ${segments.length} segments have no physical address: they are read by virtual address only`,
    );
  }
  return result;
}

function segmentNotes(source: ByteSource, header: ElfHeader, table: readonly ProgramHeader[], issues: Issues): Note[] {
  return table
    .filter(({ type, filesz }) => type === PT_NOTE && filesz > 0)
    .flatMap(note => {
      const said = { offset: exactly(note, 'offset'), size: exactly(note, 'filesz') };
      return readNotes(source, note.offset, note.filesz, header.littleEndian, issues, said);
    });
}

function sectionNotes(
  source: ByteSource,
  header: ElfHeader,
  sections: readonly SectionHeader[],
  issues: Issues,
): Note[] {
  return sections
    .filter(({ type, size }) => type === SHT_NOTE && size > 0)
    .flatMap(({ offset, size }) => readNotes(source, offset, size, header.littleEndian, issues));
}

/**
 * A core of registered regions: of a kernel, which VMCOREINFO tells, and most of its segments begin or end within a page. (/proc/vmcore has a few such
 * segments, where firmware's memory map has them; segments of filtered pages and of QEMU are whole pages.) A note about filling says it outright.
 */
function isRegionCore(segments: readonly ProgramHeader[], notes: readonly Note[]): boolean {
  if (notes.some(isRealBytes)) return true;
  if (!notes.some(({ name }) => name === VMCOREINFO_NAME)) return false;
  const filled = segments.filter(({ filesz, paddr }) => filesz > 0 && paddr !== NO_PADDR);
  const odd = filled.filter(({ paddr, filesz }) => paddr % SMALLEST_PAGE !== 0 || filesz % SMALLEST_PAGE !== 0);
  return odd.length * 2 > filled.length;
}

/** In a core that is its blobs end to end each segment is a region. */
function regionsOf(segments: readonly ProgramHeader[]): DumpRegion[] {
  return segments
    .filter(({ filesz, paddr }) => filesz > 0 && paddr !== NO_PADDR)
    .map(({ vaddr, paddr, filesz }) => ({ name: null, vaddr: vaddr === NO_VADDR ? null : vaddr, paddr, size: filesz }));
}

function physicalMemory(
  source: ByteSource,
  segments: readonly ProgramHeader[],
  regions: boolean,
  input: DumpInput,
): ExtentMemory {
  const there = new RangeColumns();
  const cut = new RangeColumns();
  const filtered = new RangeColumns();
  for (const segment of segments) {
    const { paddr, filesz, memsz, offset } = segment;
    if (paddr === NO_PADDR) continue;
    if (!(paddr + filesz <= MEMORY_END)) {
      input.issues.add(
        'segment-address',
        `a segment claims ${hex(exactly(segment, 'filesz'))} bytes at physical address ${hex(exactly(segment, 'paddr'))}, which no machine has: it is left out`,
        paddr,
      );
      continue;
    }
    const present = Math.max(0, Math.min(filesz, source.size - offset));
    there.add(paddr, paddr + present, offset);
    if (present < filesz) cut.add(paddr + present, paddr + filesz, 0);
    if (memsz > filesz && paddr + memsz <= MEMORY_END) filtered.add(paddr + filesz, paddr + memsz, 0);
  }
  tellCut(source, cut, input.issues);
  const gaps: Gap[] = [
    { reason: 'truncated', detail: '', extents: Extents.of(cut) },
    { reason: 'excluded', detail: '', extents: Extents.of(filtered) },
  ];
  const cache = fileCache(source, input.cacheBytes);
  return new ExtentMemory({
    source,
    extents: Extents.of(there),
    gaps,
    otherwise: regions ? 'unregistered' : 'hole',
    cache,
  });
}

function tellCut(source: ByteSource, cut: RangeColumns, issues: Issues): void {
  if (cut.length === 0) return;
  const bytes = cut.ends.reduce((sum, end, i) => sum + (end - cut.starts[i]), 0);
  issues.add(
    'truncated',
    `${source.name} ends at ${source.size} bytes: ${bytes} bytes of ${cut.length} segments are missing`,
    cut.starts[0],
  );
}

/** A cache over blocks of a file. */
export function fileCache(source: ByteSource, cacheBytes: number): BlockCache {
  const blockSize = Math.min(source.blockSize, LARGEST_BLOCK);
  return new BlockCache(blockSize, new Uint8Array(BlockCache.bufferSize(blockSize, cacheBytes)));
}

/** The whole file as memory by file offset. */
function fileMemory(source: ByteSource, cacheBytes: number): ExtentMemory {
  const extents = Extents.from([{ start: 0, end: source.size, value: 0 }]);
  return new ExtentMemory({ source, extents, otherwise: 'truncated', cache: fileCache(source, cacheBytes) });
}

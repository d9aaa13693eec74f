// The plainest physical memory over an ELF dump, for tests of what stands on it: no cache, one read per access.
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import {
  type AddressMap,
  Attributes,
  buildAddressMap,
  Cursor,
  Extents,
  Issues,
  type MemoryRun,
  MOST_LOCATED,
  PhysicalMemory,
} from 'kdumpling/reader';
import { type Architecture, architectureByElfMachine } from 'kdumpling/reader/arch';
import {
  decodeElfHeader,
  decodeProgramHeader,
  type ProgramHeader,
  PT_LOAD,
  PT_NOTE,
} from 'kdumpling/reader/formats/elf';
import { decodeNotes, type Note } from 'kdumpling/reader/formats/notes';
import { Vmcoreinfo } from 'kdumpling/reader/formats/vmcoreinfo';

export class ElfMemory extends PhysicalMemory {
  readonly stable = true;
  readonly littleEndian: boolean;
  readonly pointerSize: 4 | 8;
  readonly arena = new Uint8Array(2 * MOST_LOCATED);
  readonly view = new DataView(this.arena.buffer);
  readonly scratch = MOST_LOCATED;
  readonly extents: Extents;
  readonly #file: number;
  /** How often memory was read. */
  reads = 0;

  constructor(file: number, segments: readonly ProgramHeader[], littleEndian: boolean, pointerSize: 4 | 8) {
    super();
    this.#file = file;
    this.littleEndian = littleEndian;
    this.pointerSize = pointerSize;
    this.extents = Extents.from(
      segments.map(({ paddr, filesz, offset }) => ({ start: paddr, end: paddr + filesz, value: offset })),
    );
  }

  locate(paddr: number, length: number): number {
    const i = this.extents.find(paddr);
    if (i < 0 || paddr + length > this.extents.ends[i]) return this.fault.set('physical', paddr, length, 'hole');
    this.reads++;
    readSync(this.#file, this.arena, 0, length, this.extents.values[i] + paddr - this.extents.starts[i]);
    return 0;
  }

  read(paddr: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; done += MOST_LOCATED) {
      const length = Math.min(MOST_LOCATED, into.length - done);
      const at = this.locate(paddr + done, length);
      if (at < 0) throw this.fault.toError();
      into.set(this.arena.subarray(at, at + length), done);
    }
  }

  runs(from: number, to: number): Iterable<MemoryRun> {
    return [{ start: from, end: to, state: 'data' }];
  }

  scan(from: number, to: number, visit: (paddr: number, bytes: Uint8Array) => boolean | undefined): void {
    for (let i = 0; i < this.extents.length; i++) {
      const end = Math.min(to, this.extents.ends[i]);
      for (let at = Math.max(from, this.extents.starts[i]); at < end; at += 1 << 20) {
        const bytes = new Uint8Array(Math.min(1 << 20, end - at));
        readSync(this.#file, bytes, 0, bytes.length, this.extents.values[i] + at - this.extents.starts[i]);
        if (visit(at, bytes) === false) return;
      }
    }
  }
}

export interface OpenElf {
  readonly name: string;
  readonly arch: Architecture;
  readonly physical: ElfMemory;
  readonly virtual: AddressMap;
  readonly segments: readonly ProgramHeader[];
  readonly notes: readonly Note[];
  readonly vmcoreinfo: Vmcoreinfo;
  readonly attributes: Attributes;
  readonly issues: Issues;
  close(): void;
}

/** VMCOREINFO from the note, else from the page-aligned place in memory whose text begins with OSRELEASE=. */
export function openElfDump(path: string, options: { littleEndian?: boolean } = {}): OpenElf {
  const file = openSync(path, 'r');
  const part = (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    readSync(file, bytes, 0, length, offset);
    return bytes;
  };
  const place = { source: basename(path), record: 'ELF header' };
  const header = decodeElfHeader(part(0, 64), place);
  const cursor = new Cursor(part(header.phoff, header.phnum * header.phentsize), header.littleEndian, place);
  const all = Array.from({ length: header.phnum }, () => decodeProgramHeader(cursor, header.bits));
  const segments = all.filter(one => one.type === PT_LOAD);
  const arch = architectureByElfMachine(header.machine);
  if (arch === null) throw new Error(`unknown machine ${header.machine}`);
  const issues = new Issues();
  const notes = all
    .filter(one => one.type === PT_NOTE)
    .flatMap(one => decodeNotes(part(one.offset, one.filesz), header.littleEndian, issues));
  const littleEndian = options.littleEndian ?? header.littleEndian;
  const physical = new ElfMemory(file, segments, littleEndian, arch.bits === 64 ? 8 : 4);
  const note = notes.find(one => one.name === 'VMCOREINFO');
  const vmcoreinfo = note === undefined ? scanned(physical) : Vmcoreinfo.decode(note.descriptor);
  const attributes = new Attributes();
  const virtual = buildAddressMap({ physical, segments, arch, vmcoreinfo, attributes, issues });
  const close = () => closeSync(file);
  return { name: basename(path), arch, physical, virtual, segments, notes, vmcoreinfo, attributes, issues, close };
}

function scanned(physical: ElfMemory): Vmcoreinfo {
  let found: Vmcoreinfo | null = null;
  physical.scan(0, Number.MAX_SAFE_INTEGER, (_, bytes) => {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = text.indexOf('OSRELEASE='); at >= 0; at = text.indexOf('OSRELEASE=', at + 1)) {
      const info = Vmcoreinfo.decode(bytes.subarray(at, at + 8192));
      if (info.symbol('_stext') !== undefined && info.pageSize !== undefined) found = info;
    }
    return found === null;
  });
  if (found === null) throw new Error('no VMCOREINFO in memory');
  return found;
}

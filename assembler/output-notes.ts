// The notes of an output: those of the dump, in order, with what the formats keep elsewhere moved to where the output keeps it.
import { alignUp, type ByteSink, type Dump, type Issues, LongNote, readExactly } from 'kdumpling/reader';
import { encodeNotes, type Note, noteSize } from 'kdumpling/reader/formats/notes';
import { encodeRealBytes, isRealBytes } from 'kdumpling/reader/formats/real-bytes';
import { encodeRegionNames, isRegionNames } from 'kdumpling/reader/formats/region-names';
import { type DumpPlan, partialPages } from './plan.js';

/** makedumpfile's name for the note of an ELF core that lists what was erased. */
const ERASEINFO_NAME = 'ERASEINFO';
const VMCOREINFO_NAME = 'VMCOREINFO';

const PIECE = 1 << 20;
const PADDING = new Uint8Array(4);

/** Device dumps may be long, so notes go from file to file a piece at a time. */
export class OutputNotes {
  /** Bytes of all notes. */
  readonly size: number;
  /** Where in them the text of VMCOREINFO lies. */
  readonly vmcoreinfo: { readonly offset: number; readonly size: number } | null = null;
  readonly #notes: readonly Note[];
  readonly #littleEndian: boolean;

  constructor(notes: readonly Note[], littleEndian: boolean) {
    this.#notes = notes;
    this.#littleEndian = littleEndian;
    let at = 0;
    for (const note of notes) {
      const size = descriptorSize(note);
      if (note.name === VMCOREINFO_NAME && this.vmcoreinfo === null)
        this.vmcoreinfo = { offset: at + noteSize(note.name, 0), size };
      at += noteSize(note.name, size);
    }
    this.size = at;
  }

  write(sink: ByteSink): void {
    for (const note of this.#notes) {
      const size = descriptorSize(note);
      const header = encodeNotes([{ ...named(note), descriptor: new Uint8Array(0) }], this.#littleEndian);
      new DataView(header.buffer).setUint32(4, size, this.#littleEndian);
      sink.write(header);
      if (note instanceof LongNote) copyLong(note, sink);
      else sink.write(note.descriptor);
      sink.write(PADDING.subarray(0, alignUp(size, 4) - size));
    }
  }
}

const descriptorSize = (note: Note): number => (note instanceof LongNote ? note.size : note.descriptor.length);
const named = ({ name, type }: Note) => ({ name, type });

function copyLong(note: LongNote, sink: ByteSink): void {
  for (let at = 0; at < note.size; at += PIECE) {
    sink.write(readExactly(note.source, note.offset + at, Math.min(PIECE, note.size - at), `note ${note.name}`));
  }
}

/** For ELF: eraseinfo is a note, the last one. */
export function elfNotes(dump: Dump, littleEndian: boolean, issues: Issues): OutputNotes {
  const notes = withRegions(dump, withVmcoreinfo(dump, issues), littleEndian);
  if (dump.eraseinfo !== null && !notes.some(note => note.name === ERASEINFO_NAME)) {
    notes.push({ name: ERASEINFO_NAME, type: 0, descriptor: dump.eraseinfo });
  }
  return new OutputNotes(notes, littleEndian);
}

/** For kdump: eraseinfo has its own place, and pages that are there only in part need a note that tells which bytes are real. */
export function kdumpNotes(dump: Dump, plan: DumpPlan, littleEndian: boolean, issues: Issues): OutputNotes {
  const all = withRegions(dump, withVmcoreinfo(dump, issues), littleEndian);
  const notes = all.filter(note => dump.eraseinfo === null || note.name !== ERASEINFO_NAME);
  const partial = partialPages(plan);
  if (partial.length === 0) return new OutputNotes(notes, littleEndian);
  const bytes = partial.reduce((sum, { start, end }) => sum + end - start, 0);
  issues.add(
    'partial-pages',
    `${bytes} bytes in ${partial.length} pieces are less than whole pages, which is all that the format has: the rest of their pages is zeros, and a note of this program's own tells which bytes are real`,
    partial[0].start,
  );
  // One that the input has was read for what is partial now.
  const old = notes.findIndex(isRealBytes);
  const note = encodeRealBytes(partial, littleEndian);
  if (old < 0) notes.push(note);
  else notes[old] = note;
  return new OutputNotes(notes, littleEndian);
}

/** No format but the kernel's own header keeps which regions there were. */
function withRegions({ regions }: Dump, notes: Note[], littleEndian: boolean): Note[] {
  if (regions.length === 0 || notes.some(isRegionNames)) return notes;
  return [...notes, encodeRegionNames(regions, littleEndian)];
}

/** The dump's notes; VMCOREINFO that was found in memory or given by the user becomes a note, since tools look for it there. */
function withVmcoreinfo(dump: Dump, issues: Issues): Note[] {
  const notes = [...dump.notes];
  if (dump.vmcoreinfo === null) return notes;
  const at = notes.findIndex(note => note.name === VMCOREINFO_NAME);
  const descriptor = new TextEncoder().encode(dump.vmcoreinfo.text);
  const note = { name: VMCOREINFO_NAME, type: 0, descriptor };
  const from = dump.attributes.get('linux.vmcoreinfo.from')?.value ?? 'memory';
  if (at < 0) {
    notes.push(note);
    issues.add('vmcoreinfo-added', `the output has a VMCOREINFO note; the input has none, its text came from ${from}`);
  } else if (!sameText(notes[at].descriptor, descriptor)) {
    notes[at] = note;
    issues.add('vmcoreinfo-replaced', `the output's VMCOREINFO note is not the input's: its text came from ${from}`);
  }
  return notes;
}

/** Equal but for padding of NULs. */
function sameText(padded: Uint8Array, text: Uint8Array): boolean {
  if (padded.length < text.length) return false;
  return padded.every((byte, i) => byte === (i < text.length ? text[i] : 0));
}

// The notes of an output: those of the dump, in order, with what the formats keep elsewhere moved to where the output keeps it.
import type { Dump, Issues } from 'kdumpling/reader';
import { encodeNotes, type Note, noteSize } from 'kdumpling/reader/formats/notes';
import { decodeRealBytes, encodeRealBytes, isRealBytes } from 'kdumpling/reader/formats/real-bytes';
import type { DumpPlan } from './plan.js';

/** makedumpfile's name for the note of an ELF core that lists what was erased. */
const ERASEINFO_NAME = 'ERASEINFO';
const VMCOREINFO_NAME = 'VMCOREINFO';

export interface OutputNotes {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where in `bytes` the text of VMCOREINFO lies. */
  readonly vmcoreinfo: { readonly offset: number; readonly size: number } | null;
}

/** For ELF: eraseinfo is a note, the last one. */
export function elfNotes(dump: Dump, littleEndian: boolean, issues: Issues): OutputNotes {
  const notes = withVmcoreinfo(dump, issues);
  if (dump.eraseinfo !== null && !notes.some(note => note.name === ERASEINFO_NAME)) {
    notes.push({ name: ERASEINFO_NAME, type: 0, descriptor: dump.eraseinfo });
  }
  return encoded(notes, littleEndian);
}

/** For kdump: eraseinfo has its own place, and pages that are there only in part need a note that tells which bytes are real. */
export function kdumpNotes(dump: Dump, plan: DumpPlan, littleEndian: boolean, issues: Issues): OutputNotes {
  const notes = withVmcoreinfo(dump, issues).filter(note => dump.eraseinfo === null || note.name !== ERASEINFO_NAME);
  if (plan.partial.length === 0) return encoded(notes, littleEndian);
  const bytes = plan.partial.reduce((sum, { start, end }) => sum + end - start, 0);
  issues.add(
    'partial-pages',
    `${bytes} bytes in ${plan.partial.length} pieces are less than whole pages, which is all that the format has: the rest of their pages is zeros, and a note of this program's own tells which bytes are real`,
    plan.partial[0].start,
  );
  const old = notes.findIndex(isRealBytes);
  const before = old < 0 ? null : decodeRealBytes(notes[old], dump.container.littleEndian, issues);
  if (old >= 0) notes.splice(old, 1);
  const ranges = [...(before ?? []), ...plan.partial].sort((a, b) => a.start - b.start);
  const disjoint = ranges.filter((range, i) => i === 0 || range.start >= ranges[i - 1].end);
  notes.push(encodeRealBytes(disjoint, littleEndian));
  return encoded(notes, littleEndian);
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

function encoded(notes: readonly Note[], littleEndian: boolean): OutputNotes {
  const bytes = encodeNotes(notes, littleEndian);
  let at = 0;
  for (const note of notes) {
    const size = noteSize(note.name, note.descriptor.length);
    if (note.name === VMCOREINFO_NAME) {
      const header = noteSize(note.name, 0);
      return { bytes, vmcoreinfo: { offset: at + header, size: note.descriptor.length } };
    }
    at += size;
  }
  return { bytes, vmcoreinfo: null };
}

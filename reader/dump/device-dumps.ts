// Device dumps that drivers left with the crash kernel (NT_VMCOREDD): listed, and copied out. Source: struct vmcoredd_header of include/uapi/linux/vmcore.h and
// vmcoredd_write_header() of fs/proc/vmcore.c: the descriptor begins with a name of 44 bytes.
import { fixedText } from '../cursor.js';
import { type Note, NT_VMCOREDD } from '../formats/notes.js';
import type { ByteSink } from '../sink.js';
import { readExactly } from '../source.js';
import { LongNote } from './read-notes.js';

const NAME_SIZE = 44;
const PIECE = 1 << 20;

export interface DeviceDump {
  /** As the driver gave it: not fit as a file name. */
  readonly name: string;
  /** Bytes of the driver's data. */
  readonly size: number;
  readonly note: Note;
}

export function deviceDumps(notes: readonly Note[]): DeviceDump[] {
  return notes
    .filter(({ name, type }) => type === NT_VMCOREDD && name === 'LINUX')
    .map(note => {
      const size = note instanceof LongNote ? note.size : note.descriptor.length;
      return { name: nameOf(note), size: Math.max(0, size - NAME_SIZE), note };
    });
}

function nameOf(note: Note): string {
  if (!(note instanceof LongNote)) return fixedText(note.descriptor.subarray(0, NAME_SIZE));
  return fixedText(readExactly(note.source, note.offset, Math.min(NAME_SIZE, note.size), 'device dump'));
}

/** Appends the driver's data to `sink`; however long it is, little of it is in memory at a time. */
export function extractDeviceDump({ note }: DeviceDump, sink: ByteSink): void {
  if (!(note instanceof LongNote)) {
    sink.write(note.descriptor.subarray(NAME_SIZE));
    return;
  }
  for (let at = NAME_SIZE; at < note.size; at += PIECE) {
    sink.write(readExactly(note.source, note.offset + at, Math.min(PIECE, note.size - at), 'device dump'));
  }
}

// ELF notes: 12-byte header, name and descriptor each padded to 4 bytes (kernels pad to 4 on 64-bit too). Source: gABI, fs/binfmt_elf.c.
import { fixedText } from '../cursor.js';
import { Issues } from '../issue.js';
import { alignUp } from '../u64.js';

export const NT_PRSTATUS = 1;
export const NT_FPREGSET = 2;
export const NT_PRPSINFO = 3;
/** Device dump, NT_VMCOREDD of include/uapi/linux/elf.h; its name is "LINUX". */
export const NT_VMCOREDD = 0x700;

export interface Note {
  readonly name: string;
  readonly type: number;
  readonly descriptor: Uint8Array;
}

/**
 * All notes in `bytes`. A note that claims more than there is ends the walk, with an issue; what came before it stays. Runs of zeros
 * (per-CPU note buffers are padded with them) are passed over: a note without a name is none, as in update_note_header_size of fs/proc/vmcore.c.
 * @param fileOffset where `bytes` lie in the file, for the issue
 */
export function decodeNotes(bytes: Uint8Array, littleEndian: boolean, issues: Issues, fileOffset = 0): Note[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: Note[] = [];
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = view.getUint32(at, littleEndian);
    const descriptorSize = view.getUint32(at + 4, littleEndian);
    const type = view.getUint32(at + 8, littleEndian);
    if (nameSize === 0) {
      at += 4;
      continue;
    }
    const nameAt = at + 12;
    const descriptorAt = nameAt + alignUp(nameSize, 4);
    const end = descriptorAt + descriptorSize;
    if (end > bytes.length) {
      issues.add(
        'note-cut-short',
        `the note at file offset 0x${(fileOffset + at).toString(16)} claims a name of ${nameSize} and a descriptor of ${descriptorSize} bytes, but its segment ends after ${bytes.length - at}`,
        fileOffset + at,
      );
      break;
    }
    notes.push({
      name: fixedText(bytes.subarray(nameAt, nameAt + nameSize)),
      type,
      descriptor: bytes.subarray(descriptorAt, end),
    });
    at = descriptorAt + alignUp(descriptorSize, 4);
  }
  return notes;
}

const encoder = new TextEncoder();

export function noteSize(name: string, descriptorSize: number): number {
  return encodedSize(encoder.encode(name), descriptorSize);
}

/** A name's length in characters is not its length in bytes: hostile ones are not ASCII. */
const encodedSize = (name: Uint8Array, descriptorSize: number): number =>
  12 + alignUp(name.length + 1, 4) + alignUp(descriptorSize, 4);

export function encodeNotes(notes: readonly Note[], littleEndian: boolean): Uint8Array<ArrayBuffer> {
  const names = notes.map(note => encoder.encode(note.name));
  const size = notes.reduce((sum, { descriptor }, i) => sum + encodedSize(names[i], descriptor.length), 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [i, { type, descriptor }] of notes.entries()) {
    const name = names[i];
    view.setUint32(at, name.length + 1, littleEndian);
    view.setUint32(at + 4, descriptor.length, littleEndian);
    view.setUint32(at + 8, type, littleEndian);
    bytes.set(name, at + 12);
    bytes.set(descriptor, at + 12 + alignUp(name.length + 1, 4));
    at += encodedSize(name, descriptor.length);
  }
  return bytes;
}

const NT_GNU_BUILD_ID = 3;

/** The build ID among notes, in lower-case hexadecimal, or null. */
export function gnuBuildId(bytes: Uint8Array, littleEndian: boolean): string | null {
  const note = decodeNotes(bytes, littleEndian, new Issues()).find(
    ({ name, type }) => name === 'GNU' && type === NT_GNU_BUILD_ID,
  );
  return note === undefined ? null : [...note.descriptor].map(byte => byte.toString(16).padStart(2, '0')).join('');
}

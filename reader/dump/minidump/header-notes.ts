// The notes in an upstream header blob: NT_PRSTATUS, NT_PRPSINFO, and the head of VMCOREINFO, whose descriptor is another blob. The kernel zeroes only the bytes before
// them, so padding may be anything. Source: kernel/meminspect/meminspect.c (v3), init_elfheader().
import { fixedText } from '../../cursor.js';
import { exactly, type ProgramHeader } from '../../formats/elf.js';
import type { Note } from '../../formats/notes.js';
import { alignUp } from '../../u64.js';
import type { Faults } from './faults.js';
import { type HeaderBytes, textAt } from './header-bytes.js';

export interface HeaderNotes {
  readonly notes: readonly Note[];
  readonly vmcoreinfoSize: number | null;
  /** Where they begin in the blob, or null if there are none. */
  readonly at: number | null;
  /** Where they end in the blob, VMCOREINFO's descriptor left out; null if there are none. */
  readonly end: number | null;
}

const NONE: HeaderNotes = { notes: [], vmcoreinfoSize: null, at: null, end: null };
const MOST_NOTES = 64;
/** VMCOREINFO_BYTES is a page; pages of 64 KiB are the largest. */
const MOST_VMCOREINFO = 1 << 16;

/**
 * @param note the PT_NOTE, or null where there is none
 * @param firstPayload file offset of the first payload, before which the notes end
 */
export function readHeaderNotes(
  header: HeaderBytes,
  note: ProgramHeader | null,
  firstPayload: number | null,
  faults: Faults,
): HeaderNotes {
  if (note === null) return NONE;
  const { bytes } = header;
  let at = note.offset;
  if (!textAt(bytes, at + 12, 'CORE\0') && !textAt(bytes, at + 12, 'VMCOREINFO\0')) {
    const found = searchNotes(header);
    if (found < 0) {
      faults.header('p_offset of PT_NOTE', null, exactly(note, 'offset'), 'there are no notes in the blob');
      return NONE;
    }
    faults.header('p_offset of PT_NOTE', null, exactly(note, 'offset'), `the notes lie at ${found}`);
    at = found;
  }
  const { notes, vmcoreinfoSize, end } = walk(header, at, faults);
  const own = alignUp(vmcoreinfoSize ?? 0, 4);
  // What is left of the segment, and what lies before the first payload, are two more words on the size of the descriptor that is not in the blob.
  const claims = [own, note.filesz - (end - at), ...(firstPayload === null ? [] : [firstPayload - end])];
  const agreed = claims.find((claim, i) => claims.indexOf(claim) !== i && claim >= 0) ?? own;
  if (own !== agreed) {
    faults.header(
      'n_descsz of VMCOREINFO',
      end - 24,
      vmcoreinfoSize ?? 0,
      `the segment and the payloads leave it ${agreed} bytes`,
    );
  }
  if (claims[1] !== agreed) {
    faults.header('p_filesz of PT_NOTE', null, exactly(note, 'filesz'), `the notes have ${end - at + agreed} bytes`);
  }
  return {
    notes,
    vmcoreinfoSize: own === agreed ? vmcoreinfoSize : agreed <= MOST_VMCOREINFO ? agreed : null,
    at,
    end,
  };
}

/** The first place that has a note called CORE: PT_NOTE's offset is damaged. */
function searchNotes({ view, bytes, littleEndian }: HeaderBytes): number {
  for (let at = 0; at + 20 <= bytes.length; at += 4) {
    if (view.getUint32(at, littleEndian) === 5 && textAt(bytes, at + 12, 'CORE\0')) return at;
  }
  return -1;
}

function walk({ view, bytes, littleEndian }: HeaderBytes, from: number, faults: Faults) {
  const notes: Note[] = [];
  let vmcoreinfoSize: number | null = null;
  let at = from;
  while (at + 12 <= bytes.length && notes.length < MOST_NOTES && vmcoreinfoSize === null) {
    const nameSize = view.getUint32(at, littleEndian);
    const descriptorSize = view.getUint32(at + 4, littleEndian);
    const type = view.getUint32(at + 8, littleEndian);
    const descriptorAt = at + 12 + alignUp(nameSize, 4);
    if (nameSize === 0 || nameSize > 64 || descriptorAt > bytes.length) {
      faults.header(
        'n_namesz of a note',
        at,
        nameSize,
        'it leads out of the blob; this note and those behind it are left out',
      );
      break;
    }
    const name = fixedText(bytes.subarray(at + 12, at + 12 + nameSize));
    if (name.length + 1 !== nameSize) {
      faults.header('n_namesz of a note', at, nameSize, `its name is ${JSON.stringify(name)}`);
    }
    if (name === 'VMCOREINFO') {
      if (descriptorSize <= MOST_VMCOREINFO) vmcoreinfoSize = descriptorSize;
      else faults.header('n_descsz of VMCOREINFO', at + 4, descriptorSize, 'no kernel has so much of it');
      at = descriptorAt;
      break;
    }
    if (descriptorAt + descriptorSize > bytes.length) {
      faults.header(
        `n_descsz of note ${name}`,
        at + 4,
        descriptorSize,
        'it leads out of the blob; this note and those behind it are left out',
      );
      break;
    }
    notes.push({ name, type, descriptor: bytes.slice(descriptorAt, descriptorAt + descriptorSize) });
    at = descriptorAt + alignUp(descriptorSize, 4);
  }
  return { notes, vmcoreinfoSize, end: at };
}

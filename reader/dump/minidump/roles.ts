// Which blobs are not memory but tell of it: the header, VMCOREINFO; what machine they are of, and whether they can be read at all.
import { architectureByElfMachine } from '../../arch/index.js';
import { hex } from '../../fault.js';
import { NT_PRSTATUS } from '../../formats/notes.js';
import { type Blob, head, isBanner, isVmcoreinfo, sameSize } from './blob.js';
import { architectureOf, findVmcoreinfo, searchVmcoreinfo, type VmcoreinfoBlob } from './content.js';
import type { Faults } from './faults.js';
import { type HeaderSegment, type MinidumpHeader, readHeader } from './header.js';
import { looksLikeHeader } from './header-bytes.js';
import type { Medium } from './media.js';
import { memoryBlob, searchHeaders } from './tables.js';
import { type VmcoreinfoInside, vmcoreinfoInside } from './vmcoreinfo-inside.js';

/** Headers that are read to find the right one: a KVA_DUMP is an ELF file too. */
const MOST_HEADERS = 64;

/** How many of a header's segments the medium has at their address with their size; without addresses, with their size. */
function agreement(header: MinidumpHeader, medium: Medium): number {
  const known = new Set<string>();
  for (const { paddr, listedSize, size } of medium.blobs) {
    const rounded = Math.ceil((listedSize ?? size) / 4);
    known.add(medium.hasAddresses ? `${paddr}` : `${rounded}`);
  }
  const key = ({ paddr, filesz }: HeaderSegment) => (medium.hasAddresses ? `${paddr}` : `${Math.ceil(filesz / 4)}`);
  return header.segments.filter(segment => !segment.inside && known.has(key(segment))).length;
}

/** The blob that is an ELF core header and agrees best with what the medium lists. A header of another dump is not used. */
export function chooseHeader(medium: Medium, faults: Faults): MinidumpHeader | null {
  const best = bestHeader(medium.blobs, medium, faults) ?? searchedHeader(medium, faults);
  if (best === null) {
    faults.add('no-header', 'no blob is an ELF core header: virtual addresses and notes are not known');
    return null;
  }
  const { header, found, score } = best;
  const payloads = header.segments.filter(({ inside }) => !inside).length;
  const listed = medium.blobs.filter(({ paddr, certain }) => paddr !== null && certain).length;
  if (medium.hasAddresses && listed > 3 && payloads > 1 && score * 2 < Math.min(payloads, listed)) {
    const what = `of its ${payloads} regions only ${Math.floor(score)} lie where the list has any`;
    faults.add('header-of-another-dump', `${header.blob.name} does not belong to these blobs: ${what}; it is not used`);
    return null;
  }
  faults.take(found);
  checkHeaderSize(header, medium, faults);
  return header;
}

interface Candidate {
  readonly header: MinidumpHeader;
  readonly found: Faults;
  readonly score: number;
}

function bestHeader(blobs: readonly Blob[], medium: Medium, faults: Faults): Candidate | null {
  let best: Candidate | null = null;
  let read = 0;
  for (const listed of blobs) {
    const blob = whole(listed, medium);
    if (blob.source === null || !looksLikeHeader(blob) || ++read > MOST_HEADERS) continue;
    const found = faults.fresh();
    const header = readHeader(blob, found);
    if (header === null) continue;
    const score = agreement(header, medium) + (blob.loose ? 0 : 0.5);
    if (best === null || score > best.score) best = { header, found, score };
  }
  return best;
}

/** A header in memory that no table entry leads to. */
function searchedHeader(medium: Medium, faults: Faults): Candidate | null {
  if (medium.memory === null || !medium.tablesFound) return null;
  const best = bestHeader(searchHeaders(medium.memory), medium, faults);
  if (best === null || best.score < 2) return null;
  const at = best.header.blob.paddr ?? 0;
  best.found.add(
    'header-found',
    `no table entry leads to the header; the one found in memory at ${hex(at)} is used`,
    at,
  );
  return best;
}

/** The kernel registers exactly what it wrote. */
function checkHeaderSize({ blob, size }: MinidumpHeader, { memory }: Medium, faults: Faults): void {
  if (size === null) return;
  const { listedSize, sizeIsMeasured } = blob;
  const what = `the header itself has ${size} bytes`;
  if (listedSize !== null && !sameSize(listedSize, size)) {
    faults.table(blob.from === '' ? 'the list' : blob.from, `size of ${blob.name}`, null, listedSize, what);
  } else if (memory === null && sizeIsMeasured && !sameSize(blob.size, size)) {
    faults.add('header-size', `${blob.name} has ${blob.size} bytes, but ${what}`);
  }
}

/** In memory a header can be read past the size that a damaged table gives it. */
function whole(blob: Blob, { memory }: Medium): Blob {
  if (memory === null || blob.paddr === null || !blob.certain) return blob;
  return {
    ...memoryBlob(memory, blob.paddr, Math.max(blob.size, 1 << 17), blob.name, {}),
    listedSize: blob.listedSize,
  };
}

export function vmcoreinfoOf(medium: Medium, header: MinidumpHeader | null, faults: Faults): VmcoreinfoBlob | null {
  const usable = medium.blobs.filter(({ valid, certain }) => valid && certain);
  const found =
    findVmcoreinfo(usable, header, faults) ??
    findVmcoreinfo(
      medium.blobs.filter(({ valid }) => valid),
      header,
      faults,
    );
  if (found !== null) return found;
  const inside = vmcoreinfoInside(usable.filter(({ name }) => name !== header?.blob.name));
  if (inside !== null) {
    tellInside(inside, header, faults);
    return inside.found;
  }
  if (medium.memory === null || !faults.damaged) return null;
  const searched = searchVmcoreinfo(medium.memory, header);
  if (searched !== null)
    faults.add('vmcoreinfo-found', 'VMCOREINFO was found by searching memory: no table entry leads to it');
  return searched;
}

function tellInside({ blob, offset }: VmcoreinfoInside, header: MinidumpHeader | null, faults: Faults): void {
  const at = blob.paddr === null ? null : blob.paddr + offset;
  const where = `${blob.name}, ${offset} bytes into it`;
  // Where it was registered, its own blob is lost.
  if (header?.vmcoreinfoSize != null) {
    faults.add('vmcoreinfo-found', `no blob is VMCOREINFO; the one found in ${where}, is used`, at);
  } else faults.note('vmcoreinfo-found', `VMCOREINFO is no region of its own; the one found in ${where}, is used`, at);
}

const HEADER_NAME = /^md_(?:[0-9a-f]{1,2}_)?K\d*ELF(?:_HDR|_HEADER)?\d*\.bin$/i;

/** Why the blobs cannot be read as they are, or null. */
export function encryptionOf(
  medium: Medium,
  header: MinidumpHeader | null,
  info: VmcoreinfoBlob | null,
  faults: Faults,
): string | null {
  if (medium.memory !== null) {
    if (medium.encrypted !== null && header === null) return `${medium.encrypted}, and no header can be read`;
    if (medium.encrypted !== null)
      faults.note('encryption-required', `${medium.encrypted}; this memory is not encrypted`);
    return null;
  }
  if (medium.encrypted !== null) return medium.encrypted;
  if (header !== null || info !== null) return null;
  const named = medium.blobs.find(
    blob => blob.source !== null && blob.size >= 64 && HEADER_NAME.test(blob.name) && !looksLikeHeader(blob),
  );
  if (named === undefined || medium.blobs.some(blob => isBanner(head(blob, 16)) || isVmcoreinfo(head(blob, 10))))
    return null;
  return `${named.name} has no ELF magic, and no blob begins with text that every minidump has`;
}

/** What kind of machine the dump is of: the header says, held against the size of its notes; without one, the kernel's uts name. */
export function machineOf(medium: Medium, header: MinidumpHeader | null, faults: Faults) {
  const said = architectureOf(medium.blobs);
  if (header === null) {
    if (said === null) faults.add('no-machine', 'nothing tells the architecture: e_machine is 0');
    return { bits: said?.bits ?? 64, littleEndian: said?.littleEndian ?? true, machine: said?.elfMachine ?? 0 };
  }
  const { bits, littleEndian, machine, notes } = header;
  const known = architectureByElfMachine(machine);
  const status = notes.find(({ type }) => type === NT_PRSTATUS)?.descriptor.length;
  const fitsNotes = status === undefined || known === null || known.prstatus.size === status;
  const fitsClass = said?.bits === bits && (said.littleEndian ?? littleEndian) === littleEndian;
  if (said !== null && fitsClass && said !== known && !(known !== null && fitsNotes && status !== undefined)) {
    faults.header('e_machine', 18, machine, `the kernel's uts name says ${said.name}, which is taken`);
    return { bits, littleEndian, machine: said.elfMachine };
  }
  if (known === null) faults.note('machine', `e_machine is ${machine}, which is no architecture that is known here`);
  else if (!fitsNotes) {
    faults.header('e_machine', 18, machine, `NT_PRSTATUS of ${known.name} does not have ${status} bytes`);
  }
  return { bits, littleEndian, machine };
}

// A rawdump partition image as a medium: its sections as blobs. Offsets and sizes may be lies, and the partition may have run out of space. Source:
// Project Mu's offline dump header, Qualcomm's minidump.py.
import { InputError } from '../../fault.js';
import {
  decodeRawdumpHeader,
  parseLoadScript,
  RAWDUMP_FLAG,
  RAWDUMP_HEADER_SIZE,
  RAWDUMP_NAME_SIZE,
  RAWDUMP_SECTION_TYPE,
  type RawdumpSection,
  rawdumpRefusal,
} from '../../formats/rawdump.js';
import { type ByteSource, readExactly, SliceSource } from '../../source.js';
import type { Blob } from './blob.js';
import type { Faults } from './faults.js';
import { baseName, fileBlob, isKey, listText, type Medium, resolveAddress, tellUnaddressed } from './media.js';
import { readSections } from './rawdump-sections.js';

const KNOWN_FLAGS = Object.values(RAWDUMP_FLAG).reduce((all, bit) => all | bit, 0);

export function rawdumpMedium(source: ByteSource, faults: Faults): Medium {
  const place = { source: source.name, record: 'rawdump header', base: 0 };
  const header = decodeRawdumpHeader(readExactly(source, 0, RAWDUMP_HEADER_SIZE, 'rawdump header'), place);
  const refusal = rawdumpRefusal(header);
  if (refusal !== null) faults.add('rawdump-flags', `rawdump header: ${refusal}; what is there is used`, 12);
  const unknown = header.flags & ~KNOWN_FLAGS;
  if (unknown !== 0) faults.table('rawdump header', 'flags', 12, header.flags >>> 0, 'it has bits that mean nothing');
  const sections = readSections(source, header, faults);
  if (sections.length === 0) {
    throw new InputError(
      { ...place, offset: 52, field: 'sections_count', value: header.sectionCount },
      'there is no section to read',
    );
  }
  const script = sections.find(({ name }) => name.toLowerCase() === 'load.cmm');
  const slice = ({ offset, size, name }: RawdumpSection) => new SliceSource(source, offset, size, name);
  const scripted = new Map<string, number>();
  for (const { file, address } of script === undefined ? [] : parseLoadScript(listText(slice(script), faults))) {
    scripted.set(sectionName(file), address);
  }
  const blobs: Blob[] = [];
  for (const section of sections) {
    if (section === script || isKey(section.name) || !isBlob(section)) continue;
    const written = scripted.get(sectionName(section.name)) ?? null;
    // A section without an address has 0 there.
    const address = section.address === 0 ? null : section.address;
    const at = resolveAddress(section.name, { address, from: 'section table' }, written, faults);
    blobs.push(fileBlob(slice(section), { ...at, listedSize: section.size, sizeIsMeasured: false }));
  }
  tellUnaddressed(blobs, 'section table', faults);
  const key = sections.find(({ name }) => isKey(name));
  return {
    kind: 'rawdump',
    name: source.name,
    blobs,
    hasAddresses: blobs.some(({ paddr }) => paddr !== null),
    encrypted: key === undefined ? null : `the section ${key.name} is among the blobs`,
    memory: null,
    tablesFound: true,
    bytes: source.size,
    files: 1,
  };
}

/** Names in sections are cut to 20 bytes. */
const sectionName = (file: string): string => baseName(file).slice(0, RAWDUMP_NAME_SIZE).toLowerCase();

function isBlob({ type, name }: RawdumpSection): boolean {
  return (
    type === RAWDUMP_SECTION_TYPE.ddrRange || type === RAWDUMP_SECTION_TYPE.svSpecific || /^md_.*\.bin$/i.test(name)
  );
}

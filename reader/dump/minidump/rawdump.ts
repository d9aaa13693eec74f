// A rawdump partition image as a medium: its sections as blobs. Offsets and sizes may be lies, and the partition may have run out of space. Source:
// Project Mu's offline dump header, Qualcomm's minidump.py.
import { InputError } from '../../fault.js';
import {
  decodeRawdumpHeader,
  decodeRawdumpSections,
  MOST_RAWDUMP_SECTIONS,
  parseLoadScript,
  RAWDUMP_HEADER_SIZE,
  RAWDUMP_SECTION_SIZE,
  RAWDUMP_SECTION_TYPE,
  type RawdumpSection,
  rawdumpRefusal,
} from '../../formats/rawdump.js';
import { Issues } from '../../issue.js';
import { type ByteSource, readExactly, SliceSource } from '../../source.js';
import type { Blob } from './blob.js';
import type { Faults } from './faults.js';
import { baseName, fileBlob, isKey, listText, type Medium, resolveAddress } from './media.js';

export function rawdumpMedium(source: ByteSource, faults: Faults): Medium {
  const place = { source: source.name, record: 'rawdump header', base: 0 };
  const header = decodeRawdumpHeader(readExactly(source, 0, RAWDUMP_HEADER_SIZE, 'rawdump header'), place);
  const refusal = rawdumpRefusal(header);
  if (refusal !== null) faults.add('rawdump-flags', `rawdump header: ${refusal}; what is there is used`, 12);
  const sections = repaired(readSections(source, header.sectionCount, faults), source.size, faults);
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
    scripted.set(baseName(file).toLowerCase(), address);
  }
  const blobs: Blob[] = [];
  for (const section of sections) {
    if (section === script || isKey(section.name) || !isBlob(section)) continue;
    const written = scripted.get(section.name.toLowerCase()) ?? null;
    const at = resolveAddress(section.name, { address: section.address, from: 'section table' }, written, faults);
    blobs.push(fileBlob(slice(section), { ...at, listedSize: section.size, sizeIsMeasured: false }));
  }
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

function isBlob({ type, name }: RawdumpSection): boolean {
  return (
    type === RAWDUMP_SECTION_TYPE.ddrRange || type === RAWDUMP_SECTION_TYPE.svSpecific || /^md_.*\.bin$/i.test(name)
  );
}

/** As many sections as the header counts, and where it counts too few, those behind them: a table has none that its first payload does not leave room for. */
function readSections(source: ByteSource, claimed: number, faults: Faults): RawdumpSection[] {
  const most = Math.min(MOST_RAWDUMP_SECTIONS, Math.floor((source.size - RAWDUMP_HEADER_SIZE) / RAWDUMP_SECTION_SIZE));
  if (most <= 0) return [];
  const bytes = readExactly(source, RAWDUMP_HEADER_SIZE, most * RAWDUMP_SECTION_SIZE, 'section table');
  const place = { source: source.name, record: 'section table', base: RAWDUMP_HEADER_SIZE };
  const all = decodeRawdumpSections(bytes, most, place, new Issues());
  // The table ends where the first payload begins: the least offset that two neighbours confirm.
  let count = Math.min(claimed, most);
  const room = tableRoom(all);
  if (room !== null && claimed !== room.filled) {
    const few = claimed < room.filled;
    if (few || claimed > room.most) {
      faults.table('rawdump header', 'sections_count', 52, claimed, `the section table has ${room.filled} entries`);
      count = room.filled;
    }
  }
  return all.slice(0, count);
}

/** How many entries lie before the first payload, judged by packed neighbours. */
function tableRoom(all: readonly RawdumpSection[]): { filled: number; most: number } | null {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i + 1 < all.length; i++) {
    const { offset, size } = all[i];
    if (offset >= RAWDUMP_HEADER_SIZE + RAWDUMP_SECTION_SIZE && size > 0 && offset + size === all[i + 1].offset) {
      least = Math.min(least, offset);
      break;
    }
  }
  if (!Number.isFinite(least)) return null;
  const most = Math.min(all.length, Math.floor((least - RAWDUMP_HEADER_SIZE) / RAWDUMP_SECTION_SIZE));
  let filled = 0;
  for (let i = 0; i < most; i++) if (all[i].name !== '' || all[i].size > 0) filled = i + 1;
  return { filled, most };
}

/**
 * Sections whose offset or size does not agree with neighbours in a packed table are mended where both neighbours say how; those that still lie over
 * another one are left out, since nobody can tell whose the bytes are.
 */
function repaired(sections: readonly RawdumpSection[], fileSize: number, faults: Faults): RawdumpSection[] {
  const fixed = sections.slice();
  const end = (i: number) => fixed[i].offset + fixed[i].size;
  let packed = 0;
  for (let i = 0; i + 1 < fixed.length; i++) if (end(i) === fixed[i + 1].offset) packed++;
  if (fixed.length > 2 && packed >= (fixed.length - 1) / 2) {
    for (let i = 0; i < fixed.length; i++) {
      const { offset, size, name } = fixed[i];
      const at = RAWDUMP_HEADER_SIZE + i * RAWDUMP_SECTION_SIZE;
      const before = i > 0 ? end(i - 1) : null;
      const after = i + 1 < fixed.length ? fixed[i + 1].offset : null;
      const afterIsGood = i + 2 < fixed.length ? end(i + 1) === fixed[i + 2].offset : after !== null;
      if (
        before !== null &&
        offset !== before &&
        (after === null ? fileSize >= before + size : before + size === after)
      ) {
        faults.table('section table', `offset of ${name}`, at + 12, offset, `its neighbours leave it ${before}`);
        fixed[i] = { ...fixed[i], offset: before };
      } else if (i === 0 && after !== null && offset + size !== after && afterIsGood) {
        mendFirst(fixed, after, at, faults);
      } else if (before === offset && after !== null && after > offset && offset + size !== after && afterIsGood) {
        faults.table(
          'section table',
          `size of ${name}`,
          at + 20,
          size,
          `its neighbours leave it ${after - offset} bytes`,
        );
        fixed[i] = { ...fixed[i], size: after - offset };
      }
    }
  }
  return withoutOverlaps(fixed, faults);
}

/** The first section has no neighbour before it but the table. */
function mendFirst(fixed: RawdumpSection[], after: number, at: number, faults: Faults): void {
  const { offset, size, name } = fixed[0];
  const tableEnd = RAWDUMP_HEADER_SIZE + fixed.length * RAWDUMP_SECTION_SIZE;
  if (after - size === tableEnd || offset < tableEnd || offset > after) {
    if (after - size < tableEnd) return;
    faults.table('section table', `offset of ${name}`, at + 12, offset, `the next section leaves it ${after - size}`);
    fixed[0] = { ...fixed[0], offset: after - size };
  } else {
    faults.table(
      'section table',
      `size of ${name}`,
      at + 20,
      size,
      `the next section leaves it ${after - offset} bytes`,
    );
    fixed[0] = { ...fixed[0], size: after - offset };
  }
}

function withoutOverlaps(sections: readonly RawdumpSection[], faults: Faults): RawdumpSection[] {
  const order = sections.map((_, i) => i).filter(i => sections[i].size > 0);
  order.sort((a, b) => sections[a].offset - sections[b].offset || a - b);
  const dropped = new Set<number>();
  let reach = RAWDUMP_HEADER_SIZE + sections.length * RAWDUMP_SECTION_SIZE;
  let owner = -1;
  for (const i of order) {
    const { offset, size, name } = sections[i];
    if (offset < reach) {
      const other = owner < 0 ? 'the section table' : sections[owner].name;
      faults.table(
        'section table',
        `offset of ${name}`,
        null,
        offset,
        `it lies over ${other}; what overlaps is left out`,
      );
      dropped.add(i);
      if (owner >= 0) dropped.add(owner);
    }
    if (offset + size > reach) {
      reach = offset + size;
      owner = i;
    }
  }
  return sections.map((section, i) => (dropped.has(i) ? { ...section, size: 0 } : section));
}

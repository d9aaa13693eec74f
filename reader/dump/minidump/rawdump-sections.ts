// The section table of a rawdump image, any field of which may be damaged. Firmware packs sections one behind the other, so each one's neighbours tell where it begins and how long
// it is; where they do not, and a section lies over another, neither is used.
import type { RawdumpHeader, RawdumpSection } from '../../formats/rawdump.js';
import {
  decodeRawdumpSections,
  MOST_RAWDUMP_SECTIONS,
  RAWDUMP_HEADER_SIZE,
  RAWDUMP_SECTION_SIZE,
} from '../../formats/rawdump.js';
import { Issues } from '../../issue.js';
import { type ByteSource, readExactly } from '../../source.js';
import type { Faults } from './faults.js';

const LIST = 'section table';
const fieldAt = (index: number, field: number): number => RAWDUMP_HEADER_SIZE + index * RAWDUMP_SECTION_SIZE + field;
const tableEnd = (count: number): number => fieldAt(count, 0);
/** What lies between table and first payload where there are keys, else nothing. */
const KEY_GAP = 0xc0 - 4;
const MOST_TYPE = 5;
/** A size or an offset that no partition has. */
const ABSURD = 2 ** 52;

/** The sections that the table has, mended where neighbours agree on a field, emptied where they cannot be right. */
export function readSections(source: ByteSource, header: RawdumpHeader, faults: Faults): RawdumpSection[] {
  const most = Math.min(MOST_RAWDUMP_SECTIONS, Math.floor((source.size - RAWDUMP_HEADER_SIZE) / RAWDUMP_SECTION_SIZE));
  if (most <= 0) return [];
  const bytes = readExactly(source, RAWDUMP_HEADER_SIZE, most * RAWDUMP_SECTION_SIZE, LIST);
  const place = { source: source.name, record: LIST, base: RAWDUMP_HEADER_SIZE };
  const all = decodeRawdumpSections(bytes, most, place, new Issues());
  const likely = all.findIndex((section, i) => !looksLikeSection(section, i, header));
  const filled = likely < 0 ? all.length : likely;
  if (header.sectionCount !== filled) {
    faults.table(
      'rawdump header',
      'sections_count',
      52,
      header.sectionCount,
      `the section table has ${filled} entries`,
    );
  }
  const sections = all.slice(0, filled);
  const said = new Said(bytes);
  mend(sections, [header.dumpSize, source.size], said, faults);
  return withoutOverlaps(sections, said, faults);
}

/** Fields as they stand in the table, which may be no exact numbers. */
class Said {
  readonly #view: DataView;

  constructor(table: Uint8Array) {
    this.#view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  }

  offset(index: number): bigint {
    return this.#view.getBigUint64(index * RAWDUMP_SECTION_SIZE + 12, true);
  }

  size(index: number): bigint {
    return this.#view.getBigUint64(index * RAWDUMP_SECTION_SIZE + 20, true);
  }
}

/** At least three of four marks of an entry: one may be damaged. */
function looksLikeSection(section: RawdumpSection, index: number, header: RawdumpHeader): boolean {
  const { name, type, offset, size, major, minor } = section;
  const marks = [
    /^[\x20-\x7e]+$/.test(name),
    type >= 1 && type <= MOST_TYPE,
    offset >= tableEnd(index + 1) && offset + size < ABSURD,
    major === header.major && minor === header.minor,
  ];
  return marks.filter(Boolean).length >= 3;
}

/** @param ends where the last payload may end, the surest first */
function mend(sections: RawdumpSection[], ends: readonly number[], said: Said, faults: Faults): void {
  const last = sections.length - 1;
  const end = (i: number) => sections[i].offset + sections[i].size;
  const joined = (i: number) => end(i) === sections[i + 1].offset;
  const broken = [];
  for (let i = 0; i < last; i++) if (!joined(i)) broken.push(i);
  // Of tables that are not packed nothing can be concluded.
  if (last < 2 || broken.length * 2 > last) return;
  const setOffset = (i: number, offset: number) => {
    faults.table(
      LIST,
      `offset of ${sections[i].name}`,
      fieldAt(i, 12),
      said.offset(i),
      `its neighbours leave it ${offset}`,
    );
    sections[i] = { ...sections[i], offset };
  };
  const setSize = (i: number, size: number) => {
    faults.table(
      LIST,
      `size of ${sections[i].name}`,
      fieldAt(i, 20),
      said.size(i),
      `its neighbours leave it ${size} bytes`,
    );
    sections[i] = { ...sections[i], size };
  };
  for (const i of broken) {
    if (joined(i)) continue;
    const here = sections[i];
    const next = sections[i + 1];
    if (i + 1 < last && end(i) + next.size === sections[i + 2].offset) setOffset(i + 1, end(i));
    else if (i === 0 && firstOffsetIsWrong(sections)) setOffset(0, next.offset - here.size);
    else if (i + 1 === last && ends.some(size => end(i) + next.size === size) && !ends.includes(end(last)))
      setOffset(last, end(i));
    else if (next.offset > here.offset && (i + 1 === last ? ends.includes(end(last)) : joined(i + 1)))
      setSize(i, next.offset - here.offset);
  }
}

/** Whether the first section's offset, not its size, breaks the chain: then it begins right behind the table by the second one's offset, or lies nowhere. */
function firstOffsetIsWrong([first, second, ...more]: readonly RawdumpSection[]): boolean {
  const end = tableEnd(more.length + 2);
  const begins = (offset: number) => offset === end || offset === end + KEY_GAP;
  if (begins(first.offset)) return false;
  return begins(second.offset - first.size) || first.offset < end || first.offset >= second.offset;
}

/** Sections that lie over another one, or over the table, have no bytes: nobody can tell whose those are. */
function withoutOverlaps(sections: readonly RawdumpSection[], said: Said, faults: Faults): RawdumpSection[] {
  const order = sections.map((_, i) => i).filter(i => sections[i].size > 0);
  order.sort((a, b) => sections[a].offset - sections[b].offset || a - b);
  const dropped = new Set<number>();
  let reach = tableEnd(sections.length);
  let owner = -1;
  for (const i of order) {
    const { offset, size, name } = sections[i];
    if (offset < reach) {
      const other = owner < 0 ? 'the section table' : sections[owner].name;
      faults.table(LIST, `offset of ${name}`, fieldAt(i, 12), said.offset(i), `it lies over ${other}; neither is used`);
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

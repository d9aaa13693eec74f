// The sections of a downstream header blob: which region is called what. No index is fixed: a region's section is the one with its offset, size and virtual address.
// Source: drivers/soc/qcom/msm_minidump.c (msm-4.19 to 5.15 and later).
import { fixedText } from '../../cursor.js';
import {
  decodeSectionHeader,
  elfHeaderSize,
  type SectionHeader,
  SHT_PROGBITS,
  sectionHeaderSize,
} from '../../formats/elf.js';
import { MSM_STRING_TABLE } from '../../formats/qcom-msm.js';
import { getU64 } from '../../u64.js';
import type { Faults } from './faults.js';
import { type HeaderBytes, textAt } from './header-bytes.js';

export interface NamedSection {
  readonly text: string;
  readonly addr: bigint;
  readonly offset: number;
  readonly size: number;
}

export interface Sections {
  /** The section of a segment, by the segment's index. */
  readonly of: ReadonlyMap<number, NamedSection>;
  /** The offsets that sections have. */
  readonly offsets: ReadonlySet<number>;
}

/** What a section repeats of its program header. */
interface Segment {
  readonly index: number;
  readonly offset: number;
  readonly filesz: number;
  readonly vaddr: bigint;
}

/** Null where the blob has no STR_TBL: it is not downstream's. */
export function readSections(header: HeaderBytes, segments: readonly Segment[], faults: Faults): Sections | null {
  const found = findStrings(header);
  if (found === null) return null;
  const { sections, strings, claimedCount, claimedOffset } = found;
  if (sections.length < claimedCount) {
    faults.header(
      'e_shnum',
      header.bits === 64 ? 60 : 48,
      claimedCount,
      `only ${sections.length} section headers lie in the blob`,
    );
  }
  if (claimedOffset !== found.offset) {
    const exact = header.bits === 64 ? header.view.getBigUint64(40, header.littleEndian) : claimedOffset;
    faults.header('e_shoff', header.bits === 64 ? 40 : 32, exact, `the section headers lie at ${found.offset}`);
  }
  const named = sections
    .filter(({ type, size, offset }) => type === SHT_PROGBITS && (size > 0 || offset > 0))
    .map(({ name, offset, size, addr }): NamedSection => {
      const text = strings.subarray(name);
      return { text: text.length > 0 ? fixedText(text) : '', addr, offset, size };
    });
  return { of: pairSections(segments, named), offsets: new Set(named.map(({ offset }) => offset)) };
}

/** Sections of one offset or address that are kept: two are a damaged field, more are not looked into. */
const MOST_AT_ONE_PLACE = 8;

/** In how many of the three fields the two agree. */
const agreement = ({ offset, filesz, vaddr }: Segment, section: NamedSection): number =>
  Number(offset === section.offset) + Number(filesz === section.size) + Number(vaddr === section.addr);

/** Gives each segment the section that agrees in most fields, in the offset at least where it is only one; none that another segment agrees with in more. */
function pairSections(segments: readonly Segment[], sections: readonly NamedSection[]): Map<number, NamedSection> {
  const byOffset = new Map<number, NamedSection[]>();
  const byAddr = new Map<bigint, NamedSection[]>();
  for (const section of sections) {
    put(byOffset, section.offset, section);
    put(byAddr, section.addr, section);
  }
  const pairs = new Map<number, NamedSection>();
  const taken = new Set<NamedSection>();
  for (const fields of [3, 2, 1]) {
    const found: [number, NamedSection][] = [];
    for (const segment of segments) {
      if (pairs.has(segment.index)) continue;
      const there = byOffset.get(segment.offset) ?? [];
      const near = new Set(fields === 1 ? there : [...there, ...(byAddr.get(segment.vaddr) ?? [])]);
      const [best, second] = [...near].filter(each => !taken.has(each) && agreement(segment, each) === fields);
      if (best !== undefined && second === undefined) found.push([segment.index, best]);
    }
    for (const [index, section] of found) {
      pairs.set(index, section);
      taken.add(section);
    }
  }
  return pairs;
}

function put<K>(map: Map<K, NamedSection[]>, key: K, section: NamedSection): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, [section]);
  else if (there.length < MOST_AT_ONE_PLACE) there.push(section);
}

interface Found {
  readonly sections: readonly SectionHeader[];
  readonly strings: Uint8Array;
  readonly offset: number;
  readonly claimedOffset: number;
  readonly claimedCount: number;
}

/** The section headers and the table of their names, which begins with a NUL and its own name. */
function findStrings(header: HeaderBytes): Found | null {
  const { bits, view, littleEndian, bytes, cursor } = header;
  const size = sectionHeaderSize(bits);
  const claimedOffset = bits === 64 ? getU64(view, 40, littleEndian) : view.getUint32(32, littleEndian);
  const claimedCount = view.getUint16(bits === 64 ? 60 : 48, littleEndian);
  // Right behind the ELF header, in all these kernels.
  for (const offset of new Set([claimedOffset, elfHeaderSize(bits)])) {
    const sections: SectionHeader[] = [];
    for (let i = 0; i < claimedCount && offset + (i + 1) * size <= bytes.length; i++) {
      cursor.position = offset + i * size;
      sections.push(decodeSectionHeader(cursor, bits));
    }
    // It is the second one in every shape.
    const table = sections[1];
    if (table === undefined || !textAt(bytes, table.offset + 1, MSM_STRING_TABLE)) continue;
    const strings = bytes.subarray(table.offset, Math.min(bytes.length, table.offset + table.size));
    return { sections, strings, offset, claimedOffset, claimedCount };
  }
  return null;
}

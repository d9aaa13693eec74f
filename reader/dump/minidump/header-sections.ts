// The sections of a downstream header blob: which region is called what. No index is fixed: a region's section is the one with its offset and size.
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
  readonly size: number;
}

export interface SectionNames {
  /** The section of a segment, by offset and size, or offset alone where a size is damaged; of several with one offset the one with its address. */
  of(segment: { readonly offset: number; readonly filesz: number; readonly vaddr: bigint }): NamedSection | undefined;
}

/** Null where the blob has no STR_TBL: it is not downstream's. */
export function sectionNames(header: HeaderBytes, faults: Faults): SectionNames | null {
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
    faults.header('e_shoff', header.bits === 64 ? 40 : 32, claimedOffset, `the section headers lie at ${found.offset}`);
  }
  const byPlace = new Map<string, NamedSection[]>();
  const byOffset = new Map<number, NamedSection[]>();
  for (const { type, name, offset, size, addr } of sections) {
    if (type !== SHT_PROGBITS || size === 0) continue;
    const named = { text: strings.subarray(name).length > 0 ? fixedText(strings.subarray(name)) : '', addr, size };
    put(byPlace, `${offset}:${size}`, named);
    put(byOffset, offset, named);
  }
  return {
    of: ({ offset, filesz, vaddr }) =>
      only(byPlace.get(`${offset}:${filesz}`), vaddr) ?? only(byOffset.get(offset), vaddr),
  };
}

/** Sections of one place that are kept: two are a damaged field, more are not looked into. */
const MOST_AT_ONE_PLACE = 8;

function put<K>(map: Map<K, NamedSection[]>, key: K, section: NamedSection): void {
  const there = map.get(key);
  if (there === undefined) map.set(key, [section]);
  else if (there.length < MOST_AT_ONE_PLACE) there.push(section);
}

const only = (sections: readonly NamedSection[] | undefined, vaddr: bigint): NamedSection | undefined =>
  sections?.length === 1 ? sections[0] : sections?.find(({ addr }) => addr === vaddr);

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

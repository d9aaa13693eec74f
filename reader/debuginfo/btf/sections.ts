// The two sections of BTF, as bytes: from a file, a section of an ELF file, or memory. What is cut off stays absent. Source: kernel/bpf/btf.c (btf_parse_hdr, 7.3).
import { type BtfExtra, type BtfHeader, decodeBtfLayout, requireBtfHeader } from '../../formats/btf.js';
import type { Issues } from '../../issue.js';
import { type ByteSource, readExactly } from '../../source.js';

export interface BtfSections {
  readonly littleEndian: boolean;
  /** Of a damaged input as much as there is. */
  readonly types: Uint8Array;
  readonly strings: Uint8Array;
  /** str_len as the header says: where the strings of split BTF begin, even if some of these are not there. */
  readonly stringsLength: number;
  /** Sizes of kinds from a layout section; [] where there is none. */
  readonly layout: readonly (BtfExtra | undefined)[];
}

/** Fills `into` from the header's end + offset on; returns how many bytes there are from the start on. */
export type SectionReader = (offset: number, into: Uint8Array) => number;

/** The longest header whose fields are known. */
export const HEADER_READ = 32;
const MOST_LAYOUT = 512;

/** Reads the sections that a header names; one that is cut short is told in `issues`. */
export function readBtfSections(header: BtfHeader, read: SectionReader, issues: Issues, name: string): BtfSections {
  const section = (what: string, offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    const done = length === 0 ? 0 : read(header.hdrLen + offset, bytes);
    if (done === length) return bytes;
    issues.add('btf-cut', `${name}: of the BTF ${what} section's ${length} bytes only the first ${done} are there`);
    return bytes.slice(0, done);
  };
  const types = section('type', header.typeOff, header.typeLen);
  const strings = section('string', header.strOff, header.strLen);
  const layout = section('layout', header.layoutOff, Math.min(header.layoutLen, MOST_LAYOUT));
  return {
    littleEndian: header.littleEndian,
    types,
    strings,
    stringsLength: header.strLen,
    layout: decodeBtfLayout(layout),
  };
}

/**
 * BTF that is `size` bytes of a source from `offset` on: a bare file, or a section.
 * @throws InputError where the header is none
 */
export function sectionsOfSource(source: ByteSource, offset: number, size: number, issues: Issues): BtfSections {
  const end = Math.min(source.size, offset + size);
  const start = readExactly(source, offset, Math.max(0, Math.min(HEADER_READ, end - offset)), 'BTF header');
  const header = requireBtfHeader(start, source.name, offset);
  const read: SectionReader = (from, into) => {
    const length = Math.min(into.length, end - offset - from);
    return length <= 0 ? 0 : source.read(offset + from, into.subarray(0, length));
  };
  return readBtfSections(header, read, issues, source.name);
}

// BTF, the BPF type format: shapes and constants. Source: include/uapi/linux/btf.h (4.18 to 7.3), Documentation/bpf/btf.rst.
//
// `info` of a type was widened in 7.x: vlen has bits 0 to 23 (before: 0 to 15), the kind bits 24 to 30 (before: 24 to 28, and 24 to 27 before 5.16). The kernel refuses older BTF whose unused bits are set, so
// the wide masks read every release.
import { InputError } from '../fault.js';

export const BTF_MAGIC = 0xeb9f;
export const BTF_VERSION = 1;
/** The header up to str_len; hdr_len is 32 with the two fields of a layout section (7.x). */
export const BTF_HEADER_SIZE = 24;
export const BTF_MAX_TYPE = 0xfffff;
export const BTF_MAX_NAME_OFFSET = 0xff_ffff;

export const BTF_KIND_INT = 1;
export const BTF_KIND_PTR = 2;
export const BTF_KIND_ARRAY = 3;
export const BTF_KIND_STRUCT = 4;
export const BTF_KIND_UNION = 5;
export const BTF_KIND_ENUM = 6;
export const BTF_KIND_FWD = 7;
export const BTF_KIND_TYPEDEF = 8;
export const BTF_KIND_VOLATILE = 9;
export const BTF_KIND_CONST = 10;
export const BTF_KIND_RESTRICT = 11;
export const BTF_KIND_FUNC = 12;
export const BTF_KIND_FUNC_PROTO = 13;
export const BTF_KIND_VAR = 14;
export const BTF_KIND_DATASEC = 15;
export const BTF_KIND_FLOAT = 16;
export const BTF_KIND_DECL_TAG = 17;
export const BTF_KIND_TYPE_TAG = 18;
export const BTF_KIND_ENUM64 = 19;

export const btfKind = (info: number): number => (info >>> 24) & 0x7f;
export const btfVlen = (info: number): number => info & 0xff_ffff;
export const btfKindFlag = (info: number): boolean => info < 0 || info >= 0x8000_0000;

/** struct btf_type: name_off, info, and size or type. */
export const BTF_TYPE_SIZE = 12;

/** Bytes behind struct btf_type: once, and for each of vlen elements. */
export interface BtfExtra {
  readonly fixed: number;
  readonly element: number;
}

const extra = (fixed: number, element: number): BtfExtra => ({ fixed, element });

/** By kind; a hole for what is no kind. */
export const BTF_EXTRAS: readonly (BtfExtra | undefined)[] = [
  undefined,
  extra(4, 0), // INT
  extra(0, 0), // PTR
  extra(12, 0), // ARRAY
  extra(0, 12), // STRUCT
  extra(0, 12), // UNION
  extra(0, 8), // ENUM
  extra(0, 0), // FWD
  extra(0, 0), // TYPEDEF
  extra(0, 0), // VOLATILE
  extra(0, 0), // CONST
  extra(0, 0), // RESTRICT
  extra(0, 0), // FUNC
  extra(0, 8), // FUNC_PROTO
  extra(4, 0), // VAR
  extra(0, 12), // DATASEC
  extra(0, 0), // FLOAT
  extra(4, 0), // DECL_TAG
  extra(0, 0), // TYPE_TAG
  extra(0, 12), // ENUM64
];

export interface BtfHeader {
  readonly littleEndian: boolean;
  readonly version: number;
  readonly flags: number;
  readonly hdrLen: number;
  /** Offsets count from the end of the header. */
  readonly typeOff: number;
  readonly typeLen: number;
  readonly strOff: number;
  readonly strLen: number;
  readonly layoutOff: number;
  /** 0 where there is no layout section. */
  readonly layoutLen: number;
}

/** The byte order that the magic number tells, or null where there is none. */
export function btfByteOrder(bytes: Uint8Array, at = 0): 'little' | 'big' | null {
  if (bytes[at] === 0x9f && bytes[at + 1] === 0xeb) return 'little';
  return bytes[at] === 0xeb && bytes[at + 1] === 0x9f ? 'big' : null;
}

/** Null where the bytes do not begin with BTF's magic number, or are fewer than a header. */
export function decodeBtfHeader(bytes: Uint8Array): BtfHeader | null {
  const order = btfByteOrder(bytes);
  if (order === null || bytes.length < BTF_HEADER_SIZE) return null;
  const littleEndian = order === 'little';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number) => view.getUint32(at, littleEndian);
  const hdrLen = u32(4);
  const layout = hdrLen >= 32 && bytes.length >= 32;
  return {
    littleEndian,
    version: bytes[2],
    flags: bytes[3],
    hdrLen,
    typeOff: u32(8),
    typeLen: u32(12),
    strOff: u32(16),
    strLen: u32(20),
    layoutOff: layout ? u32(24) : 0,
    layoutLen: layout ? u32(28) : 0,
  };
}

/** A field of a header that no BTF has, and why. */
export interface BtfHeaderFault {
  readonly field: string;
  /** Of the field, from the header's start. */
  readonly at: number;
  readonly value: number;
  readonly why: string;
}

/** No kernel's header is longer, newer ones included. */
const MOST_HEADER = 256;
/** Some ten times of what the largest kernels have. */
const MOST_TYPES = 1 << 25;

/** What makes a header impossible, or null. Whether the sections are there is for the caller to see. */
export function btfHeaderFault(header: BtfHeader): BtfHeaderFault | null {
  const { version, hdrLen, typeOff, typeLen, strOff, strLen } = header;
  if (version !== BTF_VERSION) return { field: 'version', at: 2, value: version, why: 'only version 1 is known' };
  if (hdrLen < BTF_HEADER_SIZE || hdrLen > MOST_HEADER || hdrLen % 4 !== 0) {
    return { field: 'hdr_len', at: 4, value: hdrLen, why: `a header has ${BTF_HEADER_SIZE} to ${MOST_HEADER} bytes` };
  }
  if (typeOff % 4 !== 0) return { field: 'type_off', at: 8, value: typeOff, why: 'types are aligned to 4 bytes' };
  if (typeLen > MOST_TYPES) return { field: 'type_len', at: 12, value: typeLen, why: `more than ${MOST_TYPES} bytes` };
  if (strLen > BTF_MAX_NAME_OFFSET + 1) {
    return { field: 'str_len', at: 20, value: strLen, why: `more than ${BTF_MAX_NAME_OFFSET + 1} bytes` };
  }
  if (typeOff < strOff + strLen && strOff < typeOff + typeLen) {
    return { field: 'str_off', at: 16, value: strOff, why: 'the string section overlaps the type section' };
  }
  return null;
}

/** Throws InputError where the header is none or an impossible one. */
export function requireBtfHeader(bytes: Uint8Array, source: string, offset = 0): BtfHeader {
  const header = decodeBtfHeader(bytes);
  const place = { source, record: 'BTF header', offset };
  if (header === null) {
    throw new InputError({ ...place, field: 'magic' }, 'there is no BTF header with the magic number eb9f');
  }
  const fault = btfHeaderFault(header);
  if (fault !== null) {
    const { field, at, value } = fault;
    throw new InputError({ ...place, offset: offset + at, field, value }, fault.why);
  }
  return header;
}

/** struct btf_layout of 7.x, one for each kind from 0 on: what lets a reader pass over kinds that it does not know. */
export function decodeBtfLayout(bytes: Uint8Array): readonly (BtfExtra | undefined)[] {
  const extras: BtfExtra[] = [];
  for (let at = 0; at + 4 <= bytes.length && extras.length < 128; at += 4) {
    extras.push(extra(bytes[at], bytes[at + 1]));
  }
  return extras;
}

export const BTF_INT_SIGNED = 1;
export const BTF_INT_CHAR = 2;
export const BTF_INT_BOOL = 4;

/** The word behind BTF_KIND_INT. */
export interface BtfInt {
  readonly encoding: number;
  /** Bits from the member's own offset, of bitfields before kind_flag (5.0). */
  readonly offset: number;
  readonly bits: number;
}

export const decodeBtfInt = (word: number): BtfInt => ({
  encoding: (word >>> 24) & 15,
  offset: (word >>> 16) & 0xff,
  bits: word & 0xff,
});

/** The word `offset` of struct btf_member where its struct has kind_flag. */
export const btfMemberBitSize = (offset: number): number => offset >>> 24;
export const btfMemberBitOffset = (offset: number): number => offset & 0xff_ffff;

// Where the members of structs and unions lie. Source: DWARF 5, section 5.7.6; for DW_AT_bit_offset version 3, section 5.6.6.
import {
  DW_AT_bit_offset,
  DW_AT_bit_size,
  DW_AT_byte_size,
  DW_AT_data_bit_offset,
  DW_AT_data_member_location,
  DW_AT_declaration,
  DW_AT_external,
  DW_AT_name,
  DW_AT_type,
  DW_TAG_member,
} from '../../formats/dwarf.js';
import type { EntryCursor } from './entries.js';

/** DW_OP_plus_uconst and DW_OP_constu: how compilers before version 3 wrote an offset. */
const DW_OP_plus_uconst = 0x23;
const DW_OP_constu = 0x10;
/** No object of a kernel is larger. */
const MOST_OFFSET = 2 ** 40;

export interface MemberRecord {
  readonly name: string;
  /** Of the member's type; NO_PLACE if it has none. */
  readonly type: number;
  readonly bitOffset: number;
  readonly bitSize: number;
}

/**
 * The member that a cursor is at; null for what is no member of an object. Bits of the older kind count from the storage unit's highest bit: from its end in little-endian memory.
 * @param sizeOfType bytes of the type at a place, for bitfields that do not tell their storage unit's
 */
export function decodeMember(cursor: EntryCursor, sizeOfType: (place: number) => number): MemberRecord | null {
  if (cursor.tag !== DW_TAG_member || cursor.flag(DW_AT_external) || cursor.flag(DW_AT_declaration)) return null;
  const name = cursor.text(DW_AT_name);
  const type = cursor.reference(DW_AT_type);
  const bitSize = cursor.number(DW_AT_bit_size) ?? 0;
  let bitOffset = byteOffset(cursor) * 8;
  const dataBit = cursor.number(DW_AT_data_bit_offset);
  const oldBit = signed(cursor, DW_AT_bit_offset);
  if (dataBit !== null) bitOffset += dataBit;
  else if (oldBit !== null && cursor.unit.section.littleEndian) {
    const storage = cursor.number(DW_AT_byte_size) ?? sizeOfType(type);
    bitOffset += storage * 8 - oldBit - bitSize;
  } else bitOffset += oldBit ?? 0;
  if (!(bitOffset >= 0 && bitOffset < MOST_OFFSET && bitSize >= 0 && bitSize <= 128)) return null;
  return { name, type, bitOffset, bitSize };
}

/** A constant, or an expression that adds one to the object's address. */
function byteOffset(cursor: EntryCursor): number {
  const index = cursor.find(DW_AT_data_member_location);
  if (index < 0) return 0;
  const block = cursor.block(index);
  if (block === null) return cursor.numberAt(index) ?? 0;
  if (block.length < 2) return 0;
  const { section } = cursor.unit;
  const operation = section.u8(block.offset);
  return operation === DW_OP_plus_uconst || operation === DW_OP_constu ? section.uleb(block.offset + 1) : -1;
}

function signed(cursor: EntryCursor, attribute: number): number | null {
  const index = cursor.find(attribute);
  const value = index < 0 ? null : cursor.bigAt(index);
  // clang writes a negative one in an unsigned form.
  return value === null ? null : Number(BigInt.asIntN(64, value));
}

// DWARF's constants as far as C needs them, and the shapes of its unit headers. Source: DWARF Debugging Information Format, version 5, section 7 (versions 2 to 4 where they differ);
// GNU extensions: include/dwarf2.def of binutils; LLVM's: llvm/BinaryFormat/Dwarf.def.

export const DW_TAG_array_type = 0x01;
export const DW_TAG_enumeration_type = 0x04;
export const DW_TAG_formal_parameter = 0x05;
export const DW_TAG_label = 0x0a;
export const DW_TAG_lexical_block = 0x0b;
export const DW_TAG_member = 0x0d;
export const DW_TAG_pointer_type = 0x0f;
export const DW_TAG_reference_type = 0x10;
export const DW_TAG_compile_unit = 0x11;
export const DW_TAG_structure_type = 0x13;
export const DW_TAG_subroutine_type = 0x15;
export const DW_TAG_typedef = 0x16;
export const DW_TAG_union_type = 0x17;
export const DW_TAG_unspecified_parameters = 0x18;
export const DW_TAG_inlined_subroutine = 0x1d;
export const DW_TAG_subrange_type = 0x21;
export const DW_TAG_base_type = 0x24;
export const DW_TAG_const_type = 0x26;
export const DW_TAG_enumerator = 0x28;
export const DW_TAG_subprogram = 0x2e;
export const DW_TAG_variable = 0x34;
export const DW_TAG_volatile_type = 0x35;
export const DW_TAG_restrict_type = 0x37;
export const DW_TAG_namespace = 0x39;
export const DW_TAG_unspecified_type = 0x3b;
export const DW_TAG_partial_unit = 0x3c;
export const DW_TAG_rvalue_reference_type = 0x42;
export const DW_TAG_type_unit = 0x41;
export const DW_TAG_atomic_type = 0x47;
export const DW_TAG_skeleton_unit = 0x4a;
/** A type tag, as in `__user`: DW_AT_name says `btf_type_tag`, DW_AT_const_value which. */
export const DW_TAG_LLVM_annotation = 0x6000;

export const DW_AT_sibling = 0x01;
export const DW_AT_location = 0x02;
export const DW_AT_name = 0x03;
export const DW_AT_byte_size = 0x0b;
export const DW_AT_bit_offset = 0x0c;
export const DW_AT_bit_size = 0x0d;
export const DW_AT_stmt_list = 0x10;
export const DW_AT_low_pc = 0x11;
export const DW_AT_high_pc = 0x12;
export const DW_AT_language = 0x13;
export const DW_AT_comp_dir = 0x1b;
export const DW_AT_const_value = 0x1c;
export const DW_AT_inline = 0x20;
export const DW_AT_lower_bound = 0x22;
export const DW_AT_producer = 0x25;
export const DW_AT_prototyped = 0x27;
export const DW_AT_upper_bound = 0x2f;
export const DW_AT_abstract_origin = 0x31;
export const DW_AT_count = 0x37;
export const DW_AT_data_member_location = 0x38;
export const DW_AT_decl_file = 0x3a;
export const DW_AT_decl_line = 0x3b;
export const DW_AT_declaration = 0x3c;
export const DW_AT_encoding = 0x3e;
export const DW_AT_external = 0x3f;
export const DW_AT_frame_base = 0x40;
export const DW_AT_specification = 0x47;
export const DW_AT_type = 0x49;
export const DW_AT_entry_pc = 0x52;
export const DW_AT_ranges = 0x55;
export const DW_AT_call_column = 0x57;
export const DW_AT_call_file = 0x58;
export const DW_AT_call_line = 0x59;
export const DW_AT_signature = 0x69;
export const DW_AT_data_bit_offset = 0x6b;
export const DW_AT_linkage_name = 0x6e;
export const DW_AT_str_offsets_base = 0x72;
export const DW_AT_addr_base = 0x73;
export const DW_AT_rnglists_base = 0x74;
export const DW_AT_dwo_name = 0x76;
export const DW_AT_loclists_base = 0x8c;
export const DW_AT_GNU_dwo_name = 0x2130;
export const DW_AT_GNU_dwo_id = 0x2131;
export const DW_AT_GNU_ranges_base = 0x2132;
export const DW_AT_GNU_addr_base = 0x2133;

export const DW_FORM_addr = 0x01;
export const DW_FORM_block2 = 0x03;
export const DW_FORM_block4 = 0x04;
export const DW_FORM_data2 = 0x05;
export const DW_FORM_data4 = 0x06;
export const DW_FORM_data8 = 0x07;
export const DW_FORM_string = 0x08;
export const DW_FORM_block = 0x09;
export const DW_FORM_block1 = 0x0a;
export const DW_FORM_data1 = 0x0b;
export const DW_FORM_flag = 0x0c;
export const DW_FORM_sdata = 0x0d;
export const DW_FORM_strp = 0x0e;
export const DW_FORM_udata = 0x0f;
export const DW_FORM_ref_addr = 0x10;
export const DW_FORM_ref1 = 0x11;
export const DW_FORM_ref2 = 0x12;
export const DW_FORM_ref4 = 0x13;
export const DW_FORM_ref8 = 0x14;
export const DW_FORM_ref_udata = 0x15;
export const DW_FORM_indirect = 0x16;
export const DW_FORM_sec_offset = 0x17;
export const DW_FORM_exprloc = 0x18;
export const DW_FORM_flag_present = 0x19;
export const DW_FORM_strx = 0x1a;
export const DW_FORM_addrx = 0x1b;
export const DW_FORM_ref_sup4 = 0x1c;
export const DW_FORM_strp_sup = 0x1d;
export const DW_FORM_data16 = 0x1e;
export const DW_FORM_line_strp = 0x1f;
export const DW_FORM_ref_sig8 = 0x20;
export const DW_FORM_implicit_const = 0x21;
export const DW_FORM_loclistx = 0x22;
export const DW_FORM_rnglistx = 0x23;
export const DW_FORM_ref_sup8 = 0x24;
export const DW_FORM_strx1 = 0x25;
export const DW_FORM_strx2 = 0x26;
export const DW_FORM_strx3 = 0x27;
export const DW_FORM_strx4 = 0x28;
export const DW_FORM_addrx1 = 0x29;
export const DW_FORM_addrx2 = 0x2a;
export const DW_FORM_addrx3 = 0x2b;
export const DW_FORM_addrx4 = 0x2c;
export const DW_FORM_GNU_addr_index = 0x1f01;
export const DW_FORM_GNU_str_index = 0x1f02;
export const DW_FORM_GNU_ref_alt = 0x1f20;
export const DW_FORM_GNU_strp_alt = 0x1f21;

export const DW_UT_compile = 0x01;
export const DW_UT_type = 0x02;
export const DW_UT_partial = 0x03;
export const DW_UT_skeleton = 0x04;
export const DW_UT_split_compile = 0x05;
export const DW_UT_split_type = 0x06;

export const DW_ATE_boolean = 0x02;
export const DW_ATE_complex_float = 0x03;
export const DW_ATE_float = 0x04;
export const DW_ATE_signed = 0x05;
export const DW_ATE_signed_char = 0x06;
export const DW_ATE_unsigned_char = 0x08;
export const DW_ATE_imaginary_float = 0x09;
export const DW_ATE_decimal_float = 0x0f;
export const DW_ATE_UTF = 0x10;

export const DW_LANG_Rust = 0x1c;

/** What decides how long a form's value is. */
export interface FormSizes {
  readonly version: number;
  /** Bytes of an address. */
  readonly addressSize: number;
  /** Bytes of an offset into a section: 8 in the 64-bit format. */
  readonly offsetSize: 4 | 8;
}

/** Lengths of values that are not a number of bytes. */
export const SIZE_LEB = -1;
export const SIZE_STRING = -2;
/** A block behind its length: of 1, 2, 4 bytes, or a LEB128. */
export const SIZE_BLOCK1 = -3;
export const SIZE_BLOCK2 = -4;
export const SIZE_BLOCK4 = -5;
export const SIZE_BLOCK = -6;
/** The form itself stands before the value. */
export const SIZE_INDIRECT = -7;
/** No form that is known: what follows cannot be read. */
export const SIZE_UNKNOWN = -8;

const FIXED: readonly (readonly [size: number, forms: readonly number[]])[] = [
  [0, [DW_FORM_flag_present, DW_FORM_implicit_const]],
  [1, [DW_FORM_data1, DW_FORM_flag, DW_FORM_ref1, DW_FORM_strx1, DW_FORM_addrx1]],
  [2, [DW_FORM_data2, DW_FORM_ref2, DW_FORM_strx2, DW_FORM_addrx2]],
  [3, [DW_FORM_strx3, DW_FORM_addrx3]],
  [4, [DW_FORM_data4, DW_FORM_ref4, DW_FORM_strx4, DW_FORM_addrx4, DW_FORM_ref_sup4]],
  [8, [DW_FORM_data8, DW_FORM_ref8, DW_FORM_ref_sig8, DW_FORM_ref_sup8]],
  [16, [DW_FORM_data16]],
  [SIZE_STRING, [DW_FORM_string]],
  [SIZE_BLOCK1, [DW_FORM_block1]],
  [SIZE_BLOCK2, [DW_FORM_block2]],
  [SIZE_BLOCK4, [DW_FORM_block4]],
  [SIZE_BLOCK, [DW_FORM_block, DW_FORM_exprloc]],
  [SIZE_INDIRECT, [DW_FORM_indirect]],
  [SIZE_LEB, [DW_FORM_sdata, DW_FORM_udata, DW_FORM_ref_udata, DW_FORM_strx, DW_FORM_addrx]],
  [SIZE_LEB, [DW_FORM_loclistx, DW_FORM_rnglistx, DW_FORM_GNU_addr_index, DW_FORM_GNU_str_index]],
];
const OFFSETS = [DW_FORM_strp, DW_FORM_sec_offset, DW_FORM_strp_sup, DW_FORM_line_strp];
const GNU_OFFSETS = [DW_FORM_GNU_ref_alt, DW_FORM_GNU_strp_alt];
/** Forms below this are looked up in a table. */
const FORM_SLOTS = 0x2d;
/** Of GNU forms the low byte, behind those. */
const slotOfForm = (form: number): number =>
  form < FORM_SLOTS ? form : form >> 8 === 0x1f ? FORM_SLOTS + (form & 0xff) : -1;

/** Sizes of all forms for units of one kind. */
export function formSizes({ version, addressSize, offsetSize }: FormSizes): (form: number) => number {
  const sizes = new Int8Array(FORM_SLOTS + 256).fill(SIZE_UNKNOWN);
  for (const [size, forms] of FIXED) for (const form of forms) sizes[slotOfForm(form)] = size;
  for (const form of [...OFFSETS, ...GNU_OFFSETS]) sizes[slotOfForm(form)] = offsetSize;
  sizes[DW_FORM_addr] = addressSize;
  sizes[DW_FORM_ref_addr] = version <= 2 ? addressSize : offsetSize;
  return form => {
    const slot = slotOfForm(form);
    return slot < 0 ? SIZE_UNKNOWN : sizes[slot];
  };
}

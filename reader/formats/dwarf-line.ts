// Constants of line number programs. Source: DWARF 5, section 7.22.

export const DW_LNCT_path = 1;
export const DW_LNCT_directory_index = 2;

export const DW_LNS_copy = 1;
export const DW_LNS_advance_pc = 2;
export const DW_LNS_advance_line = 3;
export const DW_LNS_set_file = 4;
export const DW_LNS_set_column = 5;
export const DW_LNS_negate_stmt = 6;
export const DW_LNS_const_add_pc = 8;
export const DW_LNS_fixed_advance_pc = 9;

export const DW_LNE_end_sequence = 1;
export const DW_LNE_set_address = 2;
export const DW_LNE_define_file = 3;

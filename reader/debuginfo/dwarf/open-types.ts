// The types of an ELF file's DWARF, for openTypes.
import type { Issues } from '../../issue.js';
import type { ElfFile } from '../elf-file.js';
import { Dwarf } from './dwarf.js';
import { DwarfTypes } from './dwarf-types.js';

/** Null if the file has no DWARF. Throws InputError for sections that cannot be read. */
export function openDwarfTypes(file: ElfFile, issues: Issues): DwarfTypes | null {
  const dwarf = Dwarf.open(file, { issues });
  return dwarf === null ? null : new DwarfTypes(dwarf);
}

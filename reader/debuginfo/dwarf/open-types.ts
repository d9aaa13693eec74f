// The types of an ELF file's DWARF, for openTypes.
import { isElf } from '../../formats/elf.js';
import type { Issues } from '../../issue.js';
import type { ByteSource } from '../../source.js';
import { type ElfFile, openElfFile } from '../elf-file.js';
import { loadDecompressors } from './compressed.js';
import { Dwarf } from './dwarf.js';
import { DwarfTypes } from './dwarf-types.js';

/**
 * What opens the types of this file, if it has DWARF: all that must be waited for is done before it is called, and nothing is read of what it is not asked for.
 * It throws InputError for sections that cannot be read.
 */
export async function dwarfTypesOf(source: ByteSource): Promise<(file: ElfFile, issues: Issues) => DwarfTypes | null> {
  const magic = new Uint8Array(4);
  if (source.read(0, magic) < magic.length || !isElf(magic)) return () => null;
  const decompressors = await loadDecompressors(openElfFile(source));
  return (file, issues) => {
    const dwarf = Dwarf.openWith(file, decompressors, { issues });
    return dwarf === null ? null : new DwarfTypes(dwarf);
  };
}

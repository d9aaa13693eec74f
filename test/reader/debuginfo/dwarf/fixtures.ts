// The small files that test/fixtures/dwarf/make.sh makes.
import { join } from 'node:path';
import { Issues } from 'kdumpling/reader';
import { openElfFile } from 'kdumpling/reader/debuginfo';
import { Dwarf, type DwarfOptions, DwarfTypes } from 'kdumpling/reader/debuginfo/dwarf';
import { FileSource } from 'kdumpling/reader/node';

export const FIXTURES = join(import.meta.dirname, '../../../../../test/fixtures/dwarf');
export const fixturePath = (name: string): string => join(FIXTURES, name);

export async function openFixture(name: string, options: DwarfOptions = {}): Promise<Dwarf> {
  const dwarf = await Dwarf.open(openElfFile(new FileSource(fixturePath(name))), { issues: new Issues(), ...options });
  if (dwarf === null) throw new Error(`${name} has no DWARF`);
  return dwarf;
}

export const fixtureTypes = async (name: string): Promise<DwarfTypes> => new DwarfTypes(await openFixture(name));

/** Both files of the sample by every compiler and in every form. */
export const WHOLE: readonly string[] = [
  'x86_64-dwarf2.ko',
  'x86_64-dwarf3.ko',
  'x86_64-dwarf4.ko',
  'x86_64-dwarf5.ko',
  'x86_64-dwarf64.ko',
  'x86_64-type-units.ko',
  'x86_64-type-units4.ko',
  'x86_64-dwarf4.elf',
  'x86_64-dwarf5.elf',
  'x86_64-zlib.elf',
  'x86_64-zlib-gnu.elf',
  'x86_64-zstd.elf',
  'x86_64-zlib.ko',
  'clang-dwarf4.ko',
  'clang-dwarf5.ko',
  'clang-dwarf5.elf',
  'i386-dwarf5.ko',
  'aarch64-dwarf5.ko',
  'powerpc64-dwarf5.ko',
  'riscv64-dwarf5.ko',
  's390x-dwarf3.ko',
  's390x-dwarf5.ko',
];

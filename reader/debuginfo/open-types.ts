// All types that are to be had for a dump: DWARF of a vmlinux of the user's, then BTF: of a bare file, of the vmlinux, or in the dump.
import { isElf } from '../formats/elf.js';
import type { Issues } from '../issue.js';
import type { ByteSource } from '../source.js';
import type { BtfTypes } from './btf/btf-types.js';
import { btfOfElf, btfOfFile } from './btf/file.js';
import { btfOfDump } from './btf/find.js';
import { KernelBtf } from './btf/kernel-btf.js';
import { modulesWithBtf } from './btf/modules.js';
import { type ElfFile, openElfFile } from './elf-file.js';
import { LayeredTypes } from './layered-types.js';
import type { SymbolSpace } from './open-symbols.js';
import type { Symbols } from './symbols.js';
import type { Types } from './types.js';

export interface TypeOptions {
  /** A vmlinux; that it is of the dump's kernel is checked where its symbols are opened. */
  readonly vmlinux?: ByteSource;
  /** A bare file of BTF, for instance a copy of /sys/kernel/btf/vmlinux. */
  readonly btf?: ByteSource;
  /** Opens the types of the vmlinux's DWARF, if it has any (`LazyDwarf.types`); whoever wants them imports it. */
  readonly dwarf?: (issues: Issues) => Types | null;
  /** What finds the list of modules' types (`btf_modules`), where other symbols can than those that the kernel's own types are found with. */
  readonly moduleSymbols?: Symbols;
  readonly issues: Issues;
}

/** Null, with an issue, if there are no types. Throws InputError for a file that cannot be read as what it was said to be. */
export function openTypes(space: SymbolSpace, symbols: Symbols, options: TypeOptions): Types | null {
  const { vmlinux, moduleSymbols = symbols, issues } = options;
  const file = vmlinux !== undefined && isElfSource(vmlinux) ? openElfFile(vmlinux) : null;
  const layers: Types[] = [];
  const dwarf = options.dwarf?.(issues) ?? null;
  if (dwarf !== null) layers.push(dwarf);
  const btf = kernelBtf(space, symbols, options, file, dwarf === null);
  if (btf !== null) layers.push(new KernelBtf(btf, () => modulesWithBtf(space.virtual, moduleSymbols, btf, issues)));
  return layers.length > 1 ? new LayeredTypes(layers) : (layers[0] ?? null);
}

/**
 * A dump's BTF is what its vmlinux has: a second copy would add nothing.
 * @param needed false where there are other types, so that it is not worth a search
 */
function kernelBtf(
  space: SymbolSpace,
  symbols: Symbols,
  { btf, issues }: TypeOptions,
  file: ElfFile | null,
  needed: boolean,
): BtfTypes | null {
  if (btf !== undefined) return btfOfFile(btf, issues);
  const inFile = file === null ? null : btfOfElf(file, issues);
  return inFile ?? btfOfDump(space, symbols, issues, needed);
}

function isElfSource(source: ByteSource): boolean {
  const magic = new Uint8Array(4);
  return source.read(0, magic) === magic.length && isElf(magic);
}

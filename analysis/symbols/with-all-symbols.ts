// A kernel with all symbols: those of the dump and of the user's files, then what is found with their and the types' help, then those of the modules.
import { LayeredSymbols, LayeredTypes, type Symbols, type Types } from 'kdumpling/reader/debuginfo';
import { Kernel, type KernelParts } from '../kernel.js';
import { ModuleDebug, type ModuleFiles } from '../modules/debug-files.js';
import { ModuleSymbols } from '../modules/module-symbols.js';
import { FoundSymbols } from './found-symbols.js';

/**
 * @param parts what the dump and the user's files give
 * @param files with the DWARF of modules
 * @param types opens the types; called once, when they are first asked for, with all symbols of the kernel itself: types of modules may be found only with those that are found here
 */
export function withAllSymbols(
  parts: Omit<KernelParts, 'types'>,
  types: (own: Symbols) => Types | null,
  files: ModuleFiles | null = null,
): Kernel {
  const base: Kernel = new Kernel({ ...parts, types: () => types(own) });
  const own = new LayeredSymbols([parts.symbols, new FoundSymbols(base)]);
  const kernel = new Kernel({ ...parts, symbols: own, types: () => base.types });
  const symbols = new LayeredSymbols([own, new ModuleSymbols(kernel, parts.issues)]);
  if (files === null) return new Kernel({ ...parts, symbols, own, types: () => base.types });
  const debug = new ModuleDebug(kernel, files, parts.issues);
  const { source = () => [] } = parts;
  return new Kernel({
    ...parts,
    symbols,
    own,
    types: () => new LayeredTypes([...(base.types === null ? [] : [base.types]), debug.types]),
    source: address => {
      const found = source(address);
      return found.length > 0 ? found : debug.source(address);
    },
  });
}

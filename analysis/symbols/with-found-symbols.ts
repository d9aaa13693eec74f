// A kernel with all symbols: those of the dump and of the user's files, then what is found with their and the types' help.
import { LayeredSymbols, type Symbols, type Types } from 'kdumpling/reader/debuginfo';
import { Kernel, type KernelParts } from '../kernel.js';
import { FoundSymbols } from './found-symbols.js';

/**
 * @param parts what the dump and the user's files give
 * @param types opens the types; called once, when they are first asked for, with all symbols: types of modules may be found only with those that are found here
 */
export function withFoundSymbols(parts: Omit<KernelParts, 'types'>, types: (all: Symbols) => Types | null): Kernel {
  const base: Kernel = new Kernel({ ...parts, types: () => types(symbols) });
  const symbols = new LayeredSymbols([parts.symbols, new FoundSymbols(base)]);
  return new Kernel({ ...parts, symbols, types: () => base.types });
}

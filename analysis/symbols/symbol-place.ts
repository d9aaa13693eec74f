// An address as the kernel prints it: the symbol that it lies in, and how far (lib/vsprintf.c, %pS).
import type { Kernel } from '../kernel.js';

/** What is unknown is null. */
export interface SymbolPlace {
  readonly address: bigint;
  readonly symbol: string | null;
  /** Bytes behind the symbol's start. */
  readonly offset: number | null;
  readonly module: string | null;
}

export function symbolPlace(kernel: Kernel, address: bigint): SymbolPlace {
  const found = address === 0n ? null : kernel.symbols.at(address);
  if (found === null) return { address, symbol: null, offset: null, module: null };
  return { address, symbol: found.name, offset: Number(address - found.address), module: found.module };
}

/** `symbol+0x12 [module]`; '' without a symbol. */
export function placeText({ symbol, offset, module }: SymbolPlace): string {
  if (symbol === null) return '';
  const by = offset === null || offset === 0 ? '' : `+0x${offset.toString(16)}`;
  return `${symbol}${by}${module === null ? '' : ` [${module}]`}`;
}

// ADDR on the command line: a number, a symbol, or a symbol with an offset.
import { type Issues, U64_MAX } from 'kdumpling/reader';
import type { KernelSymbol, Symbols } from 'kdumpling/reader/debuginfo';
import { UsageError } from './command.js';

export interface GivenAddress {
  readonly address: bigint;
  /** The symbol that was named, without an offset; null otherwise. */
  readonly symbol: KernelSymbol | null;
}

/** A name that the dump does not have: what asks for several addresses answers the others. */
export class UnknownSymbol extends UsageError {}

const NUMBER = /^(0x[0-9a-f]{1,16}|\d{1,20})$/i;
/** What other tools print without 0x. */
const BARE = /^[0-9a-f]{16}$/i;

/** 0x… or decimal, or exactly 16 hexadecimal digits; null for everything else and for what passes 64 bits. */
export function parseNumber(text: string): bigint | null {
  if (BARE.test(text)) return BigInt(`0x${text}`);
  if (!NUMBER.test(text)) return null;
  const value = BigInt(text);
  return value > U64_MAX ? null : value;
}

/** Of several addresses: what is no address ends all, a name that the dump does not have is told and gives null. @throws UsageError */
export function parseAddresses(
  texts: readonly string[],
  openSymbols: () => Symbols,
  issues: Issues,
): (bigint | null)[] {
  return texts.map(text => {
    try {
      return parseAddress(text, openSymbols).address;
    } catch (error) {
      if (!(error instanceof UnknownSymbol)) throw error;
      issues.add('missing-symbol', error.message);
      return null;
    }
  });
}

/**
 * @param openSymbols called only where a name was given
 * @throws UsageError for what is no address, UnknownSymbol for a name that is not a symbol of the dump
 */
export function parseAddress(text: string, openSymbols: () => Symbols): GivenAddress {
  const number = parseNumber(text);
  if (number !== null) return { address: number, symbol: null };
  const match = /^([A-Za-z_.$][\w.$]*)(?:([+-])(\w+))?$/.exec(text);
  const offset = match?.[3] === undefined ? 0n : parseNumber(match[3]);
  if (match === null || offset === null) {
    throw new UsageError(`${JSON.stringify(text)} is no address: give 0x…, a decimal number, SYMBOL or SYMBOL+0x…`);
  }
  const symbols = openSymbols();
  const symbol = symbols.resolve([match[1]]).get(match[1]);
  if (symbol === undefined) {
    const where =
      symbols.source === ''
        ? 'this dump has no symbols'
        : `it is not among the symbols of ${symbols.source.replaceAll(',', ', ')}`;
    throw new UnknownSymbol(`there is no symbol ${match[1]}: ${where}; a vmlinux (--vmlinux) may have it`);
  }
  const address = match[2] === '-' ? symbol.address - offset : symbol.address + offset;
  return { address: BigInt.asUintN(64, address), symbol: match[3] === undefined ? symbol : null };
}

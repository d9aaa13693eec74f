// kallsyms tables laid down byte by byte from scripts/kallsyms.c, in the plainest form there is: token 0 to 255 stand for the one character of that number, so a name's
// bytes are its characters. Everything begins at BASE, virtual and physical differ by OFFSET.
import { AddressMap } from 'kdumpling/reader';
import { PiecesMemory } from '../pieces-memory.js';

export const PADDR = 0x20_0000;

export interface MadeSymbol {
  readonly type: string;
  readonly name: string;
  /** What the entry of kallsyms_offsets holds, as a signed number. */
  readonly stored: number;
}

export interface MadeOptions {
  readonly vaddr: bigint;
  readonly symbols: readonly MadeSymbol[];
  readonly relativeBase: bigint | null;
  readonly littleEndian?: boolean;
  readonly word?: 4 | 8;
  /** Put offsets behind the token index, as 6.4 and later do. */
  readonly late?: boolean;
  /** Indices sorted by name, behind the offsets. */
  readonly sorted?: readonly number[];
}

export interface MadeKallsyms {
  readonly physical: PiecesMemory;
  readonly virtual: AddressMap;
  /** Virtual addresses of the tables. */
  readonly place: Readonly<Record<string, bigint>>;
  /** SYMBOL() lines of VMCOREINFO. */
  readonly lines: string;
}

export function makeKallsyms(options: MadeOptions): MadeKallsyms {
  const { symbols, vaddr, relativeBase, littleEndian = true, word = 8, late = false, sorted = null } = options;
  const bytes: number[] = [];
  const place: Record<string, bigint> = {};
  const align = (to: number) => {
    while (bytes.length % to !== 0) bytes.push(0);
  };
  const mark = (name: string, alignment: number = word) => {
    align(alignment);
    place[name] = vaddr + BigInt(bytes.length);
  };
  const number = (value: bigint, size: number) => {
    for (let i = 0; i < size; i++) {
      const shift = BigInt(8 * (littleEndian ? i : size - 1 - i));
      bytes.push(Number((value >> shift) & 0xffn));
    }
  };
  const offsets = () => {
    mark('offsets');
    for (const symbol of symbols) number(BigInt.asUintN(32, BigInt(symbol.stored)), 4);
    if (relativeBase === null) return;
    mark('relative_base');
    number(relativeBase, word);
  };
  // 4096 bytes of something else, so that reading before the tables does not leave memory.
  bytes.push(...new Uint8Array(4096).fill(0xcc));
  if (!late) offsets();
  mark('num_syms');
  number(BigInt(symbols.length), 4);
  mark('names');
  const start = bytes.length;
  const marks: number[] = [];
  for (const [i, symbol] of symbols.entries()) {
    if (i % 256 === 0) marks.push(bytes.length - start);
    const text = [...Buffer.from(symbol.type + symbol.name, 'latin1')];
    if (text.length < 128) bytes.push(text.length);
    else bytes.push((text.length & 0x7f) | 0x80, text.length >> 7);
    bytes.push(...text);
  }
  mark('markers');
  for (const one of marks) number(BigInt(one), 4);
  mark('token_table');
  // Token 0 cannot be a NUL: it is never used, and empty.
  const starts: number[] = [];
  const table = bytes.length;
  for (let i = 0; i < 256; i++) {
    starts.push(bytes.length - table);
    if (i > 0) bytes.push(i);
    bytes.push(0);
  }
  mark('token_index');
  for (const one of starts) number(BigInt(one), 2);
  if (late) {
    offsets();
    if (sorted !== null) {
      mark('seqs_of_names', 1);
      for (const index of sorted) bytes.push(index >> 16, (index >> 8) & 0xff, index & 0xff);
    }
  }
  bytes.push(...new Uint8Array(70000).fill(0xcc));
  const physical = new PiecesMemory([{ paddr: PADDR, bytes: Uint8Array.from(bytes) }], littleEndian, word);
  const last = vaddr + BigInt(bytes.length) - 1n;
  const range = {
    name: 'image',
    method: 'linear',
    first: vaddr,
    last,
    target: PADDR,
    confirmedBy: '',
    partial: false,
  } as const;
  const virtual = new AddressMap(physical, [range]);
  const named = ['names', 'num_syms', 'token_table', 'token_index', 'offsets', 'relative_base'];
  const lines = named
    .filter(name => name in place)
    .map(name => `SYMBOL(kallsyms_${name})=${place[name].toString(16)}\n`)
    .join('');
  return { physical, virtual, place, lines };
}

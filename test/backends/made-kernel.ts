// A dead kernel for tests of back-ends: memory of known bytes, a few symbols, an image map and a linear map.
import type { Region, TargetKernel, TargetSymbol } from 'kdumpling/producer';
import type { LinearRange } from 'kdumpling/reader/arch';
import { architectureByName } from 'kdumpling/reader/arch';
import { data, MadeMemory, noise, type Piece } from '../assembler/made-dump.js';

export const RAM_START = 0x4000_0000;
export const RAM_SIZE = 0x40_0000;
export const BANNER = 'Linux version 6.1.0-made (nobody@nowhere) #1 SMP\n';
const BANNER_AT = RAM_START + 0x20_1000;
export const LINEAR = 0xffff_0000_0000_0000n;
export const IMAGE = 0xffff_8000_0800_0000n;

export interface MadeKernel extends TargetKernel {
  readonly memory: MadeMemory;
  /** What memory has at an address. */
  bytes(paddr: number, length: number): Uint8Array;
}

export interface MadeKernelOptions {
  readonly arch?: string;
  readonly pieces?: readonly Piece[];
  readonly symbols?: Readonly<Record<string, bigint>>;
  readonly ranges?: readonly LinearRange[];
  readonly notes?: TargetKernel['cpuNotes'];
  readonly vmcoreinfo?: string | null;
}

/** 4 MiB of noise at 1 GiB, the banner in it. */
export function usualMemory(): Piece[] {
  const ram = noise(RAM_SIZE, 7);
  ram.fill(0, 0x10_0000, 0x18_0000);
  ram.set(new TextEncoder().encode(`${BANNER}\0`), BANNER_AT - RAM_START);
  return [data(RAM_START, ram)];
}

const USUAL_RANGES: readonly LinearRange[] = [
  {
    name: 'image',
    first: IMAGE,
    last: IMAGE + 0xfff_ffffn,
    offset: BigInt.asUintN(64, IMAGE - BigInt(RAM_START + 0x20_0000)),
  },
  {
    name: 'linear',
    first: LINEAR,
    last: LINEAR + 0xffff_ffffn,
    offset: BigInt.asUintN(64, LINEAR - BigInt(RAM_START)),
  },
];

const USUAL_SYMBOLS = { linux_banner: IMAGE + 0x1000n, _text: IMAGE, _end: IMAGE + 0x3800n };

export function madeKernel(options: MadeKernelOptions = {}): MadeKernel {
  const pieces = options.pieces ?? usualMemory();
  const memory = new MadeMemory(pieces);
  const arch = architectureByName(options.arch ?? 'arm64');
  if (arch === null) throw new Error('no such architecture');
  const linearRanges = options.ranges ?? USUAL_RANGES;
  const symbols: Readonly<Record<string, bigint>> = options.symbols ?? USUAL_SYMBOLS;
  const symbol = (name: string): TargetSymbol | null =>
    Object.hasOwn(symbols, name) ? { address: symbols[name], size: null, sizeIsBound: false } : null;
  const text = options.vmcoreinfo === undefined ? 'OSRELEASE=6.1.0-made\nPAGESIZE=4096\n' : options.vmcoreinfo;
  return {
    arch,
    littleEndian: true,
    pageSize: 4096,
    memory,
    vmcoreinfo: text === null ? null : { text, vaddr: null, paddr: null },
    cpuNotes: options.notes ?? [],
    linearRanges,
    symbol,
    sizeOf: () => null,
    offsetOf: () => null,
    objectsOf: () => null,
    lengthOf: () => null,
    translate(vaddr) {
      const range = linearRanges.find(({ first, last }) => vaddr >= first && vaddr <= last);
      return range === undefined ? null : Number(BigInt.asUintN(64, vaddr - range.offset));
    },
    linearAddress(paddr) {
      const range = linearRanges.find(({ name }) => name === 'linear');
      const vaddr = range === undefined ? null : BigInt.asUintN(64, BigInt(paddr) + range.offset);
      return range === undefined || vaddr === null || vaddr < range.first || vaddr > range.last ? null : vaddr;
    },
    bytes(paddr, length) {
      const piece = pieces.find(({ start, end }) => start <= paddr && paddr + length <= end);
      if (piece?.bytes === undefined) throw new Error('not there');
      return piece.bytes.slice(paddr - piece.start, paddr - piece.start + length);
    },
  };
}

/** A region as a series with numbers registers it. */
export function region(id: number, name: string, offset: number, size: number, entry?: string): Region {
  const paddr = RAM_START + offset;
  const plain = { id, name, vaddr: LINEAR + BigInt(offset), paddr, size };
  return entry === undefined ? plain : { ...plain, minidump: { name: entry, sequence: id } };
}

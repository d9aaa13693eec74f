// What is decoded without a dump: pages of each codec, debug-kinfo areas, region sets, symbol files.
import { MemoryFault, MemorySource } from 'kdumpling/reader';
import { type CodecName, loadCodec, type PageCodec } from 'kdumpling/reader/codecs';
import {
  bytesAtAddress,
  ElfSymbols,
  elfBuildId,
  type KernelSymbol,
  type Symbols,
  SystemMap,
} from 'kdumpling/reader/debuginfo';
import { decodeKinfo, KINFO_LAYOUTS, kinfoChecksum } from 'kdumpling/reader/formats/debug-kinfo';
import { isElf } from 'kdumpling/reader/formats/elf';
import { decodeRegionSet, encodeRegionSet } from 'kdumpling/reader/formats/region-set';
import { wrongSentence } from './judge.js';
import type { Hostile } from './mutations.js';

const GUARD = 64;
const PAGE = 4096;
const POISON = 0xa7;
const MOST_SEARCHED = 1000;
const codecs = new Map<string, PageCodec>();
const arena = new Uint8Array(GUARD + PAGE + GUARD);

/** A codec answers with a length that fits or with -1, and writes nowhere else. */
export async function exerciseCodec({ files: [file] }: Hostile): Promise<string[]> {
  const name = file.name as CodecName;
  const codec = codecs.get(name) ?? (await loadCodec(name));
  codecs.set(name, codec);
  for (const room of [PAGE, 100, 0]) {
    arena.fill(POISON);
    const length = codec.decompress(file.bytes, 0, file.bytes.length, arena, GUARD, room);
    if (!Number.isInteger(length) || length < -1 || length > room)
      throw new Error(`${name} returned ${length} for ${room} bytes of room`);
    for (let i = 0; i < GUARD; i++) if (arena[i] !== POISON) throw new Error(`${name} wrote before its range`);
    for (let i = GUARD + room; i < arena.length; i++)
      if (arena[i] !== POISON) throw new Error(`${name} wrote behind its range`);
  }
  return [];
}

function decodeOneKinfo(bytes: Uint8Array): void {
  const { kinfo, why } = decodeKinfo(bytes);
  if (kinfo === null) {
    const wrong = wrongSentence(why);
    if (wrong !== null) throw new Error(`${wrong}: ${why}`);
    return;
  }
  for (const field of kinfo.layout.fields) {
    if (kinfo.values[field.name] === undefined) throw new Error(`${field.name} has no value`);
  }
}

/** As it is, and with the checksum of each layout made right, since every change breaks it. */
export function exerciseKinfo({ files: [file] }: Hostile): string[] {
  decodeOneKinfo(file.bytes);
  if (file.bytes.length < 8) return [];
  for (const { size } of KINFO_LAYOUTS) {
    if (size > file.bytes.length) continue;
    const sealed = file.bytes.slice();
    const view = new DataView(sealed.buffer);
    view.setUint32(4, kinfoChecksum(view, size), true);
    decodeOneKinfo(sealed);
  }
  return [];
}

export function exerciseRegionSet({ files: [file] }: Hostile): string[] {
  const set = decodeRegionSet(new TextDecoder().decode(file.bytes), file.name);
  const again = decodeRegionSet(encodeRegionSet(set), file.name);
  if (again.regions.length !== set.regions.length) throw new Error('a region set changed when it was written and read');
  return [];
}

export const sourceOf = (file: Hostile['files'][number]): MemorySource => new MemorySource(file.bytes, file.name);

/** The first of those that a search gives; none where the names cannot be read. */
function searched(symbols: Symbols): KernelSymbol[] {
  const found: KernelSymbol[] = [];
  try {
    for (const symbol of symbols.search(name => name.includes('_'))) {
      if (found.push(symbol) === MOST_SEARCHED) break;
    }
  } catch (error) {
    if (!(error instanceof MemoryFault)) throw error;
  }
  return found;
}

/** Symbols are found by name and by address, or not at all; never with a value that is none. */
export function lookUp(symbols: Symbols): string[] {
  const wrong: string[] = [];
  const found = symbols.resolve(['_stext', 'linux_banner', 'init_uts_ns', 'prb', 'no_such_symbol', '']);
  const addresses = [
    0n,
    1n,
    0x81000000n,
    0xffffffff81000000n,
    0xffffffff81000801n,
    0x7fffffffffffffffn,
    0xffffffffffffffffn,
  ];
  const listed = [...symbols.all('_stext'), ...searched(symbols)];
  for (const symbol of [...found.values(), ...listed, ...addresses.map(address => symbols.at(address))]) {
    if (symbol === null) continue;
    if (typeof symbol.address !== 'bigint' || symbol.address < 0n || symbol.address >> 64n !== 0n) {
      wrong.push(`a symbol's address is ${symbol.address}`);
    }
    if (!(symbol.size >= 0)) wrong.push(`a symbol's size is ${symbol.size}`);
    if (symbol.type.length !== 1) wrong.push(`a symbol's type is ${JSON.stringify(symbol.type)}`);
  }
  if (!Number.isSafeInteger(symbols.count) || symbols.count < 0) wrong.push(`${symbols.count} symbols`);
  return wrong;
}

export function exerciseSymbols({ files: [file] }: Hostile): string[] {
  const source = sourceOf(file);
  if (!isElf(file.bytes)) return lookUp(SystemMap.open(source));
  const symbols = ElfSymbols.open(source);
  elfBuildId(symbols.file);
  bytesAtAddress(symbols.file, 0x81000000n, 256);
  return lookUp(symbols);
}

// Where the tables of kallsyms lie, from VMCOREINFO (6.0 and later). Their order in memory: up to 6.3 offsets, relative_base, num_syms, names, markers, [seqs_of_names,] token_table,
// token_index; later num_syms, names, markers, token_table, token_index, offsets, [relative_base,] seqs_of_names. Source: scripts/kallsyms.c (4.6 to 7.3).
import type { Vmcoreinfo } from '../../formats/vmcoreinfo.js';
import type { Issues } from '../../issue.js';
import type { VirtualMemory } from '../../memory.js';

/** Virtual addresses of the tables, and how many symbols they hold. */
export interface KallsymsTables {
  readonly count: number;
  readonly names: bigint;
  readonly tokenTable: bigint;
  readonly tokenIndex: bigint;
  /** kallsyms_offsets (s32) or, without BASE_RELATIVE, kallsyms_addresses (words). */
  readonly offsets: bigint;
  readonly offsetSize: 4 | 8;
  /** kallsyms_relative_base is the content, not the place; null where there is none. */
  readonly relativeBase: bigint | null;
  /** Where each 256th name begins, and the width of an element; null if not found. */
  readonly markers: { readonly address: bigint; readonly size: 4 | 8 } | null;
  /** Indices sorted by name, three bytes each, big-endian (6.2 and later); null if there are none. */
  readonly sorted: bigint | null;
}

/** No kernel has more symbols; a larger count is a damaged or false one. */
export const MOST_SYMBOLS = 1 << 22;
export const MOST_NAMES_BYTES = 1 << 27;

/** Null with an issue where VMCOREINFO names no tables, or what it names cannot be read. */
export function tablesFromVmcoreinfo(
  memory: VirtualMemory,
  vmcoreinfo: Vmcoreinfo,
  issues: Issues,
): KallsymsTables | null {
  const place = (name: string) => vmcoreinfo.symbol(`kallsyms_${name}`);
  const names = place('names');
  const countAt = place('num_syms');
  const tokenTable = place('token_table');
  const tokenIndex = place('token_index');
  const addresses = place('addresses');
  const offsets = place('offsets') ?? addresses;
  if (
    names === undefined ||
    countAt === undefined ||
    tokenTable === undefined ||
    tokenIndex === undefined ||
    offsets === undefined
  ) {
    return null;
  }
  const at = memory.locate(countAt, 4);
  const count = at < 0 ? 0 : memory.view.getUint32(at, memory.littleEndian);
  if (count === 0 || count > MOST_SYMBOLS || tokenTable <= names || tokenTable - names > MOST_NAMES_BYTES) {
    const why = at < 0 ? memory.fault.toError().message : `it says ${count}`;
    issues.add('kallsyms-unreadable', `kallsyms_num_syms gives no number of symbols: ${why}`, countAt);
    return null;
  }
  const baseAt = place('relative_base');
  const offsetSize = place('offsets') === undefined ? memory.pointerSize : 4;
  const relativeBase = baseAt === undefined ? null : word(memory, baseAt);
  if (baseAt !== undefined && relativeBase === null) {
    const why = memory.fault.toError().message;
    issues.add('kallsyms-unreadable', `kallsyms_relative_base cannot be read: ${why}`, baseAt);
    return null;
  }
  const partial = { count, names, tokenTable, tokenIndex, offsets, offsetSize, relativeBase };
  return completeTables(memory, partial, baseAt ?? null);
}

function word(memory: VirtualMemory, address: bigint): bigint | null {
  const at = memory.locate(address, memory.pointerSize);
  if (at < 0) return null;
  if (memory.pointerSize === 4) return BigInt(memory.view.getUint32(at, memory.littleEndian));
  return memory.view.getBigUint64(at, memory.littleEndian);
}

/** Finds markers and seqs_of_names, which VMCOREINFO does not name, by the order of the tables. Both only speed things up; what is taken for them is checked. */
export function completeTables(
  memory: VirtualMemory,
  tables: Omit<KallsymsTables, 'markers' | 'sorted'>,
  baseAt: bigint | null,
): KallsymsTables {
  const sortedLength = BigInt(3 * tables.count);
  const late = tables.offsets > tables.tokenTable;
  const behind = late ? behindOffsets(memory, tables, baseAt) : null;
  const alignment = BigInt(memory.pointerSize);
  const markersEnds = [tables.tokenTable];
  // 6.2 and 6.3 have seqs_of_names between markers and token_table.
  if (!late) markersEnds.push(alignedDown(tables.tokenTable - sortedLength, alignment));
  for (const [i, end] of markersEnds.entries()) {
    const markers = findMarkers(memory, tables, end);
    if (markers === null) continue;
    const length = BigInt(markers.size * Math.ceil(tables.count / 256));
    const sorted = late ? behind : i === 1 ? alignedUp(markers.address + length, alignment) : null;
    return { ...tables, markers, sorted };
  }
  return { ...tables, markers: null, sorted: null };
}

function behindOffsets(
  memory: VirtualMemory,
  tables: Omit<KallsymsTables, 'markers' | 'sorted'>,
  baseAt: bigint | null,
): bigint {
  if (baseAt !== null && baseAt > tables.offsets) return baseAt + BigInt(memory.pointerSize);
  return tables.offsets + BigInt(tables.offsetSize * tables.count);
}

const alignedDown = (value: bigint, alignment: bigint): bigint => value - (value % alignment);
const alignedUp = (value: bigint, alignment: bigint): bigint => alignedDown(value + alignment - 1n, alignment);

/** The markers end at `end` but for padding; the first is 0, and they ascend by at least 2 bytes a name. */
function findMarkers(
  memory: VirtualMemory,
  tables: { readonly count: number; readonly names: bigint },
  end: bigint,
): KallsymsTables['markers'] {
  const elements = Math.ceil(tables.count / 256);
  for (const size of memory.pointerSize === 8 ? ([4, 8] as const) : ([4] as const)) {
    const length = size * elements;
    for (let padding = 0; padding < 16; padding += 4) {
      const address = end - BigInt(padding + length);
      if (address <= tables.names || length > 1 << 18) continue;
      if (ascend(memory, address, elements, size, Number(address - tables.names))) return { address, size };
    }
  }
  return null;
}

function ascend(memory: VirtualMemory, address: bigint, elements: number, size: 4 | 8, most: number): boolean {
  let previous = -512;
  const step = size === 8 ? 8192 : 16384;
  for (let from = 0; from < elements; from += step) {
    const some = Math.min(step, elements - from);
    const at = memory.locate(address + BigInt(from * size), some * size);
    if (at < 0) return false;
    for (let i = 0; i < some; i++) {
      const low = memory.littleEndian || size === 4 ? 0 : 4;
      const value = memory.view.getUint32(at + i * size + low, memory.littleEndian);
      if (value < previous + 512 || value > most || (from + i === 0 && value !== 0)) return false;
      previous = value;
    }
  }
  return true;
}

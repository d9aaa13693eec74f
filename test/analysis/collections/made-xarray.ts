// Writes XArrays as lib/xarray.c stores them: an entry of order n takes 2^n indexes, the slots behind its first one are siblings.
import type { MadeMemory } from './made-memory.js';

export interface Stored {
  /** A multiple of 2^order. */
  readonly index: bigint;
  readonly order: number;
  readonly entry: bigint;
}

/** How a node's own words are written. */
export interface NodeWriter {
  /** Bytes of a node, and where its slots begin. */
  readonly size: number;
  readonly slots: number;
  header(memory: MadeMemory, node: bigint, shift: number, slot: number, parent: bigint): void;
  pointer(node: bigint): bigint;
  sibling(node: bigint, slot: number): bigint;
}

const CHUNK = 6;

export function xaNode(memory: MadeMemory, array: bigint): NodeWriter {
  const word = memory.machine.pointerSize;
  return {
    size: 68 * word + 24 + word,
    slots: 5 * word,
    header(_, node, shift, slot, parent) {
      memory.u8(node, shift, slot);
      memory.words(node + BigInt(word), parent, array);
    },
    pointer: node => node + 2n,
    sibling: (_, slot) => (BigInt(slot) << 2n) | 2n,
  };
}

/** Returns what the root word is. */
export function storeAll(memory: MadeMemory, writer: NodeWriter, entries: readonly Stored[]): bigint {
  if (entries.length === 0) return 0n;
  if (entries.length === 1 && entries[0].index === 0n && entries[0].order === 0) return entries[0].entry;
  const ends = entries.map(({ index, order }) => index + (1n << BigInt(order)) - 1n);
  const last = ends.reduce((most, end) => (end > most ? end : most));
  let shift = 0;
  while (last >> BigInt(shift + CHUNK) !== 0n) shift += CHUNK;
  return writer.pointer(node(memory, writer, entries, shift, 0n, 0, 0n));
}

function node(
  memory: MadeMemory,
  writer: NodeWriter,
  entries: readonly Stored[],
  shift: number,
  base: bigint,
  slot: number,
  parent: bigint,
): bigint {
  const word = BigInt(memory.machine.pointerSize);
  const address = memory.take(writer.size, 8);
  writer.header(memory, address, shift, slot, parent);
  const at = (i: number): bigint => address + BigInt(writer.slots) + BigInt(i) * word;
  for (let i = 0; i < 64; i++) {
    const from = base + (BigInt(i) << BigInt(shift));
    const to = from + (1n << BigInt(shift));
    const inside = entries.filter(({ index }) => index >= from && index < to);
    if (inside.length === 0) continue;
    const [first] = inside;
    if (first.order >= shift) {
      memory.words(at(i), first.entry);
      for (let more = 1; more < 1 << (first.order - shift); more++)
        memory.words(at(i + more), writer.sibling(address, i));
    } else memory.words(at(i), writer.pointer(node(memory, writer, inside, shift - CHUNK, from, i, address)));
  }
  return address;
}

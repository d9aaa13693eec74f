// The types of trees, as gcc lays them out: members that are words follow each other.
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import { compound, int } from '../made-kernel.js';
import type { Machine } from './made-memory.js';

const U8 = int('unsigned char', 1, false);
const U32 = int('unsigned int', 4, false);
const I32 = int('int', 4, true);

export const wordType = (machine: Machine): Type => int('unsigned long', machine.pointerSize, false);

export function wordArray(machine: Machine, length: number): Type {
  return { kind: 'array', element: wordType(machine), length };
}

/** struct xarray and struct xa_node: marks lie behind the slots. */
export function xarrayTypes(machine: Machine): CompoundType[] {
  const word = machine.pointerSize;
  const bits = word * 8;
  return [
    compound('struct', 'xarray', 8 + word, [
      ['xa_flags', U32, 32],
      ['xa_head', wordType(machine), 64],
    ]),
    compound('struct', 'xa_node', 68 * word + 24 + word, [
      ['shift', U8, 0],
      ['offset', U8, 8],
      ['count', U8, 16],
      ['nr_values', U8, 24],
      ['parent', wordType(machine), bits],
      ['array', wordType(machine), 2 * bits],
      ['slots', wordArray(machine, 64), 5 * bits],
    ]),
    compound('struct', 'idr', 24 + word, [
      ['idr_rt', compound('struct', 'xarray', 8 + word, []), 0],
      ['idr_base', U32, 8 * (8 + word)],
      ['idr_next', U32, 8 * (12 + word)],
    ]),
  ];
}

/** Linux 4.19: shift and offset as in the XArray. */
export function markedRadixTypes(machine: Machine): CompoundType[] {
  const word = machine.pointerSize;
  const bits = word * 8;
  return [
    compound('struct', 'radix_tree_root', 8 + word, [
      ['gfp_mask', U32, 32],
      ['rnode', wordType(machine), 64],
    ]),
    compound('struct', 'radix_tree_node', 72 * word, [
      ['shift', U8, 0],
      ['offset', U8, 8],
      ['parent', wordType(machine), bits],
      ['slots', wordArray(machine, 64), 5 * bits],
    ]),
  ];
}

/** Linux 3.10: levels are counted. */
export function countedRadixTypes(machine: Machine): CompoundType[] {
  const bits = machine.pointerSize * 8;
  return [
    compound('struct', 'radix_tree_root', 16, [
      ['height', U32, 0],
      ['gfp_mask', U32, 32],
      ['rnode', wordType(machine), 64],
    ]),
    compound('struct', 'radix_tree_node', 72 * machine.pointerSize, [
      ['height', U32, 0],
      ['count', U32, 32],
      ['parent', wordType(machine), bits],
      ['slots', wordArray(machine, 64), 4 * bits],
    ]),
  ];
}

/** Linux 3.10: struct idr of layers. */
export function layeredIdrTypes(machine: Machine): CompoundType[] {
  const bits = machine.pointerSize * 8;
  return [
    compound('struct', 'idr', 40, [
      ['hint', wordType(machine), 0],
      ['top', wordType(machine), bits],
      ['layers', I32, 2 * bits],
    ]),
    compound('struct', 'idr_layer', 16 + 260 * machine.pointerSize, [
      ['prefix', I32, 0],
      ['layer', I32, 32],
      ['ary', wordArray(machine, 256), 64],
    ]),
  ];
}

/** Linux 6.1; in 7.3 ma_flags comes first. */
export function mapleTypes(machine: Machine, { flagsFirst = false } = {}): CompoundType[] {
  const word = machine.pointerSize;
  const bits = word * 8;
  const [slots, wide] = word === 8 ? [16, 10] : [32, 21];
  return [
    compound('struct', 'maple_tree', 8 + 2 * word, [
      ['ma_root', wordType(machine), 64],
      ['ma_flags', U32, flagsFirst ? 32 : 64 + bits],
    ]),
    compound('struct', 'maple_range_64', 256, [
      ['parent', wordType(machine), 0],
      ['pivot', wordArray(machine, slots - 1), bits],
      ['slot', wordArray(machine, slots), slots * bits],
    ]),
    compound('struct', 'maple_arange_64', 256, [
      ['parent', wordType(machine), 0],
      ['pivot', wordArray(machine, wide - 1), bits],
      ['slot', wordArray(machine, wide), wide * bits],
      ['gap', wordArray(machine, wide), 2 * wide * bits],
    ]),
  ];
}

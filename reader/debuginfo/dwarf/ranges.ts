// Which addresses an entry covers. Source: DWARF 5, sections 2.17 and 7.25 (.debug_rnglists); version 4, section 2.17.3 (.debug_ranges).
import {
  DW_AT_GNU_ranges_base,
  DW_AT_high_pc,
  DW_AT_low_pc,
  DW_AT_ranges,
  DW_FORM_addr,
  DW_FORM_rnglistx,
} from '../../formats/dwarf.js';
import type { EntryCursor } from './entries.js';
import type { Windows } from './windows.js';

/** A function in more pieces is damage. */
const MOST_RANGES = 1 << 16;
/** What a range costs, in entries. */
const STEPS = 3;

const DW_RLE_end_of_list = 0;
const DW_RLE_base_addressx = 1;
const DW_RLE_startx_endx = 2;
const DW_RLE_startx_length = 3;
const DW_RLE_offset_pair = 4;
const DW_RLE_base_address = 5;
const DW_RLE_start_end = 6;
const DW_RLE_start_length = 7;

/** [from, to) */
export type AddressRange = readonly [from: bigint, to: bigint];

/**
 * The ranges of the entry that a cursor is at; throws InputError where they are damaged.
 * @param base what the ranges count from: the address of the unit
 */
export function rangesOf(cursor: EntryCursor, base: bigint): AddressRange[] {
  const ranges = cursor.find(DW_AT_ranges);
  if (ranges >= 0) return cursor.unit.version >= 5 ? listed5(cursor, ranges, base) : listed4(cursor, base);
  const low = cursor.find(DW_AT_low_pc);
  const high = cursor.find(DW_AT_high_pc);
  const from = low < 0 ? null : cursor.addressAt(low);
  if (from === null || high < 0) return [];
  // An address, or (from version 4) how far from the low one.
  const to = cursor.form(high) === DW_FORM_addr ? cursor.addressAt(high) : null;
  const end = to ?? from + (cursor.bigAt(high) ?? 0n);
  return from < end ? [[from, end]] : [];
}

/** What a unit's ranges count from. */
export function baseAddress(root: EntryCursor): bigint {
  const low = root.find(DW_AT_low_pc);
  return low < 0 ? 0n : (root.addressAt(low) ?? 0n);
}

function listed4(cursor: EntryCursor, unitBase: bigint): AddressRange[] {
  const { unit } = cursor;
  const section = cursor.file.sections.need('debug_ranges');
  const size = unit.addressSize;
  const ones = (1n << BigInt(size * 8)) - 1n;
  let at = (cursor.offsetOf(DW_AT_ranges) ?? 0) + (cursor.has(DW_AT_GNU_ranges_base) ? 0 : rangesBase(cursor));
  let base = unitBase;
  const list: AddressRange[] = [];
  for (let i = 0; i < MOST_RANGES; i++, at += 2 * size) {
    cursor.tables.work.spend(STEPS, cursor.offset);
    const from = address(section, at, size);
    const to = address(section, at + size, size);
    if (from === 0n && to === 0n) break;
    if (from === ones) base = to;
    else if (from < to) list.push([base + from, base + to]);
  }
  return list;
}

/** Split units of version 4 count from what their skeleton says. */
const rangesBase = (cursor: EntryCursor): number =>
  cursor.unit.version < 5 ? (cursor.tables.of(cursor.unit).ranges ?? 0) : 0;

const address = (section: Windows, at: number, size: number): bigint =>
  size === 8 ? section.u64(at) : BigInt(section.unsigned(at, size));

function listed5(cursor: EntryCursor, index: number, unitBase: bigint): AddressRange[] {
  const { unit, tables } = cursor;
  const section = cursor.file.sections.need('debug_rnglists');
  let at = cursor.offsetOf(DW_AT_ranges) ?? 0;
  if (cursor.form(index) === DW_FORM_rnglistx) {
    const base = tables.of(unit).ranges ?? 0;
    at = base + section.unsigned(base + cursor.indexAt(index) * unit.offsetSize, unit.offsetSize);
  }
  return new ListReader(cursor, section, unitBase).read(at);
}

class ListReader {
  readonly #cursor: EntryCursor;
  readonly #section: Windows;
  #base: bigint;
  #at = 0;

  constructor(cursor: EntryCursor, section: Windows, base: bigint) {
    this.#cursor = cursor;
    this.#section = section;
    this.#base = base;
  }

  read(offset: number): AddressRange[] {
    this.#at = offset;
    const list: AddressRange[] = [];
    for (let i = 0; i < MOST_RANGES; i++) {
      this.#cursor.tables.work.spend(STEPS, this.#cursor.offset);
      const kind = this.#section.u8(this.#at++);
      if (kind === DW_RLE_end_of_list) break;
      const range = this.#entry(kind);
      if (range !== null && range[0] < range[1]) list.push(range);
    }
    return list;
  }

  #entry(kind: number): AddressRange | null {
    switch (kind) {
      case DW_RLE_base_addressx:
        this.#base = this.#indexed();
        return null;
      case DW_RLE_startx_endx:
        return [this.#indexed(), this.#indexed()];
      case DW_RLE_startx_length: {
        const from = this.#indexed();
        return [from, from + this.#leb()];
      }
      case DW_RLE_offset_pair:
        return [this.#base + this.#leb(), this.#base + this.#leb()];
      case DW_RLE_base_address:
        this.#base = this.#address();
        return null;
      case DW_RLE_start_end:
        return [this.#address(), this.#address()];
      case DW_RLE_start_length: {
        const from = this.#address();
        return [from, from + this.#leb()];
      }
      default:
        throw this.#section.past(this.#at - 1, 1);
    }
  }

  #leb(): bigint {
    const value = this.#section.bigLeb(this.#at, false);
    this.#at = this.#section.lebEnd(this.#at);
    return value;
  }

  #address(): bigint {
    const size = this.#cursor.unit.addressSize;
    const value = address(this.#section, this.#at, size);
    this.#at += size;
    return value;
  }

  #indexed(): bigint {
    return this.#cursor.tables.address(this.#cursor.unit, Number(this.#leb())) ?? 0n;
  }
}

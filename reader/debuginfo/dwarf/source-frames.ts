// From an address to source: the line, the function, and the functions that the compiler put there in place of calls. Source: DWARF 5, sections 3.3.8 (inlined subroutines) and 6.2.
import {
  DW_AT_call_column,
  DW_AT_call_file,
  DW_AT_call_line,
  DW_AT_comp_dir,
  DW_AT_stmt_list,
  DW_TAG_inlined_subroutine,
  DW_TAG_lexical_block,
  DW_TAG_subprogram,
} from '../../formats/dwarf.js';
import type { DwarfUnits } from './dwarf-units.js';
import type { EntryCursor } from './entries.js';
import { readLineHeader } from './line-header.js';
import { LineTable } from './line-table.js';
import { type AddressRange, baseAddress, rangesOf } from './ranges.js';
import { AddressRanges, UnitAddresses } from './unit-addresses.js';
import type { Unit } from './units.js';

/** Functions are not put into each other deeper. */
const MOST_DEPTH = 128;
/** Of how many units lines and functions are kept. */
const KEPT_UNITS = 16;

/** One level of source at an address. */
export interface SourceFrame {
  /** '' if it is not known. */
  readonly function: string;
  /** As compiled, '' if it is not known. */
  readonly file: string;
  /** 0 if it is not known; likewise the column. */
  readonly line: number;
  readonly column: number;
  /** The function is here in place of a call in the next frame. */
  readonly inlined: boolean;
}

/** What was read of a unit. */
interface UnitSource {
  readonly lines: LineTable | null;
  /** By address: the place of a function's entry. */
  readonly functions: AddressRanges;
  readonly base: bigint;
}

interface Nested {
  readonly name: string;
  /** Where it was called; null for the function itself. */
  readonly call: { readonly file: number; readonly line: number; readonly column: number } | null;
}

export class SourceFrames {
  readonly #units: DwarfUnits;
  readonly #addresses: UnitAddresses;
  readonly #sources = new Map<Unit, UnitSource>();

  constructor(units: DwarfUnits) {
    this.#units = units;
    this.#addresses = new UnitAddresses(units);
  }

  /** The source at an address as linked, the innermost function first; [] where no unit has code. */
  at(address: bigint): SourceFrame[] {
    const unit = this.#addresses.at(address);
    if (unit === null) return [];
    const source = this.#sourceOf(unit);
    const row = source.lines?.at(address) ?? null;
    const files = source.lines?.header.files ?? [];
    let place = { file: files[row?.file ?? -1] ?? '', line: row?.line ?? 0, column: row?.column ?? 0 };
    const frames: SourceFrame[] = [];
    for (const { name, call } of this.#nested(source, address)) {
      frames.push({ function: name, ...place, inlined: call !== null });
      if (call !== null) place = { file: files[call.file] ?? '', line: call.line, column: call.column };
    }
    return frames.length === 0 && row !== null ? [{ function: '', ...place, inlined: false }] : frames;
  }

  #sourceOf(unit: Unit): UnitSource {
    let source = this.#sources.get(unit);
    if (source !== undefined) return source;
    if (this.#sources.size === KEPT_UNITS) this.#sources.clear();
    source = {
      lines: this.#units.guard(() => this.#lines(unit), null),
      functions: new AddressRanges(),
      base: this.#units.guard(() => baseAddress(this.#units.read(unit.base + unit.root)), 0n),
    };
    const { functions, base } = source;
    this.#units.guard(() => this.#functions(unit, base, functions), undefined);
    this.#sources.set(unit, source);
    return source;
  }

  #lines(unit: Unit): LineTable | null {
    const root = this.#units.read(unit.base + unit.root);
    const offset = root.offsetOf(DW_AT_stmt_list);
    if (offset === null) return null;
    return new LineTable(readLineHeader(unit.file, unit, offset, root.text(DW_AT_comp_dir)), unit.addressSize);
  }

  #functions(unit: Unit, base: bigint, into: AddressRanges): void {
    const root = this.#units.read(unit.base + unit.root);
    for (const child of root.children()) {
      if (!root.read(unit, child) || root.tag !== DW_TAG_subprogram) continue;
      for (const [from, to] of rangesOf(root, base)) into.add(from, to, unit.base + child);
    }
  }

  /** The function at an address and those that were put into it, innermost first. */
  #nested({ functions, base }: UnitSource, address: bigint): Nested[] {
    const place = functions.at(address);
    if (place < 0) return [];
    return this.#units.guard(() => {
      const found: Nested[] = [];
      let at = place;
      for (let depth = 0; at >= 0 && depth < MOST_DEPTH; depth++) {
        const cursor = this.#units.read(at);
        const isBlock = cursor.tag === DW_TAG_lexical_block;
        const call = cursor.tag === DW_TAG_inlined_subroutine ? callOf(cursor) : null;
        const children = this.#units.children(cursor);
        if (!isBlock) found.push({ name: this.#units.nameOf(this.#units.read(at)), call });
        at = this.#inside(cursor, children, base, address);
      }
      return found.reverse();
    }, []);
  }

  /** The child that covers an address, if it is a block or a function in place of a call; -1 if none does. */
  #inside(cursor: EntryCursor, children: readonly number[], base: bigint, address: bigint): number {
    const covers = ([from, to]: AddressRange): boolean => address >= from && address < to;
    for (const child of children) {
      const { tag } = this.#units.read(child);
      if (tag !== DW_TAG_lexical_block && tag !== DW_TAG_inlined_subroutine) continue;
      if (rangesOf(cursor, base).some(covers)) return child;
    }
    return -1;
  }
}

function callOf(cursor: EntryCursor): Nested['call'] {
  return {
    file: cursor.number(DW_AT_call_file) ?? -1,
    line: cursor.number(DW_AT_call_line) ?? 0,
    column: cursor.number(DW_AT_call_column) ?? 0,
  };
}

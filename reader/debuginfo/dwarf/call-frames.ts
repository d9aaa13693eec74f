// Call frames by address: from .debug_frame and .eh_frame. An index of where each function's rules are is made when the first is asked for.
import type { DwarfUnits } from './dwarf-units.js';
import {
  damaged,
  type FrameCommon,
  type FrameEntry,
  type FrameSection,
  readCommon,
  readEntry,
  readRaw,
} from './frame-entries.js';
import { type FrameRow, frameRow } from './frame-rules.js';
import type { SectionName } from './sections.js';
import { AddressRanges } from './unit-addresses.js';

/** A kernel has some hundred thousand functions. */
const MOST_ENTRIES = 1 << 21;
const MOST_COMMON = 1 << 12;
/** Where so many are damaged, all are. */
const MOST_DAMAGED = 1000;

export interface CallFrame {
  readonly row: FrameRow;
  /** DWARF's number of the register that the caller's address is in. */
  readonly returnRegister: number;
  readonly signal: boolean;
  readonly bKey: boolean;
  /** The function's span. */
  readonly from: bigint;
  readonly to: bigint;
}

interface Indexed {
  readonly frames: FrameSection;
  readonly ranges: AddressRanges;
  readonly common: Map<number, FrameCommon>;
}

export class CallFrames {
  readonly #units: DwarfUnits;
  #indexed: Indexed[] | null = null;

  constructor(units: DwarfUnits) {
    this.#units = units;
  }

  /** The rules at an address as linked; null where no function's are known. */
  at(address: bigint): CallFrame | null {
    this.#indexed ??= (['debug_frame', 'eh_frame'] as const).flatMap(name => this.#index(name));
    for (const indexed of this.#indexed) {
      const offset = indexed.ranges.at(address);
      if (offset < 0) continue;
      const frame = this.#units.guard(() => this.#frame(indexed, offset, address), null);
      if (frame !== null) return frame;
    }
    return null;
  }

  #frame(indexed: Indexed, offset: number, address: bigint): CallFrame | null {
    const entry = this.#entry(indexed, offset);
    if (entry === null) return null;
    const { returnRegister, signal, bKey } = entry.common;
    const row = frameRow(indexed.frames, entry, address);
    return { row, returnRegister, signal, bKey, from: entry.from, to: entry.to };
  }

  /** Null for a CIE. */
  #entry({ frames, common }: Indexed, offset: number): FrameEntry | null {
    const raw = readRaw(frames, offset);
    if (raw === null || raw.common < 0) return null;
    let known = common.get(raw.common);
    if (known === undefined) {
      known = readCommon(frames, raw.common);
      if (common.size < MOST_COMMON) common.set(raw.common, known);
    }
    return readEntry(frames, known, raw);
  }

  #index(name: SectionName): Indexed[] {
    const { sections } = this.#units.main;
    const section = this.#units.guard(() => sections.get(name), null);
    if (section === null) return [];
    const frames: FrameSection = {
      section,
      eh: name === 'eh_frame',
      address: sections.addressOf(name),
      addressSize: sections.file.header.bits === 32 ? 4 : 8,
    };
    const indexed: Indexed = { frames, ranges: new AddressRanges(), common: new Map() };
    this.#units.guard(() => this.#fill(indexed), undefined);
    return [indexed];
  }

  /** Entries behind one that is damaged are found as long as its length is right. */
  #fill(indexed: Indexed): void {
    const { frames, ranges } = indexed;
    const { section } = frames;
    let at = 0;
    let damagedOnes = 0;
    for (let count = 0; at + 4 <= section.size; count++) {
      if (count === MOST_ENTRIES) throw damaged(section, at, 'entries', count);
      const raw = readRaw(frames, at);
      // The end mark of one of several files.
      if (raw === null) {
        at += 4;
        continue;
      }
      // Undefined: it is damaged.
      const entry = this.#units.guard<FrameEntry | null | undefined>(() => this.#entry(indexed, at), undefined);
      if (entry === undefined && ++damagedOnes === MOST_DAMAGED) return;
      if (entry) ranges.add(entry.from, entry.to, at);
      at = raw.end;
    }
  }
}

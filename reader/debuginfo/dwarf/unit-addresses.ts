// Which unit an address is in: by .debug_aranges where the compiler wrote them, else by what the units' own entries say. Source: DWARF 5, section 6.1.2.
import { InputError } from '../../fault.js';
import type { DwarfUnits } from './dwarf-units.js';
import { baseAddress, rangesOf } from './ranges.js';
import type { DwarfFile, Unit } from './units.js';

/** A kernel has some thousands of ranges; with a section for each function some hundred thousand. */
const MOST_RANGES = 1 << 19;
/** Where so many units are damaged, all are. */
const MOST_DAMAGED = 1000;
const DWARF64 = 0xffff_ffff;

/** Ranges of addresses and which number each has; of overlapping ones the last that begins before. */
export class AddressRanges {
  #from = new BigUint64Array(256);
  #to = new BigUint64Array(256);
  #numbers = new Float64Array(256);
  #count = 0;
  #sorted = true;

  add(from: bigint, to: bigint, number: number): void {
    if (this.#count === MOST_RANGES || from >= to || to >> 64n !== 0n) return;
    if (this.#count === this.#from.length) this.#grow();
    this.#from[this.#count] = from;
    this.#to[this.#count] = to;
    this.#numbers[this.#count++] = number;
    this.#sorted = false;
  }

  /** The number of the range that an address is in; -1 if it is in none. */
  at(address: bigint): number {
    if (!this.#sorted) this.#sort();
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#from[middle] <= address) low = middle + 1;
      else high = middle;
    }
    return low > 0 && address < this.#to[low - 1] ? this.#numbers[low - 1] : -1;
  }

  #grow(): void {
    const room = this.#count * 2;
    const [from, to, numbers] = [new BigUint64Array(room), new BigUint64Array(room), new Float64Array(room)];
    from.set(this.#from);
    to.set(this.#to);
    numbers.set(this.#numbers);
    [this.#from, this.#to, this.#numbers] = [from, to, numbers];
  }

  #sort(): void {
    const from = this.#from;
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i);
    order.sort((a, b) => (from[a] < from[b] ? -1 : from[a] > from[b] ? 1 : a - b));
    const [to, numbers] = [this.#to, this.#numbers];
    this.#from = BigUint64Array.from(order, i => from[i]);
    this.#to = BigUint64Array.from(order, i => to[i]);
    this.#numbers = Float64Array.from(order, i => numbers[i]);
    this.#sorted = true;
  }
}

export class UnitAddresses {
  readonly #units: DwarfUnits;
  #listed: AddressRanges | null = null;
  #own: AddressRanges | null = null;

  constructor(units: DwarfUnits) {
    this.#units = units;
  }

  /** The unit of the main file that has code at an address, or null. */
  at(address: bigint): Unit | null {
    const file = this.#units.main;
    this.#listed ??= this.#units.guard(() => listedRanges(file), new AddressRanges());
    const listed = file.info.containing(this.#listed.at(address));
    if (listed !== null) return listed;
    this.#own ??= this.#ownRanges();
    return file.info.containing(this.#own.at(address));
  }

  /** By the ranges of every unit's own entry. */
  #ownRanges(): AddressRanges {
    const all = new AddressRanges();
    let damaged = 0;
    this.#units.guard(() => {
      for (const unit of this.#units.main.info) {
        const good = this.#units.guard(() => {
          const cursor = this.#units.read(unit.base + unit.root);
          for (const [from, to] of rangesOf(cursor, baseAddress(cursor))) all.add(from, to, unit.root);
          return true;
        }, false);
        if (!good && ++damaged === MOST_DAMAGED) return;
      }
    }, undefined);
    return all;
  }
}

/** The sets of .debug_aranges; their numbers are offsets of units' own entries. */
function listedRanges(file: DwarfFile): AddressRanges {
  const all = new AddressRanges();
  const section = file.sections.get('debug_aranges');
  for (let at = 0; section !== null && at < section.size; ) {
    const first = section.u32(at);
    const offsetSize = first === DWARF64 ? 8 : 4;
    const start = at + (offsetSize === 8 ? 12 : 4);
    const end = start + (offsetSize === 8 ? section.unsigned(at + 4, 8) : first);
    const size = section.u8(start + 2 + offsetSize);
    if (end > section.size || section.u16(start) !== 2 || (size !== 4 && size !== 8) || end <= at) {
      throw new InputError(
        { source: file.name, record: '.debug_aranges', offset: at, field: 'unit_length', value: end - start },
        'there is no set of address ranges',
        'the debug information is damaged',
      );
    }
    const offset = section.unsigned(start + 2, offsetSize);
    const unit = file.info.starting(offset);
    // Pairs are aligned to twice an address from the set's begin.
    let pair = at + Math.ceil((start + 4 + offsetSize - at) / (2 * size)) * 2 * size;
    for (; unit !== null && pair + 2 * size <= end; pair += 2 * size) {
      const from = size === 8 ? section.u64(pair) : BigInt(section.u32(pair));
      const length = size === 8 ? section.u64(pair + 8) : BigInt(section.u32(pair + 4));
      if (from === 0n && length === 0n) break;
      all.add(from, from + length, unit.root);
    }
    at = end;
  }
  return all;
}

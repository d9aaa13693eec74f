// The rows of a unit's line number program as columns, in the order of addresses. Source: DWARF 5, section 6.2.5.
import { InputError } from '../../fault.js';
import {
  DW_LNE_define_file,
  DW_LNE_end_sequence,
  DW_LNE_set_address,
  DW_LNS_advance_line,
  DW_LNS_advance_pc,
  DW_LNS_const_add_pc,
  DW_LNS_copy,
  DW_LNS_fixed_advance_pc,
  DW_LNS_set_column,
  DW_LNS_set_file,
} from '../../formats/dwarf-line.js';
import type { LineHeader } from './line-header.js';

/** The largest unit of a kernel has some hundred thousand. */
const MOST_ROWS = 1 << 20;
const MOST_STEPS = 1 << 22;

export interface LineRow {
  /** In the files of the header. */
  readonly file: number;
  readonly line: number;
  /** 0: unknown. */
  readonly column: number;
}

export class LineTable {
  readonly header: LineHeader;
  count = 0;
  #addresses = new BigUint64Array(256);
  #files = new Uint32Array(256);
  #lines = new Uint32Array(256);
  #columns = new Uint16Array(256);
  /** 1: the address is the first behind a sequence. */
  #ends = new Uint8Array(256);

  // The state machine.
  #address = 0n;
  #operation = 0;
  #file = 1;
  #line = 1;
  #column = 0;

  /** Runs the whole program; throws InputError where it is damaged. */
  constructor(header: LineHeader, addressSize: number) {
    this.header = header;
    this.#run(addressSize);
    this.#sort();
  }

  /** The row that an address lies in, or null. */
  at(address: bigint): LineRow | null {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#addresses[middle] <= address) low = middle + 1;
      else high = middle;
    }
    const row = low - 1;
    if (row < 0 || this.#ends[row] === 1) return null;
    return { file: this.#files[row], line: this.#lines[row], column: this.#columns[row] };
  }

  #reset(): void {
    this.#address = 0n;
    this.#operation = 0;
    this.#file = 1;
    this.#line = 1;
    this.#column = 0;
  }

  #run(addressSize: number): void {
    const { section, start, end, opcodeBase, lineBase, lineRange } = this.header;
    let at = start;
    for (let steps = 0; at < end; steps++) {
      if (steps === MOST_STEPS) throw this.#wrong(at, 'program', steps);
      const opcode = section.u8(at++);
      if (opcode >= opcodeBase) {
        const adjusted = opcode - opcodeBase;
        this.#advance(Math.floor(adjusted / lineRange));
        this.#line += lineBase + (adjusted % lineRange);
        this.#emit(0, at);
        continue;
      }
      switch (opcode) {
        case 0:
          at = this.#extended(at, addressSize);
          break;
        case DW_LNS_copy:
          this.#emit(0, at);
          break;
        case DW_LNS_advance_pc:
          this.#advance(section.uleb(at));
          at = section.lebEnd(at);
          break;
        case DW_LNS_advance_line:
          this.#line += Number(section.bigLeb(at, true));
          at = section.lebEnd(at);
          break;
        case DW_LNS_set_file:
          this.#file = section.uleb(at);
          at = section.lebEnd(at);
          break;
        case DW_LNS_set_column:
          this.#column = section.uleb(at);
          at = section.lebEnd(at);
          break;
        case DW_LNS_const_add_pc:
          this.#advance(Math.floor((255 - opcodeBase) / lineRange));
          break;
        case DW_LNS_fixed_advance_pc:
          this.#address += BigInt(section.u16(at));
          this.#operation = 0;
          at += 2;
          break;
        default:
          for (let i = this.header.operands[opcode - 1]; i > 0; i--) at = section.lebEnd(at);
      }
    }
  }

  /** By instructions; of machines that pack several operations into one, by these. */
  #advance(operations: number): void {
    const { minimumLength, operationsPerInstruction } = this.header;
    const sum = this.#operation + operations;
    const instructions = operationsPerInstruction === 1 ? operations : Math.floor(sum / operationsPerInstruction);
    this.#operation = operationsPerInstruction === 1 ? 0 : sum % operationsPerInstruction;
    this.#address += BigInt(Math.min(minimumLength * instructions, Number.MAX_SAFE_INTEGER));
  }

  #extended(from: number, addressSize: number): number {
    const { section, end } = this.header;
    const length = section.uleb(from);
    const at = section.lebEnd(from);
    if (length === 0 || at + length > end) throw this.#wrong(from, 'length', length);
    const opcode = section.u8(at);
    if (opcode === DW_LNE_end_sequence) {
      this.#emit(1, at);
      this.#reset();
    } else if (opcode === DW_LNE_set_address) {
      const size = length - 1 === 4 || length - 1 === 8 ? length - 1 : addressSize;
      this.#address = size === 8 ? section.u64(at + 1) : BigInt(section.unsigned(at + 1, size));
      this.#operation = 0;
    } else if (opcode === DW_LNE_define_file) {
      const name = section.text(at + 1);
      const directory = this.header.directories[section.uleb(at + 2 + name.length)] ?? '';
      this.header.files.push(name.startsWith('/') || directory === '' ? name : `${directory}/${name}`);
    }
    return at + length;
  }

  #emit(isEnd: 0 | 1, at: number): void {
    if (this.count === MOST_ROWS) throw this.#wrong(at, 'rows', this.count);
    if (this.count === this.#lines.length) this.#grow();
    const row = this.count++;
    this.#addresses[row] = BigInt.asUintN(64, this.#address);
    this.#files[row] = this.#file;
    this.#lines[row] = this.#line;
    this.#columns[row] = this.#column;
    this.#ends[row] = isEnd;
  }

  #grow(): void {
    const room = this.#lines.length * 2;
    const grown = <T extends { set(from: ArrayLike<number>): void }>(from: ArrayLike<number>, into: T): T => {
      into.set(from);
      return into;
    };
    const addresses = new BigUint64Array(room);
    addresses.set(this.#addresses);
    this.#addresses = addresses;
    this.#files = grown(this.#files, new Uint32Array(room));
    this.#lines = grown(this.#lines, new Uint32Array(room));
    this.#columns = grown(this.#columns, new Uint16Array(room));
    this.#ends = grown(this.#ends, new Uint8Array(room));
  }

  /** Sequences come in any order. At one address the end of a sequence precedes the begin of the next, and of several rows the last counts. */
  #sort(): void {
    const addresses = this.#addresses;
    let sorted = true;
    for (let i = 1; i < this.count && sorted; i++) sorted = addresses[i - 1] <= addresses[i];
    if (sorted) return;
    const ends = this.#ends;
    // Numbers sort faster, and no unit's code is as far apart that they would not be exact.
    const least = addresses.subarray(0, this.count).reduce((a, b) => (a < b ? a : b));
    const keys = Float64Array.from(addresses.subarray(0, this.count), address => Number(address - least));
    const order = Uint32Array.from(keys, (_, i) => i).sort((a, b) => keys[a] - keys[b] || ends[b] - ends[a] || a - b);
    this.#addresses = BigUint64Array.from(order, i => addresses[i]);
    const files = this.#files;
    const lines = this.#lines;
    const columns = this.#columns;
    this.#files = Uint32Array.from(order, i => files[i]);
    this.#lines = Uint32Array.from(order, i => lines[i]);
    this.#columns = Uint16Array.from(order, i => columns[i]);
    this.#ends = Uint8Array.from(order, i => ends[i]);
  }

  #wrong(offset: number, field: string, value: number): InputError {
    return new InputError(
      { source: this.header.section.source.name, record: 'line number program', offset, field, value },
      'no program has this',
      'the debug information is damaged',
    );
  }
}

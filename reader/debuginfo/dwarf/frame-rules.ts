// The rules of a call frame at an address: where the caller's registers are. Source: DWARF 5, section 6.4.2.
import {
  DW_CFA_AARCH64_negate_ra_state,
  DW_CFA_advance_loc,
  DW_CFA_advance_loc1,
  DW_CFA_advance_loc2,
  DW_CFA_advance_loc4,
  DW_CFA_def_cfa,
  DW_CFA_def_cfa_expression,
  DW_CFA_def_cfa_offset,
  DW_CFA_def_cfa_offset_sf,
  DW_CFA_def_cfa_register,
  DW_CFA_def_cfa_sf,
  DW_CFA_expression,
  DW_CFA_GNU_args_size,
  DW_CFA_GNU_negative_offset_extended,
  DW_CFA_nop,
  DW_CFA_offset,
  DW_CFA_offset_extended,
  DW_CFA_offset_extended_sf,
  DW_CFA_register,
  DW_CFA_remember_state,
  DW_CFA_restore,
  DW_CFA_restore_extended,
  DW_CFA_restore_state,
  DW_CFA_same_value,
  DW_CFA_set_loc,
  DW_CFA_undefined,
  DW_CFA_val_expression,
  DW_CFA_val_offset,
  DW_CFA_val_offset_sf,
} from '../../formats/dwarf-frame.js';
import { damaged, type FrameEntry, type FrameSection, readPointer } from './frame-entries.js';

/** No function has more. */
const MOST_OPERATIONS = 1 << 20;
const MOST_STATES = 256;
/** Rules that all states together had when they were kept. */
const MOST_COPIED = 1 << 20;
const MOST_REGISTERS = 1024;
const MOST_EXPRESSION = 1 << 12;

/**
 * Where a register of the caller is: `undefined` (lost), `same` (unchanged), `offset` (in memory at the CFA plus it), `valOffset` (its value is the CFA plus it), `register` (in another one),
 * `expression` (in memory at its result), `valExpression` (its value is the result). Both expressions begin with the CFA on the stack.
 */
export type RegisterRule =
  | { readonly kind: 'undefined' | 'same' }
  | { readonly kind: 'offset' | 'valOffset'; readonly offset: number }
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'expression' | 'valExpression'; readonly expression: Uint8Array };

/** The canonical frame address: a register plus an offset, or the result of an expression; null where nothing tells. */
export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: number }
  | { readonly kind: 'expression'; readonly expression: Uint8Array }
  | null;

export interface FrameRow {
  readonly cfa: CfaRule;
  /** By DWARF's number of the register; a register without a rule is the ABI's to know. */
  readonly registers: ReadonlyMap<number, RegisterRule>;
}

interface State {
  cfa: CfaRule;
  registers: Map<number, RegisterRule>;
}

/** Runs the operations of an entry up to an address in it; throws InputError where they are damaged. */
export function frameRow(frames: FrameSection, entry: FrameEntry, address: bigint): FrameRow {
  const machine = new RuleMachine(frames, entry, address);
  machine.run(entry.common.start, entry.common.end, false);
  machine.keepInitial();
  machine.run(entry.start, entry.end, true);
  return machine.state;
}

class RuleMachine {
  state: State = { cfa: null, registers: new Map() };
  readonly #frames: FrameSection;
  readonly #entry: FrameEntry;
  readonly #wanted: bigint;
  #initial: State = this.state;
  readonly #kept: State[] = [];
  #location: bigint;
  #at = 0;
  #copied = 0;

  constructor(frames: FrameSection, entry: FrameEntry, wanted: bigint) {
    this.#frames = frames;
    this.#entry = entry;
    this.#wanted = wanted;
    this.#location = entry.from;
  }

  keepInitial(): void {
    this.#initial = copyOf(this.state);
  }

  /** @param moves whether locations count: those of a CIE do not */
  run(start: number, end: number, moves: boolean): void {
    const { section } = this.#frames;
    this.#at = start;
    for (let i = 0; this.#at < end; i++) {
      if (i === MOST_OPERATIONS) throw this.#wrong('operations', i);
      const operation = section.u8(this.#at++);
      const next = this.#moved(operation);
      if (next === null) this.#do(operation);
      else if (moves) {
        this.#location = next;
        if (this.#location > this.#wanted) return;
      }
    }
  }

  /** Where an operation moves the location to; null if it moves nothing. */
  #moved(operation: number): bigint | null {
    const { section, address } = this.#frames;
    const { codeAlignment, encoding, addressSize } = this.#entry.common;
    const width = operation === DW_CFA_advance_loc1 ? 1 : operation === DW_CFA_advance_loc2 ? 2 : 4;
    switch (operation & 0xc0 || operation) {
      case DW_CFA_advance_loc:
        return this.#location + BigInt((operation & 0x3f) * codeAlignment);
      case DW_CFA_advance_loc1:
      case DW_CFA_advance_loc2:
      case DW_CFA_advance_loc4:
        this.#at += width;
        return this.#location + BigInt(section.unsigned(this.#at - width, width) * codeAlignment);
      case DW_CFA_set_loc: {
        const { value, end } = readPointer(section, this.#at, encoding, address, addressSize);
        this.#at = end;
        return BigInt.asUintN(addressSize * 8, value);
      }
      default:
        return null;
    }
  }

  #do(operation: number): void {
    const { registers } = this.state;
    const { dataAlignment } = this.#entry.common;
    const low = operation & 0x3f;
    switch (operation & 0xc0 || operation) {
      case DW_CFA_nop:
      case DW_CFA_AARCH64_negate_ra_state:
        return;
      case DW_CFA_offset:
        this.#set(low, { kind: 'offset', offset: this.#uleb() * dataAlignment });
        return;
      case DW_CFA_restore:
        this.#restore(low);
        return;
      case DW_CFA_restore_extended:
        this.#restore(this.#uleb());
        return;
      case DW_CFA_offset_extended:
        this.#set(this.#uleb(), { kind: 'offset', offset: this.#uleb() * dataAlignment });
        return;
      case DW_CFA_offset_extended_sf:
        this.#set(this.#uleb(), { kind: 'offset', offset: this.#sleb() * dataAlignment });
        return;
      case DW_CFA_GNU_negative_offset_extended:
        this.#set(this.#uleb(), { kind: 'offset', offset: -this.#uleb() * dataAlignment });
        return;
      case DW_CFA_val_offset:
        this.#set(this.#uleb(), { kind: 'valOffset', offset: this.#uleb() * dataAlignment });
        return;
      case DW_CFA_val_offset_sf:
        this.#set(this.#uleb(), { kind: 'valOffset', offset: this.#sleb() * dataAlignment });
        return;
      case DW_CFA_undefined:
        this.#set(this.#uleb(), { kind: 'undefined' });
        return;
      case DW_CFA_same_value:
        this.#set(this.#uleb(), { kind: 'same' });
        return;
      case DW_CFA_register:
        this.#set(this.#uleb(), { kind: 'register', register: this.#uleb() });
        return;
      case DW_CFA_expression:
        this.#set(this.#uleb(), { kind: 'expression', expression: this.#block() });
        return;
      case DW_CFA_val_expression:
        this.#set(this.#uleb(), { kind: 'valExpression', expression: this.#block() });
        return;
      case DW_CFA_remember_state:
        if (this.#kept.length === MOST_STATES) throw this.#wrong('states', MOST_STATES);
        this.#copied += registers.size;
        if (this.#copied > MOST_COPIED) throw this.#wrong('states', this.#copied);
        this.#kept.push({ cfa: this.state.cfa, registers: new Map(registers) });
        return;
      case DW_CFA_restore_state: {
        const kept = this.#kept.pop();
        if (kept === undefined) throw this.#wrong('operation', operation);
        this.state = kept;
        return;
      }
      case DW_CFA_GNU_args_size:
        this.#uleb();
        return;
      default:
        this.#defineCfa(operation);
    }
  }

  #defineCfa(operation: number): void {
    const { state } = this;
    const { dataAlignment } = this.#entry.common;
    const old = state.cfa?.kind === 'register' ? state.cfa : { kind: 'register' as const, register: 0, offset: 0 };
    switch (operation) {
      case DW_CFA_def_cfa:
        state.cfa = { kind: 'register', register: this.#uleb(), offset: this.#uleb() };
        return;
      case DW_CFA_def_cfa_sf:
        state.cfa = { kind: 'register', register: this.#uleb(), offset: this.#sleb() * dataAlignment };
        return;
      case DW_CFA_def_cfa_register:
        state.cfa = { ...old, register: this.#uleb() };
        return;
      case DW_CFA_def_cfa_offset:
        state.cfa = { ...old, offset: this.#uleb() };
        return;
      case DW_CFA_def_cfa_offset_sf:
        state.cfa = { ...old, offset: this.#sleb() * dataAlignment };
        return;
      case DW_CFA_def_cfa_expression:
        state.cfa = { kind: 'expression', expression: this.#block() };
        return;
      default:
        throw this.#wrong('operation', operation);
    }
  }

  #set(register: number, rule: RegisterRule): void {
    if (register >= MOST_REGISTERS) throw this.#wrong('register', register);
    this.state.registers.set(register, rule);
  }

  #restore(register: number): void {
    const rule = this.#initial.registers.get(register);
    if (rule === undefined) this.state.registers.delete(register);
    else this.state.registers.set(register, rule);
  }

  #uleb(): number {
    const value = this.#frames.section.uleb(this.#at);
    this.#at = this.#frames.section.lebEnd(this.#at);
    return value;
  }

  #sleb(): number {
    const value = Number(this.#frames.section.bigLeb(this.#at, true));
    this.#at = this.#frames.section.lebEnd(this.#at);
    return value;
  }

  #block(): Uint8Array {
    const length = this.#uleb();
    if (length > MOST_EXPRESSION) throw this.#wrong('expression length', length);
    const bytes = this.#frames.section.copy(this.#at, length);
    this.#at += length;
    return bytes;
  }

  #wrong(field: string, value: number) {
    return damaged(this.#frames.section, this.#at, field, value);
  }
}

const copyOf = (state: State): State => ({ cfa: state.cfa, registers: new Map(state.registers) });

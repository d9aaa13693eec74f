// The two ways in which reading can fail: memory that cannot be had (MemoryFault), and an input that is not what it was
// said to be (InputError). Both carry what a program needs; the sentence is formed only when somebody asks for it.
import { AnswerError } from './answer-error.js';

export type AddressSpace = 'physical' | 'virtual' | 'file';

/**
 * Why memory cannot be read: `hole` (never in the dump), `excluded` (filtered out when the dump was made), `unregistered`
 * (a region core without that region), `truncated` (the file ends before it), `not-present` (no translation), `corrupt`
 * (the dump has it, but what is stored cannot be decoded).
 */
export type FaultReason = 'hole' | 'excluded' | 'unregistered' | 'truncated' | 'not-present' | 'corrupt';

/** Why, following a subject and a colon. */
export const FAULT_SENTENCES: Readonly<Record<FaultReason, string>> = {
  hole: 'the dump never held it',
  excluded: 'it was filtered out when the dump was made',
  unregistered: 'no registered region covers it',
  truncated: 'the file ends before it',
  'not-present': 'there is no translation for it',
  corrupt: 'what the dump stores there cannot be decoded',
};

export function hex(value: bigint | number): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

/** No sentence needs more. */
const LONGEST_TEXT = 800;

/** Text from an input as it may stand on a terminal: without control characters, tabs excepted. */
export function visible(text: string): string {
  return text.replace(/[^\P{Cc}\t]|[\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd');
}

/** Text from an input as it may stand in a sentence: visible, without tabs, and not without end. */
export function printable(text: string): string {
  return visible(text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text).replaceAll('\t', '\ufffd');
}

/** A cheap, re-used record of the last failed `locate`. */
export class FaultRecord {
  space: AddressSpace = 'physical';
  address: bigint | number = 0;
  length = 0;
  reason: FaultReason = 'hole';
  detail = '';

  /** Sets every field and returns -1, which is what `locate` returns for a fault. */
  set(space: AddressSpace, address: bigint | number, length: number, reason: FaultReason, detail = ''): -1 {
    this.space = space;
    this.address = address;
    this.length = length;
    this.reason = reason;
    this.detail = detail;
    return -1;
  }

  /** Takes over another record, for a space that stands on another; returns -1. */
  copy(other: FaultRecord): -1 {
    return this.set(other.space, other.address, other.length, other.reason, other.detail);
  }

  toError(): MemoryFault {
    return new MemoryFault(this.space, this.address, this.length, this.reason, this.detail);
  }
}

/** Thrown without a stack trace: faults are answers, and there may be many of them. */
export class MemoryFault extends AnswerError {
  readonly space: AddressSpace;
  readonly address: bigint | number;
  readonly length: number;
  readonly reason: FaultReason;
  readonly detail: string;

  constructor(space: AddressSpace, address: bigint | number, length: number, reason: FaultReason, detail = '') {
    super();
    this.space = space;
    this.address = address;
    this.length = length;
    this.reason = reason;
    this.detail = detail;
  }

  override get name(): string {
    return 'MemoryFault';
  }

  override get message(): string {
    const detail = this.detail === '' ? '' : ` (${printable(this.detail)})`;
    const length = this.length === 1 ? '1 byte' : `${this.length} bytes`;
    return `${length} at ${this.space} address ${hex(this.address)} cannot be read: ${FAULT_SENTENCES[this.reason]}${detail}`;
  }
}

/** The field of an input that is wrong. */
export interface FieldPlace {
  /** The input's short name, no directories. */
  readonly source: string;
  /** What kind of record the field is in, for instance `kdump header`. */
  readonly record: string;
  /** Where in the source; in memory a physical address. */
  readonly offset: number;
  readonly field: string;
  readonly value?: bigint | number | string;
  readonly nowhere?: undefined;
}

/**
 * Why a refusal names no offset: `absent` (what is needed is nowhere in the input), `input` (no field is wrong, but the input as a whole is not the right one),
 * `output` (an output cannot carry it), `system` (the operating system refused).
 */
export type Nowhere = 'absent' | 'input' | 'output' | 'system';

/** A refusal that no field of an input can be blamed for. */
export interface NoPlace {
  readonly source: string;
  readonly nowhere: Nowhere;
  readonly record?: string;
  readonly offset?: number;
  readonly field?: string;
  readonly value?: bigint | number | string;
}

/** Where in an input something is wrong: a field, or why there is none to name. */
export type InputErrorPlace = FieldPlace | NoPlace;

/** The input cannot be read as what it was said to be. `message` is one sentence with place, field, value and advice. */
export class InputError extends Error {
  readonly place: InputErrorPlace;

  /**
   * @param why what is wrong, following "FIELD is VALUE: "
   * @param advice what to try, or ''
   */
  constructor(place: InputErrorPlace, why: string, advice = '') {
    const record = place.record === undefined ? '' : `${place.record}: `;
    const at = place.offset === undefined ? '' : ` at offset ${hex(place.offset)}`;
    const value =
      place.value === undefined
        ? ''
        : ` is ${typeof place.value === 'string' ? JSON.stringify(place.value) : hex(place.value)}`;
    const field =
      place.field === undefined ? (at === '' ? '' : `${at.trimStart()}: `) : `${place.field}${at}${value}: `;
    super(printable(`${place.source}: ${record}${field}${why}${advice === '' ? '' : `; ${advice}`}`));
    this.place = place;
  }

  override get name(): string {
    return 'InputError';
  }
}

// The entries of .debug_frame and .eh_frame: what frames of functions have in common (CIE), and where each function's rules are (FDE). Sources: DWARF 5, section 6.4.1; Linux Standard Base
// Core 5.0, section 10.6 (.eh_frame).
import { InputError } from '../../fault.js';
import {
  DW_EH_PE_absptr,
  DW_EH_PE_omit,
  DW_EH_PE_pcrel,
  DW_EH_PE_sdata2,
  DW_EH_PE_sdata4,
  DW_EH_PE_sdata8,
  DW_EH_PE_sleb128,
  DW_EH_PE_udata2,
  DW_EH_PE_udata4,
  DW_EH_PE_udata8,
  DW_EH_PE_uleb128,
} from '../../formats/dwarf-frame.js';
import type { Windows } from './windows.js';

const DWARF64 = 0xffff_ffff;

/** Common information entry. */
export interface FrameCommon {
  readonly version: number;
  readonly augmentation: string;
  readonly addressSize: number;
  readonly codeAlignment: number;
  readonly dataAlignment: number;
  readonly returnRegister: number;
  /** Of addresses in its functions' entries. */
  readonly encoding: number;
  /** The frame is that of an interrupt: its return address is of the instruction that was interrupted. */
  readonly signal: boolean;
  /** Return addresses are signed with the B key (AArch64). */
  readonly bKey: boolean;
  readonly start: number;
  readonly end: number;
}

/** Frame description entry: the rules of [from, to). */
export interface FrameEntry {
  readonly common: FrameCommon;
  readonly from: bigint;
  readonly to: bigint;
  readonly start: number;
  readonly end: number;
}

/** A section of call frames. */
export interface FrameSection {
  readonly section: Windows;
  /** It is .eh_frame, whose pointers count from themselves. */
  readonly eh: boolean;
  /** Where the section lies, as its pointers mean it. */
  readonly address: bigint;
  /** Bytes of an address. */
  readonly addressSize: 4 | 8;
}

/** An entry as it lies there: what is common to both kinds. */
export interface RawEntry {
  /** Behind the entry. */
  readonly end: number;
  /** Of the CIE that an FDE has; -1 for a CIE. */
  readonly common: number;
  /** Behind the pointer. */
  readonly body: number;
}

/** Null for the end mark of .eh_frame; throws InputError where there is no entry. */
export function readRaw({ section, eh }: FrameSection, offset: number): RawEntry | null {
  const first = section.u32(offset);
  if (first === 0) return null;
  const offsetSize = first === DWARF64 ? 8 : 4;
  const start = offset + (offsetSize === 8 ? 12 : 4);
  const length = offsetSize === 8 ? section.unsigned(offset + 4, 8) : first;
  const end = start + length;
  if (end > section.size || length < offsetSize) throw damaged(section, offset, 'length', length);
  const pointer = section.unsigned(start, eh ? 4 : offsetSize);
  const body = start + (eh ? 4 : offsetSize);
  // .debug_frame marks a CIE by all ones.
  const isCommon = eh ? pointer === 0 : offsetSize === 8 ? pointer >= 2 ** 64 - 2048 : pointer === DWARF64;
  return { end, common: isCommon ? -1 : eh ? start - pointer : pointer, body };
}

export function readCommon(frames: FrameSection, offset: number): FrameCommon {
  const { section } = frames;
  const raw = readRaw(frames, offset);
  if (raw === null || raw.common >= 0) throw damaged(section, offset, 'CIE pointer', offset);
  const version = section.u8(raw.body);
  if (version < 1 || version > 4 || version === 2) throw damaged(section, raw.body, 'version', version);
  const augmentation = section.text(raw.body + 1);
  let at = raw.body + 2 + augmentation.length;
  let { addressSize } = frames as { addressSize: number };
  if (augmentation === 'eh') at += addressSize;
  if (version >= 4) {
    addressSize = section.u8(at);
    // The size of segment selectors, which no kernel has.
    at += 2;
    if (addressSize !== 4 && addressSize !== 8) throw damaged(section, at - 2, 'address_size', addressSize);
  }
  const codeAlignment = section.uleb(at);
  at = section.lebEnd(at);
  const dataAlignment = Number(section.bigLeb(at, true));
  at = section.lebEnd(at);
  const returnRegister = version === 1 ? section.u8(at) : section.uleb(at);
  at = version === 1 ? at + 1 : section.lebEnd(at);
  const marks = augmented(frames, augmentation, at);
  const numbers = { version, augmentation, addressSize, codeAlignment, dataAlignment, returnRegister };
  return { ...numbers, ...marks, end: raw.end };
}

/** What the letters of the augmentation say, in their order. */
function augmented(frames: FrameSection, augmentation: string, from: number) {
  const { section, address, addressSize } = frames;
  const marks = {
    encoding: DW_EH_PE_absptr,
    signal: augmentation.includes('S'),
    bKey: augmentation.includes('B'),
    start: from,
  };
  if (!augmentation.startsWith('z')) return marks;
  let at = section.lebEnd(from);
  marks.start = at + section.uleb(from);
  for (const letter of augmentation.slice(1)) {
    if (letter === 'R') marks.encoding = section.u8(at++);
    else if (letter === 'L') at++;
    else if (letter === 'P') {
      at = readPointer(section, at + 1, section.u8(at), address, addressSize).end;
    } else if (letter !== 'S' && letter !== 'B') break;
  }
  return marks;
}

/** The entry of an FDE whose raw part was read. */
export function readEntry(frames: FrameSection, common: FrameCommon, raw: RawEntry): FrameEntry {
  const { section, address } = frames;
  const { encoding, addressSize } = common;
  const from = readPointer(section, raw.body, encoding, address, addressSize);
  // The length has the form of the address, but does not count from anywhere.
  const length = readPointer(section, from.end, encoding & 0x0f, address, addressSize);
  let start = length.end;
  if (common.augmentation.startsWith('z')) start = section.lebEnd(start) + section.uleb(start);
  const mask = addressSize === 8 ? 64 : 32;
  const begin = BigInt.asUintN(mask, from.value);
  return { common, from: begin, to: begin + BigInt.asUintN(mask, length.value), start, end: raw.end };
}

/** A pointer of .eh_frame. */
export function readPointer(
  section: Windows,
  at: number,
  encoding: number,
  address: bigint,
  addressSize: number,
): { value: bigint; end: number } {
  if (encoding === DW_EH_PE_omit) return { value: 0n, end: at };
  const base = (encoding & 0x70) === DW_EH_PE_pcrel ? address + BigInt(at) : 0n;
  if ((encoding & 0x70) !== DW_EH_PE_pcrel && (encoding & 0x70) !== 0) throw damaged(section, at, 'encoding', encoding);
  const fixed = (size: number, signed: boolean) => {
    const value = size === 8 ? section.u64(at) : BigInt(section.unsigned(at, size));
    return { value: base + (signed ? BigInt.asIntN(size * 8, value) : value), end: at + size };
  };
  switch (encoding & 0x0f) {
    case DW_EH_PE_absptr:
      return fixed(addressSize, false);
    case DW_EH_PE_uleb128:
      return { value: base + section.bigLeb(at, false), end: section.lebEnd(at) };
    case DW_EH_PE_sleb128:
      return { value: base + section.bigLeb(at, true), end: section.lebEnd(at) };
    case DW_EH_PE_udata2:
      return fixed(2, false);
    case DW_EH_PE_udata4:
      return fixed(4, false);
    case DW_EH_PE_udata8:
      return fixed(8, false);
    case DW_EH_PE_sdata2:
      return fixed(2, true);
    case DW_EH_PE_sdata4:
      return fixed(4, true);
    case DW_EH_PE_sdata8:
      return fixed(8, true);
    default:
      throw damaged(section, at, 'encoding', encoding);
  }
}

export function damaged(section: Windows, offset: number, field: string, value: number): InputError {
  return new InputError(
    { source: section.source.name, record: 'call frame entry', offset: Math.max(0, offset), field, value },
    'no entry has this',
    'the call frame information is damaged',
  );
}

// The whole value of an object, member by member, for printing: numbers, names of enumerators, text, pointers with what they point at. What cannot be read is told in its place.
import { FAULT_SENTENCES, fixedText, MemoryFault, type VirtualMemory } from 'kdumpling/reader';
import { type EnumType, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { scalarOf } from './scalar.js';

export type Value =
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'text'; readonly value: string }
  /** `symbol` is `name+0x…`, or null where the pointer is to no symbol. */
  | { readonly kind: 'pointer'; readonly value: bigint; readonly symbol: string | null }
  /** A `char *`: `text` is what lies there up to its NUL, null where that is no text or cannot be read. */
  | { readonly kind: 'string'; readonly value: bigint; readonly text: string | null }
  /** `name` is null for a value that the enum does not name. */
  | { readonly kind: 'enum'; readonly value: bigint; readonly name: string | null }
  | { readonly kind: 'list'; readonly items: readonly Value[] }
  | { readonly kind: 'members'; readonly members: readonly NamedValue[] }
  /** The way to it ends at a pointer that is NULL: the path to that. */
  | { readonly kind: 'null'; readonly at: string }
  /** What has no value, or whose value cannot be had. */
  | { readonly kind: 'none'; readonly why: string };

export interface NamedValue {
  readonly name: string;
  readonly value: Value;
}

/** Values of one object; what is beyond is left out, and said so. */
const MOST_VALUES = 1 << 18;
const MOST_DEPTH = 64;
const MOST_TEXT = 4096;

/** A place in memory; `bitOffset` counts from it. */
interface Place {
  readonly type: Type;
  readonly address: bigint;
  readonly bitOffset: number;
  readonly bitSize: number;
}

export function readValue(kernel: Kernel, type: Type, address: bigint, bitOffset = 0, bitSize = 0): Value {
  return new Values(kernel).of({ type, address, bitOffset, bitSize }, 0);
}

class Values {
  readonly #kernel: Kernel;
  readonly #memory: VirtualMemory;
  #left = MOST_VALUES;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#memory = kernel.memory;
  }

  of(place: Place, depth: number): Value {
    if (this.#left-- <= 0 || depth > MOST_DEPTH) return { kind: 'none', why: 'the object has too many values' };
    try {
      return this.#read(place, depth);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      return { kind: 'none', why: FAULT_SENTENCES[error.reason] };
    }
  }

  #read(place: Place, depth: number): Value {
    const { address } = place;
    const type = plainType(place.type);
    switch (type.kind) {
      case 'int':
        if (type.encoding === 'bool') return { kind: 'bool', value: this.#word(place) !== 0n };
        return { kind: 'number', value: this.#word(place) };
      case 'enum':
        return enumValue(type, this.#word(place));
      case 'pointer':
        return isChar(type.target) ? this.#string(this.#word(place)) : this.#pointer(this.#word(place));
      case 'float':
        return this.#float(address, type.size);
      case 'array':
        if (type.length === null) return { kind: 'list', items: [] };
        return this.#array(type.element, type.length, address, depth);
      case 'struct':
      case 'union':
        return { kind: 'members', members: this.#members(place, depth) };
      default:
        return { kind: 'none', why: type.kind === 'void' ? 'its type is not known' : 'a function has no value' };
    }
  }

  #word({ type, address, bitOffset, bitSize }: Place): bigint {
    const [skip, rest] = bitSize === 0 ? [0, 0] : [Math.floor(bitOffset / 8), bitOffset % 8];
    return scalarOf(this.#memory, { type, offset: skip, bitOffset: rest, bitSize }).word(address);
  }

  #pointer(value: bigint): Value {
    const symbol = value === 0n ? null : this.#kernel.symbols.at(value);
    if (symbol === null) return { kind: 'pointer', value, symbol: null };
    const offset = value - symbol.address;
    return { kind: 'pointer', value, symbol: offset === 0n ? symbol.name : `${symbol.name}+0x${offset.toString(16)}` };
  }

  #float(address: bigint, size: number): Value {
    if (size !== 4 && size !== 8) return { kind: 'none', why: `a float of ${size} bytes` };
    const bytes = this.#memory.bytes(address, size);
    const view = new DataView(bytes.buffer);
    const { littleEndian } = this.#memory;
    return { kind: 'float', value: size === 4 ? view.getFloat32(0, littleEndian) : view.getFloat64(0, littleEndian) };
  }

  #array(element: Type, length: number, address: bigint, depth: number): Value {
    if (isChar(element)) return this.#text(address, length);
    const size = BigInt(Math.min(sizeOfType(element), Number.MAX_SAFE_INTEGER));
    const items: Value[] = [];
    for (let i = 0; i < length; i++) {
      const at = BigInt.asUintN(64, address + BigInt(i) * size);
      items.push(this.of({ type: element, address: at, bitOffset: 0, bitSize: 0 }, depth + 1));
      if (this.#left < 0) break;
    }
    return { kind: 'list', items };
  }

  #string(value: bigint): Value {
    try {
      const text = value === 0n ? null : this.#memory.text(value, MOST_TEXT);
      return { kind: 'string', value, text: text !== null && isText(text) ? text : null };
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      return { kind: 'string', value, text: null };
    }
  }

  /** Text where it is text up to its NUL; else the bytes as numbers. */
  #text(address: bigint, length: number): Value {
    const bytes = this.#memory.bytes(address, Math.min(length, MOST_TEXT));
    const text = fixedText(bytes);
    if (isText(text)) return { kind: 'text', value: text };
    return { kind: 'list', items: Array.from(bytes, byte => ({ kind: 'number', value: BigInt(byte) })) };
  }

  /** Members of anonymous members stand among the others, as C names them. */
  #members({ type, address, bitOffset }: Place, depth: number): NamedValue[] {
    const plain = plainType(type);
    if (plain.kind !== 'struct' && plain.kind !== 'union') return [];
    const found: NamedValue[] = [];
    for (const member of plain.members) {
      if (this.#left < 0) break;
      const bits = bitOffset + member.bitOffset;
      const anonymous = member.name === '' && member.bitSize === 0;
      const at =
        member.bitSize > 0
          ? { type: member.type, address, bitOffset: bits, bitSize: member.bitSize }
          : { type: member.type, address: address + BigInt(Math.floor(bits / 8)), bitOffset: 0, bitSize: 0 };
      if (!anonymous) {
        if (member.name !== '') found.push({ name: member.name, value: this.of(at, depth + 1) });
      } else if (depth < MOST_DEPTH && this.#left-- > 0) found.push(...this.#members(at, depth + 1));
    }
    return found;
  }
}

const isText = (text: string): boolean => !/[\p{Cc}\ufffd]/u.test(text.replace(/[\t\n\r]/g, ''));

function isChar(type: Type): boolean {
  const plain = plainType(type);
  return plain.kind === 'int' && plain.size === 1 && plain.name === 'char';
}

function enumValue(type: EnumType, value: bigint): Value {
  const name = type.enumerators.find(one => one.value === value)?.name ?? null;
  return { kind: 'enum', value, name };
}

/** As JSON: exact numbers as numbers, larger ones and pointers as bigint, `char *` with its text, what cannot be had and what lies behind NULL as null. */
export function plainValue(value: Value): unknown {
  switch (value.kind) {
    case 'number':
      return isExact(value.value) ? Number(value.value) : value.value;
    case 'enum':
      return value.name ?? (isExact(value.value) ? Number(value.value) : value.value);
    case 'list':
      return value.items.map(plainValue);
    case 'members':
      return Object.fromEntries(value.members.map(one => [one.name, plainValue(one.value)]));
    case 'float':
      return Number.isFinite(value.value) ? value.value : null;
    case 'string':
      return { address: value.value, text: value.text };
    case 'null':
    case 'none':
      return null;
    default:
      return value.value;
  }
}

const isExact = (value: bigint): boolean =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);

// Integers, pointers, enums, bools and bitfields in memory, as functions from an object's address.
import type { VirtualMemory } from 'kdumpling/reader';
import { type MemberPlace, plainType, type Type } from 'kdumpling/reader/debuginfo';
import type { Get } from './struct.js';

export interface Scalar {
  readonly number: Get<number>;
  readonly word: Get<bigint>;
}

interface Shape {
  readonly size: number;
  readonly signed: boolean;
}

/** Null for what is no scalar. */
export function scalarShape(type: Type, pointerSize: number): Shape | null {
  const plain = plainType(type);
  switch (plain.kind) {
    case 'pointer':
      return { size: pointerSize, signed: false };
    case 'int':
    case 'enum':
      return { size: plain.size, signed: plain.signed };
    default:
      return null;
  }
}

/** @throws RangeError for a member that is no scalar: the caller asked for something that no kernel has */
export function scalarOf(memory: VirtualMemory, { type, offset, bitOffset, bitSize }: MemberPlace): Scalar {
  const shape = scalarShape(unwrapped(type), memory.pointerSize);
  if (shape === null) throw new RangeError(`a member of kind ${plainType(type).kind} has no value`);
  if (bitSize > 0) return bitfield(memory, BigInt(offset), bitOffset, bitSize, shape.signed);
  return integer(memory, BigInt(offset), shape);
}

/**
 * atomic_t, kuid_t, spinlock-free counters and the like are structs around one scalar at their start: that is what is meant by their value.
 */
function unwrapped(type: Type): Type {
  let at = plainType(type);
  for (let i = 0; i < 8 && (at.kind === 'struct' || at.kind === 'union'); i++) {
    const first = at.members.at(0);
    if (at.members.length !== 1 || first === undefined || first.bitOffset !== 0 || first.bitSize !== 0) break;
    at = plainType(first.type);
  }
  return at;
}

function integer(memory: VirtualMemory, offset: bigint, { size, signed }: Shape): Scalar {
  const { littleEndian } = memory;
  const at = (address: bigint): number => {
    const place = memory.locate(address + offset, size);
    if (place < 0) throw memory.fault.toError();
    return place;
  };
  switch (size) {
    case 1:
      return both(signed ? a => memory.view.getInt8(at(a)) : a => memory.view.getUint8(at(a)));
    case 2:
      return both(
        signed ? a => memory.view.getInt16(at(a), littleEndian) : a => memory.view.getUint16(at(a), littleEndian),
      );
    case 4:
      return both(
        signed ? a => memory.view.getInt32(at(a), littleEndian) : a => memory.view.getUint32(at(a), littleEndian),
      );
    case 8: {
      const word: Get<bigint> = signed
        ? a => memory.view.getBigInt64(at(a), littleEndian)
        : a => memory.view.getBigUint64(at(a), littleEndian);
      return { word, number: a => Number(word(a)) };
    }
    default:
      return wide(memory, offset, size, signed);
  }
}

const both = (number: Get<number>): Scalar => ({ number, word: address => BigInt(number(address)) });

/** Integers of unusual size: __int128. */
function wide(memory: VirtualMemory, offset: bigint, size: number, signed: boolean): Scalar {
  const word: Get<bigint> = address => {
    const place = memory.locate(address + offset, size);
    if (place < 0) throw memory.fault.toError();
    const value = bytesValue(memory.arena, place, size, memory.littleEndian);
    return signed ? BigInt.asIntN(size * 8, value) : value;
  };
  return { word, number: address => Number(word(address)) };
}

function bytesValue(bytes: Uint8Array, at: number, length: number, littleEndian: boolean): bigint {
  let value = 0n;
  for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(bytes[at + (littleEndian ? length - 1 - i : i)]);
  return value;
}

/** Bits in memory order: little-endian from a byte's lowest bit up, big-endian from its highest down. */
function bitfield(memory: VirtualMemory, offset: bigint, bitOffset: number, bitSize: number, signed: boolean): Scalar {
  const { littleEndian } = memory;
  const bytes = Math.ceil((bitOffset + bitSize) / 8);
  const shift = littleEndian ? bitOffset : bytes * 8 - bitOffset - bitSize;
  if (shift + bitSize <= 32 && bytes <= 4) {
    return both(address => {
      const place = memory.locate(address + offset, bytes);
      if (place < 0) throw memory.fault.toError();
      let value = 0;
      for (let i = 0; i < bytes; i++) value = (value << 8) | memory.arena[place + (littleEndian ? bytes - 1 - i : i)];
      const left = value << (32 - shift - bitSize);
      return signed ? left >> (32 - bitSize) : left >>> (32 - bitSize);
    });
  }
  const word: Get<bigint> = address => {
    const place = memory.locate(address + offset, bytes);
    if (place < 0) throw memory.fault.toError();
    const value = bytesValue(memory.arena, place, bytes, littleEndian) >> BigInt(shift);
    return signed ? BigInt.asIntN(bitSize, value) : BigInt.asUintN(bitSize, value);
  };
  return { word, number: address => Number(word(address)) };
}

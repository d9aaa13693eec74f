// Members of many objects for people and programs: text of char arrays, numbers, pointers as bigint; of a struct or another array its address.
import { MemoryFault } from 'kdumpling/reader';
import { plainType } from 'kdumpling/reader/debuginfo';
import { scalarShape } from './scalar.js';
import type { Get, Struct } from './struct.js';

/** Null: it cannot be read. */
export type MemberValue = string | number | bigint | null;

/** By the paths that were asked for, in their order. */
export type MemberValues = Readonly<Record<string, MemberValue>>;

/** Functions made once for a loop. @throws Missing */
export function memberValues(layout: Struct, paths: readonly string[]): Get<MemberValues> {
  const gets = paths.map(path => [path, getOf(layout, path)] as const);
  return address => Object.fromEntries(gets.map(([path, get]) => [path, orNull(get, address)]));
}

function orNull(get: Get<MemberValue>, address: bigint): MemberValue {
  try {
    return get(address);
  } catch (error) {
    if (error instanceof MemoryFault) return null;
    throw error;
  }
}

function getOf(layout: Struct, path: string): Get<MemberValue> {
  const plain = plainType(layout.place(path).type);
  if (plain.kind === 'array') {
    const element = plainType(plain.element);
    const isText = element.kind === 'int' && element.size === 1 && plain.length !== null;
    return isText ? layout.text(path) : layout.address(path);
  }
  if (plain.kind === 'pointer') return layout.word(path);
  if (scalarShape(plain, layout.kernel.memory.pointerSize) === null) {
    try {
      return exact(layout.word(path));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return layout.address(path);
    }
  }
  return exact(layout.word(path));
}

/** A number where it is exact, else a bigint. */
const exact =
  (get: Get<bigint>): Get<MemberValue> =>
  address => {
    const value = get(address);
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  };

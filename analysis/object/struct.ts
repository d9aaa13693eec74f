// A struct's layout, resolved once: members become functions from an object's address to a value. Loops make these functions before they begin.
import {
  type CompoundType,
  type MemberPlace,
  memberPlace,
  plainType,
  sizeOfType,
  type Type,
} from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { scalarOf } from './scalar.js';

/** Reads a member of the object at an address. Throws MemoryFault. */
export type Get<T> = (address: bigint) => T;

const ADVICE = 'the vmlinux of this kernel (--vmlinux) tells, or a kernel with BTF';

export class Struct {
  readonly kernel: Kernel;
  readonly type: CompoundType;
  readonly #places = new Map<string, MemberPlace | null>();

  constructor(kernel: Kernel, type: CompoundType) {
    this.kernel = kernel;
    this.type = type;
  }

  get name(): string {
    return this.type.name;
  }

  /** Bytes. */
  get size(): number {
    return this.type.size;
  }

  /** Whether this kernel has the member: how a change between releases is told. */
  has(path: string): boolean {
    return this.find(path) !== null;
  }

  /** The first of several spellings that this kernel has: newest first. @throws Missing */
  which<T extends string>(...paths: readonly T[]): T {
    const path = paths.find(one => this.has(one));
    if (path === undefined) throw new Missing('member', `${this.name}.${paths.join(' or ')}`, ADVICE);
    return path;
  }

  find(path: string): MemberPlace | null {
    let place = this.#places.get(path);
    if (place === undefined) {
      place = memberPlace(this.type, path);
      this.#places.set(path, place);
    }
    return place;
  }

  /** @throws Missing */
  place(path: string): MemberPlace {
    const place = this.find(path);
    if (place === null) throw new Missing('member', `${this.name}.${path}`, ADVICE);
    return place;
  }

  /** Bytes from the object's start. @throws Missing, RangeError for a bitfield */
  offset(path: string): number {
    const { offset, bitSize } = this.place(path);
    if (bitSize > 0) throw new RangeError(`${this.name}.${path} is a bitfield`);
    return offset;
  }

  /** sizeof of a member; of an array all of it. @throws Missing */
  sizeOf(path: string): number {
    return sizeOfType(this.place(path).type);
  }

  /** The struct that a member is, or that it points at, or that its array's elements are. @throws Missing */
  inner(path: string): Struct {
    let type = plainType(this.place(path).type);
    for (let i = 0; i < 8 && (type.kind === 'array' || type.kind === 'pointer'); i++) {
      type = plainType(type.kind === 'array' ? type.element : type.target);
    }
    if (type.kind !== 'struct' && type.kind !== 'union') {
      throw new Missing('type', `of ${this.name}.${path}: a struct`, ADVICE);
    }
    return type.complete ? new Struct(this.kernel, type) : struct(this.kernel, type.name);
  }

  /** Integers, enums, bools and bitfields as a number: exact up to 2^53. @throws Missing */
  number(path: string): Get<number> {
    return scalarOf(this.kernel.memory, this.place(path)).number;
  }

  /** The same as a bigint: pointers, addresses and flags of 64 bits. A signed member is negative where it should be. @throws Missing */
  word(path: string): Get<bigint> {
    return scalarOf(this.kernel.memory, this.place(path)).word;
  }

  /** A char array up to its NUL. @throws Missing */
  text(path: string): Get<string> {
    const { memory } = this.kernel;
    const length = this.sizeOf(path);
    const offset = BigInt(this.offset(path));
    return address => memory.text(address + offset, length);
  }

  /** Where the member itself lies. @throws Missing */
  address(path: string): Get<bigint> {
    const offset = BigInt(this.offset(path));
    return address => address + offset;
  }

  /** From a member's address to its object's: container_of(). @throws Missing */
  container(path: string): Get<bigint> {
    const offset = BigInt(this.offset(path));
    return address => address - offset;
  }
}

const structs = (): Map<string, Struct> => new Map();

/** The layout of `struct NAME`, of `union NAME`, or of the struct that is typedef'd as NAME. @throws Missing */
export function struct(kernel: Kernel, name: string): Struct {
  const known = kernel.once(structs);
  let found = known.get(name);
  if (found === undefined) {
    const type = findStruct(kernel, name);
    if (type === null) {
      const why = kernel.types === null ? 'this dump carries no types: give the vmlinux with --vmlinux' : ADVICE;
      throw new Missing('type', `struct ${name}`, why);
    }
    found = new Struct(kernel, type);
    known.set(name, found);
  }
  return found;
}

/** A forward declaration's complete struct of the same name, where there is one: what a pointer's target often is. */
export function completed(kernel: Kernel, type: Type): Type {
  const plain = plainType(type);
  if ((plain.kind !== 'struct' && plain.kind !== 'union') || plain.complete) return type;
  return kernel.types?.find(plain.kind, plain.name) ?? type;
}

export function hasStruct(kernel: Kernel, name: string): boolean {
  return kernel.once(structs).has(name) || findStruct(kernel, name) !== null;
}

function findStruct(kernel: Kernel, name: string): CompoundType | null {
  const { types } = kernel;
  if (types === null) return null;
  const tagged = types.find('struct', name) ?? types.find('union', name);
  if (tagged?.complete === true) return tagged;
  const named = types.find('typedef', name);
  const plain = named === null ? null : plainType(named);
  return plain !== null && (plain.kind === 'struct' || plain.kind === 'union') && plain.complete ? plain : null;
}

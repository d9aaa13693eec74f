// A typed place in kernel memory, for scripts and one-off reads: `global(kernel, 'init_task').member('comm').text()`. Loops take a Struct's functions instead.
import { hex, MemoryFault } from 'kdumpling/reader';
import { declaration, memberPlace, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { MemberPath } from './member-path.js';
import { scalarOf } from './scalar.js';
import { completed } from './struct.js';
import { typeNamed } from './type-name.js';
import { plainValue, readValue, type Value } from './value.js';

/** The bits of a bitfield within the bytes at an object's address. */
interface Bits {
  readonly bitOffset: number;
  readonly bitSize: number;
}

const WHOLE: Bits = { bitOffset: 0, bitSize: 0 };

export class KernelObject {
  readonly kernel: Kernel;
  readonly type: Type;
  readonly address: bigint;
  readonly bits: Bits;

  constructor(kernel: Kernel, type: Type, address: bigint, bits = WHOLE) {
    this.kernel = kernel;
    this.type = type;
    this.address = BigInt.asUintN(kernel.arch.bits, address);
    this.bits = bits;
  }

  /** Bytes. */
  get size(): number {
    return sizeOfType(completed(this.kernel, this.type));
  }

  /** Of an array that is not flexible. */
  get length(): number {
    const plain = plainType(this.type);
    return plain.kind === 'array' ? (plain.length ?? 0) : 0;
  }

  /**
   * A member by its path as C writes it, `mm.pgd` or `cgroups.subsys[2]`; a pointer on the way is followed, as `->` and `[]` do.
   * @throws Missing, MemoryFault: for a pointer on the way that is NULL too
   */
  member(path: string): KernelObject {
    const way = new MemberPath(this.kernel, this.type, path);
    const { address, nullAt } = way.follow(this.address);
    if (nullAt !== null) throw this.#isNull(path, nullAt);
    return new KernelObject(this.kernel, way.place.type, address, way.place);
  }

  #isNull(path: string, at: string): MemoryFault {
    const what = at === '' ? 'the pointer' : at;
    return new MemoryFault('virtual', 0n, 1, 'not-present', `${what} is NULL, and ${path} lies behind it`);
  }

  /** Whether there is such a member: how a change between releases is told. A pointer on the way must lead somewhere. */
  has(path: string): boolean {
    try {
      this.member(path);
      return true;
    } catch (error) {
      if (error instanceof Missing || error instanceof MemoryFault) return false;
      throw error;
    }
  }

  /** What a pointer points at. @throws Missing, MemoryFault */
  deref(): KernelObject {
    const plain = plainType(this.type);
    if (plain.kind !== 'pointer') throw new Missing('type', `a pointer: it is ${plain.kind}`);
    return new KernelObject(this.kernel, completed(this.kernel, plain.target), this.word());
  }

  /** An element of an array, or behind a pointer. @throws Missing, MemoryFault */
  at(index: number): KernelObject {
    const plain = plainType(this.type);
    if (plain.kind !== 'array' && plain.kind !== 'pointer') {
      throw new Missing('type', `an array: it is ${plain.kind}`);
    }
    const element = completed(this.kernel, plain.kind === 'array' ? plain.element : plain.target);
    const start = plain.kind === 'array' ? this.address : this.word();
    return new KernelObject(this.kernel, element, start + BigInt(index) * BigInt(sizeOfType(element)));
  }

  /** The value of an integer, enum, bool or pointer. @throws MemoryFault, RangeError for what is none */
  word(): bigint {
    const { bitOffset, bitSize } = this.bits;
    return scalarOf(this.kernel.memory, { type: this.type, offset: 0, bitOffset, bitSize }).word(this.address);
  }

  /** The same as a number: exact up to 2^53. */
  number(): number {
    return Number(this.word());
  }

  /** The text of a char array, or behind a char pointer: at most `most` bytes. @throws MemoryFault */
  text(most = 4096): string {
    const plain = plainType(this.type);
    if (plain.kind === 'pointer') return this.kernel.memory.text(this.word(), most);
    return this.kernel.memory.text(this.address, plain.kind === 'array' ? Math.min(this.size, most) : most);
  }

  /** The elements of an array, one after the other. */
  *[Symbol.iterator](): Generator<KernelObject, void> {
    for (let i = 0; i < this.length; i++) yield this.at(i);
  }

  /** Everything that lies here, member by member: for printing. */
  value(): Value {
    return readValue(this.kernel, this.type, this.address, this.bits.bitOffset, this.bits.bitSize);
  }

  /** The same as plain objects, lists, numbers and strings: pointers and what passes 2^53 are bigint, what cannot be read is null. */
  plain(): unknown {
    return plainValue(this.value());
  }

  /** The same place taken as another type: `struct list_head`, as C writes it in a cast. @throws Missing */
  as(type: Type | string): KernelObject {
    return objectAt(this.kernel, type, this.address);
  }

  /** The object that has this one as its member: container_of(). @throws Missing, RangeError for a bitfield */
  container(type: string, member: string): KernelObject {
    const found = typeNamed(this.kernel, type);
    const place = memberPlace(found, member);
    if (place === null) throw new Missing('member', `${type}.${member}`);
    if (place.bitSize > 0) throw new RangeError(`${type}.${member} is a bitfield`);
    return new KernelObject(this.kernel, found, this.address - BigInt(place.offset));
  }

  /** `(struct task_struct) 0xffffffff8261b040` */
  toString(): string {
    return `(${declaration(this.type, '')}) ${hex(this.address)}`;
  }
}

/** An object of a type, as C writes it in a cast, at an address. @throws Missing */
export function objectAt(kernel: Kernel, type: Type | string, address: bigint): KernelObject {
  return new KernelObject(kernel, typeof type === 'string' ? typeNamed(kernel, type) : type, address);
}

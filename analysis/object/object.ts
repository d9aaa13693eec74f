// A typed place in kernel memory, for scripts and one-off reads: `global(kernel, 'init_task').member('comm').text()`. Loops take a Struct's functions instead.
import { memberPlace, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { scalarOf } from './scalar.js';
import { completed } from './struct.js';

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

  /**
   * A member by its dotted path; a pointer on the way is followed, as `->` does.
   * @throws Missing, MemoryFault
   */
  member(path: string): KernelObject {
    const [first, ...rest] = path.split('.');
    const owner = plainType(this.type).kind === 'pointer' ? this.deref() : this;
    const type = completed(this.kernel, owner.type);
    const place = memberPlace(type, first);
    if (place === null || first === '') {
      const plain = plainType(type);
      const name = plain.kind === 'struct' || plain.kind === 'union' ? plain.name : plain.kind;
      throw new Missing('member', `${name === '' ? '(anonymous)' : name}.${first}`);
    }
    const found = new KernelObject(this.kernel, place.type, owner.address + BigInt(place.offset), place);
    return rest.length === 0 ? found : found.member(rest.join('.'));
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

  /** The same place taken as another type. */
  as(type: Type): KernelObject {
    return new KernelObject(this.kernel, type, this.address);
  }
}

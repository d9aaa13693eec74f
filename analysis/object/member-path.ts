// A member's path from an object on, as C writes it with `->` and `.` alike: resolved once, then followed through pointers for as many objects as are asked for.
import { FAULT_SENTENCES, MemoryFault } from 'kdumpling/reader';
import {
  type MemberPlace,
  type MemberStep,
  memberPlace,
  memberSteps,
  plainType,
  sizeOfType,
  type Type,
} from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { scalarOf } from './scalar.js';
import { completed, type Get } from './struct.js';
import { readValue, type Value } from './value.js';

/** A pointer on the way. */
interface Pointer {
  /** The path to it: '' where the object itself is the pointer. */
  readonly path: string;
  /** Its value in the object that the way before it leads to. */
  readonly value: Get<bigint>;
}

/** Where a path leads from one object. */
export interface Followed {
  readonly address: bigint;
  /** The path to the pointer that is NULL, where the way ends there; else null. */
  readonly nullAt: string | null;
}

export class MemberPath {
  readonly path: string;
  /** Of what the path leads to, and where it lies: from the object's start, or from where the last pointer on the way leads. */
  readonly place: MemberPlace;
  /** What `place` counts from. */
  readonly owner: Type;
  readonly #kernel: Kernel;
  readonly #pointers: readonly Pointer[];
  readonly #offset: bigint;

  /** @throws Missing for a step that is not there, and for a text that is no path */
  constructor(kernel: Kernel, type: Type, path: string) {
    const steps = memberSteps(path);
    if (steps === null || steps.length === 0)
      throw new Missing('member', JSON.stringify(path), 'a path is written as `mm.pgd` or `list[2].next`');
    const way = new Way(kernel, type);
    for (const step of steps) way.go(step);
    this.path = path;
    this.place = way.place;
    this.owner = way.owner;
    this.#kernel = kernel;
    this.#pointers = way.pointers;
    this.#offset = BigInt(way.place.offset);
  }

  /** Whether there is a pointer on the way. */
  get isBehindPointer(): boolean {
    return this.#pointers.length > 0;
  }

  /** @throws MemoryFault where a pointer on the way cannot be read */
  follow(address: bigint): Followed {
    let at = address;
    for (const { path, value } of this.#pointers) {
      at = value(at);
      if (at === 0n) return { address: 0n, nullAt: path };
    }
    return { address: BigInt.asUintN(this.#kernel.arch.bits, at + this.#offset), nullAt: null };
  }

  /** What the path leads to from the object at an address. */
  value(address: bigint): Value {
    try {
      const { address: at, nullAt } = this.follow(address);
      if (nullAt !== null) return { kind: 'null', at: nullAt };
      return readValue(this.#kernel, this.place.type, at, this.place.bitOffset, this.place.bitSize);
    } catch (error) {
      if (!(error instanceof MemoryFault)) throw error;
      return { kind: 'none', why: FAULT_SENTENCES[error.reason] };
    }
  }
}

/** A path while it is resolved. */
class Way {
  readonly pointers: Pointer[] = [];
  owner: Type;
  place: MemberPlace;
  readonly #kernel: Kernel;
  #path = '';

  constructor(kernel: Kernel, type: Type) {
    this.#kernel = kernel;
    this.owner = completed(kernel, type);
    this.place = { type: this.owner, offset: 0, bitOffset: 0, bitSize: 0 };
  }

  go(step: MemberStep): void {
    const plain = plainType(this.place.type);
    if (plain.kind === 'pointer') this.#through(completed(this.#kernel, plain.target));
    if (plain.kind === 'pointer' && typeof step === 'number') this.#behind(step);
    else this.#inside(step);
    this.#path += typeof step === 'number' ? `[${step}]` : `${this.#path === '' ? '' : '.'}${step}`;
  }

  /** The way goes on where the pointer leads that it has come to. */
  #through(target: Type): void {
    const { word } = scalarOf(this.#kernel.memory, this.place);
    this.pointers.push({ path: this.#path, value: word });
    this.owner = target;
    this.place = { type: target, offset: 0, bitOffset: 0, bitSize: 0 };
  }

  /** An element of the array that a pointer leads to. */
  #behind(index: number): void {
    this.place = { ...this.place, offset: index * sizeOfType(this.place.type) };
  }

  #inside(step: MemberStep): void {
    const { offset, type: owner } = this.place;
    const type = completed(this.#kernel, owner);
    const found = isBeyond(type, step) ? null : memberPlace(type, [step]);
    if (found === null) throw this.#missing(type, step);
    this.place = { ...found, offset: offset + found.offset };
  }

  #missing(type: Type, step: MemberStep): Missing {
    const plain = plainType(type);
    if (typeof step === 'number') {
      const what = this.#path === '' ? 'it' : this.#path;
      const advice = plain.kind === 'array' ? `${what} has ${plain.length} elements` : `${what} is no array`;
      return new Missing('member', `${this.#path}[${step}]`, advice);
    }
    const known = plain.kind === 'struct' || plain.kind === 'union' ? plain.name || '(anonymous)' : plain.kind;
    return new Missing('member', `${known}.${step}`);
  }
}

/** Arrays of one element may stand for as many as follow; all others end. */
function isBeyond(type: Type, step: MemberStep): boolean {
  const plain = plainType(type);
  if (plain.kind !== 'array' || typeof step !== 'number') return false;
  return plain.length !== null && plain.length > 1 && step >= plain.length;
}

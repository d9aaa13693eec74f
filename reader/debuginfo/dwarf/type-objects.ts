// Types as objects over entries of DWARF: what a type refers to, and what it consists of, is read when it is asked for.
import type {
  ArrayType,
  CompoundType,
  Enumerator,
  EnumType,
  FunctionType,
  Member,
  Parameter,
  PointerType,
  QualifiedType,
  Type,
  TypedefType,
} from '../types.js';

/** What the objects ask for; never throws for damage. */
export interface TypeContext {
  /** The type at an entry's place; void for NO_PLACE. */
  at(place: number): Type;
  membersOf(place: number): readonly Member[];
  sizeOf(place: number): number;
  enumeratorsOf(place: number, signed: boolean, size: number): readonly Enumerator[];
  /** The place of the definition of a struct or union that is only declared where it was met; NO_PLACE if there is none. */
  definition(kind: CompoundType['kind'], name: string): number;
}

/** A struct or union: met as a definition, or as a declaration whose definition is looked for when it is needed. */
export class Compound implements CompoundType {
  readonly kind: CompoundType['kind'];
  readonly name: string;
  readonly #context: TypeContext;
  #place: number;
  #sought: boolean;
  #size: number | null = null;
  #members: readonly Member[] | null = null;

  /** @param place of the definition, or a negative number */
  constructor(context: TypeContext, kind: CompoundType['kind'], name: string, place: number) {
    this.kind = kind;
    this.name = name;
    this.#context = context;
    this.#place = place;
    this.#sought = place >= 0;
  }

  /** The definition of a declared one, once it is known. */
  define(place: number): void {
    this.#place = place;
    this.#sought = true;
  }

  get #definition(): number {
    if (!this.#sought) this.define(this.#context.definition(this.kind, this.name));
    return this.#place;
  }

  get complete(): boolean {
    return this.#definition >= 0;
  }

  get size(): number {
    const place = this.#definition;
    this.#size ??= place < 0 ? 0 : this.#context.sizeOf(place);
    return this.#size;
  }

  get members(): readonly Member[] {
    const place = this.#definition;
    this.#members ??= place < 0 ? [] : this.#context.membersOf(place);
    return this.#members;
  }
}

export class CompoundMember implements Member {
  readonly name: string;
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly #context: TypeContext;
  readonly #place: number;

  constructor(context: TypeContext, name: string, place: number, bitOffset: number, bitSize: number) {
    this.name = name;
    this.bitOffset = bitOffset;
    this.bitSize = bitSize;
    this.#context = context;
    this.#place = place;
  }

  get type(): Type {
    return this.#context.at(this.#place);
  }
}

export class Enumeration implements EnumType {
  readonly kind = 'enum';
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly #context: TypeContext;
  readonly #place: number;
  #enumerators: readonly Enumerator[] | null = null;

  constructor(context: TypeContext, name: string, place: number, size: number, signed: boolean) {
    this.name = name;
    this.size = size;
    this.signed = signed;
    this.#context = context;
    this.#place = place;
  }

  get enumerators(): readonly Enumerator[] {
    this.#enumerators ??= this.#context.enumeratorsOf(this.#place, this.signed, this.size);
    return this.#enumerators;
  }
}

export class Typedef implements TypedefType {
  readonly kind = 'typedef';
  readonly name: string;
  readonly #context: TypeContext;
  readonly #target: number;

  constructor(context: TypeContext, name: string, target: number) {
    this.name = name;
    this.#context = context;
    this.#target = target;
  }

  get target(): Type {
    return this.#context.at(this.#target);
  }
}

/** Types that have no name: one object for each of the same parts. */
export class UnnamedTypes {
  readonly #numbers = new Map<Type, number>();
  readonly #types = new Map<string, Type>();

  pointer(target: Type, size: number): PointerType {
    return this.#only(`p${size} ${this.#number(target)}`, () => ({ kind: 'pointer', size, target }));
  }

  array(element: Type, length: number | null): ArrayType {
    return this.#only(`a${length ?? ''} ${this.#number(element)}`, () => ({ kind: 'array', element, length }));
  }

  qualified(kind: QualifiedType['kind'], name: string, target: Type): QualifiedType {
    return this.#only(`${kind} ${this.#number(target)} ${name}`, () => ({ kind, name, target }));
  }

  function(returns: Type, parameters: readonly Parameter[], variadic: boolean): FunctionType {
    const list = parameters.map(({ name, type }) => `${this.#number(type)} ${name}`).join();
    const key = `f${variadic ? '.' : ''} ${this.#number(returns)} ${list}`;
    return this.#only(key, () => ({ kind: 'function', returns, parameters, variadic }));
  }

  #number(type: Type): number {
    let number = this.#numbers.get(type);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(type, number);
    }
    return number;
  }

  /** A key begins with what the type is, so that what is kept under it is of that shape. */
  #only<T extends Type>(key: string, make: () => T): T {
    let type = this.#types.get(key) as T | undefined;
    if (type === undefined) {
      type = make();
      this.#types.set(key, type);
    }
    return type;
  }
}

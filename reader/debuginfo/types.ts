// C types as every source gives them (BTF, DWARF): shapes only. A source makes a type's object when it is first asked for and keeps it, so two types of one source are the same
// if and only if their objects are; what a type refers to is resolved when it is read.

/** `void`, or a type that its source does not tell. */
export interface VoidType {
  readonly kind: 'void';
}

export interface IntType {
  readonly kind: 'int';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  /** What its values are for people. */
  readonly encoding: 'number' | 'char' | 'bool';
}

export interface FloatType {
  readonly kind: 'float';
  readonly name: string;
  readonly size: number;
}

export interface PointerType {
  readonly kind: 'pointer';
  readonly size: number;
  readonly target: Type;
}

export interface ArrayType {
  readonly kind: 'array';
  readonly element: Type;
  /** Elements; null for a flexible array. */
  readonly length: number | null;
}

/** A member of a struct or union; `name` is '' for an anonymous struct or union, and for padding bitfields. */
export interface Member {
  readonly name: string;
  readonly type: Type;
  /** Bits from the struct's start, in memory order: little-endian from a byte's lowest bit, big-endian from its highest. */
  readonly bitOffset: number;
  /** Bits of a bitfield; 0 for all other members. */
  readonly bitSize: number;
}

export interface CompoundType {
  readonly kind: 'struct' | 'union';
  /** '' if anonymous. */
  readonly name: string;
  readonly size: number;
  /** False for a forward declaration: size is 0, members are []. */
  readonly complete: boolean;
  readonly members: readonly Member[];
  /** Its own members of that name ('' finds the anonymous ones), of sources that find them without making the others. */
  membersNamed?(name: string): readonly Member[];
}

export interface Enumerator {
  readonly name: string;
  readonly value: bigint;
}

export interface EnumType {
  readonly kind: 'enum';
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly enumerators: readonly Enumerator[];
}

export interface TypedefType {
  readonly kind: 'typedef';
  readonly name: string;
  readonly target: Type;
}

/** A qualifier, or a tag as in `__user` (BTF_KIND_TYPE_TAG): `name` is the tag's, else ''. */
export interface QualifiedType {
  readonly kind: 'const' | 'volatile' | 'restrict' | 'atomic' | 'tag';
  readonly name: string;
  readonly target: Type;
}

export interface Parameter {
  readonly name: string;
  readonly type: Type;
}

export interface FunctionType {
  readonly kind: 'function';
  readonly returns: Type;
  readonly parameters: readonly Parameter[];
  readonly variadic: boolean;
}

export type Type =
  | VoidType
  | IntType
  | FloatType
  | PointerType
  | ArrayType
  | CompoundType
  | EnumType
  | TypedefType
  | QualifiedType
  | FunctionType;

/** What a type can be found as. `base` is an int or float by its name, for instance `unsigned long`. */
export type NamedKind = 'struct' | 'union' | 'enum' | 'typedef' | 'base';

interface NamedTypes {
  readonly struct: CompoundType;
  readonly union: CompoundType;
  readonly enum: EnumType;
  readonly typedef: TypedefType;
  readonly base: IntType | FloatType;
}

export type TypeOf<K extends NamedKind> = NamedTypes[K];

/** The types of a kernel, from one source or several in order of trust. */
export interface Types {
  /** Where they come from: `btf`, `dwarf`; several are joined by a comma. */
  readonly source: string;
  readonly pointerSize: 4 | 8;
  /** How many types there are; of DWARF as many as were indexed. */
  readonly count: number;
  /**
   * The type of that name: of several the first complete one, else null. A kernel may have several structs of one name (in different files); `all` has them.
   */
  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null;
  /** All types of that name, in the source's order, without forward declarations. */
  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[];
  /** The type of a global variable; of BTF only per-CPU variables have one. */
  variable(name: string): Type | null;
  /** Names of the global variables that have one, each once, in the source's order. */
  variables(): Iterable<string>;
  /** The value of an enumerator of whatever enum, anonymous ones too; null if there is none. */
  enumerator(name: string): bigint | null;
  /** The prototype of a function. */
  function(name: string): FunctionType | null;
  /** Names of a kind, each once, in the source's order: for listings and suggestions. */
  names(kind: NamedKind): Iterable<string>;
}

/** Nothing nests deeper; a damaged source may go in circles. */
const MOST_LINKS = 64;

/** The one object of `void`, for all sources. */
export const VOID: VoidType = { kind: 'void' };

/** The type behind typedefs, qualifiers and tags. */
export function plainType(type: Type): Exclude<Type, TypedefType | QualifiedType> {
  let at = type;
  for (let i = 0; i < MOST_LINKS; i++) {
    switch (at.kind) {
      case 'typedef':
      case 'const':
      case 'volatile':
      case 'restrict':
      case 'atomic':
      case 'tag':
        at = at.target;
        break;
      default:
        return at;
    }
  }
  return VOID;
}

/** Bytes, 2^53 - 1 at most; 0 for void, functions, flexible arrays and forward declarations. */
export function sizeOfType(type: Type): number {
  let elements = 1;
  let at = plainType(type);
  for (let i = 0; at.kind === 'array' && i < MOST_LINKS; i++) {
    elements = Math.min(elements * (at.length ?? 0), Number.MAX_SAFE_INTEGER);
    at = plainType(at.element);
  }
  if (at.kind === 'void' || at.kind === 'function' || at.kind === 'array') return 0;
  return Math.min(elements * at.size, Number.MAX_SAFE_INTEGER);
}

/** Names of several sources, each once, in their order. */
export function* eachOnce(lists: readonly Iterable<string>[]): Iterable<string> {
  const seen = new Set<string>();
  for (const list of lists) {
    for (const name of list) {
      if (seen.has(name)) continue;
      seen.add(name);
      yield name;
    }
  }
}

// From entries to types. Every unit has its own copy of what its headers declare: named types that look alike are one object, and so is what is made of them.

import { InputError } from '../../fault.js';
import {
  DW_AT_byte_size,
  DW_AT_const_value,
  DW_AT_count,
  DW_AT_declaration,
  DW_AT_encoding,
  DW_AT_lower_bound,
  DW_AT_name,
  DW_AT_signature,
  DW_AT_type,
  DW_AT_upper_bound,
  DW_ATE_boolean,
  DW_ATE_complex_float,
  DW_ATE_decimal_float,
  DW_ATE_float,
  DW_ATE_imaginary_float,
  DW_ATE_signed,
  DW_ATE_signed_char,
  DW_ATE_UTF,
  DW_ATE_unsigned_char,
  DW_TAG_array_type,
  DW_TAG_atomic_type,
  DW_TAG_base_type,
  DW_TAG_const_type,
  DW_TAG_enumeration_type,
  DW_TAG_enumerator,
  DW_TAG_formal_parameter,
  DW_TAG_LLVM_annotation,
  DW_TAG_pointer_type,
  DW_TAG_reference_type,
  DW_TAG_restrict_type,
  DW_TAG_rvalue_reference_type,
  DW_TAG_structure_type,
  DW_TAG_subprogram,
  DW_TAG_subrange_type,
  DW_TAG_subroutine_type,
  DW_TAG_typedef,
  DW_TAG_union_type,
  DW_TAG_unspecified_parameters,
  DW_TAG_volatile_type,
} from '../../formats/dwarf.js';
import { isCharName } from '../c-names.js';
import {
  type CompoundType,
  type Enumerator,
  type Member,
  type Parameter,
  plainType,
  type QualifiedType,
  sizeOfType,
  type Type,
  VOID,
} from '../types.js';
import type { DwarfUnits } from './dwarf-units.js';
import { type EntryCursor, NO_PLACE } from './entries.js';
import { decodeMember } from './members.js';
import { ENUM, STRUCT, UNION } from './named-entries.js';
import { signatureOf } from './signature.js';
import { Compound, CompoundMember, Enumeration, type TypeContext, Typedef, UnnamedTypes } from './type-objects.js';

/** Nothing nests deeper than this, but what is damaged. */
const MOST_DEPTH = 64;
const MOST_DIMENSIONS = 32;
const MOST_PARAMETERS = 512;
const MOST_TAGS = 32;
/** Bytes that members and enumerators take which are kept, roughly: all types of a kernel take a third. */
const MOST_KEPT = 3 << 24;
const BYTES_OF_MEMBER = 96;

const QUALIFIERS: ReadonlyMap<number, QualifiedType['kind']> = new Map([
  [DW_TAG_const_type, 'const'],
  [DW_TAG_volatile_type, 'volatile'],
  [DW_TAG_restrict_type, 'restrict'],
  [DW_TAG_atomic_type, 'atomic'],
]);
const FLOATS: ReadonlySet<number> = new Set([
  DW_ATE_complex_float,
  DW_ATE_float,
  DW_ATE_imaginary_float,
  DW_ATE_decimal_float,
]);
const CHARS: ReadonlySet<number> = new Set([DW_ATE_signed_char, DW_ATE_unsigned_char, DW_ATE_UTF]);

/** Finds the definitions of names. */
export interface Definitions {
  /** The place of the first definition of a name among all units, scanning them as far as needed; NO_PLACE if there is none. */
  first(kind: number, name: string): number;
  /** The same, if the unit of `place` and those before it are enough. */
  firstBefore(kind: number, name: string, place: number): number;
}

export class TypeReader implements TypeContext {
  readonly #units: DwarfUnits;
  readonly #definitions: Definitions;
  readonly #types = new Map<number, Type>();
  /** Named types by kind, name and what they look like. */
  readonly #named = new Map<string, Type>();
  /** Compounds that were met as declarations, by kind and name, until they are defined. */
  readonly #declared = new Map<string, Compound>();
  readonly #unnamed = new UnnamedTypes();
  #depth = 0;
  #kept = 0;

  constructor(units: DwarfUnits, definitions: Definitions) {
    this.#units = units;
    this.#definitions = definitions;
  }

  at(place: number): Type {
    if (place < 0) return VOID;
    const known = this.#types.get(place);
    if (known !== undefined) return known;
    if (this.#depth === MOST_DEPTH) return VOID;
    // What refers to itself without a name between is damage.
    this.#types.set(place, VOID);
    this.#depth++;
    const type = this.#units.guard(() => this.#make(place), VOID);
    this.#depth--;
    this.#types.set(place, type);
    return type;
  }

  /** A cursor of this depth at an entry; throws InputError where there is none. */
  #read(place: number): EntryCursor {
    return this.#units.read(place, this.#depth);
  }

  #make(place: number): Type {
    const cursor = this.#read(place);
    const { tag } = cursor;
    const qualifier = QUALIFIERS.get(tag);
    if (qualifier !== undefined) return this.#unnamed.qualified(qualifier, '', this.at(this.#target(cursor)));
    switch (tag) {
      case DW_TAG_structure_type:
        return this.#compound(cursor, place, 'struct');
      case DW_TAG_union_type:
        return this.#compound(cursor, place, 'union');
      case DW_TAG_enumeration_type:
        return this.#enumeration(cursor, place);
      case DW_TAG_typedef:
        return this.#typedef(cursor, place);
      case DW_TAG_base_type:
        return this.#base(cursor);
      case DW_TAG_pointer_type:
      case DW_TAG_reference_type:
      case DW_TAG_rvalue_reference_type:
        return this.#pointer(cursor);
      case DW_TAG_array_type:
        return this.#array(cursor);
      case DW_TAG_subroutine_type:
      case DW_TAG_subprogram:
        return this.prototype(place);
      default:
        return VOID;
    }
  }

  /** The place of what DW_AT_type refers to. */
  #target(cursor: EntryCursor): number {
    const place = cursor.reference(DW_AT_type);
    if (place < 0 && cursor.has(DW_AT_type)) this.#units.unresolved(cursor);
    return place;
  }

  /** One object for all entries of a kind and name that look alike. */
  #only<T extends Type>(kind: string, name: string, look: string, make: () => T): T {
    const key = `${kind} ${name} ${look}`;
    let type = this.#named.get(key) as T | undefined;
    if (type === undefined) {
      type = make();
      this.#named.set(key, type);
    }
    return type;
  }

  #compound(cursor: EntryCursor, place: number, kind: CompoundType['kind']): Type {
    if (cursor.has(DW_AT_signature)) return this.at(cursor.reference(DW_AT_signature));
    const name = cursor.text(DW_AT_name);
    if (cursor.flag(DW_AT_declaration)) return this.#declaration(kind, name, place);
    if (name === '') return new Compound(this, kind, name, place);
    const look = this.look(place);
    return this.#only(kind, name, look, () => {
      const declared = this.#declared.get(`${kind} ${name}`);
      if (declared === undefined) return new Compound(this, kind, name, place);
      // A declared one is the first of its definitions.
      const first = this.#definitions.firstBefore(kind === 'struct' ? STRUCT : UNION, name, place);
      if (first >= 0 && first !== place && this.look(first) !== look) return new Compound(this, kind, name, place);
      this.#declared.delete(`${kind} ${name}`);
      declared.define(place);
      return declared;
    });
  }

  #declaration(kind: CompoundType['kind'], name: string, place: number): Type {
    const known = this.#definitions.firstBefore(kind === 'struct' ? STRUCT : UNION, name, place);
    if (known >= 0 && known !== place) return this.at(known);
    const key = `${kind} ${name}`;
    let declared = this.#declared.get(key);
    if (declared === undefined) {
      declared = new Compound(this, kind, name, NO_PLACE);
      this.#declared.set(key, declared);
    }
    return declared;
  }

  definition(kind: CompoundType['kind'], name: string): number {
    const place = this.#definitions.first(kind === 'struct' ? STRUCT : UNION, name);
    // Its object is the one that asks.
    if (place >= 0) this.at(place);
    return place;
  }

  /** What a named entry looks like: equal texts are one type. */
  look(place: number): string {
    return this.#units.guard(() => signatureOf(this.#units, place), String(place));
  }

  sizeOf(place: number): number {
    return this.#units.guard(() => this.#read(place).number(DW_AT_byte_size) ?? 0, 0);
  }

  membersOf(place: number): readonly Member[] {
    const members: Member[] = [];
    return this.#units.guard(() => {
      const cursor = this.#read(place);
      this.#depth++;
      try {
        for (const child of this.#units.children(cursor)) {
          const record = decodeMember(this.#read(child), type => sizeOfType(this.at(type)));
          if (record === null) continue;
          this.#keep(record.name, place);
          members.push(new CompoundMember(this, record.name, record.type, record.bitOffset, record.bitSize));
        }
      } finally {
        this.#depth--;
      }
      return members;
    }, members);
  }

  /** Throws InputError where there is more than any kernel has. */
  #keep(name: string, place: number): void {
    this.#kept += name.length + BYTES_OF_MEMBER;
    if (this.#kept <= MOST_KEPT) return;
    throw new InputError(
      { source: this.#units.main.name, record: 'debugging information entry', offset: place, field: 'DW_AT_name' },
      'there are more members than any kernel has: this type and what follows it has none',
      'the debug information is damaged',
    );
  }

  #enumeration(cursor: EntryCursor, place: number): Type {
    if (cursor.has(DW_AT_signature)) return this.at(cursor.reference(DW_AT_signature));
    const name = cursor.text(DW_AT_name);
    const size = cursor.number(DW_AT_byte_size) ?? 0;
    if (cursor.flag(DW_AT_declaration)) {
      const first = this.#definitions.first(ENUM, name);
      if (first >= 0 && first !== place) return this.at(first);
    }
    const target = cursor.reference(DW_AT_type);
    const make = () => new Enumeration(this, name, place, size, this.#isSigned(target, place));
    return name === '' ? make() : this.#only('enum', name, this.look(place), make);
  }

  /** By the underlying type; where the compiler tells none, by the values. */
  #isSigned(target: number, place: number): boolean {
    const type = target < 0 ? VOID : plainType(this.at(target));
    if (type.kind === 'int') return type.signed;
    return this.#values(place).some(({ value }) => value < 0n);
  }

  enumeratorsOf(place: number, signed: boolean, size: number): readonly Enumerator[] {
    const bits = size === 0 || size > 8 ? 64 : size * 8;
    return this.#values(place).map(({ name, value }) => ({
      name,
      value: signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value),
    }));
  }

  /** Negative where the form says so. */
  #values(place: number): Enumerator[] {
    const list: Enumerator[] = [];
    return this.#units.guard(() => {
      const cursor = this.#read(place);
      for (const child of this.#units.children(cursor)) {
        this.#read(child);
        const index = cursor.tag === DW_TAG_enumerator ? cursor.find(DW_AT_const_value) : -1;
        const value = index < 0 ? null : cursor.bigAt(index);
        if (value === null) continue;
        const name = cursor.text(DW_AT_name);
        this.#keep(name, place);
        list.push({ name, value });
      }
      return list;
    }, list);
  }

  #typedef(cursor: EntryCursor, place: number): Type {
    const name = cursor.text(DW_AT_name);
    const target = this.#target(cursor);
    return this.#only('typedef', name, this.look(place), () => new Typedef(this, name, target));
  }

  #base(cursor: EntryCursor): Type {
    const name = cursor.text(DW_AT_name);
    const size = cursor.number(DW_AT_byte_size) ?? 0;
    const encoding = cursor.number(DW_AT_encoding) ?? 0;
    return this.#only('base', name, `${size} ${encoding}`, () => {
      if (FLOATS.has(encoding)) return { kind: 'float', name, size };
      return {
        kind: 'int',
        name,
        size,
        signed: encoding === DW_ATE_signed || encoding === DW_ATE_signed_char,
        encoding: encoding === DW_ATE_boolean ? 'bool' : CHARS.has(encoding) || isCharName(name) ? 'char' : 'number',
      };
    });
  }

  /** With the tags of what it points to, as clang records them. */
  #pointer(cursor: EntryCursor): Type {
    const size = cursor.number(DW_AT_byte_size) ?? cursor.unit.addressSize;
    const target = this.#target(cursor);
    const tags: string[] = [];
    for (const child of this.#units.children(cursor)) {
      this.#read(child);
      if (
        tags.length < MOST_TAGS &&
        cursor.tag === DW_TAG_LLVM_annotation &&
        cursor.text(DW_AT_name) === 'btf_type_tag'
      ) {
        tags.push(cursor.text(DW_AT_const_value));
      }
    }
    const tagged = tags.reduceRight<Type>((type, tag) => this.#unnamed.qualified('tag', tag, type), this.at(target));
    return this.#unnamed.pointer(tagged, size);
  }

  #array(cursor: EntryCursor): Type {
    const target = this.#target(cursor);
    const lengths: (number | null)[] = [];
    for (const child of this.#units.children(cursor)) {
      this.#read(child);
      if (lengths.length === MOST_DIMENSIONS) break;
      if (cursor.tag === DW_TAG_subrange_type || cursor.tag === DW_TAG_enumeration_type) lengths.push(lengthOf(cursor));
    }
    if (lengths.length === 0) lengths.push(null);
    return lengths.reduceRight<Type>((element, length) => this.#unnamed.array(element, length), this.at(target));
  }

  /** The type of a function, or of what a pointer to functions points to. */
  prototype(place: number): ReturnType<UnnamedTypes['function']> {
    const cursor = this.#read(place);
    const returns = this.#units.followed(cursor, DW_AT_type);
    const parameters: { name: string; type: number }[] = [];
    let variadic = false;
    for (const child of this.#units.children(this.#read(place))) {
      this.#read(child);
      if (cursor.tag === DW_TAG_unspecified_parameters) variadic = true;
      if (cursor.tag !== DW_TAG_formal_parameter || parameters.length === MOST_PARAMETERS) continue;
      parameters.push({ name: this.#units.nameOf(cursor), type: -1 });
      this.#read(child);
      parameters[parameters.length - 1].type = this.#units.followed(cursor, DW_AT_type);
    }
    const typed: Parameter[] = parameters.map(({ name, type }) => ({ name, type: this.at(type) }));
    return this.#unnamed.function(this.at(returns), typed, variadic);
  }
}

/** Elements of one dimension: null where they are not told, or not as a constant. `[0]` was the way to write `[]`, and is taken for it: BTF cannot tell them apart. */
function lengthOf(cursor: EntryCursor): number | null {
  const upper = constant(cursor, DW_AT_upper_bound);
  const count =
    constant(cursor, DW_AT_count) ?? (upper === null ? 0 : upper - (constant(cursor, DW_AT_lower_bound) ?? 0) + 1);
  return count > 0 ? count : null;
}

function constant(cursor: EntryCursor, attribute: number): number | null {
  const index = cursor.find(attribute);
  const value = index < 0 ? null : cursor.bigAt(index);
  if (value === null) return null;
  const signed = BigInt.asIntN(64, value);
  return signed < -1n || signed > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(signed);
}

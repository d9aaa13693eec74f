// BTF's records as types: an object for each id that was asked for, whose parts are decoded when they are read. Source: include/uapi/linux/btf.h, Documentation/bpf/btf.rst (7.3).
import {
  BTF_INT_BOOL,
  BTF_INT_CHAR,
  BTF_INT_SIGNED,
  BTF_KIND_ARRAY,
  BTF_KIND_CONST,
  BTF_KIND_ENUM,
  BTF_KIND_ENUM64,
  BTF_KIND_FLOAT,
  BTF_KIND_FUNC,
  BTF_KIND_FUNC_PROTO,
  BTF_KIND_FWD,
  BTF_KIND_INT,
  BTF_KIND_PTR,
  BTF_KIND_RESTRICT,
  BTF_KIND_STRUCT,
  BTF_KIND_TYPE_TAG,
  BTF_KIND_TYPEDEF,
  BTF_KIND_UNION,
  BTF_KIND_VOLATILE,
  BTF_TYPE_SIZE,
  btfKind,
  btfKindFlag,
  btfMemberBitOffset,
  btfMemberBitSize,
  btfVlen,
  decodeBtfInt,
} from '../../formats/btf.js';
import { isCharName } from '../c-names.js';
import {
  type ArrayType,
  type CompoundType,
  type Enumerator,
  type EnumType,
  type FunctionType,
  type Member,
  type Parameter,
  type PointerType,
  type QualifiedType,
  type Type,
  type TypedefType,
  VOID,
} from '../types.js';
import type { BtfRecords } from './records.js';

/** What the objects are made from. */
export interface BtfContext {
  readonly records: BtfRecords;
  readonly pointerSize: 4 | 8;
  /** Whether enums tell their sign by kind_flag (6.0); before, a value with its top bit set was taken as negative. */
  readonly enumSigns: boolean;
  type(id: number): Type;
}

const INFO = 4;
/** The word that is a size or a type's id. */
const SIZE = 8;
const MOST_LINKS = 64;
const encoder = new TextEncoder();

/** The object of an id that is in the context's own part. */
export function makeType(context: BtfContext, id: number): Type {
  const { records } = context;
  const info = records.word(id, INFO);
  const name = () => records.name(records.word(id, 0));
  switch (btfKind(info)) {
    case BTF_KIND_INT:
      return makeInt(records, id, name());
    case BTF_KIND_FLOAT:
      return { kind: 'float', name: name(), size: records.word(id, SIZE) };
    case BTF_KIND_PTR:
      return new Pointer(context, id);
    case BTF_KIND_ARRAY:
      return new ArrayOf(context, id);
    case BTF_KIND_STRUCT:
      return new Compound(context, id, 'struct', name());
    case BTF_KIND_UNION:
      return new Compound(context, id, 'union', name());
    case BTF_KIND_FWD:
      return { kind: btfKindFlag(info) ? 'union' : 'struct', name: name(), size: 0, complete: false, members: [] };
    case BTF_KIND_ENUM:
      return new Enum(context, id, name(), btfKindFlag(info));
    case BTF_KIND_ENUM64:
      return new Enum(context, id, name(), btfKindFlag(info));
    case BTF_KIND_TYPEDEF:
      return new Typedef(context, id, name());
    case BTF_KIND_CONST:
      return new Qualified(context, id, 'const', '');
    case BTF_KIND_VOLATILE:
      return new Qualified(context, id, 'volatile', '');
    case BTF_KIND_RESTRICT:
      return new Qualified(context, id, 'restrict', '');
    case BTF_KIND_TYPE_TAG:
      return new Qualified(context, id, 'tag', name());
    case BTF_KIND_FUNC:
      return prototypeOf(context, id);
    case BTF_KIND_FUNC_PROTO:
      return new Prototype(context, id);
    default:
      // A variable, a section or a tag: not a type that anything can have.
      return VOID;
  }
}

/** The prototype of a function; not by way of other functions, which a damaged source may chain. */
function prototypeOf(context: BtfContext, id: number): Type {
  const target = context.records.word(id, SIZE);
  const owner = context.records.owner(target);
  const isPrototype = target !== 0 && owner !== null && btfKind(owner.word(target, INFO)) === BTF_KIND_FUNC_PROTO;
  return isPrototype ? context.type(target) : VOID;
}

function makeInt(records: BtfRecords, id: number, name: string): Type {
  const { encoding } = decodeBtfInt(records.word(id, BTF_TYPE_SIZE));
  const char = (encoding & BTF_INT_CHAR) !== 0 || isCharName(name);
  return {
    kind: 'int',
    name,
    size: records.word(id, SIZE),
    signed: (encoding & BTF_INT_SIGNED) !== 0,
    encoding: (encoding & BTF_INT_BOOL) !== 0 ? 'bool' : char ? 'char' : 'number',
  };
}

class Pointer implements PointerType {
  readonly kind = 'pointer';
  readonly size: number;
  readonly #context: BtfContext;
  readonly #id: number;

  constructor(context: BtfContext, id: number) {
    this.size = context.pointerSize;
    this.#context = context;
    this.#id = id;
  }

  get target(): Type {
    return this.#context.type(this.#context.records.word(this.#id, SIZE));
  }
}

/** struct btf_array: type, index_type, nelems. BTF cannot tell `[0]` from `[]`: both are flexible. */
class ArrayOf implements ArrayType {
  readonly kind = 'array';
  readonly length: number | null;
  readonly #context: BtfContext;
  readonly #id: number;

  constructor(context: BtfContext, id: number) {
    const length = context.records.word(id, BTF_TYPE_SIZE + 8);
    this.length = length === 0 ? null : length;
    this.#context = context;
    this.#id = id;
  }

  get element(): Type {
    return this.#context.type(this.#context.records.word(this.#id, BTF_TYPE_SIZE));
  }
}

class Typedef implements TypedefType {
  readonly kind = 'typedef';
  readonly name: string;
  readonly #context: BtfContext;
  readonly #id: number;

  constructor(context: BtfContext, id: number, name: string) {
    this.name = name;
    this.#context = context;
    this.#id = id;
  }

  get target(): Type {
    return this.#context.type(this.#context.records.word(this.#id, SIZE));
  }
}

class Qualified implements QualifiedType {
  readonly kind: QualifiedType['kind'];
  readonly name: string;
  readonly #context: BtfContext;
  readonly #id: number;

  constructor(context: BtfContext, id: number, kind: QualifiedType['kind'], name: string) {
    this.kind = kind;
    this.name = name;
    this.#context = context;
    this.#id = id;
  }

  get target(): Type {
    return this.#context.type(this.#context.records.word(this.#id, SIZE));
  }
}

class Compound implements CompoundType {
  readonly kind: CompoundType['kind'];
  readonly name: string;
  readonly size: number;
  readonly complete = true;
  readonly #context: BtfContext;
  readonly #id: number;
  #members: readonly Member[] | null = null;
  #anonymous: readonly Member[] | null = null;

  constructor(context: BtfContext, id: number, kind: CompoundType['kind'], name: string) {
    this.kind = kind;
    this.name = name;
    this.size = context.records.word(id, SIZE);
    this.#context = context;
    this.#id = id;
  }

  get members(): readonly Member[] {
    this.#members ??= membersWhere(this.#context, this.#id, () => true);
    return this.#members;
  }

  membersNamed(name: string): readonly Member[] {
    const { records } = this.#context;
    if (name === '') {
      this.#anonymous ??= membersWhere(this.#context, this.#id, at => at === 0);
      return this.#anonymous;
    }
    const text = encoder.encode(name);
    return membersWhere(this.#context, this.#id, at => records.nameIs(at, text));
  }
}

class StructMember implements Member {
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly #context: BtfContext;
  readonly #name: number;
  readonly #id: number;

  constructor(context: BtfContext, name: number, id: number, bitOffset: number, bitSize: number) {
    this.bitOffset = bitOffset;
    this.bitSize = bitSize;
    this.#context = context;
    this.#name = name;
    this.#id = id;
  }

  /** Not kept: a damaged source may have a million members with long names. */
  get name(): string {
    return this.#context.records.name(this.#name);
  }

  get type(): Type {
    return this.#context.type(this.#id);
  }
}

/** struct btf_member: name_off, type, offset. With kind_flag the offset's upper byte is the size of a bitfield. */
function membersWhere(context: BtfContext, id: number, wanted: (name: number) => boolean): Member[] {
  const { records } = context;
  const info = records.word(id, INFO);
  const sized = btfKindFlag(info);
  const first = records.position(id) + BTF_TYPE_SIZE;
  const end = first + btfVlen(info) * 12;
  const found: Member[] = [];
  for (let at = first; at < end; at += 12) {
    const name = records.u32(at);
    if (!wanted(name)) continue;
    const type = records.u32(at + 4);
    const offset = records.u32(at + 8);
    const bits = sized ? null : narrowInt(records, type);
    const bitOffset = sized ? btfMemberBitOffset(offset) : offset + (bits?.offset ?? 0);
    const bitSize = sized ? btfMemberBitSize(offset) : (bits?.bits ?? 0);
    found.push(new StructMember(context, name, type, bitOffset, bitSize));
  }
  return found;
}

/** Before kind_flag (5.0) a bitfield was a member whose integer has fewer bits than its bytes. */
function narrowInt(records: BtfRecords, id: number): { offset: number; bits: number } | null {
  let at = id;
  for (let i = 0; i < MOST_LINKS; i++) {
    const owner = records.owner(at);
    if (owner === null || at === 0) return null;
    switch (btfKind(owner.word(at, INFO))) {
      case BTF_KIND_TYPEDEF:
      case BTF_KIND_CONST:
      case BTF_KIND_VOLATILE:
      case BTF_KIND_RESTRICT:
      case BTF_KIND_TYPE_TAG:
        at = owner.word(at, SIZE);
        break;
      case BTF_KIND_INT: {
        const { offset, bits } = decodeBtfInt(owner.word(at, BTF_TYPE_SIZE));
        return offset !== 0 || bits !== owner.word(at, SIZE) * 8 ? { offset, bits } : null;
      }
      default:
        return null;
    }
  }
  return null;
}

class Enum implements EnumType {
  readonly kind = 'enum';
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly #context: BtfContext;
  readonly #id: number;
  #enumerators: readonly Enumerator[] | null = null;

  constructor(context: BtfContext, id: number, name: string, flag: boolean) {
    const { records } = context;
    this.name = name;
    this.size = records.word(id, SIZE);
    this.#context = context;
    this.#id = id;
    this.signed = flag || (!context.enumSigns && hasNegative(records, id));
  }

  get enumerators(): readonly Enumerator[] {
    const { records } = this.#context;
    this.#enumerators ??= Array.from({ length: btfVlen(records.word(this.#id, INFO)) }, (_, i) => {
      const at = enumeratorPosition(records, this.#id, i);
      return { name: records.name(records.u32(at)), value: enumeratorValue(records, this.#id, at, this.signed) };
    });
    return this.#enumerators;
  }
}

const isWide = (records: BtfRecords, id: number): boolean => btfKind(records.word(id, INFO)) === BTF_KIND_ENUM64;

/** struct btf_enum has name_off and val, struct btf_enum64 name_off, val_lo32 and val_hi32. */
export function enumeratorPosition(records: BtfRecords, id: number, i: number): number {
  return records.position(id) + BTF_TYPE_SIZE + i * (isWide(records, id) ? 12 : 8);
}

function enumeratorValue(records: BtfRecords, id: number, at: number, signed: boolean): bigint {
  const low = records.u32(at + 4);
  const wide = isWide(records, id);
  const value = wide ? (BigInt(records.u32(at + 8)) << 32n) | BigInt(low) : BigInt(low);
  return signed ? BigInt.asIntN(wide ? 64 : 32, value) : value;
}

/** Of an enum of 32 bits: whether a value has its top bit set. */
function hasNegative(records: BtfRecords, id: number): boolean {
  if (isWide(records, id)) return false;
  const count = btfVlen(records.word(id, INFO));
  for (let i = 0; i < count; i++) {
    if (records.u32(enumeratorPosition(records, id, i) + 4) >= 0x8000_0000) return true;
  }
  return false;
}

/** The value of one enumerator, by where its record is. */
export function enumeratorAt(context: BtfContext, id: number, at: number): bigint {
  const type = context.type(id);
  return enumeratorValue(context.records, id, at, type.kind === 'enum' && type.signed);
}

/** struct btf_param: name_off, type; a last one with neither stands for `...`. */
class Prototype implements FunctionType {
  readonly kind = 'function';
  readonly #context: BtfContext;
  readonly #id: number;

  constructor(context: BtfContext, id: number) {
    this.#context = context;
    this.#id = id;
  }

  get returns(): Type {
    return this.#context.type(this.#context.records.word(this.#id, SIZE));
  }

  get variadic(): boolean {
    const { records } = this.#context;
    const count = btfVlen(records.word(this.#id, INFO));
    const last = records.position(this.#id) + BTF_TYPE_SIZE + (count - 1) * 8;
    return count > 0 && records.u32(last) === 0 && records.u32(last + 4) === 0;
  }

  get parameters(): readonly Parameter[] {
    const { records } = this.#context;
    const count = btfVlen(records.word(this.#id, INFO)) - (this.variadic ? 1 : 0);
    const first = records.position(this.#id) + BTF_TYPE_SIZE;
    return Array.from({ length: count }, (_, i) => ({
      name: records.name(records.u32(first + i * 8)),
      type: this.#context.type(records.u32(first + i * 8 + 4)),
    }));
  }
}

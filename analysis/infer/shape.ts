// A type's pointers as flat arrays: where each lies and what it leads to, members of members among them. Of a union only those that all of its variants have at the same place.
import { type ArrayType, type CompoundType, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import type { TypeTable } from './types.js';

/** What a pointer is to us. */
export const TYPED = 0;
/** To a function. */
export const CODE = 1;
/** To something that says nothing of the object there. */
export const OPAQUE = 2;

/** Links whose neighbours are objects of the same type, at the same place in them. */
export const LIST = 0;
export const HLIST = 1;
export const TREE = 2;

export interface Shape {
  /** Of each pointer in ascending order: bytes from the start, TYPED or what else, and the type that it leads to (-1 for none); of CODE the prototype's number. */
  readonly offsets: Int32Array;
  readonly kinds: Uint8Array;
  readonly targets: Int32Array;
  /** One past the last byte of the last pointer. */
  readonly extent: number;
  /** Of each embedded link: bytes from the start, and LIST, HLIST or TREE. */
  readonly links: Int32Array;
  readonly linkKinds: Uint8Array;
  /** The innermost struct that has the link, and how far before it that begins: neighbours on a list are such structs, whatever they lie in. */
  readonly owners: Int32Array;
  readonly backs: Int32Array;
  /** Heads of lists whose objects are known. */
  readonly heads: readonly ListHead[];
}

export interface ListHead {
  /** Bytes from the start. */
  readonly offset: number;
  /** Of what the list is, and where in it the link lies. */
  readonly type: number;
  readonly link: number;
  /** LIST or HLIST. */
  readonly kind: number;
}

const LINKS: Readonly<Record<string, number>> = { list_head: LIST, hlist_node: HLIST, rb_node: TREE };
const MOST_POINTERS = 8192;
const MOST_DEPTH = 16;

/** A pointer or a link, or the head of a list that is known. */
interface Found {
  readonly offset: number;
  /** TYPED, CODE, OPAQUE; 16 and a link's kind; HEAD. */
  readonly kind: number;
  /** What a pointer leads to; of a link the innermost struct with a name that it is a member of. */
  readonly target: number;
  /** Of a link: from that struct's start. */
  readonly back: number;
  readonly head: ListHead | null;
}

const HEAD = 32;
const isLink = ({ kind }: Found): boolean => kind >= 16 && kind < HEAD;

/** What structs have in them, each worked out once. */
export class Compiler {
  readonly #table: TypeTable;
  readonly #known = new Map<Type, readonly Found[]>();

  constructor(table: TypeTable) {
    this.#table = table;
  }

  shape(type: Type): Shape {
    const found: Found[] = [];
    this.#visit(type, 0, found, 0);
    const pointers = found.filter(one => one.kind < 16).sort((a, b) => a.offset - b.offset);
    const links = found.filter(isLink);
    return {
      offsets: Int32Array.from(pointers, one => one.offset),
      kinds: Uint8Array.from(pointers, one => one.kind),
      targets: Int32Array.from(pointers, one => one.target),
      extent: pointers.length === 0 ? 0 : pointers[pointers.length - 1].offset + this.#table.pointerSize,
      links: Int32Array.from(links, one => one.offset),
      linkKinds: Uint8Array.from(links, one => one.kind - 16),
      owners: Int32Array.from(links, one => one.target),
      backs: Int32Array.from(links, one => one.back),
      heads: found.flatMap(({ head, offset }) => (head === null ? [] : [{ ...head, offset }])),
    };
  }

  #visit(type: Type, offset: number, into: Found[], depth: number): void {
    const plain = plainType(type);
    if (depth > MOST_DEPTH || into.length >= MOST_POINTERS) return;
    switch (plain.kind) {
      case 'pointer':
        into.push(this.#pointer(plain.target, offset));
        return;
      case 'array':
        this.#array(plain, offset, into, depth);
        return;
      case 'struct':
      case 'union':
        for (const one of this.#of(plain, depth)) {
          if (into.length >= MOST_POINTERS) return;
          into.push({ ...one, offset: one.offset + offset });
        }
        return;
      default:
    }
  }

  #array({ element, length }: ArrayType, offset: number, into: Found[], depth: number): void {
    const size = sizeOfType(element);
    const inner = plainType(element).kind;
    if (size === 0 || inner === 'int' || inner === 'enum') return;
    for (let i = 0; i < (length ?? 0); i++) {
      const before = into.length;
      this.#visit(element, offset + i * size, into, depth + 1);
      if (into.length === before) return;
    }
  }

  #of(type: CompoundType, depth: number): readonly Found[] {
    let found = this.#known.get(type);
    if (found === undefined) {
      // A damaged source may nest a struct in itself.
      this.#known.set(type, []);
      found = type.kind === 'union' ? this.#inAll(type, depth) : this.#members(type, depth);
      this.#known.set(type, found);
    }
    return found;
  }

  #members(type: CompoundType, depth: number): Found[] {
    const found: Found[] = [];
    if (Object.hasOwn(LINKS, type.name))
      found.push({ offset: 0, kind: 16 + LINKS[type.name], target: -1, back: 0, head: null });
    for (const { type: inner, bitOffset, bitSize } of type.members) {
      if (bitSize === 0) this.#visit(inner, bitOffset / 8, found, depth + 1);
    }
    for (const head of this.#table.headsOf(type))
      found.push({ offset: head.offset, kind: HEAD, target: -1, back: 0, head });
    if (type.name === '' || Object.hasOwn(LINKS, type.name)) return found;
    const owner = this.#table.compound(type);
    return found.map(one => (isLink(one) && one.target < 0 ? { ...one, target: owner, back: one.offset } : one));
  }

  #pointer(target: Type, offset: number): Found {
    const plain = plainType(target);
    if (plain.kind === 'function')
      return { offset, kind: CODE, target: this.#table.prototype(plain), back: 0, head: null };
    const id = this.#table.pointee(target);
    return { offset, kind: id < 0 ? OPAQUE : TYPED, target: id, back: 0, head: null };
  }

  #inAll({ members }: CompoundType, depth: number): Found[] {
    let common: Found[] | null = null;
    for (const { type, bitOffset, bitSize } of members) {
      if (bitSize > 0) return [];
      const found: Found[] = [];
      this.#visit(type, bitOffset / 8, found, depth + 1);
      common =
        common === null
          ? found
          : common.filter(a => found.some(b => a.offset === b.offset && a.kind === b.kind && a.target === b.target));
      if (common.length === 0) return [];
    }
    return common ?? [];
  }
}

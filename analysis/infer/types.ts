// The types that objects can have, as small numbers: structs, and what pointers to other things lead to (text, arrays). Each is compiled once into the places of its pointers.
import {
  type CompoundType,
  declaration,
  type FunctionType,
  memberPlace,
  plainType,
  sizeOfType,
  type Type,
  type Types,
} from 'kdumpling/reader/debuginfo';
import { memberAt } from '../object/index.js';
import { LIST_FACTS } from './list-facts.js';
import { Compiler, type HLIST, type LIST, type ListHead, type Shape } from './shape.js';

/** `struct`: one struct; `structs`, `pointers`, `numbers`: an array of them, as long as the object; `text`: characters up to a NUL. */
export type Form = 'struct' | 'structs' | 'pointers' | 'numbers' | 'text';

export interface ObjectType {
  readonly id: number;
  readonly form: Form;
  /** As C writes it. */
  readonly name: string;
  /** Bytes: of an array one element's. */
  readonly size: number;
  readonly type: Type;
  /** Of an array of structs or pointers: what an element is or points at; -1 where that says nothing. */
  readonly element: number;
  /** It ends in an array without a length: an object of it may be larger. */
  readonly flexible: boolean;
  /** It is nothing but an array of numbers, of which only what is needed may be allocated: struct cpumask. */
  readonly shrinks: boolean;
}

/**
 * Structs that a pointer to which says nothing of the object that it lies in: links, whose object is another at an offset that only code knows, and what describes pages.
 */
const NO_EVIDENCE: ReadonlySet<string> = new Set([
  'list_head',
  'hlist_node',
  'hlist_bl_node',
  'hlist_nulls_node',
  'llist_node',
  'rb_node',
  'rhash_head',
  'rhlist_head',
  'plist_node',
  'timerqueue_node',
  'callback_head',
  'page',
  'folio',
  'ptdesc',
  'slab',
  'lock_class_key',
  'static_key',
]);
const MOST_SAME_NAME = 64;

export class TypeTable {
  readonly types: Types;
  readonly pointerSize: number;
  readonly all: ObjectType[] = [];
  readonly #ids = new Map<Type | string, number>();
  readonly #compiler = new Compiler(this);
  readonly #shapes: (Shape | undefined)[] = [];
  readonly #embedded = new Map<number, readonly number[]>();
  readonly #prototypes = new Map<FunctionType | string, number>();

  readonly #plain: boolean[] = [];
  /** By the struct that has the head, or '' for global variables, which stand by their name in `variable`. */
  readonly #lists = new Map<string, readonly { readonly member: string; readonly entry: string }[]>();

  /** @param lists whether the table of lists may be used */
  constructor(types: Types, lists: boolean) {
    this.types = types;
    this.pointerSize = types.pointerSize;
    for (const { head, entry } of lists ? LIST_FACTS : []) {
      const [struct, member] = head.includes('.') ? split(head) : ['', head];
      this.#lists.set(struct, [...(this.#lists.get(struct) ?? []), { member, entry }]);
    }
  }

  #structs: readonly CompoundType[] | null = null;

  /** All structs that have a name: looked up once. */
  get structs(): readonly CompoundType[] {
    this.#structs ??= [...this.types.names('struct')].flatMap(name => this.types.all('struct', name));
    return this.#structs;
  }

  /** The lists in a struct whose objects are known. */
  headsOf(type: CompoundType): ListHead[] {
    const facts = type.name === '' ? undefined : this.#lists.get(type.name);
    return (facts ?? []).flatMap(({ member, entry }) => {
      const place = memberPlace(type, member);
      const linked = this.#entry(entry);
      if (place === null || linked === null || headKind(place.type) !== linked.kind) return [];
      return [{ offset: place.offset, ...linked }];
    });
  }

  /** Global variables that are heads of lists. */
  headVariables(): readonly (Omit<ListHead, 'offset'> & { readonly name: string })[] {
    return (this.#lists.get('') ?? []).flatMap(({ member, entry }) => {
      const linked = this.#entry(entry);
      return linked === null ? [] : [{ name: member, ...linked }];
    });
  }

  #entry(path: string): Omit<ListHead, 'offset'> | null {
    const [name, member] = split(path);
    const type = this.types.find('struct', name);
    const place = type === null ? null : memberPlace(type, member);
    if (type === null || place === null) return null;
    const kind = linkKind(place.type);
    return kind < 0 ? null : { type: this.compound(type), link: place.offset, kind };
  }

  /** Of a struct or union by itself. */
  compound(type: CompoundType): number {
    const known = this.#ids.get(type);
    if (known !== undefined) return known;
    // DWARF has a struct once for each unit that knows it.
    const key = type.name === '' ? type : `${type.kind} ${type.name} ${type.size} ${type.members.length}`;
    let id = this.#ids.get(key);
    if (id === undefined) {
      const flexible = endsOpen(type, 0);
      id = this.#add({
        form: 'struct',
        name: declaration(type, ''),
        size: type.size,
        type,
        element: -1,
        flexible,
        shrinks: isArray(type),
      });
      this.#ids.set(key, id);
    }
    this.#ids.set(type, id);
    return id;
  }

  /** What a pointer to `target` leads to; -1 where that says nothing. */
  pointee(target: Type): number {
    const plain = plainType(target);
    switch (plain.kind) {
      case 'struct': {
        const whole = this.#whole(plain);
        return whole === null || whole.size === 0 || NO_EVIDENCE.has(whole.name) ? -1 : this.compound(whole);
      }
      case 'int':
        if (plain.encoding === 'char' || plain.name === 'char') return this.#array('text', 'char []', 1, plain, -1);
        return plain.encoding === 'bool' ? -1 : this.#array('numbers', declaration(plain, '[]'), plain.size, plain, -1);
      case 'pointer':
        return this.#pointers(plain.target);
      default:
        return -1;
    }
  }

  #pointers(target: Type): number {
    const inner = plainType(target);
    if (inner.kind === 'function' || inner.kind === 'void') return -1;
    if (inner.kind === 'pointer') return -1;
    const element = this.pointee(inner);
    if (element < 0) return -1;
    const { name } = this.all[element];
    return this.#array('pointers', `${name.replace(/ \[\]$/, '')} *[]`, this.pointerSize, inner, element);
  }

  /** As many of a struct as fit into an object. */
  arrayOf(id: number): number {
    const { name, size, type } = this.all[id];
    return this.#array('structs', `${name} []`, size, type, id);
  }

  #array(form: Form, name: string, size: number, type: Type, element: number): number {
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const id = this.#add({ form, name, size, type, element, flexible: true, shrinks: false });
    this.#ids.set(name, id);
    return id;
  }

  #add(parts: Omit<ObjectType, 'id'>): number {
    const id = this.all.length;
    this.all.push({ id, ...parts });
    return id;
  }

  /** A declared struct that is defined once; several of one name and different sizes are not told apart. */
  #whole(type: CompoundType): CompoundType | null {
    if (type.complete) return type;
    const named = type.name === '' ? [] : this.types.all('struct', type.name).slice(0, MOST_SAME_NAME);
    return named.length > 0 && named.every(one => one.size === named[0].size) ? named[0] : null;
  }

  shape(id: number): Shape {
    this.#shapes[id] ??= this.#compiled(id);
    return this.#shapes[id];
  }

  #compiled(id: number): Shape {
    const { form, type, element } = this.all[id];
    if (form === 'text' || form === 'numbers') return this.#compiler.shape({ kind: 'void' });
    if (form === 'structs') return this.shape(element);
    if (form === 'pointers') return this.#compiler.shape({ kind: 'pointer', size: this.pointerSize, target: type });
    return this.#compiler.shape(type);
  }

  /** The structs that lie at an offset of a struct, each in the one before: the struct itself first, where the offset is 0. */
  embedded(id: number, offset: number): readonly number[] {
    const key = id * 65536 + offset;
    if (offset > 65535) return [];
    let found = this.#embedded.get(key);
    if (found === undefined) {
      const into: number[] = [];
      const { type } = this.all[id];
      this.#descend(type, offset, into, 0);
      found = into;
      this.#embedded.set(key, found);
    }
    return found;
  }

  #descend(type: Type, offset: number, into: number[], depth: number): void {
    const plain = plainType(type);
    if (depth > MOST_DEPTH) return;
    if (plain.kind === 'array') {
      const size = sizeOfType(plain.element);
      if (size > 0) this.#descend(plain.element, offset % size, into, depth + 1);
      return;
    }
    if (plain.kind !== 'struct' && plain.kind !== 'union') return;
    if (offset === 0) into.push(this.compound(plain));
    for (const { type: inner, bitOffset, bitSize } of plain.members) {
      const start = bitOffset / 8;
      if (bitSize > 0 || offset < start) continue;
      const size = sizeOfType(inner);
      const isOpen = size === 0 && plainType(inner).kind === 'array';
      if (isOpen || offset < start + size) this.#descend(inner, offset - start, into, depth + 1);
    }
  }

  /** The number of a prototype: the same for all functions that may be called in the same way. */
  prototype(type: FunctionType): number {
    const known = this.#prototypes.get(type);
    if (known !== undefined) return known;
    const parameters = type.parameters.map(one => declaration(one.type, '')).join(', ');
    const text = `${declaration(type.returns, '')} (${parameters}${type.variadic ? ', ...' : ''})`;
    const id = this.#prototypes.get(text) ?? this.#plain.length;
    if (id === this.#plain.length) this.#plain.push(type.parameters.length === 0);
    this.#prototypes.set(text, id);
    this.#prototypes.set(type, id);
    return id;
  }

  /** Functions without parameters are everywhere: addresses of code stand as numbers, too. */
  isPlain(prototype: number): boolean {
    return this.#plain[prototype];
  }

  /** The path of a member, as C writes it: `task_struct.fs`. */
  memberName(id: number, offset: number): string {
    const { type, form, size, name } = this.all[id];
    if (form !== 'struct') {
      const inner = form === 'structs' ? memberAt(type, offset % size) : '';
      return `[${Math.floor(offset / size)}]${inner === '' ? '' : `.${inner}`}`;
    }
    return `${name.replace(/^(?:struct|union) /, '')}.${memberAt(type, offset)}`;
  }
}

const MOST_DEPTH = 16;

function endsOpen(type: CompoundType, depth: number): boolean {
  const last = type.members.at(-1);
  if (last === undefined || depth > MOST_DEPTH) return false;
  const plain = plainType(last.type);
  // Before C99 arrays of no elements stood for what has no length.
  if (plain.kind === 'array') return plain.length === null || plain.length === 0;
  if (plain.kind === 'struct') return endsOpen(plain, depth + 1);
  if (plain.kind !== 'union') return false;
  return plain.members.some(member => {
    const inner = plainType(member.type);
    if (inner.kind === 'array') return inner.length === null || inner.length === 0;
    return inner.kind === 'struct' && endsOpen(inner, depth + 1);
  });
}

const split = (path: string): [struct: string, member: string] => {
  const dot = path.indexOf('.');
  return [path.slice(0, dot), path.slice(dot + 1)];
};

const structName = (type: Type): string => {
  const plain = plainType(type);
  return plain.kind === 'struct' ? plain.name : '';
};

const linkKind = (type: Type): number =>
  ['list_head', 'hlist_node'].indexOf(structName(type)) as -1 | typeof LIST | typeof HLIST;
const headKind = (type: Type): number => ['list_head', 'hlist_head'].indexOf(structName(type));

function isArray({ members }: CompoundType): boolean {
  const [only] = members;
  const plain = members.length === 1 ? plainType(only.type) : null;
  return plain?.kind === 'array' && plainType(plain.element).kind === 'int';
}

// C structs written by hand: laid out as a compiler for a machine of 32 or 64 bits does.
import type { CompoundType, Type } from 'kdumpling/reader/debuginfo';
import { compound, int } from '../made-kernel.js';

export type Word = 4 | 8;

/** Types of one machine; structs are laid out as a C compiler does. */
export class Machine {
  readonly word: Word;
  readonly pointer: Type;
  readonly ulong: Type;
  readonly uint = int('unsigned int', 4, false);
  readonly u16 = int('unsigned short', 2, false);
  readonly u8 = int('unsigned char', 1, false);
  readonly list: CompoundType;

  constructor(word: Word) {
    this.word = word;
    this.pointer = { kind: 'pointer', size: word, target: int('int', 4, true) };
    this.ulong = int('unsigned long', word, false);
    this.list = this.struct('list_head', { next: this.pointer, prev: this.pointer });
  }

  sizeOf(type: Type): number {
    if (type.kind === 'array') return (type.length ?? 0) * this.sizeOf(type.element);
    return type.kind === 'typedef' ? this.sizeOf(type.target) : 'size' in type ? type.size : 0;
  }

  #alignOf(type: Type): number {
    if (type.kind === 'array') return this.#alignOf(type.element);
    if (type.kind === 'typedef') return this.#alignOf(type.target);
    if (type.kind !== 'struct' && type.kind !== 'union') return Math.max(1, this.sizeOf(type));
    return Math.max(1, ...type.members.map(member => this.#alignOf(member.type)));
  }

  readonly array = (element: Type, length: number | null): Type => ({ kind: 'array', element, length });

  readonly struct = (name: string, fields: Readonly<Record<string, Type>>): CompoundType => {
    let at = 0;
    let align = 1;
    const members = Object.entries(fields).map(([field, type]) => {
      const own = this.#alignOf(type);
      align = Math.max(align, own);
      at = Math.ceil(at / own) * own;
      const place = at;
      at += this.sizeOf(type);
      return [field, type, place * 8] as const;
    });
    return compound('struct', name, Math.ceil(at / align) * align, members);
  };

  readonly union = (name: string, fields: Readonly<Record<string, Type>>): CompoundType => {
    const types = Object.values(fields);
    return compound(
      'union',
      name,
      Math.max(...types.map(type => this.sizeOf(type))),
      Object.entries(fields).map(([field, type]) => [field, type, 0] as const),
    );
  };
}

/** Bytes from a struct's start to a member, through anonymous members too. */
export function offsetOf(type: Type, path: string): number {
  const found = searchOffset(type, path.split('.'));
  if (found === null) throw new Error(`no ${path}`);
  return found;
}

export function searchOffset(type: Type, [name, ...rest]: readonly string[]): number | null {
  if (type.kind !== 'struct' && type.kind !== 'union') return null;
  for (const member of type.members) {
    const here = member.bitOffset / 8;
    if (member.name === name) {
      const inner = rest.length === 0 ? 0 : searchOffset(member.type, rest);
      return inner === null ? null : here + inner;
    }
    const inside = member.name === '' ? searchOffset(member.type, [name, ...rest]) : null;
    if (inside !== null) return here + inside;
  }
  return null;
}

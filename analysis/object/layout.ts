// The layout of a struct or union for people and programs: members with their places, those of anonymous members among them.
import { type CompoundType, declaration, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';

export interface LayoutMember {
  /** '' for an anonymous struct or union. */
  readonly name: string;
  /** As C declares it, without the name. */
  readonly type: string;
  /** The same with the name, and the width of a bitfield: `unsigned int low : 3`. */
  readonly declaration: string;
  /** Bytes from the start of the outermost struct. */
  readonly offset: number;
  /** Bytes; of a bitfield those of its type. */
  readonly size: number;
  /** Bits from `offset` in memory order, and how many; both null for all other members. */
  readonly bitOffset: number | null;
  readonly bitSize: number | null;
  /** Of an anonymous struct or union, else null. */
  readonly members: readonly LayoutMember[] | null;
}

export interface Layout {
  readonly kind: 'struct' | 'union';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly members: readonly LayoutMember[];
}

/** No struct of a kernel has as many. A damaged source may nest one in itself. */
const MOST_MEMBERS = 65536;
const MOST_DEPTH = 32;

export function layout(type: CompoundType): Layout {
  const left = { members: MOST_MEMBERS };
  return { kind: type.kind, name: type.name, size: type.size, members: membersOf(type, 0, 0, left) };
}

function membersOf(type: CompoundType, bits: number, depth: number, left: { members: number }): LayoutMember[] {
  const members: LayoutMember[] = [];
  for (const { name, type: own, bitOffset, bitSize } of type.members) {
    if (left.members-- <= 0) break;
    const inner = name === '' ? anonymous(own) : null;
    const at = bits + bitOffset;
    members.push({
      name,
      type: declaration(own, ''),
      declaration: `${declaration(own, name)}${bitSize > 0 ? ` : ${bitSize}` : ''}`,
      offset: Math.floor(at / 8),
      size: sizeOfType(own),
      bitOffset: bitSize > 0 ? at % 8 : null,
      bitSize: bitSize > 0 ? bitSize : null,
      members: inner === null || depth === MOST_DEPTH ? null : membersOf(inner, at, depth + 1, left),
    });
  }
  return members;
}

function anonymous(type: Type): CompoundType | null {
  const plain = plainType(type);
  return plain.kind === 'struct' || plain.kind === 'union' ? plain : null;
}

// What a type is, whatever its source: without typedefs, qualifiers and tags, and with what it points at by name only.
import { type ArrayType, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';

const MOST_DEPTH = 8;

export function typeShape(type: Type, depth = 0): string {
  const plain = plainType(type);
  switch (plain.kind) {
    case 'void':
      return 'void';
    case 'int':
    case 'float':
      return `${plain.kind} of ${plain.size}${plain.kind === 'int' && plain.signed ? ', signed' : ''}`;
    case 'enum':
      return `enum ${plain.name} of ${plain.size}`;
    case 'pointer':
      return `pointer to ${depth >= MOST_DEPTH ? '…' : target(plain.target, depth + 1)}`;
    case 'array': {
      const [length, element] = flat(plain);
      return `${length} of (${typeShape(element, depth + 1)})`;
    }
    case 'function':
      return 'function';
    default:
      if (plain.name !== '' || depth >= MOST_DEPTH) return `${plain.kind} ${plain.name} of ${plain.size}`;
      return `${plain.kind} of ${plain.size} {${members(plain, depth + 1)}}`;
  }
}

/** BTF as pahole makes it has one length for all dimensions of an array. */
function flat(type: ArrayType): readonly [length: number, element: Type] {
  const element = plainType(type.element);
  if (element.kind !== 'array') return [type.length ?? 0, element];
  const [length, innermost] = flat(element);
  return [(type.length ?? 0) * length, innermost];
}

/** A forward declaration has no size. */
function target(type: Type, depth: number): string {
  const plain = plainType(type);
  const named = plain.kind === 'struct' || plain.kind === 'union' || plain.kind === 'enum';
  return named && plain.name !== '' ? `${plain.kind} ${plain.name}` : typeShape(plain, depth);
}

/** Names, places and types of all members of a struct or union. */
export function members(type: Type, depth = 1): string {
  const plain = plainType(type);
  if (plain.kind !== 'struct' && plain.kind !== 'union') return '';
  return plain.members
    .map(one => `${one.name}@${one.bitOffset}:${one.bitSize} ${typeShape(one.type, depth)}`)
    .join('; ');
}

/** All of a struct. */
export const structShape = (type: Type): string => `${sizeOfType(type)} {${members(type)}}`;

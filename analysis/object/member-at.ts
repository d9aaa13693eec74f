// From an offset back to the member that lies there: the other direction of `memberPlace`.
import { plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';

/** A damaged source may nest a type in itself. */
const MOST_DEPTH = 16;

/** The path of the innermost member at an offset, as C writes it (`parent.list[2].next`); '' for padding, bitfields and the end. Of a union it is the first that is as large. */
export function memberAt(type: Type, offset: number, depth = 0): string {
  const plain = plainType(type);
  if (depth > MOST_DEPTH) return '';
  if (plain.kind === 'array') {
    const size = sizeOfType(plain.element);
    if (size === 0) return '';
    const rest = memberAt(plain.element, offset % size, depth + 1);
    return `[${Math.floor(offset / size)}]${rest === '' || rest.startsWith('[') ? '' : '.'}${rest}`;
  }
  if (plain.kind !== 'struct' && plain.kind !== 'union') return '';
  for (const { name, type: inner, bitOffset, bitSize } of plain.members) {
    const start = bitOffset / 8;
    const size = sizeOfType(inner);
    if (bitSize > 0 || offset < start || offset >= start + Math.max(size, 1)) continue;
    const rest = memberAt(inner, offset - start, depth + 1);
    if (name === '') return rest;
    return `${name}${rest === '' || rest.startsWith('[') ? '' : '.'}${rest}`;
  }
  return '';
}

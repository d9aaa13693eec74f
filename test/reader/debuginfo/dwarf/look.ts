// Types as text, so that those of two sources can be compared: names end it, unnamed ones are spelled out.
import type { Type } from 'kdumpling/reader/debuginfo';

const MOST_DEPTH = 16;

/** A type as a member or parameter has it. */
export function lookOf(type: Type, depth = 0): string {
  switch (type.kind) {
    case 'void':
      return 'void';
    case 'int':
      return `${type.name}/${type.size}${type.signed ? 's' : 'u'} ${type.encoding}`;
    case 'float':
      return `${type.name}/${type.size}`;
    case 'pointer':
      return `*${type.size} ${lookOf(type.target, depth)}`;
    case 'array':
      return arrayLook(type, depth);
    case 'struct':
    case 'union':
      return type.name === '' ? bodyOf(type, depth + 1) : `${type.kind} ${type.name}`;
    case 'enum':
    case 'typedef':
      return type.name === '' ? bodyOf(type, depth + 1) : `${type.kind} ${type.name}`;
    case 'function': {
      const list = type.parameters.map(parameter => lookOf(parameter.type, depth)).join();
      return `(${list}${type.variadic ? '...' : ''}) ${lookOf(type.returns, depth)}`;
    }
    default:
      return `${type.kind} ${type.name} ${lookOf(type.target, depth)}`;
  }
}

/** BTF makes one dimension of several. */
function arrayLook(array: Extract<Type, { kind: 'array' }>, depth: number): string {
  let { length, element } = array;
  while (element.kind === 'array') {
    length = length === null || element.length === null ? null : length * element.length;
    ({ element } = element);
  }
  return `[${length ?? ''}] ${lookOf(element, depth)}`;
}

/** What a named type consists of. */
export function bodyOf(type: Type, depth = 0): string {
  if (depth > MOST_DEPTH) return '…';
  switch (type.kind) {
    case 'struct':
    case 'union': {
      const members = type.members.map(
        member => `${member.name}@${member.bitOffset}:${member.bitSize} ${lookOf(member.type, depth)}`,
      );
      return `${type.kind}/${type.size} {${members.join('; ')}}`;
    }
    case 'enum': {
      const values = type.enumerators.map(({ name, value }) => `${name}=${value}`);
      return `enum/${type.size}${type.signed ? 's' : 'u'} {${values.join()}}`;
    }
    case 'typedef':
      return lookOf(type.target, depth);
    default:
      return lookOf(type, depth);
  }
}

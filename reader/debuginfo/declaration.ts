// Types as C declares something of them: `struct list_head *next`, `char comm[16]`, `void (*fn)(struct work_struct *)`. Source: C11 6.7 (declarations).
import type { FunctionType, Type } from './types.js';

/** Parts of one declaration; a damaged source may go in circles. */
const MOST_PARTS = 256;

/** `name` may be ''. A struct, union or enum without a name is written as `struct {…}`. */
export function declaration(type: Type, name: string): string {
  return new Declarator().declare(type, name);
}

class Declarator {
  #parts = 0;

  /** @param inner what has been declared so far: the name, with what binds to it more closely */
  declare(type: Type, inner: string): string {
    if (++this.#parts > MOST_PARTS) return joined('…', inner);
    switch (type.kind) {
      case 'void':
        return joined('void', inner);
      case 'struct':
      case 'union':
      case 'enum':
        return joined(`${type.kind} ${type.name === '' ? '{…}' : type.name}`, inner);
      case 'pointer':
        return this.#pointer(type.target, `*${inner}`);
      case 'array':
        return this.declare(type.element, `${inner}[${type.length ?? ''}]`);
      case 'function':
        return this.declare(type.returns, `${inner}(${this.#parameters(type)})`);
      case 'const':
      case 'volatile':
      case 'atomic':
      case 'restrict':
      case 'tag':
        return this.#qualified(type.target, type.kind === 'tag' ? `__${type.name}` : WORDS[type.kind], inner);
      default:
        return joined(type.name, inner);
    }
  }

  #pointer(target: Type, inner: string): string {
    const binds = target.kind === 'array' || target.kind === 'function';
    return this.declare(target, binds ? `(${inner})` : inner);
  }

  /** Of a pointer a qualifier stands behind the star, of all else before the type; a tag behind it. */
  #qualified(target: Type, word: string, inner: string): string {
    if (target.kind === 'pointer') return this.#pointer(target.target, `*${joined(word, inner)}`);
    if (word.startsWith('__')) return this.declare(target, joined(word, inner));
    return `${word} ${this.declare(target, inner)}`;
  }

  #parameters({ parameters, variadic }: FunctionType): string {
    const texts: string[] = [];
    for (const { name, type } of parameters) {
      if (this.#parts > MOST_PARTS) break;
      texts.push(this.declare(type, name));
    }
    if (this.#parts > MOST_PARTS) texts.push('…');
    else if (variadic) texts.push('...');
    return texts.length === 0 ? 'void' : texts.join(', ');
  }
}

const WORDS = { const: 'const', volatile: 'volatile', atomic: '_Atomic', restrict: 'restrict' } as const;

function joined(word: string, inner: string): string {
  return inner === '' ? word : `${word} ${inner}`;
}

// The BTF of a running kernel with that of its modules: what the kernel's own cannot answer, each module's is asked, the last loaded first.
import { eachOnce, type FunctionType, type NamedKind, type Type, type TypeOf, type Types } from '../types.js';
import type { BtfTypes } from './btf-types.js';
import type { ModuleBtf } from './modules.js';

export class KernelBtf implements Types {
  readonly source = 'btf';
  readonly base: BtfTypes;
  readonly #list: () => readonly ModuleBtf[];
  #modules: readonly ModuleBtf[] | null = null;

  /** @param list finds the modules, when they are first needed */
  constructor(base: BtfTypes, list: () => readonly ModuleBtf[]) {
    this.base = base;
    this.#list = list;
  }

  get modules(): readonly ModuleBtf[] {
    if (this.#modules === null) {
      // None while they are looked for: reading memory may ask for types.
      this.#modules = [];
      this.#modules = this.#list();
    }
    return this.#modules;
  }

  get pointerSize(): 4 | 8 {
    return this.base.pointerSize;
  }

  /** Of the kernel itself. */
  get count(): number {
    return this.base.count;
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    return this.#first(types => types.find(kind, name));
  }

  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    return [...this.#parts()].flatMap(types => types.all(kind, name));
  }

  variable(name: string): Type | null {
    return this.#first(types => types.variable(name));
  }

  variables(): Iterable<string> {
    return eachOnce([...this.#parts()].map(types => types.variables()));
  }

  enumerator(name: string): bigint | null {
    return this.#first(types => types.enumerator(name));
  }

  function(name: string): FunctionType | null {
    return this.#first(types => types.function(name));
  }

  names(kind: NamedKind): Iterable<string> {
    return eachOnce([...this.#parts()].map(types => types.names(kind)));
  }

  *#parts(): Iterable<BtfTypes> {
    yield this.base;
    for (const module of this.modules) {
      const types = module.types();
      if (types !== null) yield types;
    }
  }

  #first<T>(ask: (types: BtfTypes) => T | null): T | null {
    for (const types of this.#parts()) {
      const found = ask(types);
      if (found !== null) return found;
    }
    return null;
  }
}

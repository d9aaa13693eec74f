// Several sources of types as one: each answers what those before it could not.
import { eachOnce, type FunctionType, type NamedKind, type Type, type TypeOf, type Types } from './types.js';

export class LayeredTypes implements Types {
  readonly layers: readonly Types[];

  /** @param layers at least one, in order of trust */
  constructor(layers: readonly Types[]) {
    this.layers = layers;
  }

  get source(): string {
    return this.layers.map(layer => layer.source).join(',');
  }

  get pointerSize(): 4 | 8 {
    return this.layers[0].pointerSize;
  }

  /** Of the largest layer. */
  get count(): number {
    return this.layers.reduce((most, layer) => Math.max(most, layer.count), 0);
  }

  find<K extends NamedKind>(kind: K, name: string): TypeOf<K> | null {
    return this.#first(layer => layer.find(kind, name));
  }

  /** Of the first layer that has any: layers tell of the same types, each in its own objects. */
  all<K extends NamedKind>(kind: K, name: string): readonly TypeOf<K>[] {
    for (const layer of this.layers) {
      const found = layer.all(kind, name);
      if (found.length > 0) return found;
    }
    return [];
  }

  variable(name: string): Type | null {
    return this.#first(layer => layer.variable(name));
  }

  variables(): Iterable<string> {
    return eachOnce(this.layers.map(layer => layer.variables()));
  }

  enumerator(name: string): bigint | null {
    return this.#first(layer => layer.enumerator(name));
  }

  function(name: string): FunctionType | null {
    return this.#first(layer => layer.function(name));
  }

  names(kind: NamedKind): Iterable<string> {
    return eachOnce(this.layers.map(layer => layer.names(kind)));
  }

  #first<T>(ask: (layer: Types) => T | null): T | null {
    for (const layer of this.layers) {
      const found = ask(layer);
      if (found !== null) return found;
    }
    return null;
  }
}

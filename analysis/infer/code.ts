// Functions and tables of operations as evidence: an object that points to a function where only one struct of its size has a pointer to such functions, or to a table whose type is known
// by then, is one of that struct.
import { joinU64, MOST_LOCATED } from 'kdumpling/reader';
import { ACCEPTED, BY_CODE, STRENGTH } from './claims.js';
import { type Engine, WHOLE } from './engine.js';
import { CODE, TYPED } from './shape.js';
import { ELSEWHERE } from './space.js';

const MOST_OFFSET = 65536;
/** Larger structs are not in slabs. */
const MOST_SIZE = 8192;
/** Pieces of evidence of one object. */
const MOST_PIECES = 16;
/** So many must agree: one function may stand at the same place in a struct that is in no list of types. */
const NEEDED = 2;

/** What a word says: a prototype or a type, told apart by their sign, and where the word lies. */
type Key = number;

export class CodeEvidence {
  readonly #engine: Engine;
  /** The structs that have such a pointer there. */
  #index: Map<Key, number[]> | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Says what objects are of which nothing is known. */
  follow(): void {
    const engine = this.#engine;
    const { heap, caches } = engine;
    for (let node = 0; node < heap.count; node++) {
      if (!heap.isAllocated(node) || engine.head(node) >= 0 || caches[heap.cacheOf(node)].type >= 0) continue;
      const pieces = this.#pieces(node);
      if (pieces.length >= NEEDED) this.#resolve(node, pieces);
    }
  }

  #resolve(node: number, pieces: readonly Key[]): void {
    const engine = this.#engine;
    this.#index ??= this.#build();
    let candidates: number[] | null = null;
    for (const piece of pieces) {
      const all = this.#index.get(piece) ?? [];
      candidates = candidates === null ? all : candidates.filter(one => all.includes(one));
      if (candidates.length === 0) return;
    }
    const fitting = (candidates ?? []).filter(
      id => engine.fit(node, id, 0) === WHOLE && engine.fitsContent(node, id, 0),
    );
    if (fitting.length !== 1) return;
    engine.say(node, fitting[0], 0, STRENGTH[BY_CODE], -1, BY_CODE, pieces[0] % MOST_OFFSET);
  }

  #pieces(node: number): Key[] {
    const { space, heap, table } = this.#engine;
    const word = table.pointerSize;
    const objectSize = Math.min(heap.cache(node).objectSize, MOST_LOCATED);
    const at = space.locate(node, 0, objectSize);
    const found: Key[] = [];
    if (at < 0) return found;
    const words: number[] = [];
    for (let offset = 0; offset + word <= objectSize; offset += word) {
      const high = space.high(space.view, at + offset);
      const low = space.low(space.view, at + offset);
      if (space.classify(high, low) === ELSEWHERE) words.push(offset, high, low);
    }
    for (let i = 0; i < words.length && found.length < MOST_PIECES; i += 3) {
      const key = this.#meaning(joinU64(words[i + 1], words[i + 2]));
      if (key >= 0) found.push(key * MOST_OFFSET + words[i]);
    }
    return found;
  }

  /** Of an address: twice a type's number for what is known to be of it, twice a prototype's and one for a function's start; -1 for all else. */
  #meaning(address: bigint): number {
    const engine = this.#engine;
    const { claims, space, table } = engine;
    const place = space.knownPlace(address);
    for (let claim = place < 0 ? -1 : engine.head(place); claim >= 0; claim = claims.next[claim]) {
      if (claims.state[claim] === ACCEPTED && table.all[claims.type[claim]].form === 'struct')
        return 2 * claims.type[claim];
    }
    const prototype = engine.functions.at(address);
    return prototype < 0 || table.isPlain(prototype) ? -1 : 2 * prototype + 1;
  }

  #build(): Map<Key, number[]> {
    const { table } = this.#engine;
    const index = new Map<Key, number[]>();
    for (const type of table.structs) {
      if (type.size === 0 || type.size > MOST_SIZE) continue;
      const id = table.compound(type);
      const { offsets, kinds, targets } = table.shape(id);
      for (let i = 0; i < offsets.length; i++) {
        if (targets[i] < 0 || (kinds[i] !== TYPED && kinds[i] !== CODE)) continue;
        const key = (2 * targets[i] + (kinds[i] === CODE ? 1 : 0)) * MOST_OFFSET + offsets[i];
        const known = index.get(key);
        if (known === undefined) index.set(key, [id]);
        else known.push(id);
      }
    }
    return index;
  }
}

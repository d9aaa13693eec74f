// From parts to wholes: where only a part of an object is known (a struct device at +0x68), the structs that have such a part there and fit the object; if it is one alone, the object is it.
import { type CompoundType, plainType, sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import { ACCEPTED, BY_CONTAINER, STRENGTH } from './claims.js';
import { type Engine, WHOLE } from './engine.js';

const MOST_DEPTH = 12;
/** More structs with the same part at the same place cannot be told apart. */
const MOST_CANDIDATES = 64;

/** Larger structs are not taken for elements of an array. */
const MOST_ELEMENT = 64;

/** The structs that have a part: by part and offset. */
type Index = Map<number, CompoundType[]>;

/** Heads of lists stand in hash tables more often than in any struct of nothing but heads. */
const ONLY_ARRAYS: ReadonlySet<string> = new Set(['hlist_head', 'hlist_bl_head', 'hlist_nulls_head', 'list_head']);

/** Structs that are made with others behind them (fs/proc/proc_sysctl.c: a header and its nodes), and never stand in arrays. */
const NO_ARRAYS: ReadonlySet<string> = new Set(['ctl_table_header']);

const MOST_OFFSET = 65536;
const keyOf = (part: number, offset: number): number => part * MOST_OFFSET + offset;

export class Containers {
  readonly #engine: Engine;
  #index: Index | null = null;
  /** Objects of which a part is known, and for which several structs are left. */
  readonly ambiguous = new Map<number, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Says what follows of parts. */
  follow(): void {
    const { heap, caches } = this.#engine;
    const parts = new Map<number, number[]>();
    for (let node = 0; node < heap.count; node++) {
      if (this.#engine.head(node) < 0 || caches[heap.cacheOf(node)].type >= 0) continue;
      const known = this.#parts(node);
      if (known.length > 0) parts.set(node, known);
    }
    if (parts.size === 0) return;
    this.#index ??= this.#build(parts);
    for (const [node, claims] of parts) this.#resolve(node, claims);
  }

  /** Accepted claims about parts; none where the whole is known. */
  #parts(node: number): number[] {
    const engine = this.#engine;
    const { claims, table } = engine;
    const found: number[] = [];
    for (let at = engine.head(node); at >= 0; at = claims.next[at]) {
      if (claims.state[at] !== ACCEPTED) continue;
      if (engine.isWhole(at)) return [];
      if (table.all[claims.type[at]].form === 'struct') found.push(at);
    }
    return found;
  }

  #resolve(node: number, parts: readonly number[]): void {
    const engine = this.#engine;
    const { claims, table } = engine;
    const { type } = table.all[claims.type[parts[0]]];
    if (type.kind === 'struct' && ONLY_ARRAYS.has(type.name)) {
      this.#asArray(node, parts);
      return;
    }
    let candidates: CompoundType[] | null = null;
    for (const part of parts) {
      const all = this.#index?.get(keyOf(claims.type[part], claims.offset[part])) ?? [];
      candidates = candidates === null ? all : candidates.filter(one => all.includes(one));
    }
    const fitting = (candidates ?? []).filter(one => {
      const id = table.compound(one);
      return engine.fit(node, id, 0) === WHOLE && engine.fitsContent(node, id, 0);
    });
    const open = parts.find(part => claims.open[part] === 1);
    if (open !== undefined && fitting.length === 0) {
      // Nothing larger begins with it: what lies behind it was left by whoever had the memory before.
      claims.open[open] = 0;
      return;
    }
    this.ambiguous.delete(node);
    if (fitting.length > 1) this.ambiguous.set(node, fitting.length);
    if (fitting.length === 1) {
      const [first] = parts;
      const p = STRENGTH[BY_CONTAINER] * claims.confidence(first);
      engine.say(node, table.compound(fitting[0]), 0, p, first, BY_CONTAINER, claims.offset[first]);
    } else if (fitting.length === 0) this.#asArray(node, parts);
  }

  /** An array of a struct that is known to begin the object, if all that there is room for can be its elements. */
  #asArray(node: number, parts: readonly number[]): void {
    const engine = this.#engine;
    const { claims, table } = engine;
    const first = parts.find(part => claims.offset[part] === 0);
    if (first === undefined) return;
    const { size, type: element } = table.all[claims.type[first]];
    if (size > MOST_ELEMENT || (element.kind === 'struct' && NO_ARRAYS.has(element.name))) return;
    const { objectSize } = engine.heap.cache(node);
    if (2 * size > objectSize || table.shape(claims.type[first]).offsets.length === 0) return;
    const type = table.arrayOf(claims.type[first]);
    if (engine.fit(node, type, 0) !== WHOLE || !engine.fitsContent(node, type, 0) || engine.good < 2 || engine.bad > 0)
      return;
    engine.say(node, type, 0, STRENGTH[BY_CONTAINER] * claims.confidence(first), first, BY_CONTAINER, 0);
  }

  /** Of all structs that there are, those that have one of the wanted parts. */
  #build(parts: ReadonlyMap<number, readonly number[]>): Index {
    const { claims, table } = this.#engine;
    const wanted = new Set<number>();
    for (const known of parts.values())
      for (const part of known) wanted.add(keyOf(claims.type[part], claims.offset[part]));
    const types = new Set([...wanted].map(key => table.all[Math.floor(key / MOST_OFFSET)].type));
    const names = new Set([...types].map(type => (type.kind === 'struct' ? type.name : '')));
    const index: Index = new Map();
    for (const whole of table.structs) {
      visit(whole, 0, 0, (inner, offset) => {
        if (inner === whole || !names.has(inner.name)) return;
        const key = keyOf(table.compound(inner), offset);
        if (!wanted.has(key)) return;
        const known = index.get(key) ?? [];
        if (known.length < MOST_CANDIDATES && !known.includes(whole)) known.push(whole);
        index.set(key, known);
      });
    }
    return index;
  }
}

/** The structs in a struct, with their places. */
function visit(type: Type, offset: number, depth: number, found: (inner: CompoundType, offset: number) => void): void {
  const plain = plainType(type);
  if (depth > MOST_DEPTH || offset >= MOST_OFFSET) return;
  if (plain.kind === 'array') {
    const size = sizeOfType(plain.element);
    const inner = plainType(plain.element);
    if (inner.kind !== 'struct' && inner.kind !== 'union') return;
    for (let i = 0; i < Math.min(plain.length ?? 1, 16); i++) visit(inner, offset + i * size, depth + 1, found);
    return;
  }
  if (plain.kind !== 'struct' && plain.kind !== 'union') return;
  if (plain.kind === 'struct') found(plain, offset);
  for (const { type: inner, bitOffset, bitSize } of plain.members) {
    if (bitSize === 0) visit(inner, offset + bitOffset / 8, depth + 1, found);
  }
}

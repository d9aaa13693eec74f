// The answers of an inference: of each object its type, what that rests on, and what speaks against it.
import type { SlabCache } from '../slab/index.js';
import {
  ACCEPTED,
  BY_CACHE,
  BY_CODE,
  BY_CONTAINER,
  BY_LIST,
  BY_SIBLING,
  BY_SYMBOL,
  OVERRULED,
  REFUTED,
  STRENGTH,
} from './claims.js';
import { type Engine, TOO_LARGE } from './engine.js';
import type { Root } from './roots.js';

/**
 * `cache`: the cache's name; `symbol`: a global variable is it, or points to it; `pointer`: a member points to it; `list`: it is on a list whose objects are known; `neighbour`: it is linked, both
 * ways, with another of its cache; `container`: only one struct that fits has the known part there; `code`: the functions and tables that it points to.
 */
export type EvidenceKind = 'cache' | 'symbol' | 'pointer' | 'list' | 'neighbour' | 'container' | 'code';

/** One step of the way from an object to what was known at first. */
export interface Evidence {
  readonly kind: EvidenceKind;
  /** What says it: the object that points here, the known part, the neighbour; null for roots. */
  readonly address: bigint | null;
  readonly type: string | null;
  /** The member that points here or has the link: `device.p`. */
  readonly member: string | null;
  /** The global variable that all rests on. */
  readonly symbol: string | null;
}

export interface TypeClaim {
  readonly type: string;
  /** Where in the object it lies. */
  readonly offset: number;
  /** From 0 to 1. */
  readonly confidence: number;
  /** How many pointers and links say so. */
  readonly votes: number;
}

/** `overruled`: something that more speaks for lies there; `content`: the bytes are not of that type; `size`: the object is too small. */
export interface Disagreement extends TypeClaim {
  readonly why: 'overruled' | 'content' | 'size';
  readonly evidence: readonly Evidence[];
}

export interface InferredObject {
  readonly address: bigint;
  readonly cache: string;
  /** Of the whole object, as C writes it; null where it is not known. */
  readonly type: string | null;
  /** How likely that is right, from 0 to 1; null without a type. */
  readonly confidence: number | null;
  readonly votes: number;
  /** The way to what was known at first; of an object without a type that of its first part. */
  readonly evidence: readonly Evidence[];
  /** What is known to lie in it, where the whole is not known. */
  readonly parts: readonly TypeClaim[];
  readonly disagreements: readonly Disagreement[];
}

export interface CacheShare {
  readonly cache: SlabCache;
  readonly allocated: number;
  /** How many allocated objects have a type, and of how many only a part is known. */
  readonly typed: number;
  readonly partly: number;
  /** Objects about which something else was said, too. */
  readonly disputed: number;
  /** The most frequent first. */
  readonly types: readonly { readonly type: string; readonly count: number }[];
}

const KINDS: Readonly<Record<number, EvidenceKind>> = {
  [BY_CACHE]: 'cache',
  [BY_SYMBOL]: 'symbol',
  [BY_LIST]: 'list',
  [BY_SIBLING]: 'neighbour',
  [BY_CONTAINER]: 'container',
  [BY_CODE]: 'code',
};
/** No way is as long. */
const MOST_STEPS = 4096;

export class Inference {
  readonly #engine: Engine;
  readonly #roots: readonly Root[];
  /** What an earlier run believed until more spoke against it, by object. */
  readonly #given: ReadonlyMap<number, readonly Disagreement[]>;

  constructor(engine: Engine, roots: readonly Root[], given: ReadonlyMap<number, readonly Disagreement[]>) {
    this.#engine = engine;
    this.#roots = roots;
    this.#given = given;
  }

  get slabCaches(): readonly SlabCache[] {
    return this.#engine.heap.allocator.caches;
  }

  /** Caches whose objects may be of any type: those of kmalloc(), merged ones, and those whose names tell nothing. */
  isAnonymous(cache: SlabCache): boolean {
    const { type, isMerged } = this.#engine.caches[this.slabCaches.indexOf(cache)];
    return type < 0 || isMerged;
  }

  /** A size class of kmalloc(). */
  isKmalloc(cache: SlabCache): boolean {
    return this.#engine.caches[this.slabCaches.indexOf(cache)].isKmalloc;
  }

  /** The allocated object that an address lies in; null for none. */
  at(address: bigint): InferredObject | null {
    const { heap } = this.#engine;
    const paddr = heap.allocator.map.physicalOf(address);
    const node = paddr < 0 ? -1 : heap.find(paddr);
    return node >= 0 && heap.isAllocated(node) ? this.#object(node) : null;
  }

  /** The allocated objects of a cache, in the order of their addresses. */
  *objects(cache: SlabCache): Iterable<InferredObject> {
    const { heap } = this.#engine;
    const place = this.slabCaches.indexOf(cache);
    for (let node = 0; node < heap.count; node++) {
      if (heap.isAllocated(node) && heap.cacheOf(node) === place) yield this.#object(node);
    }
  }

  /** How much of each cache is known. */
  shares(): CacheShare[] {
    const { heap, table } = this.#engine;
    const rows = this.slabCaches.map(cache => ({ cache, allocated: 0, typed: 0, partly: 0, disputed: 0 }));
    const types = rows.map(() => new Map<number, number>());
    for (let node = 0; node < heap.count; node++) {
      if (!heap.isAllocated(node)) continue;
      const place = heap.cacheOf(node);
      const row = rows[place];
      row.allocated++;
      const type = this.#typeOf(node);
      if (type >= 0) {
        row.typed++;
        types[place].set(type, (types[place].get(type) ?? 0) + 1);
      } else if (this.#claims(node, ACCEPTED).length > 0) row.partly++;
      if (this.#isDisputed(node)) row.disputed++;
    }
    return rows.map((row, i) => ({
      ...row,
      types: [...types[i]]
        .map(([type, count]) => ({ type: table.all[type].name, count }))
        .sort((a, b) => b.count - a.count || (a.type < b.type ? -1 : 1)),
    }));
  }

  #typeOf(node: number): number {
    const sure = this.#engine.sureType(node);
    const whole = sure >= 0 ? -1 : this.#whole(node);
    return whole >= 0 ? this.#engine.claims.type[whole] : sure;
  }

  #isDisputed(node: number): boolean {
    return this.#given.has(node) || this.#claims(node, OVERRULED).length > 0 || this.#claims(node, REFUTED).length > 0;
  }

  /** Of accepted claims about the whole object the one that tells most: the largest struct. */
  #whole(node: number): number {
    const { claims, table } = this.#engine;
    let best = -1;
    for (const claim of this.#claims(node, ACCEPTED)) {
      if (!this.#engine.isWhole(claim)) continue;
      if (best < 0 || table.all[claims.type[claim]].size > table.all[claims.type[best]].size) best = claim;
    }
    return best;
  }

  #claims(node: number, state: number): number[] {
    const { claims } = this.#engine;
    const found: number[] = [];
    for (let claim = this.#engine.head(node); claim >= 0; claim = claims.next[claim]) {
      if (claims.state[claim] === state) found.push(claim);
    }
    return found;
  }

  #object(node: number): InferredObject {
    const engine = this.#engine;
    const { heap, table, claims } = engine;
    const place = { address: heap.address(node), cache: heap.cache(node).name };
    const sure = engine.sureType(node);
    const disagreements = this.#disagreements(node);
    if (sure >= 0) {
      const evidence: Evidence[] = [{ kind: 'cache', address: null, type: null, member: null, symbol: null }];
      const known = { type: table.all[sure].name, confidence: STRENGTH[BY_CACHE], votes: 1 };
      return { ...place, ...known, evidence, parts: [], disagreements };
    }
    const whole = this.#whole(node);
    const accepted = this.#claims(node, ACCEPTED);
    const first = whole >= 0 ? whole : (accepted[0] ?? -1);
    return {
      ...place,
      type: whole < 0 ? null : table.all[claims.type[whole]].name,
      confidence: whole < 0 ? null : round(this.#confidence(node, whole)),
      votes: whole < 0 ? 0 : claims.votes[whole],
      evidence: first < 0 ? [] : this.evidence(first),
      parts: whole >= 0 ? [] : accepted.map(claim => this.#claim(claim)),
      disagreements,
    };
  }

  /** What speaks for it, less what speaks for others that it may not be beside. */
  #confidence(node: number, claim: number): number {
    const { claims } = this.#engine;
    let against = 0;
    for (const other of this.#claims(node, OVERRULED)) {
      if (!this.#engine.agree(claim, other)) against += claims.weight[other];
    }
    return (claims.confidence(claim) * claims.weight[claim]) / (claims.weight[claim] + against);
  }

  #claim(claim: number): TypeClaim {
    const { claims, table } = this.#engine;
    return {
      type: table.all[claims.type[claim]].name,
      offset: claims.offset[claim],
      confidence: round(claims.confidence(claim)),
      votes: claims.votes[claim],
    };
  }

  #disagreements(node: number): Disagreement[] {
    const lost = [...this.#claims(node, OVERRULED), ...this.#claims(node, REFUTED)];
    return [...lost.map(claim => this.disagreement(claim)), ...(this.#given.get(node) ?? [])];
  }

  disagreement(claim: number): Disagreement {
    const { claims } = this.#engine;
    const isSmall = this.#engine.fit(claims.node[claim], claims.type[claim], claims.offset[claim]) === TOO_LARGE;
    const why = claims.state[claim] !== REFUTED ? 'overruled' : isSmall ? 'size' : 'content';
    return { ...this.#claim(claim), why, evidence: this.evidence(claim) };
  }

  /** The way from a claim to its root. */
  evidence(claim: number): Evidence[] {
    const { claims, space, table } = this.#engine;
    const found: Evidence[] = [];
    for (let at = claim; at >= 0 && found.length < MOST_STEPS; at = claims.parent[at]) {
      const parent = claims.parent[at];
      const kind = KINDS[claims.reason[at]] ?? 'pointer';
      if (parent >= 0) {
        const member = kind === 'container' ? null : table.memberName(claims.type[parent], claims.member[at]);
        const address = space.address(claims.node[parent]) + BigInt(claims.offset[parent]);
        found.push({ kind, address, type: table.all[claims.type[parent]].name, member, symbol: null });
      } else {
        const isNamed = kind === 'symbol' || kind === 'list';
        const root = isNamed ? this.#roots[claims.member[at]] : undefined;
        const symbol = root === undefined ? null : root.cpu === null ? root.name : `${root.name}, CPU ${root.cpu}`;
        found.push({ kind, address: root?.address ?? null, type: null, member: null, symbol });
      }
    }
    return found;
  }
}

const round = (value: number): number => Math.round(value * 1000) / 1000;

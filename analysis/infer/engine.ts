// The walk from what is known to what follows: each typed object's pointers say what lies where they lead to; what is said and holds against the content is followed in turn, the earliest first.
import { joinU64, MOST_LOCATED } from 'kdumpling/reader';
import { sizeOfType, type Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { completed } from '../object/index.js';
import type { CacheKnowledge } from './caches.js';
import { ACCEPTED, BY_CACHE, BY_POINTER, BY_SYMBOL, Claims, OVERRULED, REFUTED, STRENGTH, WAITING } from './claims.js';
import { Functions } from './functions.js';
import type { Heap } from './heap.js';
import { followHeads, followSiblings } from './links.js';
import { CODE, TYPED } from './shape.js';
import { ELSEWHERE, OBJECT, type Space, WILD } from './space.js';
import { printableLength } from './text.js';
import type { TypeTable } from './types.js';
import { PointerWords } from './words.js';

/** How a type fits where it is said to lie. */
export const TOO_LARGE = 0;
export const WHOLE = 1;
export const PART = 2;

/** A claim that explains only part of an object may be about what a pointer into it met by chance. */
const PART_STRENGTH = 0.9;
/** Pointers at objects of named caches of another type, and words that no pointer can be, against all pointers: more is not this type. */
const MOST_BAD = 0.2;

export class Engine {
  readonly kernel: Kernel;
  readonly heap: Heap;
  readonly space: Space;
  readonly table: TypeTable;
  readonly caches: readonly CacheKnowledge[];
  readonly functions: Functions;
  readonly claims = new Claims();
  /** The first claim of each object, -1 for none. */
  readonly heads: Int32Array;
  readonly #placeHeads: number[] = [];
  /** Claims that lost against better ones in an earlier run. */
  readonly banned: ReadonlySet<string>;
  #next = 0;
  readonly #words: PointerWords;
  #placeWords = 0;
  /** Claims about bytes that cannot be read. */
  unread = 0;

  constructor(space: Space, table: TypeTable, caches: readonly CacheKnowledge[], banned: ReadonlySet<string>) {
    this.kernel = space.kernel;
    this.heap = space.heap;
    this.space = space;
    this.table = table;
    this.caches = caches;
    this.banned = banned;
    this.#words = new PointerWords(space, table);
    this.functions = new Functions(space.kernel, table);
    this.heads = new Int32Array(space.heap.count).fill(-1);
  }

  head(node: number): number {
    return node < this.heads.length ? this.heads[node] : (this.#placeHeads[node - this.heads.length] ?? -1);
  }

  #setHead(node: number, claim: number): void {
    if (node < this.heads.length) this.heads[node] = claim;
    else this.#placeHeads[node - this.heads.length] = claim;
  }

  /** The type of every object of its cache; -1 for an object whose type is to be found. */
  sureType(node: number): number {
    if (node >= this.heads.length) return -1;
    const { type, isMerged } = this.caches[this.heap.cacheOf(node)];
    return isMerged ? -1 : type;
  }

  say(node: number, type: number, offset: number, p: number, parent: number, reason: number, member: number): void {
    if (this.banned.has(`${node} ${type} ${offset}`)) return;
    if (this.fit(node, type, offset) === TOO_LARGE && this.table.all[type].form !== 'struct') return;
    const { claims } = this;
    const head = this.head(node);
    const claim = claims.say(head, node, type, offset, p, parent, reason, member);
    if (head < 0 && claim >= 0) this.#setHead(node, claim);
  }

  sizeOf(type: Type): number {
    return sizeOfType(completed(this.kernel, type));
  }

  /** What a pointer variable leads to. */
  sayPointer(address: bigint, type: number, root: number): void {
    const { kernel, space, table } = this;
    const at = kernel.memory.locate(address, table.pointerSize);
    if (at < 0) return;
    const { view } = kernel.memory;
    const high = space.high(view, at);
    const low = space.low(view, at);
    const what = space.classify(high, low);
    const inner = what === OBJECT ? space.offset : 0;
    const node = what === OBJECT ? space.node : what === ELSEWHERE ? space.place(high, low) : -1;
    if (node < 0 || this.sureType(node) >= 0 || (inner !== 0 && table.all[type].form !== 'struct')) return;
    this.say(node, type, inner, STRENGTH[BY_SYMBOL], -1, BY_SYMBOL, root);
  }

  fit(node: number, type: number, offset: number): number {
    const { form, size, flexible } = this.table.all[type];
    if (node >= this.heads.length) return offset === 0 ? WHOLE : PART;
    const place = this.heap.cacheOf(node);
    const { objectSize } = this.heap.allocator.caches[place];
    if (form === 'struct') {
      if (offset + size > objectSize) return offset === 0 && this.table.all[type].shrinks ? WHOLE : TOO_LARGE;
      return offset === 0 && (flexible || size > this.caches[place].below) ? WHOLE : PART;
    }
    if (offset + size > objectSize) return TOO_LARGE;
    return offset === 0 ? WHOLE : PART;
  }

  /** All objects of caches that hold one type say what they point to; those of merged ones are said to be of it. */
  followCaches(): void {
    const { heap, caches } = this;
    for (let node = 0; node < heap.count; node++) {
      if (!heap.isAllocated(node)) continue;
      const { type, isMerged, others } = caches[heap.cacheOf(node)];
      if (type < 0) continue;
      if (isMerged) this.#sayMerged(node, type, others);
      else {
        this.#words.read(node, type, 0);
        const self = () => this.#sure(node, type);
        this.#tell(node, type, 0, self);
        followHeads(this, node, type, 0, self);
      }
    }
  }

  /** The name of a merged cache is that of one of several: what an object points to has to say it, too, and none of the others. */
  #sayMerged(node: number, type: number, others: readonly number[]): void {
    const fits = (one: number) => this.fitsContent(node, one, 0) && this.bad === 0 && this.good >= MERGED_GOOD;
    if (fits(type) && !others.some(fits)) this.say(node, type, 0, MERGED_STRENGTH, -1, BY_CACHE, 0);
  }

  /** The claim that an object is what its cache holds: made where something follows of it. */
  #sure(node: number, type: number): number {
    const known = this.head(node);
    if (known >= 0) return known;
    const claim = this.claims.say(-1, node, type, 0, STRENGTH[BY_CACHE], -1, BY_CACHE, 0);
    this.claims.state[claim] = ACCEPTED;
    this.#setHead(node, claim);
    return claim;
  }

  /** Goes on until nothing follows any more. */
  run(): void {
    const { claims } = this;
    while (this.#next < claims.count) {
      const claim = this.#next++;
      if (claims.state[claim] === WAITING) this.#judge(claim);
    }
  }

  #judge(claim: number): void {
    const { claims } = this;
    const node = claims.node[claim];
    const type = claims.type[claim];
    const offset = claims.offset[claim];
    if (this.fit(node, type, offset) === TOO_LARGE || !this.#holds(node, type, offset)) claims.state[claim] = REFUTED;
    else if (this.rivalOf(claim) >= 0) claims.state[claim] = OVERRULED;
    else {
      claims.state[claim] = ACCEPTED;
      claims.open[claim] = this.#goesOn(node, type, offset) ? 1 : 0;
      if (this.table.all[type].form !== 'text' && this.table.all[type].form !== 'numbers')
        this.#tell(node, type, offset, () => claim);
      followHeads(this, node, type, offset, () => claim);
      followSiblings(this, claim);
    }
  }

  /** Whether an accepted claim is about the whole object. */
  isWhole(claim: number): boolean {
    const { claims } = this;
    return claims.open[claim] === 0 && this.fit(claims.node[claim], claims.type[claim], claims.offset[claim]) === WHOLE;
  }

  /** Whether pointers to objects lie behind a struct that an object begins with. */
  #goesOn(node: number, type: number, offset: number): boolean {
    const { form, size, flexible } = this.table.all[type];
    if (form !== 'struct' || flexible || offset > 0 || node >= this.heads.length) return false;
    const { space } = this;
    const word = this.table.pointerSize;
    const from = Math.ceil(size / word) * word;
    const { objectSize } = this.heap.cache(node);
    const room = Math.min(objectSize - from, MOST_LOCATED);
    const at = room > 0 ? space.locate(node, from, room) : -1;
    const { view } = space;
    for (let i = 0; at >= 0 && i + word <= room; i += word) {
      if (space.classify(space.high(view, at + i), space.low(view, at + i)) === OBJECT) return true;
    }
    return false;
  }

  /** An accepted claim about the same bytes that cannot be true beside this one, -1 for none. */
  rivalOf(claim: number): number {
    const { claims } = this;
    for (let other = this.head(claims.node[claim]); other >= 0; other = claims.next[other]) {
      if (other !== claim && claims.state[other] === ACCEPTED && !this.agree(claim, other)) return other;
    }
    return -1;
  }

  /** Whether two claims about one object can both be true: of other bytes, or the one's type has the other's inside. */
  agree(a: number, b: number): boolean {
    const { claims, table } = this;
    const [one, other] = [table.all[claims.type[a]], table.all[claims.type[b]]];
    const [from, start] = [claims.offset[a], claims.offset[b]];
    if (one.form !== 'struct' || other.form !== 'struct') return this.#agreeArrays(a, b);
    if (from + one.size <= start || start + other.size <= from) return true;
    return start >= from
      ? table.embedded(one.id, start - from).includes(other.id)
      : table.embedded(other.id, from - start).includes(one.id);
  }

  #agreeArrays(a: number, b: number): boolean {
    const { claims, table } = this;
    const [one, other] = [table.all[claims.type[a]], table.all[claims.type[b]]];
    if (one.form === 'structs' && other.id === one.element) return claims.offset[b] % one.size === 0;
    if (other.form === 'structs' && one.id === other.element) return claims.offset[a] % other.size === 0;
    return false;
  }

  /** Of the words read last: those that fit the type, and those that cannot be its. */
  good = 0;
  bad = 0;

  /** Whether the content can be of the type. What was read stays for `#tell`. */
  #holds(node: number, type: number, offset: number): boolean {
    const { form } = this.table.all[type];
    if (form === 'text') return this.#holdsText(node, offset);
    if (form === 'numbers') return true;
    if (node >= this.heads.length) this.#placeWords += this.table.shape(type).offsets.length;
    if (this.#placeWords > MOST_PLACE_WORDS && node >= this.heads.length) return false;
    if (this.#words.read(node, type, offset) < 0) {
      this.unread++;
      return false;
    }
    this.#weigh(type);
    return this.bad === 0 || this.bad <= MOST_BAD * this.good;
  }

  /** Holds `type` for any object: for candidates of types that nothing said. */
  fitsContent(node: number, type: number, offset: number): boolean {
    return this.fit(node, type, offset) !== TOO_LARGE && this.#holds(node, type, offset);
  }

  #weigh(type: number): void {
    const { offsets, kinds, targets } = this.table.shape(type);
    this.good = 0;
    this.bad = 0;
    for (let i = 0; i < this.#words.count; i++) {
      const k = i % offsets.length;
      switch (this.#words.what[i]) {
        case WILD:
          this.bad++;
          break;
        case OBJECT:
          if (kinds[k] === CODE) this.bad++;
          else if (kinds[k] === TYPED) this.#weighObject(i, targets[k]);
          else this.good++;
          break;
        case ELSEWHERE:
          this.#weighPlace(i, kinds[k], targets[k]);
          break;
        default:
      }
    }
  }

  /** A function that is called in another way, or something that is known to be of another type, is not what the member points to. */
  #weighPlace(i: number, kind: number, target: number): void {
    if (kind === CODE) {
      const prototype = this.functions.at(joinU64(this.#words.high[i], this.#words.low[i]));
      if (prototype < 0) this.good++;
      else if (prototype === target) this.good += 2;
      else this.bad += 2;
      return;
    }
    const place = kind === TYPED ? this.space.knownPlace(joinU64(this.#words.high[i], this.#words.low[i])) : -1;
    if (place >= 0 && this.#isOther(place, target)) this.bad++;
    else this.good++;
  }

  /** Whether all that is known of a place contradicts a type. */
  #isOther(place: number, type: number): boolean {
    const { claims, table } = this;
    let known = false;
    for (let claim = this.head(place); claim >= 0; claim = claims.next[claim]) {
      if (claims.state[claim] !== ACCEPTED) continue;
      known = true;
      const other = claims.type[claim];
      if (other === type || table.embedded(other, 0).includes(type) || table.embedded(type, 0).includes(other))
        return false;
    }
    return known;
  }

  #weighObject(i: number, target: number): void {
    const sure = this.sureType(this.#words.nodes[i]);
    if (sure < 0 || this.table.all[target].form !== 'struct') this.good++;
    else if (this.table.embedded(sure, this.#words.inner[i]).includes(target)) this.good += 2;
    else this.bad += 2;
  }

  #holdsText(node: number, offset: number): boolean {
    if (node >= this.heads.length) return false;
    const { objectSize } = this.heap.cache(node);
    const { below } = this.caches[this.heap.cacheOf(node)];
    const room = Math.min(objectSize - offset, MOST_LOCATED);
    const at = this.space.locate(node, offset, room);
    if (at < 0) return false;
    const length = printableLength(this.space.view, at, room);
    // Who makes room for a text makes it as large as the text.
    return length >= 0 && offset + length + 1 > below;
  }

  /** Says what the pointers read last lead to. @param self the claim that they are of, asked for when it is needed */
  #tell(node: number, type: number, offset: number, self: () => number): void {
    const { table, claims, space } = this;
    const { offsets, kinds, targets } = table.shape(type);
    const { count } = this.#words;
    const { form, size } = table.all[type];
    for (let i = 0; i < count; i++) {
      const k = i % offsets.length;
      if (kinds[k] !== TYPED) continue;
      const what = this.#words.what[i];
      let target = -1;
      let inner = 0;
      if (what === OBJECT) {
        target = this.#words.nodes[i];
        inner = this.#words.inner[i];
        if (this.sureType(target) >= 0) continue;
      } else if (what === ELSEWHERE && table.all[targets[k]].form === 'struct') {
        target = space.place(this.#words.high[i], this.#words.low[i]);
      }
      if (target < 0 || (target === node && inner === offset && targets[k] === type)) continue;
      if (table.all[targets[k]].form !== 'struct' && inner !== 0) continue;
      const parent = self();
      const isWhole = this.fit(target, targets[k], inner) === WHOLE;
      const p = STRENGTH[BY_POINTER] * claims.confidence(parent) * (isWhole ? 1 : PART_STRENGTH);
      const member = form === 'struct' ? offsets[k] : Math.floor(i / offsets.length) * size + offsets[k];
      this.say(target, targets[k], inner, p, parent, BY_POINTER, member);
    }
  }
}

/** Pointers of places outside of slabs that are read in one run: damage may make many large places of a little memory. */
const MOST_PLACE_WORDS = 1 << 25;
const MERGED_STRENGTH = 0.6;
const MERGED_GOOD = 4;

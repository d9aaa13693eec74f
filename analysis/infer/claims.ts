// What is said of objects: a claim is that a type lies at an offset of an object. Flat columns; the claims of one object are linked, and each knows the one that it was first said by.

/** Why something was said. */
export const BY_CACHE = 0;
export const BY_SYMBOL = 1;
export const BY_POINTER = 2;
export const BY_LIST = 3;
export const BY_SIBLING = 4;
export const BY_CONTAINER = 5;
export const BY_CODE = 6;
export const BY_CONTENT = 7;

/** Of each reason, how often it is right where nothing else is known. */
export const STRENGTH: readonly number[] = [0.98, 0.98, 0.9, 0.95, 0.8, 0.75, 0.75, 0.7];

export const WAITING = 0;
export const ACCEPTED = 1;
/** Another claim about the same bytes was believed. */
export const OVERRULED = 2;
/** The object's content is not of that type, or the object is too small for it. */
export const REFUTED = 3;

/** More different things are not said of one object. */
const MOST_OF_ONE = 256;
/** Of all objects together: some 40 bytes each. */
const MOST_CLAIMS = 1 << 25;
/** Nothing is surer than this: 1 - 0.001. */
const MOST_WEIGHT = -Math.log(0.001);

export class Claims {
  count = 0;
  /** Of which object, or place. */
  node = new Uint32Array(4096);
  type = new Uint32Array(4096);
  offset = new Uint32Array(4096);
  /** The sum of -ln(1 - p) of everything that said it. */
  weight = new Float32Array(4096);
  votes = new Uint32Array(4096);
  /** The claim that first said it, -1 for a root. */
  parent = new Int32Array(4096);
  /** BY_… what it first said it by, and where: the offset of a member of the parent's type, or the number of a root. */
  reason = new Uint8Array(4096);
  member = new Uint32Array(4096);
  state = new Uint8Array(4096);
  /** 1 where there are pointers behind the type's end, so that the object may be of a larger one. */
  open = new Uint8Array(4096);
  /** The next claim of the same object, -1 for none. */
  next = new Int32Array(4096);
  /** Claims that there was no room for. */
  left = 0;

  /** @param head the object's first claim, -1 for none; @returns the claim, -1 where there is no room for more. `isNew` tells whether it is a new one */
  say(
    head: number,
    node: number,
    type: number,
    offset: number,
    p: number,
    parent: number,
    reason: number,
    member: number,
  ): number {
    let last = -1;
    let length = 0;
    const weight = -Math.log(1 - Math.min(p, 0.999));
    for (let i = head; i >= 0; i = this.next[i]) {
      if (this.type[i] === type && this.offset[i] === offset) {
        this.weight[i] = Math.min(MOST_WEIGHT, this.weight[i] + weight);
        this.votes[i]++;
        this.isNew = false;
        return i;
      }
      last = i;
      length++;
    }
    this.isNew = length < MOST_OF_ONE && this.count < MOST_CLAIMS;
    if (!this.isNew) {
      this.left++;
      return -1;
    }
    if (this.count === this.node.length) this.#grow();
    const id = this.count++;
    this.node[id] = node;
    this.type[id] = type;
    this.offset[id] = offset;
    this.weight[id] = weight;
    this.votes[id] = 1;
    this.parent[id] = parent;
    this.reason[id] = reason;
    this.member[id] = member;
    this.state[id] = WAITING;
    this.open[id] = 0;
    this.next[id] = -1;
    if (last >= 0) this.next[last] = id;
    return id;
  }

  isNew = false;

  /** From 0 to 1: how likely it is right, by what speaks for it. */
  confidence(claim: number): number {
    return 1 - Math.exp(-this.weight[claim]);
  }

  #grow(): void {
    const length = 2 * this.node.length;
    const larger = <T extends Uint8Array | Uint32Array | Int32Array | Float32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.node = larger(new Uint32Array(length), this.node);
    this.type = larger(new Uint32Array(length), this.type);
    this.offset = larger(new Uint32Array(length), this.offset);
    this.weight = larger(new Float32Array(length), this.weight);
    this.votes = larger(new Uint32Array(length), this.votes);
    this.parent = larger(new Int32Array(length), this.parent);
    this.reason = larger(new Uint8Array(length), this.reason);
    this.member = larger(new Uint32Array(length), this.member);
    this.open = larger(new Uint8Array(length), this.open);
    this.state = larger(new Uint8Array(length), this.state);
    this.next = larger(new Int32Array(length), this.next);
  }
}

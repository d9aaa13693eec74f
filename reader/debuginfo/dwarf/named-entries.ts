// What the index knows of named entries: numbers in columns, chained by name in the order in which they were found.

export const STRUCT = 0;
export const UNION = 1;
export const ENUM = 2;
export const TYPEDEF = 3;
export const BASE = 4;
export const VARIABLE = 5;
export const FUNCTION = 6;
export const ENUMERATOR = 7;

/** Of types of one name and kind that differ; no kernel has more than some dozens. */
const MOST_VARIANTS = 64;
const NONE = 0xffff_ffff;
/** How good an entry of a variable or function is: a declaration, a definition that other files do not see, one that they do. */
export const DECLARATION = 0;
export const DEFINITION = 1;
export const EXTERNAL = 2;

export class NamedEntries {
  count = 0;
  /** How many are types. */
  types = 0;
  #kinds = new Uint8Array(1 << 10);
  #names = new Uint32Array(1 << 10);
  #places = new Float64Array(1 << 10);
  /** Of types what tells them apart (size, line, first member); of others how good an entry it is. */
  #marks = new Float64Array(1 << 10);
  #next = new Uint32Array(1 << 10);
  /** By name: the first and the last entry of its chain. */
  #heads = new Uint32Array(0);
  #tails = new Uint32Array(0);

  /**
   * Adds a type unless one of the same name, kind and mark is there: every unit has a copy. So of types that one line declares several times with another meaning, of the same size and
   * with the same first member, only the first is kept (one or two of a kernel's ten thousand).
   */
  addType(kind: number, name: number, mark: number, place: number): void {
    let variants = 0;
    for (let at = this.#first(name); at !== NONE; at = this.#next[at]) {
      if (this.#kinds[at] !== kind) continue;
      if (this.#marks[at] === mark || ++variants === MOST_VARIANTS) return;
    }
    this.types++;
    this.#append(kind, name, mark, place);
  }

  /** Adds what there can be one of by a name; of several the first of the best. */
  addBest(kind: number, name: number, rank: number, place: number): void {
    for (let at = this.#first(name); at !== NONE; at = this.#next[at]) {
      if (this.#kinds[at] !== kind) continue;
      if (rank > this.#marks[at]) {
        this.#marks[at] = rank;
        this.#places[at] = place;
      }
      return;
    }
    this.#append(kind, name, rank, place);
  }

  /** The places of a name's entries of one kind, in order. */
  places(kind: number, name: number): number[] {
    const places: number[] = [];
    for (let at = this.#first(name); at !== NONE; at = this.#next[at]) {
      if (this.#kinds[at] === kind) places.push(this.#places[at]);
    }
    return places;
  }

  /** The first of `places`, or -1. */
  place(kind: number, name: number): number {
    for (let at = this.#first(name); at !== NONE; at = this.#next[at]) {
      if (this.#kinds[at] === kind) return this.#places[at];
    }
    return -1;
  }

  /** The mark of the first of a name's entries of one kind; -1 if there is none. */
  mark(kind: number, name: number): number {
    for (let at = this.#first(name); at !== NONE; at = this.#next[at]) {
      if (this.#kinds[at] === kind) return this.#marks[at];
    }
    return -1;
  }

  /** Names of a kind, each once, in the order of their first entries. */
  *names(kind: number): Iterable<number> {
    for (let i = 0; i < this.count; i++) {
      if (this.#kinds[i] === kind && this.place(kind, this.#names[i]) === this.#places[i]) yield this.#names[i];
    }
  }

  #first(name: number): number {
    return name < this.#heads.length ? this.#heads[name] : NONE;
  }

  #append(kind: number, name: number, mark: number, place: number): void {
    if (this.count === this.#kinds.length) this.#grow();
    if (name >= this.#heads.length) this.#growNames(name);
    const at = this.count++;
    this.#kinds[at] = kind;
    this.#names[at] = name;
    this.#marks[at] = mark;
    this.#places[at] = place;
    this.#next[at] = NONE;
    if (this.#heads[name] === NONE) this.#heads[name] = at;
    else this.#next[this.#tails[name]] = at;
    this.#tails[name] = at;
  }

  #grow(): void {
    const room = this.#kinds.length * 2;
    this.#kinds = larger(this.#kinds, new Uint8Array(room));
    this.#names = larger(this.#names, new Uint32Array(room));
    this.#places = larger(this.#places, new Float64Array(room));
    this.#marks = larger(this.#marks, new Float64Array(room));
    this.#next = larger(this.#next, new Uint32Array(room));
  }

  #growNames(name: number): void {
    const room = Math.max(1 << 12, 2 ** Math.ceil(Math.log2(name + 1)) * 2);
    this.#heads = larger(this.#heads, new Uint32Array(room).fill(NONE));
    this.#tails = larger(this.#tails, new Uint32Array(room).fill(NONE));
  }
}

function larger<T extends { set(from: ArrayLike<number>): void }>(from: ArrayLike<number>, into: T): T {
  into.set(from);
  return into;
}

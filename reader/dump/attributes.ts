// Everything known about a dump as one hierarchical set of dotted names: each value with where it came from, readable and overridable
// (the model is libkdumpfile's attributes).

export type AttributeValue = string | number | bigint | boolean | null;

export interface Attribute {
  readonly value: AttributeValue;
  /** Where the value came from, for instance `kdump header`, `VMCOREINFO`, `user`, `computed from linux_banner`. */
  readonly from: string;
}

export class Attributes {
  readonly #set = new Map<string, Attribute>();
  readonly #overrides: ReadonlyMap<string, string>;
  readonly #used = new Set<string>();

  /** @param overrides what the user said (`--set key=value`); it wins over whatever the dump says */
  constructor(overrides: ReadonlyMap<string, string> = new Map()) {
    this.#overrides = overrides;
  }

  /** Records a value unless the user gave one; returns the value that holds, converted to the type of the one found. */
  set<T extends AttributeValue>(key: string, value: T, from: string): T {
    const override = this.#overrides.get(key);
    if (override === undefined) {
      this.#set.set(key, { value, from });
      return value;
    }
    this.#used.add(key);
    const said = convert(override, value) as T;
    this.#set.set(key, { value: said, from: 'user' });
    return said;
  }

  /** What the user said for a key that the dump may not know at all. */
  override(key: string): string | undefined {
    const said = this.#overrides.get(key);
    if (said !== undefined) {
      this.#used.add(key);
      if (!this.#set.has(key)) this.#set.set(key, { value: said, from: 'user' });
    }
    return said;
  }

  get(key: string): Attribute | undefined {
    return this.#set.get(key);
  }

  /** All attributes, sorted by key. */
  entries(): [string, Attribute][] {
    return [...this.#set].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Overrides that nothing asked for: most likely misspelt. */
  unused(): string[] {
    return [...this.#overrides.keys()].filter(key => !this.#used.has(key));
  }
}

/** @throws RangeError if `text` is not a value of the type of `like` */
function convert(text: string, like: AttributeValue): AttributeValue {
  if (typeof like === 'boolean') {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new RangeError(`${JSON.stringify(text)} is not true or false`);
  }
  if (typeof like === 'number' || typeof like === 'bigint') {
    const digits = text.replace(/^-/, '');
    if (!/^(0x[0-9a-f]+|\d+)$/i.test(digits)) throw new RangeError(`${JSON.stringify(text)} is not a number`);
    const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
    return typeof like === 'number' ? Number(value) : value;
  }
  return text;
}

// Everything known about a dump as one hierarchical set of dotted names: each value with where it came from, readable and overridable
// (the model is libkdumpfile's attributes).

export type AttributeValue = string | number | bigint | boolean | null;

export interface Attribute {
  readonly value: AttributeValue;
  /** Where the value came from, for instance `kdump header`, `VMCOREINFO`, `user`, `computed from linux_banner`. */
  readonly from: string;
}

/** What can be overridden: what the reader, the address map or a converted dump's header is made from. All else is only what the dump says. */
const SETTABLE: readonly (readonly [key: RegExp, like: AttributeValue])[] = [
  [/^arch\.(name|byte_order)$/, ''],
  [/^arch\.(bits|page_size)$/, 0],
  [/^linux\.phys_base$/, 0n],
  [/^linux\.vmcoreinfo\.lines\../, ''],
  [/^map\.(image|linear)\.offset$/, 0n],
  [/^elf\.(machine|osabi|flags|entry)$/, 0n],
  [/^kdump\.(timestamp\.(seconds|microseconds)|dump_level|current_cpu|nr_cpus)$/, 0n],
  [/^kdump\.utsname\.(sysname|nodename|release|version|machine|domainname)$/, ''],
];

const WHAT_CAN =
  'what can are arch.name, bits, byte_order and page_size, linux.phys_base, linux.vmcoreinfo.lines.KEY, map.image.offset and map.linear.offset, and in headers that convert writes elf.machine, osabi, flags and entry, kdump.timestamp.*, dump_level, current_cpu, nr_cpus and utsname.*';

export class Attributes {
  readonly #set = new Map<string, Attribute>();
  readonly #overrides: ReadonlyMap<string, string>;
  readonly #used = new Set<string>();

  /**
   * @param overrides what the user said (`--set key=value`); it wins over whatever the dump says
   * @throws RangeError for a key that cannot be overridden, or a value that is none
   */
  constructor(overrides: ReadonlyMap<string, string> = new Map()) {
    for (const [key, text] of overrides) {
      const settable = SETTABLE.find(([pattern]) => pattern.test(key));
      if (settable === undefined) throw new RangeError(`${key} cannot be set: ${WHAT_CAN}`);
      convert(key, text, settable[1]);
    }
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
    const said = convert(key, override, value) as T;
    this.#set.set(key, { value: said, from: 'user' });
    return said;
  }

  /**
   * What the user said for a key that the dump may not know at all, as a value of the type of `like`.
   * @throws RangeError if it is none
   */
  override<T extends AttributeValue>(key: string, like: T): T | undefined {
    const said = this.#overrides.get(key);
    if (said === undefined) return undefined;
    const value = convert(key, said, like) as T;
    this.#used.add(key);
    if (!this.#set.has(key)) this.#set.set(key, { value, from: 'user' });
    return value;
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
function convert(key: string, text: string, like: AttributeValue): AttributeValue {
  if (typeof like === 'boolean') {
    if (text === 'true' || text === '1') return true;
    if (text === 'false' || text === '0') return false;
    throw new RangeError(`${key}: ${JSON.stringify(text)} is not true or false`);
  }
  if (typeof like === 'number' || typeof like === 'bigint') {
    const digits = text.replace(/^-/, '');
    if (!/^(0x[0-9a-f]+|\d+)$/i.test(digits)) throw new RangeError(`${key}: ${JSON.stringify(text)} is not a number`);
    const value = text.startsWith('-') ? -BigInt(digits) : BigInt(digits);
    return typeof like === 'number' ? Number(value) : value;
  }
  return text;
}

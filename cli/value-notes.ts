// What there is to say of values that were asked for and that are none: each reason once, with how many it is true of and the first of them.
import type { NamedValue, Value } from 'kdumpling/analysis/object';
import type { Issues } from 'kdumpling/reader';

interface Note {
  readonly path: string;
  readonly why: string;
  readonly first: bigint;
  count: number;
}

export class ValueNotes {
  /** Values that cannot be had. */
  readonly #lost = new Map<string, Note>();
  /** What lies behind NULL: that is the answer. */
  readonly #behindNull = new Map<string, Note>();

  /** @param address the object that the path begins at */
  take(path: string, value: Value, address: bigint): void {
    if (value.kind === 'members') this.takeAll(value.members, address, `${path}.`);
    else if (value.kind === 'list')
      for (const [i, item] of value.items.entries()) this.take(`${path}[${i}]`, item, address);
    else if (value.kind === 'none') count(this.#lost, path, value.why, address);
    else if (value.kind === 'null')
      count(this.#behindNull, path, `${value.at === '' ? 'it' : value.at} is NULL`, address);
  }

  takeAll(members: readonly NamedValue[], address: bigint, before = ''): void {
    for (const { name, value } of members) this.take(`${before}${name}`, value, address);
  }

  /** True if every value could be had. */
  tell(issues: Issues): boolean {
    for (const [code, notes] of [
      ['no-value', this.#lost],
      ['behind-null', this.#behindNull],
    ] as const) {
      for (const { path, why, first, count: times } of notes.values())
        issues.add(code, `${path}: ${why}${times === 1 ? '' : ` (${times} times)`}`, first);
    }
    return this.#lost.size === 0;
  }
}

/** A struct may have a quarter of a million of values; more reasons than this nobody reads. */
const MOST_NOTES = 4096;

function count(notes: Map<string, Note>, path: string, why: string, address: bigint): void {
  const key = `${path}: ${why}`;
  const note = notes.get(key);
  if (note !== undefined) note.count++;
  else if (notes.size < MOST_NOTES) notes.set(key, { path, why, first: address, count: 1 });
}

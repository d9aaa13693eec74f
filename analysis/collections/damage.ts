// What a walk tells of a container that is not as its rules want it: one finding per place, with the value that was there.
// Poison: include/linux/poison.h (6.1; LIST_POISON2 was 0x200 up to 4.14), added to CONFIG_ILLEGAL_POINTER_VALUE of the architecture.
import { FAULT_SENTENCES, type FaultRecord, hex, type Issues, printable } from 'kdumpling/reader';

export type Container = 'list' | 'hlist' | 'chain' | 'rbtree' | 'radix-tree' | 'xarray' | 'maple-tree' | 'idr';

/** CONFIG_ILLEGAL_POINTER_VALUE: 64-bit architectures, powerpc, 32-bit ones. */
const POISON_DELTAS = [0xdead_0000_0000_0000n, 0x5dea_dbee_f000_0000n, 0n];
const POISONS: readonly (readonly [bigint, string])[] = [
  [0x100n, 'LIST_POISON1'],
  [0x122n, 'LIST_POISON2'],
  [0x200n, 'LIST_POISON2'],
];
const poisons = new Map(POISON_DELTAS.flatMap(delta => POISONS.map(([value, name]) => [delta + value, name])));

/** A pointer as a finding tells it: a poison by its name too. */
export function pointerText(value: bigint): string {
  const poison = poisons.get(value);
  if (poison !== undefined) return `${hex(value)} (${poison}: a deleted element)`;
  return value === 0n ? 'NULL' : hex(value);
}

/** After so many findings an answer about every CPU leaves out those that are left: what would be told of them is no better. */
export const MOST_FINDINGS = 10_000;

/** The findings of one walk: `damaged-…` for a rule that is broken, `unreadable-…` for memory that is not to be had. */
export class Damage {
  readonly #issues: Issues;
  readonly #container: Container;
  readonly #name: string;
  /** How many were told. */
  count = 0;

  /** @param name of this container for people, for instance `init_task.tasks` */
  constructor(issues: Issues, container: Container, name: string) {
    this.#issues = issues;
    this.#container = container;
    this.#name = name;
  }

  /** @param place the address of what is wrong */
  tell(place: bigint, what: string): void {
    this.count++;
    this.#issues.add(`damaged-${this.#container}`, `${this.#container} ${this.#name}: ${what}`, place);
  }

  /** @param what holds the address that cannot be read, for instance `next of 0x…` */
  unreadable(place: bigint, what: string, { reason, detail }: FaultRecord): void {
    this.count++;
    const why = detail === '' ? FAULT_SENTENCES[reason] : `${FAULT_SENTENCES[reason]} (${printable(detail)})`;
    const message = `${this.#container} ${this.#name}: ${what}, ${pointerText(place)}, cannot be read: ${why}`;
    this.#issues.add(`unreadable-${this.#container}`, message, place);
  }
}

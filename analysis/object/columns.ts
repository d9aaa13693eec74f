// The columns of a table of objects: a member that this kernel lacks, or that lies in memory which cannot be read, leaves its column empty and the row where it is.
import { hex, type Issues, MemoryFault } from 'kdumpling/reader';
import { Missing } from '../missing.js';
import type { Get } from './struct.js';

export class Columns {
  readonly #what: string;
  readonly #issues: Issues;
  #lost: string[] = [];
  #fault: MemoryFault | null = null;

  /** @param what the objects are, for sentences: `task` */
  constructor(what: string, issues: Issues) {
    this.#what = what;
    this.#issues = issues;
  }

  /**
   * A function that gives null where the value cannot be had. A column that this kernel cannot have is told at once, values of a row by `tell`.
   * @param make resolves the members; may throw Missing
   */
  add<T>(name: string, make: () => Get<T>): Get<T | null> {
    const get = this.#resolved(name, make);
    if (get === null) return () => null;
    return address => {
      try {
        return get(address);
      } catch (error) {
        if (!(error instanceof MemoryFault)) throw error;
        this.#lost.push(name);
        this.#fault ??= error;
        return null;
      }
    };
  }

  /** The same for what one row of several needs: a member that is missing there is no finding, its value is null. */
  optional<T>(name: string, has: boolean, make: () => Get<T>): Get<T | null> {
    return has ? this.add(name, make) : () => null;
  }

  #resolved<T>(name: string, make: () => Get<T>): Get<T> | null {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      this.#issues.add(`missing-${error.kind}`, `${name} of every ${this.#what} is unknown: ${error.message}`);
      return null;
    }
  }

  /** One finding for all that could not be read since the last call. */
  tell(address: bigint): void {
    if (this.#fault === null) return;
    const names = this.#lost.join(', ');
    this.#issues.add(
      'unreadable-memory',
      `of the ${this.#what} at ${hex(address)} these cannot be read: ${names}; ${this.#fault.message}`,
      address,
    );
    this.#lost = [];
    this.#fault = null;
  }
}

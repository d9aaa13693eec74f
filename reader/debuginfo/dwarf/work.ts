// How much one question may read. Entries refer to each other, and what many refer to is read many times: a small file can ask for work without end.
import { InputError } from '../../fault.js';

/** Entries, ranges and the like: the most costly questions about a kernel's units take a tenth. */
const MOST_WORK = 1 << 21;
/** What is left of that in the end for a file whose questions have taken too much. */
const LEAST_WORK = 1 << 14;

export class Work {
  readonly #source: string;
  #most = MOST_WORK;
  #left = MOST_WORK;

  constructor(source: string) {
    this.#source = source;
  }

  /** A new question begins. */
  reset(): void {
    this.#left = this.#most;
  }

  /** Throws InputError where a question has taken too much. */
  spend(steps: number, offset: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    const value = this.#most;
    this.#most = Math.max(LEAST_WORK, value >> 2);
    throw new InputError(
      { source: this.#source, record: 'debugging information entry', offset, field: 'steps', value },
      'entries refer to each other too often, no compiler writes such',
      'the debug information is damaged',
    );
  }
}

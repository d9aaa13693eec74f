// How much one question may read. Entries refer to each other, and what many refer to is read many times: a small file can ask for work without end.
import { InputError } from '../../fault.js';

/** Entries, ranges and the like: the most costly questions about a kernel's units take a tenth. */
const MOST_WORK = 1 << 21;

export class Work {
  readonly #source: string;
  #left = MOST_WORK;

  constructor(source: string) {
    this.#source = source;
  }

  /** A new question begins. */
  reset(): void {
    this.#left = MOST_WORK;
  }

  /** Throws InputError where a question has taken too much. */
  spend(steps: number, offset: number): void {
    this.#left -= steps;
    if (this.#left >= 0) return;
    throw new InputError(
      { source: this.#source, record: 'debugging information entry', offset, field: 'steps', value: MOST_WORK },
      'entries refer to each other too often, no compiler writes such',
      'the debug information is damaged',
    );
  }
}

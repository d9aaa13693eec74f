// Findings: what was odd, missing or wrong, told beside an answer and never instead of it.

import { printable } from './fault.js';

/** One finding. `address` is a virtual address (bigint), a physical address or a file offset (number, said which in `message`), or null. */
export interface Issue {
  /** A stable word for programs, for instance `missing-symbol`. */
  readonly code: string;
  /** A sentence for people. */
  readonly message: string;
  readonly address: bigint | number | null;
}

/**
 * A list of findings that hostile input cannot make grow without end: of each code the first 100 are kept whole, the
 * rest are counted and told in one closing issue.
 */
export class Issues implements Iterable<Issue> {
  static readonly MOST_PER_CODE = 100;
  readonly #kept: Issue[] = [];
  readonly #counts = new Map<string, number>();

  add(code: string, message: string, address: bigint | number | null = null): void {
    const count = (this.#counts.get(code) ?? 0) + 1;
    this.#counts.set(code, count);
    if (count <= Issues.MOST_PER_CODE) this.#kept.push({ code, message: printable(message), address });
  }

  addAll(issues: Iterable<Issue>): void {
    for (const issue of issues) this.add(issue.code, issue.message, issue.address);
  }

  has(code: string): boolean {
    return this.#counts.has(code);
  }

  /** How many were added, the uncounted surplus included. */
  get count(): number {
    let sum = 0;
    for (const n of this.#counts.values()) sum += n;
    return sum;
  }

  list(): Issue[] {
    const list = [...this.#kept];
    for (const [code, count] of this.#counts) {
      const more = count - Issues.MOST_PER_CODE;
      if (more > 0) list.push({ code, message: `${more} more of this kind were found`, address: null });
    }
    return list;
  }

  [Symbol.iterator](): Iterator<Issue> {
    return this.list()[Symbol.iterator]();
  }
}

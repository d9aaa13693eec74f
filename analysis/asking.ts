// Answers of several parts, each of which may be missing alone.
import { type Issues, MemoryFault } from 'kdumpling/reader';
import { Missing } from './missing.js';

/** Gives the part; null, and told as a finding, where a name or memory that it needs is not there. @param what for the sentence: `how many CPUs there are` */
export type Ask = <T>(what: string, answer: () => T) => T | null;

/** @param code of the findings; if left out it says what is missing: `missing-symbol`, `unreadable-memory` */
export const asking =
  (issues: Issues, code?: string): Ask =>
  (what, answer) => {
    try {
      return answer();
    } catch (error) {
      if (!(error instanceof Missing) && !(error instanceof MemoryFault)) throw error;
      const missing = error instanceof Missing ? `missing-${error.kind}` : 'unreadable-memory';
      issues.add(code ?? missing, `${what} cannot be told: ${error.message}`);
      return null;
    }
  };

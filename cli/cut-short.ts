// Whether a dump lacks something that it should have: an answer about the whole of it is then an answer in part.
import type { Dump, Issue } from 'kdumpling/reader';

/** Findings that tell of memory or notes that headers promise and the file does not have, or that were left out since no machine has them. */
const LOST: ReadonlySet<string> = new Set(['truncated', 'segment-address', 'unlikely-claim', 'note-cut-short']);

export const isCutShort = (dump: Dump, issues: readonly Issue[]): boolean =>
  dump.attributes.get('minidump.complete')?.value === false || issues.some(({ code }) => LOST.has(code));

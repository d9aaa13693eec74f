// What may come of an input, whatever it is: an answer, or a refusal that is one clear sentence with its place. Everything else is a fault of ours.
import { InputError, type Issue, MemoryFault, type Nowhere } from 'kdumpling/reader';

/** Words that a value leaves in a sentence when nobody thought of it. */
const NONSENSE = /\bNaN\b|\bundefined\b|\[object |\bInfinity\b|\bfunction\b/;
const QUOTED = /"(?:[^"\\]|\\.)*"/g;
/** What is nowhere in an input has no place in it, nor has what a format of output cannot carry. */
const PLACELESS: ReadonlySet<Nowhere> = new Set(['absent', 'output']);
/** No sentence needs more, whatever names the input has. */
const LONGEST = 1000;

/** What is wrong with a sentence, or null. */
export function wrongSentence(message: string): string | null {
  if (message.length < 10) return 'too short to say anything';
  if (message.length > LONGEST) return `${message.length} characters long`;
  if (/\p{Cc}/u.test(message)) return 'has control characters';
  // What stands in quotes is the input's own text.
  if (NONSENSE.test(message.replace(QUOTED, ''))) return 'has a value that nobody thought of';
  return null;
}

/** What is wrong with a refusal, or null. */
export function wrongRefusal(error: unknown): string | null {
  if (error instanceof MemoryFault) return wrongSentence(error.message);
  if (!(error instanceof InputError)) return error instanceof Error ? `${error.stack}` : `threw ${String(error)}`;
  const sentence = wrongSentence(error.message);
  if (sentence !== null) return `${sentence}: ${error.message}`;
  const { source, nowhere, record, offset, field } = error.place;
  if (source === '' || /[/\\]/.test(source)) return `its source is ${JSON.stringify(source)}: ${error.message}`;
  if (nowhere !== undefined) return PLACELESS.has(nowhere) ? null : `blames no field, but ${nowhere}: ${error.message}`;
  if (!record || !field || offset === undefined) return `lacks record, offset or field: ${error.message}`;
  if (offset !== undefined && (!Number.isFinite(offset) || offset < 0))
    return `its offset is ${offset}: ${error.message}`;
  return null;
}

/** What is wrong with a finding, or null. */
export function wrongIssue(issue: Issue): string | null {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(issue.code)) return `its code is ${JSON.stringify(issue.code)}`;
  const sentence = wrongSentence(issue.message);
  return sentence === null ? null : `${sentence}: ${issue.message}`;
}

export const isRefusal = (error: unknown): boolean => error instanceof InputError || error instanceof MemoryFault;

/** What in an answer no JSON can carry: NaN, Infinity, undefined. */
export function wrongValues(name: string, value: unknown): string[] {
  if (value === undefined) return [`${name} is undefined`];
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [`${name} is ${value}`];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => wrongValues(`${name}.${key}`, item));
}

// What is inferred of an object as lines for people.
import type { Evidence, InferredObject } from 'kdumpling/analysis/infer';
import { hex, printable } from 'kdumpling/reader';

/** Parts that are named. */
const NAMED = 3;

const BECAUSE = {
  overruled: 'was said, too, and less speaks for it',
  content: 'was said, too, and its content is not of that type',
  size: 'was said, too, and the object is too small for it',
} as const;

/** An object's type, each step to what it rests on, and what else was said. */
export function* inferredLines(object: InferredObject): Iterable<string> {
  yield printable(`  ${typeText(object)}`);
  for (const step of object.evidence) yield printable(`    ${evidenceText(step)}`);
  for (const { type, offset, why, confidence, evidence } of object.disagreements) {
    yield printable(`  but ${type}${offset === 0 ? '' : ` at +${hex(offset)}`} (${confidence}) ${BECAUSE[why]}`);
    for (const step of evidence.slice(0, 1)) yield printable(`    ${evidenceText(step)}`);
  }
}

/** What an object is, as far as that is known. */
export function typeText({ type, confidence, votes, parts }: InferredObject): string {
  if (type !== null) return `${type} (${confidence}${votes > 1 ? `, said ${votes} times` : ''})`;
  if (parts.length === 0) return 'of a type that nothing tells';
  const named = parts.slice(0, NAMED).map(part => `${part.type} at +${hex(part.offset)}`);
  return `has ${named.join(', ')}${parts.length > NAMED ? ` and ${parts.length - NAMED} more` : ''} in it`;
}

/** One step of the way to what was known at first. */
export function evidenceText({ kind, address, type, member, symbol }: Evidence): string {
  const of = address === null ? '' : ` at ${hex(address)}`;
  switch (kind) {
    case 'cache':
      return 'by the name of its cache';
    case 'symbol':
      return `by the variable ${symbol}`;
    case 'list':
      return symbol === null ? `on the list ${member} of the ${type}${of}` : `on the list ${symbol}`;
    case 'neighbour':
      return `linked by ${member} with the ${type}${of}`;
    case 'container':
      return `the only struct of its size with a ${type} there`;
    case 'code':
      return 'by the functions and tables that it points to';
    default:
      return `${member} of the ${type}${of} points to it`;
  }
}

// What the sources of the analyses ask for by name: the words in their text literals.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOM = join(import.meta.dirname, '../../../analysis');
const LITERAL = /'((?:struct |union )?[A-Za-z_]\w*(?: \*+)?)'/g;
const STRUCT = /\b(?:struct|hasStruct)\([\w.#]+, '(\w+)'/g;

function* sources(): Iterable<string> {
  for (const file of readdirSync(ROOM, { recursive: true, encoding: 'utf8' }).sort()) {
    // The table itself uses nothing.
    if (file.endsWith('.ts') && !file.endsWith('global-facts.ts')) yield readFileSync(join(ROOM, file), 'utf8');
  }
}

/** Every word that may be the name of a type: most are not. */
export function wordsOfAnalyses(): Set<string> {
  const words = new Set<string>();
  for (const text of sources()) {
    for (const [, literal] of text.matchAll(LITERAL)) words.add(literal.replace(/^(?:struct|union) | \*+$/g, ''));
  }
  return words;
}

/** Every struct that is asked for by its name in so many words. */
export function structsOfAnalyses(): Set<string> {
  const names = new Set<string>();
  for (const text of sources()) for (const [, name] of text.matchAll(STRUCT)) names.add(name);
  return names;
}

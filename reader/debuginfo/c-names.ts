// The names of C's arithmetic types: one type has several spellings, and compilers differ in the one they record. Source: C11 6.7.2, what GCC and clang write into DWARF.

const WORDS: ReadonlySet<string> = new Set(['unsigned', 'signed', 'long', 'short', 'int', 'char']);

/** The spellings under which a source may know a type: as given, GCC's (`long unsigned int`), clang's (`unsigned long`). */
export function baseTypeSpellings(name: string): readonly string[] {
  const words = name.trim().split(/\s+/);
  if (!words.every(word => WORDS.has(word))) return [name];
  const has = (word: string) => words.includes(word);
  const longs = words.filter(word => word === 'long').length;
  const sign = has('unsigned') ? 'unsigned' : has('signed') && has('char') ? 'signed' : '';
  const join = (...parts: string[]) => parts.filter(part => part !== '').join(' ');
  if (has('char')) return spellings(name, join(sign, 'char'));
  const width = has('short') ? 'short' : join(...Array.from({ length: longs }, () => 'long'));
  if (width === '') return spellings(name, join(sign, 'int'));
  return spellings(name, join(width, sign, 'int'), join(sign, width));
}

const spellings = (...names: string[]): readonly string[] => [...new Set(names)];

/** Whether a type of that name holds characters. */
export const isCharName = (name: string): boolean => /\bchar\b/.test(name);

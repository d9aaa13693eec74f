// Types as C writes them in a cast: `struct list_head *`, `unsigned long [4]`, `atomic_long_t [NR_VM_ZONE_STAT_ITEMS]`, `pid_t`.
import { type NamedKind, plainType, type Type } from 'kdumpling/reader/debuginfo';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';

const NAME =
  /^(?:(?:const|volatile)\s+)*(?:(struct|union|enum)\s+)?([A-Za-z_][\w ]*?)\s*((?:\*\s*|const\s*)*)((?:\[\s*(?:\d{1,9}|[A-Za-z_]\w*)?\s*\]\s*)*)$/;
const MOST_ELEMENTS = 999_999_999;
const LENGTH = /\[\s*(\w*)\s*\]/g;
/** gcc's spelling of base types, which BTF and DWARF use, for the ways people write them. */
const SPELLINGS: Readonly<Record<string, string>> = {
  'unsigned int': 'unsigned int',
  unsigned: 'unsigned int',
  long: 'long int',
  'unsigned long': 'long unsigned int',
  'long unsigned int': 'unsigned long',
  'long int': 'long',
  'unsigned long int': 'long unsigned int',
  'long long': 'long long int',
  'unsigned long long': 'long long unsigned int',
  short: 'short int',
  'unsigned short': 'short unsigned int',
  bool: '_Bool',
};

/** @throws Missing for a name that the kernel does not have, or a text that is no type */
export function typeNamed(kernel: Kernel, text: string): Type {
  const match = NAME.exec(text.trim());
  if (match === null) throw new Missing('type', JSON.stringify(text), 'a type is written as in a C cast');
  const [, tag, name, stars, brackets] = match;
  let type = base(kernel, tag as NamedKind | undefined, name.replace(/\s+/g, ' '));
  if (type === null) throw new Missing('type', tag === undefined ? name : `${tag} ${name}`);
  for (const star of stars) {
    if (star === '*') type = { kind: 'pointer', size: kernel.memory.pointerSize, target: type };
  }
  const lengths = [...brackets.matchAll(LENGTH)].map(([, length]) => lengthOf(kernel, length));
  for (const length of lengths.reverse()) type = { kind: 'array', element: type, length };
  return type;
}

/** Of an array: a number, the value of an enumerator, or null for `[]`. */
function lengthOf(kernel: Kernel, text: string): number | null {
  if (text === '') return null;
  if (/^\d/.test(text)) return Number(text);
  const value = Number(kernel.types?.enumerator(text) ?? -1n);
  if (value < 0 || value > MOST_ELEMENTS) throw new Missing('type', `[${text}]: an enumerator that is a length`);
  return value;
}

function base(kernel: Kernel, tag: NamedKind | undefined, name: string): Type | null {
  if (tag === undefined && name === 'void') return { kind: 'void' };
  const { types } = kernel;
  if (types === null) return null;
  const kinds: readonly NamedKind[] = tag === undefined ? ['base', 'typedef', 'struct', 'union', 'enum'] : [tag];
  const names = SPELLINGS[name] === undefined ? [name] : [name, SPELLINGS[name]];
  for (const one of names) {
    for (const kind of kinds) {
      const type = types.find(kind, one);
      if (type !== null && plainType(type).kind !== 'void') return type;
    }
  }
  return null;
}

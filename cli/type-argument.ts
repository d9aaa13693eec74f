// A type on the command line: by its tag or name, or as in a C cast.
import { type Kernel, Missing } from 'kdumpling/analysis';
import { completed, typeNamed } from 'kdumpling/analysis/object';
import { declaration, type NamedKind, plainType, type Type } from 'kdumpling/reader/debuginfo';

export type PlainType = ReturnType<typeof plainType>;

/** What a typedef stands for. */
export interface GivenTypedef {
  readonly name: string;
  /** As C declares it, without the name. */
  readonly type: string;
  /** With it. */
  readonly declaration: string;
}

export interface GivenType {
  /** As C has it in a cast. */
  readonly label: string;
  /** From the name that was given down to the plain type; [] where that was given. */
  readonly typedefs: readonly GivenTypedef[];
  readonly plain: PlainType;
}

const MOST_SUGGESTED = 5;
const MOST_TYPEDEFS = 64;

/** @throws Missing with names like it */
export function givenType(kernel: Kernel, text: string): GivenType {
  const type = completed(kernel, namedType(kernel, text));
  const typedefs: GivenTypedef[] = [];
  let at = type;
  while (at.kind !== 'void' && 'target' in at && at.kind !== 'pointer' && typedefs.length < MOST_TYPEDEFS) {
    const { target } = at;
    if (at.kind === 'typedef')
      typedefs.push({ name: at.name, type: declaration(target, ''), declaration: declaration(target, at.name) });
    at = target;
  }
  return { label: declaration(type, ''), typedefs, plain: plainType(completed(kernel, plainType(type))) };
}

function namedType(kernel: Kernel, text: string): Type {
  // Tags first: most that is asked for has one.
  const texts = /[^\w]/.test(text.trim()) ? [text] : [`struct ${text}`, `union ${text}`, `enum ${text}`, text];
  for (const one of texts) {
    try {
      return typeNamed(kernel, one);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
    }
  }
  if (kernel.types === null) {
    throw new Missing('type', text, 'this dump carries no types: give the vmlinux with --vmlinux');
  }
  const like = suggestions(kernel, text);
  throw new Missing('type', text, like.length === 0 ? '' : `there is ${like.join(', ')}`);
}

function suggestions(kernel: Kernel, name: string): string[] {
  const word = (name.split(/\s+/).at(-1) ?? '').toLowerCase();
  const found: string[] = [];
  if (word === '') return found;
  for (const kind of ['struct', 'union', 'enum', 'typedef'] satisfies NamedKind[]) {
    for (const one of kernel.types?.names(kind) ?? []) {
      if (!one.toLowerCase().includes(word)) continue;
      found.push(kind === 'typedef' ? one : `${kind} ${one}`);
      if (found.length === MOST_SUGGESTED) return found;
    }
  }
  return found;
}

// What the finders of symbols work with: candidates out of code, and whether the content at one is what it should be.
import { MemoryFault } from 'kdumpling/reader';
import type { Kernel } from '../kernel.js';
import { Missing } from '../missing.js';
import { struct } from '../object/index.js';
import { CODE_REFERENCES, type CodeReference } from './code/references.js';

/** How far content speaks for a candidate: `sure` for what no other variable can hold, `likely` for what several might. */
export type Verdict = 'sure' | 'likely' | 'no';

/** A function is never longer; kallsyms' sizes are distances to the next symbol. */
const MOST_CODE = 32768;
/** Static functions of one name that are looked at. */
const MOST_ALIASES = 16;
const MOST_NAME = 256;

export class Finding {
  /** Without the symbols that are to be found. */
  readonly kernel: Kernel;
  readonly #find: (name: string) => bigint | null;
  readonly #references = new Map<string, readonly CodeReference[]>();

  /** @param find a symbol of the dump, or another that is found as this one is */
  constructor(kernel: Kernel, find: (name: string) => bigint | null) {
    this.kernel = kernel;
    this.#find = find;
  }

  /** @throws Missing */
  address(name: string): bigint {
    const address = this.#find(name);
    if (address === null) throw new Missing('symbol', name);
    return address;
  }

  find(name: string): bigint | null {
    return this.#find(name);
  }

  /** What the code of a function names, without what lies in the function itself; [] if there is no such function or its code is not in the dump. */
  references(name: string): readonly CodeReference[] {
    let found = this.#references.get(name);
    if (found === undefined) {
      found = this.#decode(name);
      this.#references.set(name, found);
    }
    return found;
  }

  #decode(name: string): CodeReference[] {
    const { arch, memory, symbols } = this.kernel;
    const decode = CODE_REFERENCES[arch.name];
    if (decode === undefined) return [];
    const found: CodeReference[] = [];
    for (const { address, size } of symbols.all(name).slice(0, MOST_ALIASES)) {
      const length = Math.min(size, MOST_CODE);
      const at = memory.locate(address, length);
      if (length === 0 || at < 0) continue;
      const code = memory.arena.slice(at, at + length);
      for (const reference of decode(code, address, memory)) {
        if (reference.address < address || reference.address >= address + BigInt(length)) found.push(reference);
      }
    }
    return found;
  }

  word(address: bigint): bigint {
    return this.kernel.memory.pointer(address);
  }

  /** A word of a struct's member. */
  member(type: string, path: string, address: bigint): bigint {
    return struct(this.kernel, type).word(path)(address);
  }

  /** Text of letters as names have, at least one; null for anything else. */
  name(address: bigint): string | null {
    const text = this.kernel.memory.text(address, MOST_NAME);
    return /^[\w.:@/()# -]{1,255}$/.test(text) ? text : null;
  }

  /** Both neighbours of a list's head point back at it; null if they do not, else the first entry's list_head, the head itself in an empty list. */
  listAt(head: bigint): bigint | null {
    const step = BigInt(this.kernel.memory.pointerSize);
    const next = this.word(head);
    const prev = this.word(head + step);
    return this.word(next + step) === head && this.word(prev) === head ? next : null;
  }

  /** A list whose entries are structs of a type: `entry` tells of one whether it is. */
  list(head: bigint, type: string, member: string, entry: (address: bigint) => boolean): Verdict {
    const next = this.listAt(head);
    if (next === null) return 'no';
    if (next === head) return 'likely';
    return entry(struct(this.kernel, type).container(member)(next)) ? 'sure' : 'no';
  }
}

/** What a check says; what it cannot read, or has no type for, does not speak for a candidate. */
export function verdictOf(check: () => Verdict): Verdict {
  try {
    return check();
  } catch (error) {
    if (error instanceof MemoryFault || error instanceof Missing || error instanceof RangeError) return 'no';
    throw error;
  }
}

// What `list` and `tree` have in common: where a walk begins, which struct its nodes are in, which members are printed.
import type { Kernel } from 'kdumpling/analysis';
import { MemberPath, type NamedValue, plainValue, type Struct, struct } from 'kdumpling/analysis/object';
import { type Issues, printable } from 'kdumpling/reader';
import { parseAddress, parseNumber } from './address-argument.js';
import { UsageError } from './command.js';
import { memberPaths } from './member-paths.js';
import { ValueNotes } from './value-notes.js';
import { inlineText, memberLines } from './value-text.js';

const MEMBER = /^(?:struct\s+)?([A-Za-z_]\w*)\.([A-Za-z_][\w.[\]]*)$/;

/** A place in a struct, given as STRUCT.MEMBER or as a number of bytes. */
export interface MemberOffset {
  readonly layout: Struct | null;
  readonly offset: number;
}

/** @throws UsageError, Missing */
export function memberOffset(kernel: Kernel, text: string | undefined): MemberOffset {
  if (text === undefined) return { layout: null, offset: 0 };
  const number = parseNumber(text);
  if (number !== null && number < 1n << 20n) return { layout: null, offset: Number(number) };
  const match = MEMBER.exec(text);
  if (match === null) throw new UsageError(`${JSON.stringify(text)} is neither STRUCT.MEMBER nor a number of bytes`);
  const layout = struct(kernel, match[1]);
  return { layout, offset: layout.offset(match[2]) };
}

/** @throws UsageError */
export function startAddress(kernel: Kernel, text: string): bigint {
  return parseAddress(text, () => kernel.symbols).address;
}

/** The members that are printed of each element; none without --print. */
export class PrintedMembers {
  readonly #paths: readonly MemberPath[];
  readonly #wanted: boolean;
  readonly #notes = new ValueNotes();

  /** @throws UsageError, Missing */
  constructor(kernel: Kernel, layout: Struct | null, text: string | undefined) {
    this.#wanted = text !== undefined;
    const paths = text === undefined ? [] : memberPaths(text);
    if (layout === null && this.#wanted)
      throw new UsageError('--print needs to know the struct: give --offset STRUCT.MEMBER or --struct');
    this.#paths = layout === null ? [] : paths.map(path => new MemberPath(kernel, layout.type, path));
  }

  /** Null without --print. */
  of(address: bigint): readonly NamedValue[] | null {
    if (!this.#wanted) return null;
    return this.#paths.map(path => {
      const value = path.value(address);
      this.#notes.take(path.path, value, address);
      return { name: path.path, value };
    });
  }

  /** Tells what could not be had; true if there is nothing. */
  tell(issues: Issues): boolean {
    return this.#notes.tell(issues);
  }
}

/** As JSON. */
export const plainMembers = (values: readonly NamedValue[] | null): unknown =>
  values === null ? null : plainValue({ kind: 'members', members: values });

/** An element and its members: in one line where none has members of its own. */
export function* elementLines(head: string, values: readonly NamedValue[] | null): Iterable<string> {
  const texts = (values ?? []).map(({ name, value }) => {
    const text = inlineText(value);
    return text === null ? null : `${name} = ${text}`;
  });
  if (!texts.includes(null)) {
    yield printable(texts.length === 0 ? head : `${head}  ${texts.join(', ')}`);
    return;
  }
  yield head;
  for (const line of memberLines(values ?? [], '  ')) yield printable(line);
}

/** The node's element. */
export const elementOf = (node: bigint, offset: number): bigint => BigInt.asUintN(64, node - BigInt(offset));

// What `list` and `tree` have in common: where a walk begins, which struct its nodes are in, which members are printed.
import type { Kernel } from 'kdumpling/analysis';
import { type MemberValues, memberValues, type Struct, struct } from 'kdumpling/analysis/object';
import { hex } from 'kdumpling/reader';
import { parseAddress, parseNumber } from './address-argument.js';
import { UsageError } from './command.js';

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

/** The members to print, as functions made once; null if there are none. @throws UsageError, Missing */
export function printed(layout: Struct | null, text: string | undefined): ((address: bigint) => MemberValues) | null {
  if (text === undefined) return null;
  if (layout === null)
    throw new UsageError('--print needs to know the struct: give --offset STRUCT.MEMBER or --struct');
  return memberValues(
    layout,
    text
      .split(',')
      .map(path => path.trim())
      .filter(path => path !== ''),
  );
}

export function valuesText(values: MemberValues | null): string {
  if (values === null) return '';
  const parts = Object.entries(values).map(([path, value]) => {
    const text =
      typeof value === 'bigint' ? hex(value) : typeof value === 'string' ? JSON.stringify(value) : `${value ?? '?'}`;
    return `${path} = ${text}`;
  });
  return `  ${parts.join(', ')}`;
}
